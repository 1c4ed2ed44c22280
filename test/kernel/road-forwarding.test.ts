/** Real traffic through the daemon's table: every forwarding, both protocols, both families, and counters that agree. */

import { setTimeout } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Lab } from '../lab/lab.ts'
import { sharedLab } from '../lab/shared.ts'
import { buildTopology, type Topology } from '../lab/topology.ts'
import { guePort } from '../lab/topology-plan.ts'
import { type Flow, listenersOn, type Report, startServer, startTraffic } from '../lab/traffic/traffic.ts'
import type { MetricsText } from './support/metrics-text.ts'
import { Daemon, freshDirectory } from './support/pointsman.ts'
import { expectTable, ipvsadm, readStatistics, readTable, type Statistics, tableLines } from './support/table.ts'

let lab: Lab
const all = new AsyncDisposableStack()
beforeAll(async () => {
  lab = all.use(await sharedLab())
})
afterAll(() => all.disposeAsync())

const settings = (directory: string): string => `
global:
  admin: 127.0.0.1:9095
  state_dir: ${directory}/state
  resync_interval: 2s
  watch_settle: 50ms
`

/** Short connections of each flow; a multiple of every sum of weights. */
const perFlow = 60

const flow = (id: string, protocol: 'tcp' | 'udp', address: string, port: number): Flow => ({
  id,
  protocol,
  address,
  port,
  limit: perFlow,
  concurrency: 2,
})

/** How often traffic was sent through a topology: the kernel counts what a second try of a test sends, too. */
const sends = new WeakMap<Topology, number>()
const sent = (topology: Topology): number => perFlow * (sends.get(topology) ?? 0)

/** Below the ports that the kernel gives out. */
const firstPort = 10_000
/** The next port from which nothing was sent yet: the scheduler is asked for new ones only, which the shares depend on. */
const nextPorts = new WeakMap<Topology, number>()

function freshPorts(topology: Topology): number {
  const port = nextPorts.get(topology) ?? firstPort
  nextPorts.set(topology, port + perFlow)
  return port
}

/** Sends until every flow is through or two minutes are over: the report then tells which road leads nowhere. */
async function send(topology: Topology, flows: readonly Flow[]): Promise<Report> {
  sends.set(topology, (sends.get(topology) ?? 0) + 1)
  const fresh = flows.map((each) => ({ ...each, freshPortsFrom: freshPorts(topology) }))
  const traffic = await startTraffic(lab, topology.client, fresh)
  const through = (): boolean => flows.every(({ id }) => traffic.counts(id).attempts >= perFlow)
  for (let waited = 0; !through() && waited < 120_000; waited += 250) await setTimeout(250)
  return traffic.stop()
}

/** Every connection was answered, and the answers came from the servers in these shares. */
function expectAnswers(report: Report, id: string, servers: Readonly<Record<string, number>>): void {
  const seen = report.flows.find((each) => each.id === id)
  expect(seen).toMatchObject({ attempts: perFlow, successes: perFlow, failures: 0, failuresByKind: {}, servers })
}

/** The five counters of one object as /metrics has them. */
function exported(metrics: MetricsText, kind: 'service' | 'backend', labels: Readonly<Record<string, string>>): Statistics {
  const counter = (name: string): number => metrics.one(`pointsman_${kind}_${name}_total`, labels)
  return {
    connections: counter('connections'),
    packetsIn: counter('incoming_packets'),
    packetsOut: counter('outgoing_packets'),
    bytesIn: counter('incoming_bytes'),
    bytesOut: counter('outgoing_bytes'),
  }
}

/** `TCP 10.9.0.1:80 10.2.1.2:8080` as labels; ipvsadm writes IPv6 as the metrics do. */
function labelsOf(key: string): Readonly<Record<string, string>> {
  const [protocol = '', vip = '', backend] = key.split(' ')
  const own: Record<string, string> =
    protocol === 'FWM' ? { vip: `fwmark/${vip}/ipv4`, protocol: 'fwmark' } : { vip, protocol: protocol.toLowerCase() }
  return backend === undefined ? own : { ...own, backend }
}

/** What /metrics says is what ipvsadm says, for every service and destination. `since` was exported before the kernel's counters were zeroed. */
async function expectAgreement(daemon: Daemon, since?: MetricsText): Promise<ReadonlyMap<string, Statistics>> {
  const { netns } = daemon
  // Late packets of closing connections may still come: the counters have to stand still around the scrape.
  await expect
    .poll(
      async () => {
        const before = await readStatistics(lab, { netns })
        await setTimeout(1100)
        const metrics = await daemon.metrics()
        const after = await readStatistics(lab, { netns })
        const stood = JSON.stringify([...before]) === JSON.stringify([...after])
        const differences = [...after].flatMap(([key, statistics]) => {
          const labels = labelsOf(key)
          const kind = key.split(' ').length === 3 ? 'backend' : 'service'
          const base = since === undefined ? undefined : exported(since, kind, labels)
          const total = exported(metrics, kind, labels)
          const wrong = Object.entries(statistics).filter(([name, value]) => {
            const counter = name as keyof Statistics
            return total[counter] !== value + (base?.[counter] ?? 0)
          })
          return wrong.map(([name, value]) => `${key} ${name}: ipvsadm ${value}, metrics ${total[name as keyof Statistics]}`)
        })
        return stood ? differences : ['the counters do not stand still']
      },
      { timeout: 60_000, interval: 100 },
    )
    .toEqual([])
  return readStatistics(lab, { netns })
}

describe('NAT through a router', () => {
  const directory = freshDirectory('nat')
  const parts = new AsyncDisposableStack()
  let topology: Topology
  let daemon: Daemon

  const yaml = `${settings(directory)}
defaults:
  scheduler: wrr
  traffic_log: { interval: 1s, backends: true }
services:
  - name: web
    listen: 10.9.0.1:80
    backends:
      - { address: 10.2.1.2:8080, weight: 3 }
      - { address: 10.2.2.2:8080, weight: 2 }
      - { address: 10.2.3.2:8080 }
  - name: dns
    listen: 10.9.0.1:53
    protocol: udp
    scheduler: rr
    backends: [ { address: 10.2.1.2:8080 }, { address: 10.2.2.2:8080 }, { address: 10.2.3.2:8080 } ]
  - name: web6
    listen: "[fd00:9::1]:80"
    backends: [ { address: "[fd00:2:1::2]:8080", weight: 2 }, { address: "[fd00:2:2::2]:8080", weight: 1 } ]
  - name: dns6
    listen: "[fd00:9::1]:53"
    protocol: udp
    scheduler: rr
    backends: [ { address: "[fd00:2:1::2]:8080" }, { address: "[fd00:2:3::2]:8080" } ]
  - name: marked
    fwmark: 7
    backends: [ { address: 10.2.2.2:8082 }, { address: 10.2.3.2:8082, weight: 2 } ]
`
  const table = `
    -A -t 10.9.0.1:80 -s wrr
    -a -t 10.9.0.1:80 -r 10.2.1.2:8080 -m -w 3
    -a -t 10.9.0.1:80 -r 10.2.2.2:8080 -m -w 2
    -a -t 10.9.0.1:80 -r 10.2.3.2:8080 -m -w 1
    -A -u 10.9.0.1:53 -s rr
    -a -u 10.9.0.1:53 -r 10.2.1.2:8080 -m -w 1
    -a -u 10.9.0.1:53 -r 10.2.2.2:8080 -m -w 1
    -a -u 10.9.0.1:53 -r 10.2.3.2:8080 -m -w 1
    -A -t [fd00:9::1]:80 -s wrr
    -a -t [fd00:9::1]:80 -r [fd00:2:1::2]:8080 -m -w 2
    -a -t [fd00:9::1]:80 -r [fd00:2:2::2]:8080 -m -w 1
    -A -u [fd00:9::1]:53 -s rr
    -a -u [fd00:9::1]:53 -r [fd00:2:1::2]:8080 -m -w 1
    -a -u [fd00:9::1]:53 -r [fd00:2:3::2]:8080 -m -w 1
    -A -f 7 -s wrr
    -a -f 7 -r 10.2.2.2:8082 -m -w 1
    -a -f 7 -r 10.2.3.2:8082 -m -w 2
  `
  const flows = [
    flow('tcp', 'tcp', '10.9.0.1', 80),
    flow('udp', 'udp', '10.9.0.1', 53),
    flow('tcp6', 'tcp', 'fd00:9::1', 80),
    flow('udp6', 'udp', 'fd00:9::1', 53),
    flow('fwmark', 'tcp', '10.9.0.1', 8081),
  ]

  beforeAll(async () => {
    topology = parts.use(await buildTopology(lab, { name: 'fwd', kind: 'routed' }))
    // Packets to this port carry the mark, whatever the port's service would be.
    const rule = 'ip daddr 10.9.0.1 tcp dport 8081 meta mark set 7'
    const chain = 'type filter hook prerouting priority mangle;'
    await topology.check(topology.director, `nft 'table ip marking { chain pre { ${chain} ${rule}; }; }'`)
    await Promise.all(
      topology.realServers.map((host) =>
        startServer(lab, host, listenersOn([host.addresses.ipv4, host.addresses.ipv6], [8080, 8082])),
      ),
    )
    daemon = parts.use(await Daemon.start(lab, directory, { netns: topology.director.netns, configuration: yaml }))
  })
  afterAll(() => parts.disposeAsync())

  it('makes exactly the wanted table', () => expectTable(lab, table, { netns: daemon.netns }))

  it('carries TCP and UDP over IPv4 and IPv6, and a firewall mark, in the configured shares', async () => {
    const report = await send(topology, flows)
    expectAnswers(report, 'tcp', { rs1: 30, rs2: 20, rs3: 10 })
    expectAnswers(report, 'udp', { rs1: 20, rs2: 20, rs3: 20 })
    expectAnswers(report, 'tcp6', { rs1: 40, rs2: 20 })
    expectAnswers(report, 'udp6', { rs1: 30, rs3: 30 })
    expectAnswers(report, 'fwmark', { rs2: 20, rs3: 40 })
  })

  it('exports the counters that ipvsadm shows', async () => {
    const statistics = await expectAgreement(daemon)
    expect(statistics.get('TCP 10.9.0.1:80')).toMatchObject({ connections: sent(topology) })
    expect(statistics.get('TCP 10.9.0.1:80 10.2.1.2:8080')).toMatchObject({ connections: sent(topology) / 2 })
    expect(statistics.get('UDP 10.9.0.1:53')?.packetsOut).toBeGreaterThanOrEqual(sent(topology))
  })

  /** What the traffic log has told of an object of ipvsadm so far, added up. */
  const logged = (key: string): Statistics => {
    const { vip, protocol, backend } = labelsOf(key)
    const lines = daemon.log.filter(
      (line) =>
        line.msg.startsWith('traffic of ') && line['vip'] === vip && line['protocol'] === protocol && line['backend'] === backend,
    )
    const sum = (field: string): number => lines.reduce((total, line) => total + Number(line[field]), 0)
    return {
      connections: sum('connections'),
      packetsIn: sum('packets_in'),
      packetsOut: sum('packets_out'),
      bytesIn: sum('bytes_in'),
      bytesOut: sum('bytes_out'),
    }
  }

  it('logs traffic that adds up to what ipvsadm shows', async () => {
    const statistics = await readStatistics(lab, { netns: daemon.netns })
    expect(statistics.size).toBe(17)
    const log = () => Object.fromEntries([...statistics.keys()].map((key) => [key, logged(key)]))
    await expect.poll(log, { timeout: 20_000 }).toEqual(Object.fromEntries(statistics))
  })

  it('goes on counting where it was when the kernel starts from zero', async () => {
    const since = await daemon.metrics()
    const before = since.one('pointsman_service_connections_total', labelsOf('TCP 10.9.0.1:80'))
    expect(before).toBe(sent(topology))
    await ipvsadm(lab, '-Z', { netns: daemon.netns })
    const tcp = flows.slice(0, 1)
    expectAnswers(await send(topology, tcp), 'tcp', { rs1: 30, rs2: 20, rs3: 10 })
    const statistics = await expectAgreement(daemon, since)
    expect(statistics.get('TCP 10.9.0.1:80')).toMatchObject({ connections: perFlow })
    const total = (await daemon.metrics()).one('pointsman_service_connections_total', labelsOf('TCP 10.9.0.1:80'))
    expect(total).toBe(before + perFlow)
    await expect.poll(() => logged('TCP 10.9.0.1:80').connections, { timeout: 20_000 }).toBe(total)
  })

  it('does not log the life of a backend again that comes back before the kernel has forgotten it', async () => {
    const [service, key] = ['TCP 10.9.0.1:80', 'TCP 10.9.0.1:80 10.2.3.2:8080']
    const tcp = flows.slice(0, 1)
    const inKernel = async () => (await readStatistics(lab, { netns: daemon.netns })).get(key)?.connections
    const sendAndLog = async (): Promise<void> => {
      const before = logged(service).connections
      await send(topology, tcp)
      await expect.poll(() => logged(service).connections, { timeout: 20_000 }).toBe(before + perFlow)
    }
    const kept = (await inKernel()) ?? 0
    expect(kept).toBeGreaterThan(0)
    const before = logged(key).connections
    await daemon.reconfigure(yaml.replace('      - { address: 10.2.3.2:8080 }\n', ''))
    await expect.poll(inKernel, { timeout: 30_000 }).toBeUndefined()
    // The traffic log has seen that it is away when it tells of traffic that came later.
    await sendAndLog()
    await daemon.reconfigure(yaml)
    await expect.poll(inKernel, { timeout: 30_000 }).toBe(kept)
    await sendAndLog()
    await expect.poll(inKernel, { timeout: 20_000 }).toBe(kept + perFlow / 6)
    await expect.poll(() => logged(key).connections, { timeout: 20_000 }).toBe(before + perFlow / 6)
  })

  it('takes the series away with the object', async () => {
    await daemon.reconfigure(yaml.replace('      - { address: 10.2.3.2:8080 }\n', '').replace(/ {2}- name: marked[\s\S]*/, ''))
    const gone = (line: string): boolean => line.includes('-f 7') || line.startsWith('-a -t 10.9.0.1:80 -r 10.2.3.2:8080')
    const rest = tableLines(table).filter((line) => !gone(line))
    await expect.poll(() => readTable(lab, { netns: daemon.netns }), { timeout: 30_000 }).toEqual(rest)
    const metrics = await daemon.metrics()
    expect(metrics.samples.filter(({ labels }) => labels['service'] === 'marked')).toEqual([])
    expect(metrics.samples.filter(({ labels }) => labels['backend'] === '10.2.3.2:8080' && labels['service'] === 'web')).toEqual(
      [],
    )
    expect(metrics.all('pointsman_backend_weight', { service: 'web' })).toHaveLength(2)
    expect(daemon.complaints()).toEqual([])
  })
})

describe('direct routing and tunnels on one link', () => {
  const directory = freshDirectory('direct')
  const parts = new AsyncDisposableStack()
  let topology: Topology
  let daemon: Daemon

  const vip = '10.1.0.101'
  const vip6 = 'fd00:1::101'
  const servers = ['10.1.0.11', '10.1.0.12', '10.1.0.13']
  const servers6 = ['fd00:1::11', 'fd00:1::12', 'fd00:1::13']

  interface Road {
    readonly id: string
    readonly protocol: 'tcp' | 'udp'
    readonly family: 4 | 6
    readonly port: number
    readonly forwarding: string
    /** How ipvsadm prints it. */
    readonly printed: string
    /** IPv6 real servers behind an IPv4 address. */
    readonly mixed?: true
  }

  const gue = `{ tunnel: { type: gue, port: ${guePort} } }`
  const printedGue = `-i -w 1 --tun-type gue --tun-port ${guePort} --tun-nocsum`
  const gre = '{ tunnel: { type: gre } }'
  const printedGre = '-i -w 1 --tun-type gre --tun-nocsum'
  const printedIpip = '-i -w 1 --tun-type ipip'
  const roads: readonly Road[] = [
    { id: 'direct-tcp', protocol: 'tcp', family: 4, port: 8001, forwarding: 'direct', printed: '-g -w 1' },
    { id: 'direct-udp', protocol: 'udp', family: 4, port: 8001, forwarding: 'direct', printed: '-g -w 1' },
    { id: 'direct-tcp6', protocol: 'tcp', family: 6, port: 8001, forwarding: 'direct', printed: '-g -w 1' },
    { id: 'direct-udp6', protocol: 'udp', family: 6, port: 8001, forwarding: 'direct', printed: '-g -w 1' },
    { id: 'ipip-tcp', protocol: 'tcp', family: 4, port: 8002, forwarding: 'tunnel', printed: printedIpip },
    { id: 'ipip-udp', protocol: 'udp', family: 4, port: 8002, forwarding: 'tunnel', printed: printedIpip },
    { id: 'ipip-tcp6', protocol: 'tcp', family: 6, port: 8002, forwarding: 'tunnel', printed: printedIpip },
    { id: 'ipip-udp6', protocol: 'udp', family: 6, port: 8002, forwarding: 'tunnel', printed: printedIpip },
    { id: 'gue-tcp', protocol: 'tcp', family: 4, port: 8003, forwarding: gue, printed: printedGue },
    { id: 'gue-udp', protocol: 'udp', family: 4, port: 8003, forwarding: gue, printed: printedGue },
    { id: 'gue-tcp6', protocol: 'tcp', family: 6, port: 8003, forwarding: gue, printed: printedGue },
    { id: 'gue-udp6', protocol: 'udp', family: 6, port: 8003, forwarding: gue, printed: printedGue },
    { id: 'gre-tcp', protocol: 'tcp', family: 4, port: 8004, forwarding: gre, printed: printedGre },
    { id: 'gre-udp', protocol: 'udp', family: 4, port: 8004, forwarding: gre, printed: printedGre },
    { id: 'gre-tcp6', protocol: 'tcp', family: 6, port: 8004, forwarding: gre, printed: printedGre },
    { id: 'gre-udp6', protocol: 'udp', family: 6, port: 8004, forwarding: gre, printed: printedGre },
    { id: 'mixed-tcp', protocol: 'tcp', family: 4, port: 8005, forwarding: 'tunnel', printed: printedIpip, mixed: true },
    { id: 'mixed-udp', protocol: 'udp', family: 4, port: 8005, forwarding: 'tunnel', printed: printedIpip, mixed: true },
  ]

  const endpoint = (address: string, port: number): string =>
    address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`
  const listen = ({ family, port }: Road): string => endpoint(family === 4 ? vip : vip6, port)
  const backends = ({ family, port, mixed }: Road): string[] =>
    (family === 4 && mixed !== true ? servers : servers6).map((address) => endpoint(address, port))

  const yaml = `${settings(directory)}  traffic_log_file: ${directory}/traffic.log
defaults: { traffic_log: 1s }
services:
${roads
  .map(
    (road) => `
  - name: ${road.id}
    listen: "${listen(road)}"
    protocol: ${road.protocol}
    scheduler: rr
    forwarding: ${road.forwarding}
    backends: [ ${backends(road)
      .map((address) => `{ address: "${address}" }`)
      .join(', ')} ]`,
  )
  .join('')}
`
  const table = roads
    .flatMap((road) => {
      const service = `-${road.protocol === 'tcp' ? 't' : 'u'} ${listen(road)}`
      return [`-A ${service} -s rr`, ...backends(road).map((address) => `-a ${service} -r ${address} ${road.printed}`)]
    })
    .join('\n')

  beforeAll(async () => {
    topology = parts.use(await buildTopology(lab, { name: 'dr', kind: 'bridge' }))
    // The device that the kernel makes by itself takes IPv6 in IPv6 only.
    for (const host of topology.realServers) await topology.check(host, 'ip -6 tunnel change ip6tnl0 mode any')
    const ports = [...new Set(roads.map(({ port }) => port))]
    await Promise.all(topology.realServers.map((host) => startServer(lab, host, listenersOn([vip, vip6], ports))))
    daemon = parts.use(await Daemon.start(lab, directory, { netns: topology.director.netns, configuration: yaml }))
  })
  afterAll(() => parts.disposeAsync())

  it('makes exactly the wanted table', () => expectTable(lab, table, { netns: daemon.netns }))

  it('carries every road to every server', async () => {
    const report = await send(
      topology,
      roads.map(({ id, protocol, family, port }) => flow(id, protocol, family === 4 ? vip : vip6, port)),
    )
    const broken = report.flows
      .filter(({ failures }) => failures > 0)
      .map(({ id, failures, failuresByKind, successes, servers }) => ({ id, failures, failuresByKind, successes, servers }))
    expect(broken).toEqual([])
    for (const { id } of roads) expectAnswers(report, id, { rs1: 20, rs2: 20, rs3: 20 })
  })

  it('exports the counters that ipvsadm shows, none for replies that pass by', async () => {
    const statistics = await expectAgreement(daemon)
    expect(statistics.get(`TCP ${vip}:8001`)).toMatchObject({ connections: sent(topology), packetsOut: 0, bytesOut: 0 })
    expect(daemon.complaints()).toEqual([])
  })

  it('logs traffic into a file of its own, and not into the log', async () => {
    const logged = async (): Promise<number> => {
      const text = (await lab.readFile(`${directory}/traffic.log`)).toString()
      const lines = text
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line))
      const own = lines.filter((line) => line.vip === `${vip}:8001` && line.protocol === 'tcp')
      return own.reduce((sum, { connections }) => sum + connections, 0)
    }
    await expect.poll(logged, { timeout: 20_000 }).toBe(sent(topology))
    expect(daemon.log.filter(({ msg }) => msg.startsWith('traffic of '))).toEqual([])
  })
})
