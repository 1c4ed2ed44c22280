/** `global.snat.by: auto` where nftables is not installed: what is left of iptables takes its place, and without any of it the other services go on. */

import { afterAll, beforeAll, expect, it } from 'vitest'
import type { Lab } from '../lab/lab.ts'
import { sharedLab } from '../lab/shared.ts'
import { buildTopology, type Host, type Topology } from '../lab/topology.ts'
import type { Question } from './guest/ask-sources.ts'
import { addressesOf, askSources, startSourceWitness } from './support/ask-sources.ts'
import { iptablesFolder } from './support/iptables-folder.ts'
import { configurationText, Daemon, freshDirectory, pointsman } from './support/pointsman.ts'

const PORT = 8080
const services = [
  { name: 'web', listen: '10.9.0.1:80', full_nat: true, drain: { timeout: 0 }, backends: [`10.2.1.2:${PORT}`] },
  { name: 'plain', listen: '10.9.0.1:81', drain: { timeout: 0 }, backends: [`10.2.2.2:${PORT}`] },
]
const web: Question = { protocol: 'tcp', address: '10.9.0.1', port: 80, times: 2 }
const plain: Question = { ...web, port: 81 }

let lab: Lab
let net: Topology
const parts = new AsyncDisposableStack()

beforeAll(async () => {
  lab = parts.use(await sharedLab())
  net = parts.use(await buildTopology(lab, { name: 'roadauto', kind: 'routed', realServers: 2, virtualAddresses: 1 }))
  await net.check(net.director, 'modprobe ip_vs; sysctl -qw net.ipv4.vs.conntrack=1')
  // The second answers the client itself.
  await net.check(net.realServers[0] as Host, 'ip route del default; ip route')
  for (const server of net.realServers) {
    await startSourceWitness(lab, server, PORT)
  }
})
afterAll(() => parts.disposeAsync())

const ask = async (...questions: Question[]) => (await askSources(lab, net.client, questions)).map(addressesOf)
const start = (directory: string, under: readonly string[]) => {
  const configuration = configurationText(directory, services, { global: { on_exit: 'remove' } })
  return Daemon.start(lab, directory, { netns: net.director.netns, configuration, under })
}

it.each([
  ['iptables-nft, which the distribution calls iptables', 'nft', 'iptables'],
  ['iptables-legacy alone', 'legacy', 'by variant'],
] as const)('%s', async (_, variant, called) => {
  const { netns } = net.director
  const folder = await iptablesFolder(lab, `auto-${variant}`, { variant, called }, 'nftables')
  const directory = freshDirectory(`auto-${variant}`)
  await using daemon = await start(directory, folder.under)
  await daemon.settled()
  expect(await ask(web, plain)).toEqual([['10.2.1.1'], [net.client.addresses.ipv4]])
  const program = called === 'iptables' ? 'iptables-save' : `iptables-${variant}-save`
  expect(await net.check(net.director, `${folder.path}/${program} -t nat`)).toMatch(/-A POINTSMAN .*--ctorigdst 10\.9\.0\.1/)
  const doctor = await pointsman(lab, ['doctor', '--config', daemon.configPath], { netns, under: folder.under })
  expect(doctor.stdout).toMatch(/ok +source NAT +it can be made \(iptables, because nftables is not here\)/)
  expect(daemon.complaints('settled')).toEqual([])
  expect((await daemon.stop()).code).toBe(0)
  expect(await net.check(net.director, `${folder.path}/${program} -t nat; nft list tables; ipvsadm -Sn`)).not.toMatch(
    /pointsman|^-A -t/im,
  )
})

it('none of them: services without source NAT go on, and one sentence says what to install', async () => {
  const { netns } = net.director
  const folder = await iptablesFolder(lab, 'auto-none', undefined, 'nftables')
  const directory = freshDirectory('auto-none')
  await using daemon = await start(directory, folder.under)
  expect(await ask(plain)).toEqual([[net.client.addresses.ipv4]])
  const table = await net.check(net.director, 'ipvsadm -Sn')
  expect([table.includes('10.9.0.1:80'), table.includes('10.9.0.1:81')]).toEqual([false, true])
  const words =
    'Neither libnftables.so.1 nor the program nft is installed: `apt install nftables` brings both. iptables, which would do instead, cannot be had either: iptables-save is not installed: install the package nftables (or iptables) of your distribution.'
  const failed = await daemon.waitForLog(({ code, msg }) => code === 'NFT_MISSING' && msg.includes(words), 60_000)
  expect(failed).toMatchObject({ level: 'error', object: 'tcp/10.9.0.1:80' })
  const { code, body } = await daemon.health('/readyz')
  expect([code, body.status]).toEqual([200, 'degraded'])
  const doctor = await pointsman(lab, ['doctor', '--config', daemon.configPath], { netns, under: folder.under })
  // A line of the doctor ends without a full stop.
  expect(doctor.stdout).toContain(`fail  source NAT         ${words.slice(0, -1)}\n`)
  expect((await daemon.stop()).code).toBe(0)
})
