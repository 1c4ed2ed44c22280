/** Protocols with servers of their own through the whole daemon: ezlb's example for DNS before two Knot servers, and SCTP with and without source NAT. */

import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { inCheckout, type Lab, type LabProcess } from '../lab/lab.ts'
import { sharedLab } from '../lab/shared.ts'
import { buildTopology, type Host, type Topology } from '../lab/topology.ts'
import { startServer, startTraffic } from '../lab/traffic/traffic.ts'
import { libraryPath } from '../peers/debian-package.ts'
import { knotPrograms } from '../peers/knot.ts'
import type { NameQuestions } from './guest/ask-names.ts'
import { configurationText, Daemon, freshDirectory } from './support/pointsman.ts'
import { SeenSources } from './support/seen-sources.ts'

let lab: Lab
let net: Topology
const parts = new AsyncDisposableStack()

beforeAll(async () => {
  lab = parts.use(await sharedLab())
  net = parts.use(await buildTopology(lab, { name: 'protos', kind: 'routed', realServers: 2, virtualAddresses: 1 }))
  await lab.check('modprobe -a sctp ip_vs')
  await net.check(net.director, 'sysctl -qw net.ipv4.vs.conntrack=1')
  for (const server of net.realServers) await net.check(server, 'ip route del default; ip -6 route del default; ip route')
})
afterAll(() => parts.disposeAsync())

/** As ezlb's examples have it, with their addresses. */
const EZLB = `global:
  admin_address: "127.0.0.1:9095"  # Admin HTTP server address for metrics and health checks (default: disabled)
  cleanup_on_exit: true      # Remove managed IPVS services and EZLB-SNAT iptables chain on exit (default: true)
  metrics_enabled: true      # Enable Prometheus metrics endpoint (default: true)
  metrics_path: "/metrics"   # Metrics endpoint path (default: /metrics)
  log:
    level: info              # Log level: debug, info, warn, error (default: info)

services:
  - name: dns-service
    listen: 10.0.0.3:53
    protocol: udp
    scheduler: rr
    full_nat: true           # Enable FullNAT (IPVS NAT + iptables SNAT)
    snat_ip: 10.0.0.3        # Source IP for SNAT; omit for MASQUERADE
    traffic_log: true          # Per-service traffic log: true to enable raw stats logging (default: disabled)
    health_check:
      enabled: false
    backends:
      - address: 192.168.4.10:53
        weight: 1
      - address: 192.168.4.11:53
        weight: 1
`
const DNS_BACKENDS = ['192.168.4.10', '192.168.4.11'] as const
const VIRTUAL = '10.0.0.3'

describe("ezlb's example of a DNS service", () => {
  /** Knot with a zone in which each server tells its name. */
  async function startKnotOn(host: Host, address: string): Promise<LabProcess> {
    const unpacked = await knotPrograms()
    const directory = freshDirectory(`knot-${host.role}`)
    const zone = `$ORIGIN web.example.\n$TTL 60\n@ SOA ns hostmaster 1 3600 600 86400 5\n@ NS ns\nns A 192.0.2.53\nwho TXT "${host.role}"\n`
    await lab.writeFile(`${directory}/web.example.zone`, zone)
    await lab.writeFile(
      `${directory}/knot.conf`,
      `server:\n  rundir: ${directory}\n  listen: ${address}@53\n  udp-workers: 1\n  tcp-workers: 2\n  background-workers: 1
database:\n  storage: ${directory}\nlog:\n  - target: stderr\n    any: info
zone:\n  - domain: web.example\n    file: ${directory}/web.example.zone\n    zonefile-sync: -1\n    journal-content: none\n`,
    )
    const env = { LD_LIBRARY_PATH: libraryPath(unpacked) }
    const knot = lab.spawn([`${unpacked}/usr/sbin/knotd`, '-c', `${directory}/knot.conf`], { netns: host.netns, env })
    await knot.waitForLine((line) => /web\.example.*loaded/.test(line), 60_000)
    await knot.waitForLine((line) => /server started/.test(line), 60_000)
    return knot
  }

  it('answers clients from both servers in turn, and both see the fixed address alone', async () => {
    const seen: SeenSources[] = []
    await net.check(net.director, `ip addr add ${VIRTUAL}/32 dev lo`)
    for (const [index, host] of net.realServers.entries()) {
      const address = DNS_BACKENDS[index] as string
      await net.check(host, `ip addr add ${address}/32 dev lo && ip route add ${VIRTUAL} via 10.2.${index + 1}.1`)
      await net.check(net.director, `ip route add ${address} via 10.2.${index + 1}.2`)
      await startKnotOn(host, address)
      seen.push(await SeenSources.start(net, host, 'udp dport 53'))
    }
    const directory = freshDirectory('ezlb')
    const args = ['--state-dir', `${directory}/state`]
    await using daemon = await Daemon.start(lab, directory, { netns: net.director.netns, configuration: EZLB, args })
    await daemon.settled()
    const { code, stdout, stderr } = await lab.runScript(inCheckout('test/kernel/guest/ask-names.ts'), {
      netns: net.client.netns,
      input: JSON.stringify({ server: VIRTUAL, name: 'who.web.example', times: 10 } satisfies NameQuestions),
      timeoutMs: 120_000,
    })
    expect(code, stderr).toBe(0)
    const answers = JSON.parse(stdout) as string[]
    // A question that is asked again takes a turn more.
    expect(answers).toHaveLength(10)
    expect([...new Set(answers)].sort(), answers.join(' ')).toEqual(['rs1', 'rs2'])
    for (const each of seen) expect(await each.addresses()).toEqual([VIRTUAL])
    expect((await daemon.metrics()).sum('pointsman_service_translated_connections_total')).toBeGreaterThanOrEqual(10)
    expect(daemon.complaints('settled')).toEqual([])
    expect((await daemon.stop()).code).toBe(0)
    expect(await net.check(net.director, 'nft list tables; ipvsadm -Sn')).toBe('')
  })
})

describe('SCTP', () => {
  const SNAT = '10.2.1.50'
  const sctp = { protocol: 'sctp', scheduler: 'rr', backends: ['10.2.1.2:8080'] }
  const services = [
    { ...sctp, name: 'translated', listen: '10.9.0.1:3868', full_nat: true, snat_ip: SNAT },
    { ...sctp, name: 'masqueraded', listen: '10.9.0.1:3869', full_nat: true },
    { ...sctp, name: 'plain', listen: '10.9.0.1:3870', backends: ['10.2.2.2:8080'] },
  ]

  it('reaches servers by plain NAT, by a fixed source address and by that of the interface', async () => {
    const [first, second] = net.realServers as [Host, Host]
    await net.check(net.director, `ip addr add ${SNAT}/32 dev lo`)
    // By plain NAT the server answers the client itself, and needs a way to it.
    await net.check(second, `ip route add ${net.client.addresses.ipv4} via 10.2.2.1`)
    for (const host of [first, second]) await startServer(lab, host, [`sctp:${host.addresses.ipv4}:8080`])
    const seen = [await SeenSources.start(net, first, 'sctp dport 8080'), await SeenSources.start(net, second, 'sctp dport 8080')]
    const directory = freshDirectory('sctp')
    const configuration = configurationText(directory, services, { global: { on_exit: 'remove' } })
    await using daemon = await Daemon.start(lab, directory, { netns: net.director.netns, configuration })
    await daemon.settled()
    const flows = [3868, 3869, 3870].map((port) => ({
      id: `${port}`,
      protocol: 'sctp' as const,
      address: '10.9.0.1',
      port,
      concurrency: 2,
      held: 2,
      limit: 20,
    }))
    const traffic = await startTraffic(lab, net.client, flows)
    for (const { id } of flows) await traffic.until(20, id)
    const report = await traffic.stop()
    for (const { id, attempts, failures, held, servers } of report.flows) {
      expect.soft({ id, attempts, failures, servers, alive: held.alive }).toEqual({
        id,
        attempts: 20,
        failures: 0,
        servers: { [id === '3870' ? 'rs2' : 'rs1']: 20 },
        alive: 2,
      })
    }
    expect(await seen[0]?.addresses()).toEqual(['10.2.1.1', SNAT])
    expect(await seen[1]?.addresses()).toEqual([net.client.addresses.ipv4])
    const translated = await daemon.metrics()
    for (const service of ['translated', 'masqueraded'])
      expect(translated.sum('pointsman_service_translated_connections_total', { service })).toBeGreaterThanOrEqual(22)
    expect(daemon.complaints('settled')).toEqual([])
    expect((await daemon.stop()).code).toBe(0)
  })
})
