import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readlinkSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { promisify } from 'node:util'
import { Worker } from 'node:worker_threads'
import { asyncScheduler, concat, NEVER, of } from 'rxjs'
import { describe, expect, it, onTestFinished } from 'vitest'
import { runChecks } from '../../src/health/checks.ts'
import { tcpProbe } from '../../src/health/tcp.ts'
import { type IpAddress, parseAddress } from '../../src/model/address.ts'
import { Listener, pause } from './scratch.ts'

function address(text: string): IpAddress {
  const parsed = parseAddress(text)
  if (parsed === undefined) throw new Error(`not an address: ${text}`)
  return parsed
}

async function listening(host: string): Promise<{ server: Server; port: number; accepted: () => number }> {
  let accepted = 0
  const server = createServer((socket) => {
    accepted++
    socket.on('error', () => {})
  })
  server.listen(0, host)
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  const at = server.address()
  if (at === null || typeof at === 'string') throw new Error('no port')
  return { server, port: at.port, accepted: () => accepted }
}

/** A port whose listener never accepts and whose queue is full: the kernel drops what else would connect. */
async function deaf(): Promise<number> {
  const worker = new Worker(
    `const { createServer } = require('node:net')
     const { parentPort } = require('node:worker_threads')
     const server = createServer().listen({ host: '127.0.0.1', port: 0, backlog: 1 }, () => {
       parentPort.postMessage(server.address().port)
       Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
     })`,
    { eval: true },
  )
  onTestFinished(() => worker.terminate().then(() => {}))
  const [port] = (await once(worker, 'message')) as [number]
  const filling: Socket[] = []
  onTestFinished(() => {
    for (const socket of filling) socket.destroy()
  })
  const target = { address: address('127.0.0.1'), port }
  for (let filled = 0; filled < 10; filled++) {
    filling.push(connect(port, '127.0.0.1').on('error', () => {}))
    await pause(20)
    const { outcome } = await tcpProbe(target)(AbortSignal.timeout(200))
    if (outcome === 'failed') return port
  }
  throw new Error('the queue of the listener is never full')
}

/** Connections of a port that the kernel keeps in TIME_WAIT (state 06 of proc_net_tcp). */
async function waitingAt(port: number): Promise<number> {
  const suffix = `:${port.toString(16).toUpperCase().padStart(4, '0')}`
  const lines = (await readFile('/proc/net/tcp', 'utf8')).split('\n').map((line) => line.trim().split(/\s+/))
  return lines.filter(([, local, remote, state]) => state === '06' && (local?.endsWith(suffix) || remote?.endsWith(suffix)))
    .length
}

const usual = () => AbortSignal.timeout(2_000)

/** Open sockets of this process, of Node's and others. */
function sockets(): number {
  return readdirSync('/proc/self/fd').filter((fd) => linkOf(`/proc/self/fd/${fd}`).startsWith('socket:')).length
}

/** Empty where the descriptor is closed by now. */
function linkOf(path: string): string {
  try {
    return readlinkSync(path)
  } catch {
    return ''
  }
}

describe('a TCP connect', () => {
  it.each(['127.0.0.1', '::1'])('passes where somebody listens, who has nothing to accept (%s)', async (host) => {
    const { port, accepted } = await listening(host)
    expect(await tcpProbe({ address: address(host), port })(usual())).toEqual({ outcome: 'passed' })
    const later = connect(port, host)
    onTestFinished(() => void later.destroy())
    await expect.poll(accepted, { message: 'only who comes later' }).toBe(1)
  })

  it.each(['127.0.0.1', '::1'])('is refused where nobody listens (%s)', async (host) => {
    const { server, port } = await listening(host)
    await new Promise((resolve) => server.close(resolve))
    const name = host === '::1' ? `[::1]:${port}` : `127.0.0.1:${port}`
    expect(await tcpProbe({ address: address(host), port })(usual())).toEqual({
      outcome: 'failed',
      failure: 'refused',
      message: `${name} refuses connections`,
    })
  })

  it('finds no way to where no host can be', async () => {
    // The kernel has no route for TCP to a broadcast address; this one is loopback's own.
    expect(await tcpProbe({ address: address('127.255.255.255'), port: 9 })(usual())).toEqual({
      outcome: 'failed',
      failure: 'unreachable',
      message: 'no way leads to 127.255.255.255:9',
    })
  })

  it('is over when its time is, and before it begins when that is over already', async () => {
    const target = { address: address('127.0.0.1'), port: await deaf() }
    const timedOut = { outcome: 'failed', failure: 'timed-out', message: `127.0.0.1:${target.port} does not answer in time` }
    const before = sockets()
    const begun = performance.now()
    expect(await tcpProbe(target)(AbortSignal.timeout(200))).toEqual(timedOut)
    expect(performance.now() - begun).toBeGreaterThanOrEqual(195)
    expect(performance.now() - begun).toBeLessThan(2_000)
    expect(await tcpProbe(target)(AbortSignal.abort())).toEqual(timedOut)
    await expect.poll(sockets).toBeLessThanOrEqual(before)
  })

  it('learns nothing when it is this machine that cannot', async () => {
    const { port } = await listening('127.0.0.1')
    const program = `
      import { openSync } from 'node:fs'
      import { tcpProbe } from '${new URL('../../src/health/tcp.ts', import.meta.url)}'
      try { for (;;) openSync('/dev/null') } catch {}
      console.log(JSON.stringify(await tcpProbe({ address: '127.0.0.1', port: ${port} })(AbortSignal.timeout(2000))))`
    const script = 'ulimit -n 64; exec "$0" --input-type=module --eval "$1"'
    const { stdout } = await promisify(execFile)('sh', ['-c', script, process.execPath, program], { timeout: 30_000 })
    expect(JSON.parse(stdout)).toEqual({
      outcome: 'unknown',
      message: `no connection to 127.0.0.1:${port} could be tried (EMFILE)`,
    })
  })

  it('leaves no socket behind, neither open nor waiting', async () => {
    const { port } = await listening('127.0.0.1')
    const before = sockets()
    const probe = tcpProbe({ address: address('127.0.0.1'), port })
    for (let round = 0; round < 10; round++) {
      const results = await Promise.all(Array.from({ length: 50 }, () => probe(usual())))
      expect(results.every(({ outcome }) => outcome === 'passed')).toBe(true)
    }
    await expect.poll(sockets).toBeLessThanOrEqual(before)
    expect(await waitingAt(port)).toBe(0)
  })
})

describe('many checks at once', () => {
  it('all come round while nobody answers, keep their deadlines, and are freed when nobody wants them any more', async () => {
    const target = { address: address('127.0.0.1'), port: await deaf() }
    const before = sockets()
    const check = { probe: tcpProbe(target), interval: 1_000, timeout: 300 }
    const checks = new Map(Array.from({ length: 60 }, (_, index) => [`check ${index}`, check] as const))
    const heard = new Listener(concat(of(checks), NEVER).pipe(runChecks({ limit: 20, scheduler: asyncScheduler })))
    await pause(150)
    expect(sockets()).toBeGreaterThan(before)
    await pause(1_850)
    expect(new Set(heard.heard.map(({ key }) => key)).size).toBe(60)
    for (const { result } of heard.heard) expect(result).toMatchObject({ failure: 'timed-out' })
    heard.stop()
    await expect.poll(sockets).toBeLessThanOrEqual(before)
  })
})
