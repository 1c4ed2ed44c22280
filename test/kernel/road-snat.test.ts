/** The daemon with source NAT and addresses of its own: clients reach backends that have no way back, at addresses that nobody else puts anywhere. */

import { setTimeout } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Lab } from '../lab/lab.ts'
import { sharedLab } from '../lab/shared.ts'
import { buildTopology, type Host, type Topology } from '../lab/topology.ts'
import type { Question } from './guest/ask-sources.ts'
import { addressesOf, askSources, startSourceWitness } from './support/ask-sources.ts'
import { NetlinkMonitor } from './support/netlink-monitor.ts'
import { configurationText, Daemon, freshDirectory, pointsman } from './support/pointsman.ts'
import { WriteMonitors } from './support/write-monitors.ts'

const VIP = '10.1.0.200'
const VIP6 = 'fd00:1::200'
const SNAT = '10.2.1.50'
const PORT = 8080
const BACKENDS = [`10.2.1.2:${PORT}`, `10.2.2.2:${PORT}`]

const services = [
  { name: 'web', listen: `${VIP}:80`, full_nat: true, virtual_address: true, drain: { timeout: 0 }, backends: BACKENDS },
  {
    name: 'dns',
    listen: `${VIP}:53`,
    protocol: 'udp',
    full_nat: true,
    snat_ip: SNAT,
    virtual_address: true,
    backends: [`10.2.1.2:${PORT}`],
  },
  {
    name: 'web6',
    listen: `[${VIP6}]:80`,
    full_nat: true,
    virtual_address: true,
    drain: { timeout: 0 },
    backends: [`[fd00:2:1::2]:${PORT}`],
  },
]
const global = { manage_sysctls: true, on_exit: 'remove' }

let lab: Lab
let net: Topology
const parts = new AsyncDisposableStack()
const directory = freshDirectory('snat')

beforeAll(async () => {
  lab = parts.use(await sharedLab())
  net = parts.use(await buildTopology(lab, { name: 'roadsnat', kind: 'routed', realServers: 2, virtualAddresses: 1 }))
  await net.check(net.director, `ip addr add ${SNAT}/32 dev lo; sysctl -qw net.ipv4.vs.conntrack=0`)
  for (const server of net.realServers) {
    await net.check(server, 'ip route del default; ip -6 route del default; ip route')
    await startSourceWitness(lab, server, PORT)
  }
})
afterAll(() => parts.disposeAsync())

/** Whom the servers saw, address by address. */
const ask = async (host: Host, ...questions: Question[]) => (await askSources(lab, host, questions)).map(addressesOf)

const web: Question = { protocol: 'tcp', address: VIP, port: 80, times: 6 }
const dns: Question = { protocol: 'udp', address: VIP, port: 53, times: 2 }
const web6: Question = { protocol: 'tcp', address: VIP6, port: 80, times: 2 }
const ANSWERS = [['10.2.1.1', '10.2.2.1'], [SNAT], ['fd00:2:1::1']]

const addresses = async () => await net.check(net.director, 'ip -o addr show to 10.1.0.200; ip -o -6 addr show to fd00:1::200')
const tables = async () => await net.check(net.director, 'nft list tables')
const start = () =>
  Daemon.start(lab, directory, {
    netns: net.director.netns,
    configuration: configurationText(directory, services, { global }),
  })

/** All addresses are there: those that neighbours are asked about come half a second after the services. */
const placed = (daemon: Daemon) =>
  daemon.waitForMetrics((metrics) => metrics.sum('pointsman_addresses_held') === 2, 'both addresses were there')

describe('a daemon with source NAT and addresses', () => {
  it('opens services for backends without a way back, repairs what others take away, and leaves nothing', async () => {
    await using daemon = await start()
    await placed(daemon)
    expect(await ask(net.client, web, dns, web6)).toEqual(ANSWERS)
    expect(await addresses()).toMatch(/10\.1\.0\.200\/32 .*fd00:1::200\/128 .*deprecated/s)
    const neighbours = await net.check(net.client, 'ip neigh show')
    expect(neighbours).toMatch(/10\.1\.0\.200 .*lladdr/)

    const counted = await daemon.waitForMetrics(
      (metrics) => metrics.sum('pointsman_service_translated_connections_total', { service: 'web' }) >= 6,
      'translated connections were counted',
    )
    expect(counted.sum('pointsman_conntrack_entries')).toBeGreaterThan(0)
    expect(counted.sum('pointsman_sink_failing_objects')).toBe(0)

    await net.check(net.director, 'nft flush ruleset')
    await net.check(net.director, `ip addr del ${VIP}/32 dev eth0`)
    await expect.poll(tables, { timeout: 10_000, interval: 100 }).toContain('pointsman')
    await expect.poll(addresses, { timeout: 10_000, interval: 100 }).toContain(VIP)
    expect(await ask(net.client, web, dns, web6)).toEqual(ANSWERS)

    // Another connection of the same backend keeps its source.
    expect(
      await ask(net.director, { protocol: 'tcp', address: '10.2.1.2', port: PORT, localAddress: '10.1.0.1', patience: 2_000 }),
    ).toEqual([['none']])

    expect(daemon.complaints('settled')).toEqual([])
    expect((await daemon.stop()).code).toBe(0)
    expect(await tables()).not.toContain('pointsman')
    expect(await addresses()).toBe('')
    expect(await net.check(net.director, 'sysctl -n net.ipv4.vs.conntrack')).toBe('0\n')
    expect(await net.check(net.director, 'ipvsadm -Sn')).toBe('')
  })

  it('is killed and starts again without a write', async () => {
    await using first = await start()
    await placed(first)
    const before = await net.check(net.director, 'nft -a list ruleset; ip -o addr; ipvsadm -Sn')
    await first.stop('SIGKILL')
    const table = await NetlinkMonitor.start(lab, net.director.netns)
    const others = await WriteMonitors.start(net)
    await using second = await start()
    await placed(second)
    await second.fullPasses(2)
    expect(await table.writes()).toEqual([])
    expect(await others.writes()).toEqual([])
    expect((await second.metrics()).sum('pointsman_sink_changes_total')).toBe(0)
    const withoutCounters = (text: string) =>
      text.replaceAll(/ counter packets \d+ bytes \d+/g, '').replaceAll(/valid_lft \d+sec/g, '')
    expect(withoutCounters(await net.check(net.director, 'nft -a list ruleset; ip -o addr; ipvsadm -Sn'))).toBe(
      withoutCounters(before),
    )
    expect((await second.stop()).code).toBe(0)
  })

  it('has an address on the link while its quorum is had, and no longer than the hold time beyond it', async () => {
    const [rs1] = net.realServers
    if (rs1 === undefined) throw new Error('there is no real server')
    const serve = async () => {
      return await startSourceWitness(lab, rs1, 9090)
    }
    const service = {
      name: 'quorum',
      listen: '10.1.0.202:80',
      full_nat: true,
      virtual_address: { announce_when: 'quorum', hold: '2s' },
      health_check: { type: 'tcp', interval: '500ms', timeout: '1500ms', fall: 2, rise: 1 },
      backends: ['10.2.1.2:9090'],
    }
    const place = freshDirectory('quorum')
    const configuration = configurationText(place, [service], { global })
    await using daemon = await Daemon.start(lab, place, { netns: net.director.netns, configuration })
    const held = () => net.check(net.director, 'ip -o addr show to 10.1.0.202')
    await daemon.fullPasses(2)
    expect(await held()).toBe('')
    expect(await net.check(net.director, 'ipvsadm -Sn')).toContain('10.1.0.202:80')
    const first = await serve()
    await expect.poll(held, { timeout: 30_000, interval: 200 }).toContain('10.1.0.202')
    expect(await ask(net.client, { ...web, address: '10.1.0.202', times: 1 })).toEqual([['10.2.1.1']])
    first.kill('SIGKILL')
    await first.exited
    await expect.poll(held, { timeout: 30_000, interval: 200 }).toBe('')
    const lost = daemon.log.findIndex(({ msg }) => msg.includes('is taken away: its quorum has been lost for 2s'))
    expect(lost).toBeGreaterThan(0)
    const second = await serve()
    await expect.poll(held, { timeout: 30_000, interval: 200 }).toContain('10.1.0.202')
    expect(await ask(net.client, { ...web, address: '10.1.0.202', times: 1 })).toEqual([['10.2.1.1']])
    second.kill('SIGKILL')
    expect((await daemon.stop()).code).toBe(0)
  })

  it('a plan says what would change, once does it', async () => {
    const path = `${directory}/once.yaml`
    await lab.writeFile(path, configurationText(`${directory}-once`, services, { global }))
    await net.check(net.director, 'sysctl -qw net.ipv4.vs.conntrack=1')
    const { netns } = net.director
    const plan = await pointsman(lab, ['plan', '--config', path, '--json'], { netns })
    expect(plan).toMatchObject({ code: 10 })
    expect((JSON.parse(plan.stdout) as { sink_changes: unknown[] }).sink_changes).toEqual([
      { sink: 'snat', kind: 'add-table', count: 1 },
      { sink: 'snat', kind: 'add-element', count: 3 },
      { sink: 'addresses', kind: 'add-address', count: 2 },
    ])
    expect(await tables()).not.toContain('pointsman')
    expect(await pointsman(lab, ['once', '--config', path], { netns })).toMatchObject({ code: 0 })
    await setTimeout(100)
    expect(await ask(net.client, web, dns, web6)).toEqual(ANSWERS)
    expect(await pointsman(lab, ['plan', '--config', path], { netns })).toMatchObject({ code: 0 })
    expect(await pointsman(lab, ['doctor', '--config', path], { netns })).toMatchObject({
      stdout: expect.stringMatching(/ok.*source NAT.*it can be made/) as unknown,
    })
  })
})
