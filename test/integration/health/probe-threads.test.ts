import { once } from 'node:events'
import { readdirSync, readlinkSync } from 'node:fs'
import { createServer as createHttpServer } from 'node:http'
import { createServer, type Server, type Socket } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { probeFor } from '../../../src/health/registry.ts'
import type { StartedThread, ThreadListener } from '../../../src/health/threads/probe-thread.ts'
import { ProbeThreads, type ProbeThreadsOptions, type ThreadEnd } from '../../../src/health/threads/probe-threads.ts'
import { startProbeWorker } from '../../../src/health/threads/start-thread.ts'
import type { HttpProbeSpec } from '../../../src/model/probe-spec.ts'
import { serviceKey } from '../../../src/model/virtual-service.ts'
import { identity, key } from '../../support/desired.ts'
import { FakeHost } from '../../unit/daemon/fake-host.ts'
import { type DaemonRig, freePort, startDaemon, yamlOf } from '../../unit/daemon/rig.ts'
import { serving } from './bad-servers.ts'

const WEB = serviceKey(identity('tcp/10.0.0.1:80'))
const RAW = serviceKey(identity('tcp/10.0.0.2:80'))
const NUMBERS = Array.from({ length: 20 }, (_, index) => index + 1)
const HTTP: HttpProbeSpec = {
  ...{ kind: 'http', version: '1.1', method: 'GET', path: '/', headers: {} },
  ...{ status: [{ from: 200, to: 299 }], redirects: 'accept' },
}

/** A table in memory, and real threads that can be killed. */
class Host extends FakeHost {
  /** Those that live, the oldest first. */
  readonly threads: StartedThread[] = []
  started = 0
  /** How often this thread asked. */
  askedHere = 0

  override probeFor(...[kind, target]: Parameters<FakeHost['probeFor']>): ReturnType<FakeHost['probeFor']> {
    const probe = probeFor(kind, target)
    return (signal) => {
      this.askedHere += 1
      return probe(signal)
    }
  }

  override startProbeThread(listener: ThreadListener): StartedThread {
    const thread = startProbeWorker({
      ...listener,
      ended: (why) => {
        this.threads.splice(this.threads.indexOf(thread), 1)
        listener.ended(why)
      },
    })
    this.threads.push(thread)
    this.started += 1
    return thread
  }
}

async function listen(server: Server, port: number, host: string): Promise<void> {
  const open = new Set<Socket>()
  server.on('connection', (socket) => {
    open.add(socket.on('error', () => {}))
    socket.on('close', () => open.delete(socket))
  })
  server.listen(port, host)
  await once(server, 'listening')
  onTestFinished(async () => {
    for (const socket of open) socket.destroy()
    await new Promise((resolve) => server.close(resolve))
  })
}

interface Stage {
  readonly rig: DaemonRig
  readonly host: Host
  readonly servers: ReadonlyMap<number, Server>
  /** Backends with a weight, of the HTTP and of the TCP service. */
  serving(): readonly [web: readonly number[], raw: readonly number[]]
  /** A value of the metrics; 0 where there is none. */
  metric(series: string): Promise<number>
  /** Has so many threads from now on. */
  resize(threads: number): Promise<void>
}

/** Twenty backends that answer over HTTP after 150 ms, and twenty that take connections. */
async function stage(threads: number): Promise<Stage> {
  const port = await freePort()
  const servers = new Map<number, Server>()
  for (const number of NUMBERS) {
    const web = createHttpServer((_, response) => void setTimeout(() => response.end('ok'), 150))
    servers.set(number, web)
    await listen(web, port, `127.0.2.${number}`)
    await listen(
      createServer((socket) => socket.resume()),
      port,
      `127.0.3.${number}`,
    )
  }
  const backends = (network: number) => JSON.stringify(NUMBERS.map((number) => `127.0.${network}.${number}:${port}`))
  const times = 'interval: 200ms, timeout: 2s, fall: 2'
  const services = `
  - { name: web, listen: 10.0.0.1:80, backends: ${backends(2)}, health_check: { ${times}, http: { path: / } } }
  - { name: raw, listen: 10.0.0.2:80, backends: ${backends(3)}, health_check: { ${times}, type: tcp } }`
  const host = new Host()
  let text = (_: number): string => expect.unreachable()
  const rig = await startDaemon(
    (directory, admin) => {
      text = (count) => yamlOf(directory, admin, services, `probe_threads: ${count}\nwatch_poll: 1s`)
      return text(threads)
    },
    { host },
  )
  const up = (service: typeof WEB, network: number) =>
    NUMBERS.filter((number) => (host.kernel.destination(service, key(`127.0.${network}.${number}:${port}`))?.weight ?? 0) > 0)
  return {
    ...{ rig, host, servers },
    serving: () => [up(WEB, 2), up(RAW, 3)],
    metric: async (series) => {
      const { text: all } = await rig.fetch('/metrics')
      const line = all.split('\n').find((one) => one.startsWith(`${series} `))
      return Number(line?.split(' ')[1] ?? 0)
    },
    resize: (count) => rig.reconfigure(text(count)),
  }
}

const passed = (kind: string) => `pointsman_probes_total{type="${kind}",result="passed"}`
const failed = (kind: string) => `pointsman_probes_total{type="${kind}",result="failed"}`
const PATIENCE = { timeout: 20_000 }

test('threads that are killed again and again are replaced, and no backend fails by it', async () => {
  const { rig, host, serving: up, metric, servers } = await stage(2)
  await expect.poll(() => metric('pointsman_probe_threads'), PATIENCE).toBe(2)
  await expect.poll(() => metric(passed('http')), PATIENCE).toBeGreaterThan(40)
  const { askedHere } = host
  const again = () => rig.log.reduce((sum, { again: count }) => sum + (typeof count === 'number' ? count : 0), 0)
  // Some 15 questions are on their way at any time.
  for (let killed = 0; killed < 6; killed++) {
    const before = host.started
    host.threads[0]?.kill()
    await expect.poll(() => host.started, PATIENCE).toBe(before + 1)
    await expect.poll(() => metric('pointsman_probe_threads'), PATIENCE).toBe(2)
    const [web, raw] = await Promise.all([metric(passed('http')), metric(passed('tcp'))])
    await expect.poll(() => metric(passed('http')), PATIENCE).toBeGreaterThan(web + 20)
    await expect.poll(() => metric(passed('tcp')), PATIENCE).toBeGreaterThan(raw + 20)
    expect(up()).toEqual([NUMBERS, NUMBERS])
  }
  expect(again()).toBeGreaterThan(0)
  expect(await metric('pointsman_probe_thread_ends_total')).toBe(6)
  expect(await Promise.all([metric(failed('http')), metric(failed('tcp'))])).toEqual([0, 0])
  expect(host.askedHere).toBe(askedHere)
  // They still find what is down.
  servers.get(7)?.close()
  await expect.poll(() => up()[0], PATIENCE).toEqual(NUMBERS.filter((number) => number !== 7))
  expect(await metric(failed('http'))).toBeGreaterThan(1)
  await rig.stop()
})

test('the number of threads follows the configuration, while probes go on', async () => {
  const { rig, host, serving: up, metric, resize } = await stage(0)
  await expect.poll(() => metric(passed('tcp')), PATIENCE).toBeGreaterThan(20)
  expect([host.started, host.askedHere > 20]).toEqual([0, true])
  for (const count of [2, 1, 3, 0]) {
    await resize(count)
    await expect.poll(() => metric('pointsman_probe_threads'), PATIENCE).toBe(count)
    const [web, here] = [await metric(passed('http')), host.askedHere]
    await expect.poll(() => metric(passed('http')), PATIENCE).toBeGreaterThan(web + 40)
    expect(host.askedHere > here).toBe(count === 0)
  }
  expect(up()).toEqual([NUMBERS, NUMBERS])
  expect(await metric('pointsman_probe_thread_ends_total')).toBe(0)
  expect(await Promise.all([metric(failed('http')), metric(failed('tcp'))])).toEqual([0, 0])
  expect(host.started).toBe(4)
  await resize(2)
  await expect.poll(() => metric('pointsman_probe_threads'), PATIENCE).toBe(2)
  await rig.stop()
  expect(host.threads).toEqual([])
})

/** Sockets and epolls of this process. */
function descriptors(): number {
  return readdirSync('/proc/self/fd').filter((name) => {
    try {
      return /^socket:|eventpoll/.test(readlinkSync(`/proc/self/fd/${name}`))
    } catch {
      return false
    }
  }).length
}

/** One real thread that asks, and those that were started for it. */
function oneThread(told: Pick<ProbeThreadsOptions, 'onCount' | 'onEnd'>) {
  const started: StartedThread[] = []
  const start: ProbeThreadsOptions['start'] = (listener) => {
    const thread = startProbeWorker(listener)
    started.push(thread)
    return thread
  }
  const threads = new ProbeThreads({ count: 1, start, probeFor, ...told })
  onTestFinished(() => threads[Symbol.asyncDispose]())
  return { threads, started }
}

test('what a killed thread had open is closed, and what is cancelled is freed', async () => {
  const accepted: Socket[] = []
  const target = await serving((socket) => accepted.push(socket.resume()))
  const ends: ThreadEnd[] = []
  let ready = 0
  const before = descriptors()
  const { threads, started } = oneThread({
    onCount: (count) => {
      ready = count
    },
    onEnd: (end) => ends.push(end),
  })
  await expect.poll(() => ready, PATIENCE).toBe(1)
  const cancel = new AbortController()
  const asked = Array.from({ length: 50 }, () => threads.probeFor(HTTP, target)(cancel.signal))
  await expect.poll(() => accepted.length, PATIENCE).toBe(50)
  started[0]?.kill()
  // The second thread asks all of them again; of the first nothing is left, as the servers see it, too.
  await expect.poll(() => accepted.length, PATIENCE).toBe(100)
  await expect.poll(() => accepted.filter(({ readableEnded, destroyed }) => readableEnded || destroyed).length, PATIENCE).toBe(50)
  expect(ends).toEqual([{ why: 'itself', cannotStart: false, again: 50 }])
  cancel.abort()
  const results = await Promise.all(asked)
  expect(new Set(results.map(({ outcome }) => outcome))).toEqual(new Set(['failed']))
  for (const socket of accepted) socket.destroy()
  await threads[Symbol.asyncDispose]()
  await expect.poll(descriptors, PATIENCE).toBeLessThanOrEqual(before)
})

test('what two threads have died of is given up, and is no failure', async () => {
  const target = await serving((socket) => socket.resume())
  let becameReady = 0
  const { threads, started } = oneThread({
    onCount: (count) => {
      becameReady += count
    },
    onEnd: () => {},
  })
  await expect.poll(() => becameReady, PATIENCE).toBe(1)
  const asked = threads.probeFor(HTTP, target)(new AbortController().signal)
  started[0]?.kill()
  await expect.poll(() => started.length, PATIENCE).toBe(2)
  await expect.poll(() => becameReady, PATIENCE).toBe(2)
  started[1]?.kill()
  expect(await asked).toEqual({
    outcome: 'unknown',
    message: `2 threads have ended while they asked 127.0.0.1:${target.port}; report it`,
  })
})
