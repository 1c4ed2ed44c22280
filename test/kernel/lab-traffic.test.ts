/** Proves the lab's instruments: its networks carry IPVS traffic of every forwarding method, and its generator sees failures. */

import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Lab } from '../lab/lab.ts'
import { sharedLab } from '../lab/shared.ts'
import { buildTopology, type Host, type Topology } from '../lab/topology.ts'
import { type Flow, listenersOn, startServer, startTraffic } from '../lab/traffic/traffic.ts'

let lab: Lab
beforeAll(async () => {
  lab = await sharedLab()
})
afterAll(() => lab.close())

const bracket = (address: string): string => (address.includes(':') ? `[${address}]` : address)

/** ipvsadm lines for one TCP and one UDP service on a virtual address, all real servers behind them. */
function services(topology: Topology, family: 'ipv4' | 'ipv6', port: number, forwarding: string): string {
  const vip = `${bracket(topology.virtual[0]?.[family] ?? '')}:${port}`
  const lines = ['-t', '-u'].flatMap((protocol) => [
    `-A ${protocol} ${vip} -s rr`,
    ...topology.realServers.map(
      (server) => `-a ${protocol} ${vip} -r ${bracket(server.addresses[family])}:${port} ${forwarding}`,
    ),
  ])
  return `${lines.join('\n')}\n`
}

const flows = (topology: Topology, port: number, more: Partial<Flow> = {}): readonly Flow[] =>
  (['tcp', 'udp'] as const).flatMap((protocol) =>
    (['ipv4', 'ipv6'] as const).map((family) => ({
      id: `${protocol} ${family} ${port}`,
      protocol,
      address: topology.virtual[0]?.[family] ?? '',
      port,
      concurrency: 2,
      limit: 12,
      held: 2,
      ...more,
    })),
  )

const everywhere = (host: Host, topology: Topology): readonly string[] =>
  topology.kind === 'routed' ? Object.values(host.addresses) : Object.values(topology.virtual[0] ?? {})

async function startServers(topology: Topology, ports: readonly number[]) {
  return Promise.all(topology.realServers.map((host) => startServer(lab, host, listenersOn(everywhere(host, topology), ports))))
}

async function expectCarried(topology: Topology, ports: readonly number[]): Promise<void> {
  await startServers(topology, ports)
  const all = ports.flatMap((port) => flows(topology, port))
  const traffic = await startTraffic(lab, topology.client, all)
  for (const { id } of all) await traffic.until(12, id)
  const report = await traffic.stop()
  const names = topology.realServers.map(({ role }) => role).sort()
  for (const flow of report.flows) {
    expect.soft(flow, flow.id).toMatchObject({ attempts: 12, successes: 12, failures: 0, firstFailures: [] })
    expect.soft(Object.keys(flow.servers).sort(), `servers of ${flow.id}`).toEqual(names)
    expect.soft(flow.held, `held of ${flow.id}`).toMatchObject({ opened: 2, alive: 2, lost: 0 })
  }
}

/** The kernel sums its counters every two seconds (net/netfilter/ipvs/ip_vs_est.c): read after the next time. */
async function settledCounters(topology: Topology): Promise<string> {
  return topology.check(topology.director, 'sleep 2.5; ipvsadm -Ln --stats')
}

describe('networks of the lab', () => {
  it('carry NAT over TCP and UDP, IPv4 and IPv6, when routed', async () => {
    await using topology = await buildTopology(lab, { name: 'ltr', kind: 'routed', realServers: 2 })
    const input = services(topology, 'ipv4', 80, '-m') + services(topology, 'ipv6', 80, '-m')
    await topology.check(topology.director, 'ipvsadm -R', { input })
    await expectCarried(topology, [80])
    // Twelve short connections and two held ones, by the kernel's own count.
    const counters = await settledCounters(topology)
    expect(counters).toMatch(/TCP +10\.9\.0\.1:80 +14 /)
    expect(counters).toMatch(/UDP +\[fd00:9::1\]:80 +14 /)
  })

  it('carry direct routing and tunnels over TCP and UDP, IPv4 and IPv6, when on one link', async () => {
    await using topology = await buildTopology(lab, { name: 'ltb', kind: 'bridge', realServers: 2 })
    const input = (['ipv4', 'ipv6'] as const).map(
      (family) =>
        services(topology, family, 81, '-g') +
        services(topology, family, 82, '-i') +
        services(topology, family, 83, '-i --tun-type gre') +
        services(topology, family, 84, '-i --tun-type gue --tun-port 6080'),
    )
    await topology.check(topology.director, 'ipvsadm -R', { input: input.join('') })
    await expectCarried(topology, [81, 82, 83, 84])
    // The director saw requests only: what came back took the short way.
    const counters = await settledCounters(topology)
    for (const line of counters.split('\n').filter((text) => /^(TCP|UDP)/.test(text))) {
      const [connections, packetsIn, packetsOut] = line.trim().split(/ +/).slice(-5)
      expect(connections).toBe('14')
      expect(Number(packetsIn)).toBeGreaterThanOrEqual(14)
      expect(packetsOut).toBe('0')
    }
  })
})

describe('the traffic generator', () => {
  it('counts refused connections and lost held ones when a real server is killed', async () => {
    await using topology = await buildTopology(lab, { name: 'ltk', kind: 'routed', realServers: 2 })
    await topology.check(topology.director, 'ipvsadm -R', { input: services(topology, 'ipv4', 80, '-m') })
    const [, victim] = await startServers(topology, [80])
    const [flow] = flows(topology, 80, { concurrency: 2, limit: 100_000, held: 4, echoIntervalMs: 100, pauseMs: 20 })
    const traffic = await startTraffic(lab, topology.client, flow === undefined ? [] : [flow])
    await traffic.attempts(20)
    await traffic.mark('killed')
    victim?.kill('SIGKILL')
    await traffic.attempts(40)
    const report = (await traffic.stop()).flows[0]
    const [before, after] = report?.phases ?? []
    expect(before).toMatchObject({ name: 'start', failures: 0 })
    expect(before?.successes).toBeGreaterThanOrEqual(20)
    // Round robin: every other connection meets the dead one; the few begun before the kill may still have succeeded.
    expect(after?.failures).toBeGreaterThan(10)
    expect(after?.servers['rs1']).toBeGreaterThan(10)
    expect(report?.failuresByKind.refused).toBeGreaterThan(10)
    expect(report?.held).toMatchObject({ opened: 4, alive: 2, lost: 2, servers: { rs1: 2 } })
    expect(report?.attempts).toBe((report?.successes ?? 0) + (report?.failures ?? 0))
  })

  it('counts time-outs when the link to a real server is cut', async () => {
    await using topology = await buildTopology(lab, { name: 'ltc', kind: 'routed', realServers: 1 })
    await topology.check(topology.director, 'ipvsadm -R', { input: services(topology, 'ipv6', 80, '-m') })
    await startServers(topology, [80])
    const cut = flows(topology, 80, { limit: 100_000, held: 1, echoIntervalMs: 100, timeoutMs: 3000 })
    const traffic = await startTraffic(
      lab,
      topology.client,
      cut.filter(({ id }) => id === 'udp ipv6 80'),
    )
    await traffic.attempts(10)
    await topology.check(
      topology.director,
      'nft add table inet cut; nft "add chain inet cut outgoing { type filter hook output priority 0; policy drop; }"',
    )
    await traffic.mark('cut')
    await traffic.attempts(2)
    const report = (await traffic.stop()).flows[0]
    expect(report?.phases[1]?.failures).toBeGreaterThanOrEqual(2)
    expect(report?.failuresByKind).toEqual({ timeout: (report?.failures ?? 0) + 1 })
    expect(report?.held).toMatchObject({ opened: 1, alive: 0, lost: 1 })
  })

  it('says that a flow to nowhere fails', async () => {
    await using topology = await buildTopology(lab, { name: 'ltn', kind: 'routed', realServers: 1 })
    const nowhere = flows(topology, 9, { limit: 4, held: 1, timeoutMs: 3000 })
    const traffic = await startTraffic(lab, topology.client, nowhere)
    for (const { id } of nowhere) await traffic.until(4, id)
    for (const flow of (await traffic.stop()).flows) {
      expect(flow, flow.id).toMatchObject({ successes: 0, failures: 4, failuresByKind: { refused: 5 } })
      expect(flow.held).toMatchObject({ opened: 0, alive: 0, lost: 0 })
    }
  })
})
