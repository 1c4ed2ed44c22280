/** Source NAT by iptables through the whole daemon, for systems without nftables: both variants of Debian's programs, with packets. */

import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Lab } from '../lab/lab.ts'
import { sharedLab } from '../lab/shared.ts'
import { buildTopology, type Topology } from '../lab/topology.ts'
import type { Question } from './guest/ask-sources.ts'
import { addressesOf, askSources, startSourceWitness } from './support/ask-sources.ts'
import { iptablesFolder, type ProgramFolder } from './support/iptables-folder.ts'
import { configurationText, Daemon, freshDirectory } from './support/pointsman.ts'

const SNAT = '10.2.1.50'
const PORT = 8080
const web = { name: 'web', listen: '10.9.0.1:80', full_nat: true, drain: { timeout: 0 } }
const services = [
  { ...web, backends: [`10.2.1.2:${PORT}`, `10.2.2.2:${PORT}`] },
  { ...web, name: 'dns', listen: '10.9.0.1:53', protocol: 'udp', snat_ip: SNAT, backends: [`10.2.1.2:${PORT}`] },
  { ...web, name: 'web6', listen: '[fd00:9::1]:80', backends: [`[fd00:2:1::2]:${PORT}`] },
]
const QUESTIONS: readonly Question[] = [
  { protocol: 'tcp', address: '10.9.0.1', port: 80, times: 4 },
  { protocol: 'udp', address: '10.9.0.1', port: 53, times: 2 },
  { protocol: 'tcp', address: 'fd00:9::1', port: 80, times: 2 },
]
const ANSWERS = [['10.2.1.1', '10.2.2.1'], [SNAT], ['fd00:2:1::1']]

let lab: Lab
let net: Topology
const parts = new AsyncDisposableStack()

beforeAll(async () => {
  lab = parts.use(await sharedLab())
  net = parts.use(await buildTopology(lab, { name: 'roadipt', kind: 'routed', realServers: 2, virtualAddresses: 1 }))
  await net.check(net.director, `ip addr add ${SNAT}/32 dev lo; modprobe ip_vs; sysctl -qw net.ipv4.vs.conntrack=1`)
  for (const server of net.realServers) {
    await net.check(server, 'ip route del default; ip -6 route del default; ip route')
    await startSourceWitness(lab, server, PORT)
  }
})
afterAll(() => parts.disposeAsync())

describe.each(['nft', 'legacy'] as const)('a daemon with iptables-%s', (variant) => {
  const directory = freshDirectory(`iptables-${variant}`)
  // What others flush is back long before that.
  const global = { on_exit: 'remove', resync_interval: '5m', snat: { by: 'iptables' } }
  let folder: ProgramFolder
  // What a distribution installs, for this process alone.
  const start = (more: Readonly<Record<string, unknown>> = {}) =>
    Daemon.start(lab, directory, {
      netns: net.director.netns,
      configuration: configurationText(directory, services, { global: { ...global, ...more } }),
      under: folder.under,
    })
  const iptables = (args: string, program = 'iptables') => net.check(net.director, `${folder.path}/${program} ${args}`)
  const rules = async () =>
    (await Promise.all(['iptables-save', 'ip6tables-save'].map((program) => iptables('-c -t nat', program))))
      .join('')
      .split('\n')
      .filter((line) => line.includes('POINTSMAN'))
  const withoutCounters = (lines: readonly string[]) => lines.map((line) => line.replace(/\[\d+:\d+\]/, ''))
  const counted = (lines: readonly string[]) => lines.map((line) => Number(/\[(\d+):/.exec(line)?.[1] ?? 0))
  const expectAnswers = async () => {
    const answers = await askSources(lab, net.client, QUESTIONS)
    expect(answers.map(addressesOf), JSON.stringify(answers)).toEqual(ANSWERS)
  }

  beforeAll(async () => {
    folder = await iptablesFolder(lab, `iptables-${variant}`, { variant, called: 'iptables' })
  })

  it('translates, puts back what is flushed, lives through its death without a write, and leaves nothing', async () => {
    await using first = await start()
    await first.settled()
    await expectAnswers()
    const before = await rules()
    expect(before.filter((line) => / -A POINTSMAN /.test(line))).toHaveLength(services.length)
    expect(before.filter((line) => / -A POSTROUTING /.test(line))).toHaveLength(2)

    // One family after the other: what is put back for the second leaves the first as it stands, in its order too.
    for (const program of ['iptables', 'ip6tables']) {
      await iptables('-t nat -F', program)
      await expect
        .poll(async () => withoutCounters(await rules()), { timeout: 40_000, interval: 300 })
        .toEqual(withoutCounters(before))
    }
    await expectAnswers()
    const healed = await rules()
    await first.stop('SIGKILL')

    await using second = await start({ resync_interval: '2s' })
    await second.settled()
    await second.fullPasses(1)
    const metrics = await second.metrics()
    for (const kind of ['add-table', 'rebuild-table', 'write-rules', 'add-element', 'edit-element'])
      expect.soft(metrics.sum('pointsman_sink_changes_total', { kind }), kind).toBe(0)
    // A rule that was written anew begins to count at nothing.
    const after = await rules()
    expect(withoutCounters(after)).toEqual(withoutCounters(healed))
    for (const [index, count] of counted(healed).entries()) expect(counted(after)[index]).toBeGreaterThanOrEqual(count)
    expect(Math.max(...counted(healed))).toBeGreaterThan(0)
    await expectAnswers()
    expect([...first.complaints('settled'), ...second.complaints('settled')]).toEqual([])
    expect((await second.stop()).code).toBe(0)
    expect(await rules()).toEqual([])
    expect(await net.check(net.director, 'nft list tables; ipvsadm -Sn')).not.toMatch(/pointsman|^-/im)
  })
})
