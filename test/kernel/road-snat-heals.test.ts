/** What others take away under traffic is back within a second, by the kernel's messages alone: the next resync is ten minutes away. */

import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Lab } from '../lab/lab.ts'
import { sharedLab } from '../lab/shared.ts'
import { buildTopology, type Host, type Topology } from '../lab/topology.ts'
import type { Flow, FlowReport } from '../lab/traffic/flow.ts'
import { listenersOn, startServer, startTraffic, type Traffic } from '../lab/traffic/traffic.ts'
import type { Question } from './guest/ask-sources.ts'
import type { Harm, Healed } from './guest/heal-witness.ts'
import { addressesOf, askSources, startSourceWitness } from './support/ask-sources.ts'
import { HealWitness } from './support/heal-witness.ts'
import { configurationText, Daemon, freshDirectory } from './support/pointsman.ts'

const VIP = '10.1.0.200'
const MARKED = '10.9.0.1'
const SNAT = '10.2.1.50'
const ECHO = 8080
const WITNESS = 9090
/** What the issue grants. */
const SECOND = 1_000
/** A datagram that is lost is not sent again. */
const UDP_PATIENCE = 3_000
const TCP_PATIENCE = 30_000

const udp = { protocol: 'udp', full_nat: true, snat_ip: SNAT }
const services = [
  { name: 'web', listen: `${VIP}:80`, full_nat: true, virtual_address: true, backends: [`10.2.1.2:${ECHO}`] },
  { ...udp, name: 'dns', listen: `${VIP}:53`, virtual_address: true, backends: [`10.2.1.2:${ECHO}`] },
  { name: 'marked', fwmark: 7, full_nat: true, snat_ip: SNAT, backends: [`10.2.1.2:${WITNESS}`] },
]
/** Somebody else's table, which marks what is for the firewall mark. */
const MARKING = `table inet marks {
  chain pre {
    type filter hook prerouting priority mangle
    ip daddr ${MARKED} udp dport 90 meta mark set 7
  }
}
`
const FLOWS: readonly Flow[] = [
  { id: 'tcp', protocol: 'tcp', address: VIP, port: 80, concurrency: 4, pauseMs: 250, timeoutMs: TCP_PATIENCE },
  { id: 'udp', protocol: 'udp', address: VIP, port: 53, concurrency: 4, pauseMs: 250, timeoutMs: UDP_PATIENCE },
]

let lab: Lab
let net: Topology
let daemon: Daemon
let witness: HealWitness
const parts = new AsyncDisposableStack()
const directory = freshDirectory('heals')

beforeAll(async () => {
  lab = parts.use(await sharedLab())
  net = parts.use(await buildTopology(lab, { name: 'heals', kind: 'routed', realServers: 1, virtualAddresses: 1 }))
  const server = net.realServers[0] as Host
  await net.check(net.director, `ip addr add ${SNAT}/32 dev lo; modprobe ip_vs; sysctl -qw net.ipv4.vs.conntrack=1`)
  await net.check(net.director, ['nft', '-f', '-'], { input: MARKING })
  await net.check(server, 'ip route del default; ip -6 route del default; ip route')
  await startServer(lab, server, listenersOn(['10.2.1.2'], [ECHO]))
  await startSourceWitness(lab, server, WITNESS)
  const configuration = configurationText(directory, services, { global: { resync_interval: '10m', on_exit: 'remove' } })
  daemon = parts.use(await Daemon.start(lab, directory, { netns: net.director.netns, configuration }))
  await daemon.settled()
  await daemon.waitForMetrics((metrics) => metrics.sum('pointsman_addresses_held') === 1, 'the address was there', 60_000)
  witness = parts.use(await HealWitness.start(lab, net.director))
})
afterAll(() => parts.disposeAsync())

interface Case {
  readonly what: string
  /** Milliseconds. */
  readonly limit: number
  readonly harm: Harm
}
const HARMS: readonly Case[] = [
  {
    what: 'the ruleset is flushed',
    limit: SECOND,
    harm: {
      command: 'nft flush ruleset',
      gone: 'delete table pointsman',
      back: 'add element pointsman vip4',
    },
  },
  {
    what: 'an element is deleted',
    limit: SECOND,
    harm: {
      command: `nft delete element inet pointsman vip4_address '{ udp . ${VIP} . 53 }'`,
      gone: 'delete element pointsman vip4_address',
      back: 'add element pointsman vip4_address',
    },
  },
  {
    what: 'the virtual address is deleted',
    // The neighbours are asked about it first, which takes half a second.
    limit: 2 * SECOND,
    harm: { command: `ip addr del ${VIP}/32 dev eth0`, gone: `delete address ${VIP}`, back: `add address ${VIP}` },
  },
]
/** Milliseconds in which an attempt that is not timed out has ended. */
const LONGEST_ATTEMPT = 5_000

/** Failures of attempts that began outside the phases of these names; all that failed is looked at. */
function failedOutside(names: readonly string[], { phases, firstFailures, failures }: FlowReport, patience: number): unknown[] {
  expect(failures).toBe(firstFailures.length)
  const harmed = phases.filter(({ name }) => names.includes(name))
  return firstFailures.filter(({ at, kind }) => {
    const longest = kind === 'timeout' ? patience : LONGEST_ATTEMPT
    return !harmed.some(({ from, to }) => at >= from && at - longest <= to)
  })
}

describe('under traffic', () => {
  it('what is taken away is back within a second, and nothing that begins after that fails', async () => {
    // What a first try met is not held against a second one.
    await daemon.settled()
    const traffic: Traffic = await startTraffic(lab, net.client, FLOWS)
    const times: Record<string, Healed> = {}
    const fullPasses = async () =>
      (await daemon.metrics()).sum('pointsman_sink_pass_duration_seconds_count', { sink: 'ipvs', scope: 'full' })
    await traffic.attempts(50)
    for (const { what, harm } of HARMS) {
      const before = await fullPasses()
      const from = daemon.log.length
      await traffic.mark(what)
      times[what] = await witness.harm(harm)
      await traffic.mark('healed')
      await traffic.attempts(50)
      await daemon.waitForLog(({ msg }) => msg.startsWith('pass: '), 10_000, from)
      expect(await fullPasses(), what).toBeGreaterThan(before)
    }
    const { flows } = await traffic.stop()
    for (const { what, limit } of HARMS) {
      const { milliseconds } = times[what] as Healed
      console.log(`${what}: back after ${Math.round(milliseconds)} ms`)
      expect.soft(milliseconds, what).toBeLessThan(limit)
    }
    const [tcp, datagrams] = flows as [FlowReport, FlowReport]
    // What a client sends while its translation is missing it sends again; without the address there is nobody to send it to. An answer that comes while all
    // of NAT is gone comes to the director itself, which resets the connection: the server has nothing to send again then.
    expect(failedOutside(['the ruleset is flushed', 'the virtual address is deleted'], tcp, TCP_PATIENCE)).toEqual([])
    const phases = JSON.stringify(datagrams.phases)
    expect(failedOutside(Object.keys(times), datagrams, UDP_PATIENCE), phases).toEqual([])
    expect(daemon.complaints('settled')).toEqual([])
  })
})

describe('a flow of a firewall mark that begins while its translation is missing', () => {
  it('is answered once the translation is back: its entry is deleted', async () => {
    await net.check(net.director, ['nft', '-f', '-'], { input: MARKING })
    const ask = async (localPort: number, patience: number) => {
      const question: Question = { protocol: 'udp', address: MARKED, port: 90, times: 1, localPort, patience }
      return addressesOf((await askSources(lab, net.client, [question]))[0])
    }
    expect(await ask(5_300, 8_000)).toEqual([SNAT])
    const entries = async (more: string) =>
      (await net.check(net.director, `grep 'sport=5301 dport=90' /proc/net/nf_conntrack | grep -c '${more}' || true`)).trim()
    daemon.process.kill('SIGSTOP')
    try {
      await net.check(net.director, `nft delete element inet pointsman mark4_address '{ 7 . 10.2.1.2 . ${WITNESS} }'`)
      expect(await ask(5_301, 5_000)).toEqual(['none'])
      expect(await entries('UNREPLIED')).toBe('1')
    } finally {
      daemon.process.kill('SIGCONT')
    }
    await expect.poll(() => entries('UNREPLIED'), { timeout: 20_000, interval: 200 }).toBe('0')
    expect(await ask(5_301, 8_000)).toEqual([SNAT])
    const metrics = await daemon.metrics()
    expect(metrics.sum('pointsman_sink_changes_total', { kind: 'delete-connection' })).toBeGreaterThan(0)
    expect((await daemon.stop()).code).toBe(0)
    expect(await net.check(net.director, 'nft list tables')).not.toContain('pointsman')
  })
})
