/** A daemon that is killed under traffic: the kernel goes on alone, and the next daemon finds everything as it should be. */

import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Lab } from '../lab/lab.ts'
import { sharedLab } from '../lab/shared.ts'
import { buildTopology, type Topology } from '../lab/topology.ts'
import { listenersOn, startServer, startTraffic } from '../lab/traffic/traffic.ts'
import { NetlinkMonitor } from './support/netlink-monitor.ts'
import { configurationText, Daemon, freshDirectory, pointsman } from './support/pointsman.ts'
import { expectTable, readTable, waitForTable } from './support/table.ts'

const directory = freshDirectory('crash')
const vip = '10.9.0.1'
const addresses = ['10.2.1.2:8080', '10.2.2.2:8080', '10.2.3.2:8080']

const parts = new AsyncDisposableStack()
let lab: Lab
let topology: Topology
let netns: string

beforeAll(async () => {
  lab = parts.use(await sharedLab())
  topology = parts.use(await buildTopology(lab, { name: 'crash', kind: 'routed' }))
  netns = topology.director.netns
  await Promise.all(topology.realServers.map((host) => startServer(lab, host, listenersOn([host.addresses.ipv4], [8080]))))
})
afterAll(() => parts.disposeAsync())

const configuration = (members: readonly string[], scheduler = 'wrr'): string =>
  configurationText(directory, [
    { name: 'web', listen: `${vip}:80`, scheduler, backends: members.map((address) => ({ address, weight: 2 })) },
    { name: 'dns', listen: `${vip}:53`, protocol: 'udp', scheduler: 'rr', backends: members.map((address) => ({ address })) },
  ])

const tableOf = (members: readonly string[], gone: readonly string[] = []): string => `
  -A -t ${vip}:80 -s wrr
  ${members.map((address) => `-a -t ${vip}:80 -r ${address} -m -w 2`).join('\n')}
  ${gone.map((address) => `-a -t ${vip}:80 -r ${address} -m -w 0`).join('\n')}
  -A -u ${vip}:53 -s rr
  ${members.map((address) => `-a -u ${vip}:53 -r ${address} -m -w 1`).join('\n')}
`

describe('SIGKILL under load and restart', { retry: 0 }, () => {
  it('costs no kernel write and no request', async () => {
    await using killed = await Daemon.start(lab, directory, { netns, configuration: configuration(addresses) })
    await expectTable(lab, tableOf(addresses), { netns })
    const traffic = await startTraffic(lab, topology.client, [
      { id: 'tcp', protocol: 'tcp', address: vip, port: 80, held: 20, concurrency: 4 },
      { id: 'udp', protocol: 'udp', address: vip, port: 53, concurrency: 1, pauseMs: 10 },
    ])
    await traffic.attempts(500, 'tcp')
    const monitor = await NetlinkMonitor.start(lab, netns)

    expect(await killed.stop('SIGKILL')).toEqual({ code: undefined, signal: 'SIGKILL' })
    await traffic.attempts(750, 'tcp')
    await using restarted = await Daemon.start(lab, directory, { netns, configuration: configuration(addresses) })
    await traffic.attempts(750, 'tcp')
    const metrics = await restarted.fullPasses(2)

    const requests = await monitor.requests()
    expect(requests.some(({ command }) => command === 'get-service')).toBe(true)
    expect(requests.filter(({ command }) => !command.startsWith('get-'))).toEqual([])
    expect(metrics.changes).toBe(0)
    const [tcp, udp] = (await traffic.stop()).flows
    expect(tcp).toMatchObject({ failures: 0, failuresByKind: {}, held: { opened: 20, alive: 20, lost: 0 } })
    expect(tcp?.attempts).toBeGreaterThanOrEqual(2_000)
    expect(udp).toMatchObject({ failures: 0, failuresByKind: {} })
    expect(udp?.attempts).toBeGreaterThan(50)
    await expectTable(lab, tableOf(addresses), { netns })
    expect(restarted.complaints()).toEqual([])
  })

  it('recognises a drain again: what is held lives, nothing new comes, and it ends when its last connection has ended', async () => {
    await using first = await Daemon.start(lab, directory, { netns, configuration: configuration(addresses) })
    const traffic = await startTraffic(lab, topology.client, [
      { id: 'tcp', protocol: 'tcp', address: vip, port: 80, held: 30, concurrency: 2 },
    ])
    const [leaving = '', ...staying] = addresses
    await first.reconfigure(configuration(staying))
    await waitForTable(lab, tableOf(staying, [leaving]), { netns })
    await first.stop('SIGKILL')

    await using second = await Daemon.start(lab, directory, { netns, configuration: configuration(staying) })
    await traffic.mark('second')
    const metrics = await second.fullPasses(3)
    expect(metrics.one('pointsman_sink_draining_objects')).toBe(1)
    expect(metrics.one('pointsman_sink_foreign_objects')).toBe(0)
    expect(metrics.changes).toBe(0)
    await expectTable(lab, tableOf(staying, [leaving]), { netns })

    const [report] = (await traffic.stop()).flows
    expect(report).toMatchObject({ failures: 0, held: { opened: 30, alive: 30, lost: 0 } })
    expect(report?.held.servers['rs1']).toBe(10)
    expect(report?.phases.at(-1)?.servers['rs1']).toBeUndefined()
    await waitForTable(lab, tableOf(staying), { netns, timeoutMs: 60_000 })
  })

  it('keeps the deadline of a drain: time that nobody watched counts', async () => {
    const seconds = 15
    const short = (members: readonly string[]): string =>
      configuration(members).replace('"name": "web",', `"name": "web", "drain": {"timeout": "${seconds}s"},`)
    await using first = await Daemon.start(lab, directory, { netns, configuration: short(addresses) })
    await waitForTable(lab, tableOf(addresses), { netns })
    const traffic = await startTraffic(lab, topology.client, [
      { id: 'tcp', protocol: 'tcp', address: vip, port: 80, held: 30, limit: 0 },
    ])
    const newestDeadline = (): Promise<string> =>
      lab.check(`grep -o '"deadline":[0-9]*' ${directory}/state/ownership-*.json | tail -n 1`)
    const earlier = await newestDeadline()
    const [leaving = '', ...staying] = addresses
    await first.reconfigure(short(staying))
    await waitForTable(lab, tableOf(staying, [leaving]), { netns })
    const began = performance.now()
    await expect.poll(newestDeadline, { timeout: 20_000 }).not.toBe(earlier)
    const recorded = await newestDeadline()
    await first.stop('SIGKILL')
    await using second = await Daemon.start(lab, directory, { netns, configuration: short(staying) })
    // A drain that began anew would have a later one; how long the machine takes for all this says nothing.
    expect(await newestDeadline()).toBe(recorded)
    await expect
      .poll(() => readTable(lab, { netns }), { timeout: (seconds + 60) * 1000, interval: 200 })
      .not.toContain(`-a -t ${vip}:80 -r ${leaving} -m -w 0`)
    expect((performance.now() - began) / 1000).toBeGreaterThan(seconds - 3)
    expect(second.log.some(({ reasons }) => JSON.stringify(reasons ?? '').includes('deadline'))).toBe(true)
    await traffic.stop()
  })
})

describe('once beside held connections', () => {
  it('leaves what they use draining and says so, and removes it when they have ended', async () => {
    const own = freshDirectory('crash-once')
    const once = async (members: readonly string[]): Promise<string> => {
      await lab.writeFile(`${own}/pointsman.yaml`, configuration(members))
      const { code, stdout, stderr } = await pointsman(
        lab,
        ['once', '-c', `${own}/pointsman.yaml`, '--state-dir', `${own}/state`],
        { netns },
      )
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
      return stdout
    }
    await once(addresses)
    const traffic = await startTraffic(lab, topology.client, [
      { id: 'tcp', protocol: 'tcp', address: vip, port: 80, held: 30, limit: 0 },
    ])
    const [leaving = '', ...staying] = addresses
    expect(await once(staying)).toMatch(/1 destination still draining/)
    await expectTable(lab, tableOf(staying, [leaving]), { netns })
    expect((await traffic.stop()).flows[0]).toMatchObject({ held: { opened: 30, alive: 30, lost: 0 } })
    expect(await once(staying)).not.toContain('still draining')
    await expectTable(lab, tableOf(staying), { netns })
  })
})
