/**
 * Changes under traffic: at least 2,000 connections through each, and connections that were established before and
 * still answer after. Not one may fail.
 */

import { setTimeout } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Lab } from '../lab/lab.ts'
import { sharedLab } from '../lab/shared.ts'
import { buildTopology, type Topology } from '../lab/topology.ts'
import { type FlowReport, listenersOn, startServer, startTraffic } from '../lab/traffic/traffic.ts'
import { configurationText, Daemon, freshDirectory } from './support/pointsman.ts'
import { readTable } from './support/table.ts'

const enough = 2_000
const held = 20

const directory = freshDirectory('no-failed-request')
const poolPath = `${directory}/pool.yaml`
const [oldVip, newVip] = ['10.9.0.1', '10.9.0.2']
const ports = [8080, 8081, 8082, 8083]
/**
 * Services that exist at the same time have backend ports of their own: NAT keeps the client's port, so a client that uses
 * one port towards two services would be one and the same connection to a real server that they share.
 */
const [backgroundPort, droppedPort] = [8090, 8091]

const parts = new AsyncDisposableStack()
let lab: Lab
let topology: Topology
let daemon: Daemon

/** Every real server on every port: twelve backends. */
const everyBackend = [1, 2, 3].flatMap((server) => ports.map((port) => `10.2.${server}.2:${port}`))

const pool = (weights: ReadonlyMap<string, number>): string =>
  JSON.stringify([...weights].map(([address, weight]) => ({ address, weight })))

const wholePool = new Map(everyBackend.map((address) => [address, 1]))

const web = {
  name: 'web',
  listen: `${oldVip}:80`,
  scheduler: 'wlc',
  source: { file: { path: poolPath } },
  // Every rewrite is to reach the kernel, not only the last of many.
  debounce: { min: '20ms', max: '100ms' },
}
const background = {
  name: 'background',
  listen: `${oldVip}:81`,
  scheduler: 'rr',
  backends: [1, 2, 3].map((server) => ({ address: `10.2.${server}.2:${backgroundPort}` })),
}
const shortLived = [1, 2, 3].map((server) => ({ address: `10.2.${server}.2:${droppedPort}` }))

const netns = (): string => topology.director.netns

beforeAll(async () => {
  lab = parts.use(await sharedLab())
  topology = parts.use(await buildTopology(lab, { name: 'nfr', kind: 'routed', virtualAddresses: 2 }))
  // A drain deadline ends with a reset, not in silence.
  await topology.check(topology.director, 'sysctl -w net.ipv4.vs.expire_nodest_conn=1')
  await Promise.all(
    topology.realServers.map((host) =>
      startServer(lab, host, listenersOn([host.addresses.ipv4], [...ports, backgroundPort, droppedPort])),
    ),
  )
  await lab.writeFile(poolPath, pool(wholePool))
  daemon = parts.use(
    await Daemon.start(lab, directory, {
      netns: topology.director.netns,
      configuration: configurationText(directory, [web, background]),
    }),
  )
})
afterAll(() => parts.disposeAsync())

/** Nothing failed, and what was held is still there and was used to the end. */
function expectNoFailure(flow: FlowReport | undefined, attempts: number, connections = held): void {
  expect(flow).toMatchObject({ failures: 0, failuresByKind: {}, firstFailures: [] })
  expect(flow?.attempts).toBeGreaterThanOrEqual(attempts)
  expect(flow?.held).toMatchObject({ opened: connections, alive: connections, lost: 0 })
  expect(flow?.held.echoes).toBeGreaterThanOrEqual(connections)
}

/** Weights change, a third of the backends comes and goes; the same for the same round. */
function variation(round: number): Map<string, number> {
  const present = everyBackend.filter((_, index) => (index + round) % 3 !== 0)
  return new Map(present.map((address, index) => [address, 1 + ((index * 7 + round * 5) % 9)]))
}

const clientPorts = (range: string): Promise<string> =>
  topology.check(topology.client, ['sysctl', '-w', `net.ipv4.ip_local_port_range=${range}`])

describe('the generator', () => {
  it('counts failures when there are some, short ones and held ones', async () => {
    const doomed = { ...background, name: 'doomed', listen: `${oldVip}:82`, backends: shortLived, drain: { timeout: '0s' } }
    await daemon.reconfigure(configurationText(directory, [web, background, doomed]))
    await expect.poll(() => readTable(lab, { netns: netns() }), { timeout: 20_000 }).toContain(`-A -t ${oldVip}:82 -s rr`)
    const flow = { id: 'doomed', protocol: 'tcp', address: oldVip, port: 82, held: 5, concurrency: 2, pauseMs: 20 } as const
    const traffic = await startTraffic(lab, topology.client, [flow])
    await traffic.attempts(20)
    // Nobody rewrites what is cut without a drain: the generator has to notice.
    await daemon.reconfigure(configurationText(directory, [web, background]))
    await traffic.attempts(100)
    await setTimeout(1500)
    const [report] = (await traffic.stop()).flows
    expect(report?.successes).toBeGreaterThanOrEqual(20)
    expect(report?.failures).toBeGreaterThan(20)
    expect(report?.held).toMatchObject({ opened: 5, alive: 0, lost: 5 })
  })
})

describe('not one request fails', { retry: 0 }, () => {
  it('while the pool is rewritten 100 times, and while the service is renamed', async () => {
    const flow = { id: 'web', protocol: 'tcp', address: oldVip, port: 80, held, concurrency: 4 } as const
    const traffic = await startTraffic(lab, topology.client, [flow])
    await traffic.attempts(100)

    await traffic.mark('rewritten')
    const before = await daemon.metrics()
    for (let round = 1; round <= 100; round++) {
      const from = daemon.log.length
      await lab.writeFile(poolPath, pool(variation(round)))
      await daemon.waitForLog(({ msg }) => msg.startsWith('pass: '), 20_000, from)
    }
    const after = await daemon.metrics()
    const changed = (kind: string): number =>
      after.sum('pointsman_sink_changes_total', { kind }) - before.sum('pointsman_sink_changes_total', { kind })
    expect(changed('add-destination') + changed('edit-destination')).toBeGreaterThan(500)
    const missing = enough - (traffic.counts().attempts - 100)
    if (missing > 0) await traffic.attempts(missing)

    await traffic.mark('renamed')
    const renamed = await daemon.metrics()
    await daemon.reconfigure(configurationText(directory, [{ ...web, name: 'shop' }, background]))
    await traffic.attempts(enough)
    const afterwards = await daemon.waitForMetrics(
      (metrics) => metrics.all('pointsman_service_weight', { service: 'shop' }).length === 1,
      'the new name shows',
    )
    expect(afterwards.changes).toBe(renamed.changes)
    expect(afterwards.all('pointsman_service_weight', { service: 'web' })).toEqual([])

    const [report] = (await traffic.stop()).flows
    expectNoFailure(report, 2 * enough)
    for (const phase of report?.phases.slice(1) ?? []) expect(phase).toMatchObject({ failures: 0 })
    expect(report?.phases.map(({ name }) => name)).toEqual(['start', 'rewritten', 'renamed'])
    expect(daemon.complaints()).toEqual([])
  })

  it('while the service moves to another address: the old one drains, and what is held lives on', async () => {
    await lab.writeFile(poolPath, pool(wholePool))
    await clientPorts('1024 19999')
    const holder = await startTraffic(lab, topology.client, [
      { id: 'old', protocol: 'tcp', address: oldVip, port: 80, held, limit: 0 },
      { id: 'background', protocol: 'tcp', address: oldVip, port: 81, held: 5, concurrency: 1, pauseMs: 20 },
    ])
    await holder.attempts(20, 'background')
    // The old and the new service share their backends for a while.
    await clientPorts('20000 65535')
    await daemon.configure(configurationText(directory, [{ ...web, name: 'shop', listen: `${newVip}:80` }, background]))
    await expect
      .poll(() => readTable(lab, { netns: netns() }), { timeout: 20_000, interval: 50 })
      .toContain(`-A -t ${newVip}:80 -s wlc`)
    const traffic = await startTraffic(lab, topology.client, [
      { id: 'new', protocol: 'tcp', address: newVip, port: 80, held, concurrency: 4 },
    ])
    await traffic.attempts(enough)
    // The old service stands, with nothing but what is held on it.
    const draining = (await readTable(lab, { netns: netns() })).filter((line) => line.startsWith(`-a -t ${oldVip}:80 `))
    expect(draining.length).toBeGreaterThan(0)
    for (const line of draining) expect(line).toMatch(/ -w 0$/)
    expectNoFailure((await traffic.stop()).flows[0], enough)
    const [old, beside] = (await holder.stop()).flows
    expectNoFailure(old, 0)
    expectNoFailure(beside, 20, 5)
    // Nobody holds on any more: the drain ends by itself, long before its deadline.
    await expect
      .poll(async () => (await readTable(lab, { netns: netns() })).filter((line) => line.includes(`${oldVip}:80 `)), {
        timeout: 60_000,
        interval: 300,
      })
      .toEqual([])
    expect(daemon.complaints()).toEqual([])
  })

  it('while a service is dropped: others go on, what is held lives until the deadline and then ends with a reset', async () => {
    const seconds = 20
    const dropped = {
      ...background,
      name: 'dropped',
      listen: `${oldVip}:82`,
      backends: shortLived,
      drain: { timeout: `${seconds}s` },
    }
    const shop = { ...web, name: 'shop', listen: `${newVip}:80` }
    await daemon.reconfigure(configurationText(directory, [shop, background, dropped]))
    await expect.poll(() => readTable(lab, { netns: netns() }), { timeout: 20_000 }).toContain(`-A -t ${oldVip}:82 -s rr`)
    const traffic = await startTraffic(lab, topology.client, [
      { id: 'background', protocol: 'tcp', address: oldVip, port: 81, held, concurrency: 4 },
      { id: 'dropped', protocol: 'tcp', address: oldVip, port: 82, held, limit: 0, echoIntervalMs: 200 },
    ])
    await traffic.attempts(100, 'background')
    await traffic.mark('dropped')
    await daemon.reconfigure(configurationText(directory, [shop, background]))
    await waitForTableLine(`-a -t ${oldVip}:82 -r 10.2.1.2:${droppedPort} -m -w 0`)
    await traffic.attempts(enough, 'background')
    await expect
      .poll(async () => (await readTable(lab, { netns: netns() })).filter((line) => line.includes(`${oldVip}:82 `)), {
        timeout: (seconds + 20) * 1000,
        interval: 300,
      })
      .toEqual([])
    await setTimeout(1500)
    const [beside, cut] = (await traffic.stop()).flows
    expectNoFailure(beside, enough)
    expect(cut?.held).toMatchObject({ opened: held, lost: held })
    expect(cut?.failuresByKind).toEqual({ reset: held })
    const droppedAt = cut?.phases.find(({ name }) => name === 'dropped')?.from ?? Number.NaN
    for (const failure of cut?.firstFailures ?? []) {
      expect(failure).toMatchObject({ on: 'held', kind: 'reset' })
      expect(failure.at - droppedAt).toBeGreaterThanOrEqual(seconds * 1000 - 500)
    }
    expect(daemon.complaints()).toEqual([])
  })
})

async function waitForTableLine(line: string): Promise<void> {
  await expect.poll(() => readTable(lab, { netns: netns() }), { timeout: 20_000, interval: 100 }).toContain(line)
}
