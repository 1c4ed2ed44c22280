import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile, writeFile } from 'node:fs/promises'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { describe, expect, onTestFinished, test } from 'vitest'
import { startAdminServer } from '../../src/admin/server.ts'
import { MAXIMUM_CLIENTS, StatusFeed } from '../../src/admin/status-feed.ts'
import { busyDaemon, largeDaemon, REFUSED } from '../support/watching/busy-daemon.ts'
import { reportValidator } from '../support/watching/report-validator.ts'
import { backendReport, serviceReport, statusReport } from '../unit/admin/reports.ts'
import { FakeHost } from '../unit/daemon/fake-host.ts'
import { startDaemon, temporaryDirectory, yamlOf } from '../unit/daemon/rig.ts'

const until = (look: () => unknown) => expect.poll(look, { interval: 20, timeout: 20_000 })

interface Event {
  readonly name: string
  readonly data: { readonly revision: number; readonly from?: number; readonly services?: readonly unknown[] }
  readonly size: number
}

/** Reads the stream until the test ends. */
async function follow(port: number): Promise<{ readonly events: Event[]; readonly ended: () => boolean }> {
  const abort = new AbortController()
  onTestFinished(() => abort.abort())
  const response = await fetch(`http://127.0.0.1:${port}/api/v1/events`, {
    headers: { accept: 'text/event-stream' },
    signal: abort.signal,
  })
  expect(response.status).toBe(200)
  const events: Event[] = []
  let ended = false
  const read = async () => {
    let text = ''
    for await (const part of response.body?.pipeThrough(new TextDecoderStream()) ?? []) {
      text += part
      const messages = text.split('\n\n')
      text = messages.pop() ?? ''
      for (const message of messages) {
        const [, name, data] = /^event: (\w+)\ndata: (.*)$/.exec(message) ?? []
        if (name !== undefined && data !== undefined) events.push({ name, data: JSON.parse(data), size: message.length })
      }
    }
  }
  void read()
    .catch(() => {})
    .finally(() => {
      ended = true
    })
  return { events, ended: () => ended }
}

/** Asks for the stream and reads nothing of it. */
async function holdStream(port: number): Promise<{ readonly socket: Socket; readonly ended: () => boolean }> {
  const socket = connect(port, '127.0.0.1')
  onTestFinished(() => void socket.destroy())
  let ended = false
  socket.on('close', () => {
    ended = true
  })
  socket.on('error', () => {})
  await once(socket, 'connect')
  socket.pause()
  socket.write('GET /api/v1/events HTTP/1.1\r\nhost: 127.0.0.1\r\naccept: text/event-stream\r\n\r\n')
  return { socket, ended: () => ended }
}

/** Runs a line of the documentation; one that does not end has two seconds. */
async function curl(line: string, port: number): Promise<string> {
  const child = spawn('timeout', ['2', 'sh', '-c', line.replace('127.0.0.1:9095', `127.0.0.1:${port}`)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  return text(child.stdout)
}

describe('a busy director', () => {
  test('says what its OpenAPI document promises, and tells changes as deltas', async () => {
    const daemon = await busyDaemon()
    const answer = JSON.parse((await daemon.fetch('/api/v1/status')).text)
    expect(reportValidator().parse(answer)).toEqual(answer)
    const served = JSON.parse((await daemon.fetch('/api/v1/openapi.json')).text)
    expect(served.openapi).toBe('3.1.0')
    expect(Object.keys(served.paths)).toContain('/api/v1/status')
    const web = answer.services.find(({ service }: { service: string }) => service === 'web')
    const states = Object.fromEntries(
      web.backends.map(({ backend, state }: { backend: string; state: string }) => [backend, state]),
    )
    expect(states).toEqual({
      '10.0.1.11:8443': 'up',
      '10.0.1.12:8443': 'up',
      '10.0.1.13:8443': 'down',
      '10.0.1.14:8443': 'drain',
    })
    const down = web.backends.find(({ state }: { state: string }) => state === 'down')
    expect(down).toMatchObject({
      times_down: 1,
      downtime: { seconds: 0, since: expect.stringMatching(/Z$/) },
      weight: 0,
      check: { code: 'L4CON', layer: 'L4' },
      changed: { to: 'weight 0' },
    })
    expect(down.failed_probes).toBeGreaterThanOrEqual(2)
    expect(web).toMatchObject({ times_down: 0, downtime: { seconds: 0 } })
    expect(answer.sinks).toMatchObject([{ sink: 'ipvs', state: 'good' }])

    const [, shown = ''] = /```sh\n(curl .*?)```/s.exec(await readFile('docs/status-page.md', 'utf8')) ?? []
    const [one, stream] = await Promise.all(
      shown
        .trim()
        .split('\n')
        .map((line) => curl(line, daemon.port)),
    )
    expect(JSON.parse(one ?? '').services).toMatchObject([{ service: 'web' }])
    expect(stream).toMatch(/^event: status\ndata: \{"revision":/)

    const { events } = await follow(daemon.port)
    await until(() => events[0]?.name).toBe('status')
    daemon.host.probes.set('10.0.1.12:8443', REFUSED)
    const told = () => events.slice(1).filter(({ data }) => JSON.stringify(data).includes('"state":"down"'))
    await until(() => told().length).toBeGreaterThan(0)
    const [first] = told()
    expect(first?.name).toBe('delta')
    expect(JSON.stringify(first?.data)).toContain('"backend":"10.0.1.12:8443"')
    for (const [index, { data }] of events.entries()) if (index > 0) expect(data.from).toBe(events[index - 1]?.data.revision)
    const [whole] = events
    for (const { size } of events.slice(1)) expect(size).toBeLessThan(whole?.size ?? 0)

    // It comes back: the outage has an end and a length.
    daemon.host.probes.delete('10.0.1.12:8443')
    const twelfth = async () => {
      const { services } = JSON.parse((await daemon.fetch('/api/v1/status?service=web')).text)
      return services[0].backends.find(({ backend }: { backend: string }) => backend === '10.0.1.12:8443')
    }
    await until(async () => (await twelfth()).state).toBe('up')
    const { times_down: times, downtime } = await twelfth()
    expect([times, Object.keys(downtime)]).toEqual([1, ['seconds']])
    expect(downtime.seconds).toBeGreaterThan(0)
  })

  test('looks at the kernel once a second however many follow, and never for nobody', async () => {
    const daemon = await largeDaemon()
    const readsIn = async (milliseconds: number) => {
      const before = daemon.host.kernel.reads
      await new Promise((resolve) => setTimeout(resolve, milliseconds))
      return daemon.host.kernel.reads - before
    }
    expect(await readsIn(3_000)).toBe(0)
    const followers = await Promise.all(Array.from({ length: 8 }, () => follow(daemon.port)))
    expect(await readsIn(4_000)).toBeLessThanOrEqual(5)
    for (const { events } of followers) expect(events.length).toBeGreaterThan(0)
  })

  test('more than ten thousand series are scraped every second beside those who follow', async () => {
    const daemon = await largeDaemon()
    const followers = await Promise.all(Array.from({ length: 4 }, () => follow(daemon.port)))
    for (let scrape = 0; scrape < 5; scrape++) {
      const { status, text } = await daemon.fetch('/metrics')
      expect(status).toBe(200)
      expect(text.match(/^pointsman_/gm)?.length).toBeGreaterThan(10_000)
      expect(text).toContain('pointsman_status_clients 4')
      await new Promise((resolve) => setTimeout(resolve, 1_000))
    }
    const deltas = () => followers.map(({ events }) => events.filter(({ name }) => name === 'delta').length)
    await until(() => Math.min(...deltas())).toBeGreaterThan(1)
    const { text } = await daemon.fetch('/metrics')
    expect(text).not.toMatch(/^pointsman_scrape_errors_total/m)
  })
})

describe('clients that do not read', () => {
  test('are let go, hold one message at the most, and nobody else waits for them', async () => {
    const MEGABYTES = 4
    let turn = 0
    const feed = new StatusFeed({
      interval: 20,
      patience: 3_000,
      // Another text of megabytes at each look.
      collect: async () => {
        turn += 1
        const reasons = [`${turn} `.repeat((MEGABYTES << 20) / `${turn} `.length)]
        return statusReport([serviceReport('web', [backendReport('10.0.0.1:80', { reasons })])])
      },
    })
    onTestFinished(() => feed[Symbol.dispose]())
    const content = { metricsPath: undefined, health: () => ({ status: 'ready' as const, reasons: [] }), async *metrics() {} }
    const status = { feed, allowedHosts: [], version: '1' }
    const server = await startAdminServer({ host: '127.0.0.1', port: 0 }, content, { status })
    onTestFinished(() => server[Symbol.asyncDispose]())
    const { port } = server.address
    const held = await Promise.all(Array.from({ length: MAXIMUM_CLIENTS - 1 }, () => holdStream(port)))
    const { events, ended } = await follow(port)
    expect((await fetch(`http://127.0.0.1:${port}/api/v1/events`, { headers: { accept: 'text/event-stream' } })).status).toBe(503)
    let most = 0
    await until(() => {
      most = Math.max(most, process.memoryUsage().arrayBuffers)
      return feed.clients
    }).toBe(1)
    // The sockets are closed by the server; a client that reads nothing does not see it before it reads.
    for (const { socket } of held) socket.resume()
    await until(() => held.every((each) => each.ended())).toBe(true)
    expect(ended()).toBe(false)
    const before = events.length
    await until(() => events.length).toBeGreaterThan(before + 2)
    // Fifteen of them, each with hundreds of megabytes to be told: what waits is a message each, whose bytes they share.
    expect(most).toBeLessThan(MEGABYTES * 12 * 2 ** 20)
  })
})

describe('settings', () => {
  test('status_page: false takes the page and its API away, and leaves the metrics', async () => {
    const daemon = await startDaemon((directory, port) => yamlOf(directory, port, ' []', 'status_page: false'))
    await until(() => daemon.host.told.some((each) => each.startsWith('READY=1'))).toBe(true)
    for (const path of ['/', '/status', '/api/v1/status', '/api/v1/events', '/page/page.js']) {
      expect((await daemon.fetch(path)).status).toBe(404)
    }
    expect((await daemon.fetch('/metrics')).status).toBe(200)
  })
})

test('no secret of the configuration, and no line of it, is in anything that is served', async () => {
  const SECRET = 'hunter2-of-the-registry'
  const directory = await temporaryDirectory()
  await writeFile(join(directory, 'token'), SECRET)
  const services = (at: string) => `
  - name: web
    listen: 10.0.0.1:80
    source: { consul: { service: web, address: "http://127.0.0.1:1", token_file: ${at}/token } }
  - name: api
    listen: 10.0.0.2:80
    source: { http: { url: "http://127.0.0.1:1/list?key=\${env.LIST_KEY}", interval: 1s } }
    backends: [10.0.2.1:80]
    health_check: { type: http, interval: 200ms, http: { path: /x, headers: { authorization: "Bearer \${env.LIST_KEY}" } } }`
  const host = new FakeHost()
  host.probes.set('10.0.2.1:80', REFUSED)
  const overrides = { environment: { LIST_KEY: SECRET } }
  const daemon = await startDaemon((at, port) => yamlOf(at, port, services(at)), { host, directory, overrides })
  await until(async () => (await daemon.fetch('/api/v1/status')).text.includes('"code":"L4CON"')).toBe(true)
  await until(async () => (await daemon.fetch('/api/v1/status')).text.includes('"failure":')).toBe(true)
  const { events } = await follow(daemon.port)
  await until(() => events.length).toBeGreaterThan(0)
  for (const path of ['/', '/api/v1/status', '/api/v1/openapi.json', '/metrics', '/readyz']) {
    expect((await daemon.fetch(path)).text).not.toContain('hunter2')
  }
  expect(JSON.stringify(events)).not.toContain('hunter2')
  expect(JSON.stringify(events)).toContain('key=***')
})
