/**
 * The ends of a daemon with source NAT and addresses, on one link with its clients and backends: nothing goes that a connection needs, and clients follow an
 * address without having asked for it.
 */

import { afterAll, beforeAll, expect, it } from 'vitest'
import type { Lab } from '../lab/lab.ts'
import { sharedLab } from '../lab/shared.ts'
import { buildTopology, type Host, type Topology } from '../lab/topology.ts'
import { listenersOn, startServer, startTraffic } from '../lab/traffic/traffic.ts'
import type { Question } from './guest/ask-sources.ts'
import { addressesOf, askSources, startSourceWitness } from './support/ask-sources.ts'
import { configurationText, Daemon, freshDirectory } from './support/pointsman.ts'

const VIP = '10.1.0.200'
const VIP6 = 'fd00:1::200'
const ECHO = 8080
const WITNESS = 9090
const placed = { full_nat: true, virtual_address: true }
const services = [
  { ...placed, name: 'web', listen: `${VIP}:80`, backends: [`10.1.0.11:${ECHO}`] },
  { ...placed, name: 'who', listen: `${VIP}:90`, backends: [`10.1.0.11:${WITNESS}`] },
  { ...placed, name: 'who6', listen: `[${VIP6}]:90`, backends: [`[fd00:1::11]:${WITNESS}`] },
]
const QUESTIONS: readonly Question[] = [VIP, VIP6].map((address) => ({ protocol: 'tcp', address, port: 90, times: 2 }))
/** A backend that saw the client would answer it directly, and nobody would understand that. */
const ANSWERS = [['10.1.0.1'], ['fd00:1::1']]
const NOBODY = '02:00:00:00:00:99'

let lab: Lab
let net: Topology
const parts = new AsyncDisposableStack()
const directory = freshDirectory('ends')

beforeAll(async () => {
  lab = parts.use(await sharedLab())
  net = parts.use(await buildTopology(lab, { name: 'ends', kind: 'bridge', realServers: 1, virtualAddresses: 1 }))
  await net.check(net.director, 'modprobe ip_vs; sysctl -qw net.ipv4.vs.conntrack=1')
  const [server] = net.realServers as [Host]
  await startServer(lab, server, listenersOn(['10.1.0.11'], [ECHO]))
  await startSourceWitness(lab, server, WITNESS)
})
afterAll(() => parts.disposeAsync())

const start = async (onExit: string) => {
  const configuration = configurationText(directory, services, { global: { on_exit: onExit } })
  const daemon = await Daemon.start(lab, directory, { netns: net.director.netns, configuration })
  await daemon.waitForMetrics((metrics) => metrics.sum('pointsman_addresses_held') === 2, 'both addresses were there', 60_000)
  return daemon
}
const ask = async () => (await askSources(lab, net.client, QUESTIONS)).map(addressesOf)
const addresses = () => net.check(net.director, `ip -o addr show to ${VIP}; ip -o -6 addr show to ${VIP6}`)
const elements = async () =>
  (await net.run(net.director, 'nft list table inet pointsman')).stdout.match(/ : goto snat_masquerade/g)
const table = () => net.check(net.director, 'ipvsadm -Sn')
/** Who the client believes to hold the addresses. */
const believed = async () => {
  const shown = async (address: string) =>
    JSON.parse((await net.check(net.client, `ip -j neigh show ${address} dev eth0`)).trim() || '[]') as { lladdr?: string }[]
  return Promise.all([VIP, VIP6].map(async (address) => (await shown(address))[0]?.lladdr))
}

it('clients on the link follow an address that they believed elsewhere, and on_exit: keep leaves all of it at work', async () => {
  for (const address of [VIP, VIP6])
    await net.check(net.client, `ip neigh replace ${address} lladdr ${NOBODY} dev eth0 nud stale`)
  expect(await believed()).toEqual([NOBODY, NOBODY])
  await using daemon = await start('keep')
  const [link] = JSON.parse(await net.check(net.director, 'ip -j link show dev eth0')) as { address: string }[]
  const mac = link?.address
  await expect.poll(believed, { timeout: 20_000, interval: 200 }).toEqual([mac, mac])
  expect(await ask()).toEqual(ANSWERS)
  expect((await daemon.stop()).code).toBe(0)
  expect((await elements())?.length).toBe(3)
  expect(await addresses()).toMatch(/10\.1\.0\.200\/32 .*fd00:1::200\/128 .*deprecated/s)
  expect(await ask()).toEqual(ANSWERS)
})

it('on_exit: drain lets a connection end before its translation and its address go', async () => {
  await using daemon = await start('drain')
  const flow = { id: 'web', protocol: 'tcp' as const, address: VIP, port: 80, concurrency: 1, held: 2, limit: 5 }
  const traffic = await startTraffic(lab, net.client, [flow])
  await traffic.until(5, 'web')
  daemon.process.kill('SIGTERM')
  const weights = async () => [...(await table()).matchAll(/-r 10\.1\.0\.11:8080 -m -w (\d+)/g)].map(([, weight]) => weight)
  await expect.poll(weights, { timeout: 30_000, interval: 100 }).toEqual(['0'])
  // The others have nobody left: that they are gone shows that the pass is over.
  await expect.poll(table, { timeout: 30_000, interval: 100 }).not.toContain(':90')
  expect(await elements()).not.toBeNull()
  expect(await addresses()).toContain(VIP)
  const [report] = (await traffic.stop()).flows
  expect(report).toMatchObject({ failures: 0, held: { alive: 2 } })
  expect((await daemon.ended(120_000)).code).toBe(0)
  expect([await table(), await addresses(), await net.check(net.director, 'nft list tables')]).toEqual(['', '', ''])
})
