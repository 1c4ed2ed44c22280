/** Hundreds of services appear while clients knock at every one of them: whoever gets through is translated from its first packet. */

import { afterAll, beforeAll, expect, it } from 'vitest'
import { inCheckout, type Lab } from '../lab/lab.ts'
import { sharedLab } from '../lab/shared.ts'
import { buildTopology, type Host, type Topology } from '../lab/topology.ts'
import { listenersOn, startServer } from '../lab/traffic/traffic.ts'
import { addressesOf, askSources } from './support/ask-sources.ts'
import { configurationText, Daemon, freshDirectory } from './support/pointsman.ts'
import { SeenSources } from './support/seen-sources.ts'

const VIP = '10.9.0.1'
const SNAT = '10.2.1.50'
const FIRST = 5_000
/** Of each protocol. */
const COUNT = 150

const service = (protocol: 'tcp' | 'udp', port: number) => ({
  name: `${protocol}-${port}`,
  listen: `${VIP}:${port}`,
  protocol,
  full_nat: true,
  // Half of them by each of the two ways through the table.
  ...(port % 2 === 0 ? { snat_ip: SNAT } : {}),
  backends: ['10.2.1.2:8080'],
})
const FIRST_ONE = service('tcp', FIRST - 1)
const ALL = Array.from({ length: COUNT }, (_, index) => [service('tcp', FIRST + index), service('udp', FIRST + index)]).flat()

let lab: Lab
let net: Topology
const parts = new AsyncDisposableStack()

beforeAll(async () => {
  lab = parts.use(await sharedLab())
  net = parts.use(await buildTopology(lab, { name: 'starts', kind: 'routed', realServers: 1, virtualAddresses: 1 }))
  await net.check(net.director, `ip addr add ${SNAT}/32 dev lo; modprobe ip_vs; sysctl -qw net.ipv4.vs.conntrack=1`)
  await net.check(net.realServers[0] as Host, 'ip route del default; ip -6 route del default; ip route')
})
afterAll(() => parts.disposeAsync())

it('no packet of theirs reaches the server with the source of a client', async () => {
  const [server] = net.realServers as [Host]
  await startServer(lab, server, listenersOn(['10.2.1.2'], [8080]))
  const seen = await SeenSources.start(net, server, 'meta l4proto { tcp, udp } th dport 8080')
  const directory = freshDirectory('starts')
  const text = (services: readonly unknown[]) =>
    configurationText(directory, services, { global: { on_exit: 'remove', resync_interval: '10m', per_backend_metrics: false } })
  await using daemon = await Daemon.start(lab, directory, { netns: net.director.netns, configuration: text([FIRST_ONE]) })
  await daemon.settled()
  const knocking = await lab.spawnScript(inCheckout('test/kernel/guest/knock.ts'), {
    netns: net.client.netns,
    args: [VIP, `${FIRST}`, `${FIRST + COUNT - 1}`],
  })
  await knocking.waitForLine((line) => line === 'knocking', 60_000)
  await daemon.configure(text([FIRST_ONE, ...ALL]))
  expect(await knocking.exited).toMatchObject({ code: 0 })
  expect(Number(knocking.stdout.trim().split('\n').at(-1))).toBeGreaterThan(1)
  expect(await seen.addresses()).toEqual(['10.2.1.1', SNAT])
  const metrics = await daemon.metrics()
  expect(metrics.sum('pointsman_service_translated_connections_total')).toBeGreaterThanOrEqual(2 * COUNT)
  expect(daemon.complaints('settled')).toEqual([])

  // The witness would have seen it.
  const direct = { protocol: 'udp', address: '10.2.1.2', port: 8080, times: 1, patience: 1_500 } as const
  expect(addressesOf((await askSources(lab, net.client, [direct]))[0])).toEqual(['none'])
  expect(await seen.addresses()).toEqual([net.client.addresses.ipv4, '10.2.1.1', SNAT].sort())
  expect((await daemon.stop()).code).toBe(0)
})
