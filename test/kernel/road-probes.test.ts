/** Real servers that die, hang and come back under traffic: requests fail until the probes have found it out, and none after that. */

import { setTimeout } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Lab, LabProcess } from '../lab/lab.ts'
import { sharedLab } from '../lab/shared.ts'
import { buildTopology, type Host, type Topology } from '../lab/topology.ts'
import { type Flow, type Listener, type Report, startServer, startTraffic } from '../lab/traffic/traffic.ts'
import { configurationText, Daemon, freshDirectory } from './support/pointsman.ts'
import { readTable } from './support/table.ts'

const vip = '10.9.0.1'
const udpVip = '10.9.0.2'

/** A backend is down two probes after it has failed; the machine is emulated, so the times are generous. */
const times = { interval: '1s', fast_interval: '300ms', timeout: '1s', fall: 2, rise: 2 }
const answersTcp = { ...times, tcp: { send: 'probe\n', expect: 'probe' } }
const answersUdp = { ...times, udp: { send: 'probe', expect: 'probe' } }

/** Each has backend ports of its own: NAT keeps the client's port, and two services may not share a connection. */
const services = [
  { name: 'web', port: 80, scheduler: 'wrr' },
  { name: 'sh', port: 81, scheduler: 'sh', flags: ['sh-port', 'sh-fallback'] },
  { name: 'mh', port: 82, scheduler: 'mh', flags: ['mh-port', 'mh-fallback'] },
  { name: 'dh', port: 83, scheduler: 'dh' },
  { name: 'sticky', port: 84, scheduler: 'wrr', persistence: '60s' },
] as const

const backendPort = (port: number): number => 8000 + port
const UDP_PORT = 53

const parts = new AsyncDisposableStack()
let lab: Lab
let topology: Topology
let daemon: Daemon
const servers = new Map<Host, LabProcess>()

const listeners = (host: Host): Listener[] => [
  ...services.map(({ port }): Listener => `tcp:${host.addresses.ipv4}:${backendPort(port)}`),
  `udp:${host.addresses.ipv4}:${backendPort(UDP_PORT)}`,
]
const serve = async (host: Host): Promise<void> => void servers.set(host, await startServer(lab, host, listeners(host)))

const serverOf = (host: Host | undefined): LabProcess => {
  const server = host && servers.get(host)
  if (server === undefined) throw new Error('there is no such server')
  return server
}

beforeAll(async () => {
  lab = parts.use(await sharedLab())
  topology = parts.use(await buildTopology(lab, { name: 'probes', kind: 'routed', virtualAddresses: 2 }))
  await topology.check(topology.director, 'sysctl -w net.ipv4.vs.expire_nodest_conn=1')
  await Promise.all(topology.realServers.map(serve))
  const backends = (port: number) =>
    topology.realServers.map((host) => ({ address: `${host.addresses.ipv4}:${backendPort(port)}` }))
  daemon = parts.use(
    await Daemon.start(lab, freshDirectory('probes'), {
      netns: topology.director.netns,
      configuration: configurationText(freshDirectory('probes'), [
        ...services.map(({ port, ...service }) => ({
          ...service,
          listen: `${vip}:${port}`,
          health_check: answersTcp,
          backends: backends(port),
        })),
        {
          name: 'dns',
          listen: `${udpVip}:${UDP_PORT}`,
          protocol: 'udp',
          scheduler: 'rr',
          health_check: answersUdp,
          backends: backends(UDP_PORT),
        },
      ]),
    }),
  )
})
afterAll(() => parts.disposeAsync())

/** Destinations at this address that may still get clients, in lines of ipvsadm. */
async function serving(host: Host | undefined): Promise<readonly string[]> {
  const lines = await readTable(lab, { netns: topology.director.netns })
  return lines.filter((line) => line.startsWith('-a') && line.includes(`-r ${host?.addresses.ipv4}:`) && !line.endsWith('-w 0'))
}

const ALL = services.length + 1
const LOOK = { timeout: 60_000, interval: 200 }

/** Milliseconds until what was asked of the server before has ended, one way or the other. */
const UNDER_WAY = 4_000

const flows: readonly Flow[] = [
  ...services.map(
    ({ name, port }): Flow => ({
      id: name,
      protocol: 'tcp',
      address: vip,
      port,
      concurrency: name === 'web' ? 4 : 2,
      pauseMs: name === 'web' ? 10 : 40,
      timeoutMs: 3_000,
    }),
  ),
  {
    id: 'dns',
    protocol: 'udp',
    address: udpVip,
    port: UDP_PORT,
    concurrency: 6,
    pauseMs: 50,
    timeoutMs: 3_000,
    firstLocalPort: 40_000,
  },
]

/** Failures of each flow in one phase. */
function failuresIn(report: Report, phase: string): Record<string, number | undefined> {
  return Object.fromEntries(report.flows.map(({ id, phases }) => [id, phases.find(({ name }) => name === phase)?.failures]))
}

const none = Object.fromEntries(flows.map(({ id }) => [id, 0]))

describe('real servers that fail under traffic', () => {
  it('cost requests until the probes know it, and none afterwards: killed, revived, hung, woken', async () => {
    const [, rs2, rs3] = topology.realServers
    for (const host of topology.realServers) await expect.poll(() => serving(host), LOOK).toHaveLength(ALL)
    const traffic = await startTraffic(lab, topology.client, flows, 900)
    await traffic.attempts(500)

    await traffic.mark('killed')
    serverOf(rs2).kill('SIGKILL')
    await expect.poll(() => serving(rs2), LOOK).toEqual([])
    await setTimeout(UNDER_WAY)
    await traffic.mark('without rs2')
    await traffic.attempts(2_000)

    await traffic.mark('revived')
    if (rs2 !== undefined) await serve(rs2)
    await expect.poll(() => serving(rs2), LOOK).toHaveLength(ALL)
    await traffic.attempts(500)

    await traffic.mark('hung')
    serverOf(rs3).kill('SIGSTOP')
    await expect.poll(() => serving(rs3), LOOK).toEqual([])
    await setTimeout(UNDER_WAY)
    await traffic.mark('without rs3')
    await traffic.attempts(2_000)

    await traffic.mark('woken')
    serverOf(rs3).kill('SIGCONT')
    await expect.poll(() => serving(rs3), LOOK).toHaveLength(ALL)
    await traffic.attempts(500)
    const report = await traffic.stop()

    const quiet = ['start', 'without rs2', 'revived', 'without rs3', 'woken']
    expect(Object.fromEntries(quiet.map((phase) => [phase, failuresIn(report, phase)]))).toEqual(
      Object.fromEntries(quiet.map((phase) => [phase, none])),
    )
    expect(failuresIn(report, 'killed')['web']).toBeGreaterThan(0)
    expect(failuresIn(report, 'hung')['web']).toBeGreaterThan(0)
    expect(failuresIn(report, 'killed')['dns']).toBeGreaterThan(0)
    const web = report.flows.find(({ id }) => id === 'web')
    const back = web?.phases.find(({ name }) => name === 'woken')?.servers
    expect(Object.keys(back ?? {}).sort()).toEqual(['rs1', 'rs2', 'rs3'])
    expect(daemon.complaints()).toEqual([])
  })

  it('say why on the way down and on the way up, once each', () => {
    const turns = daemon.log.filter(
      ({ kind, backend }) => kind === 'health' && String(backend).startsWith(`${topology.realServers[1]?.addresses.ipv4}:`),
    )
    expect(turns.length).toBeGreaterThanOrEqual(3 * ALL)
  })

  it('lose the datagrams of a client that keeps its port, for as long as expire_nodest_conn is off', async () => {
    await topology.check(topology.director, 'sysctl -w net.ipv4.vs.expire_nodest_conn=0')
    const [rs1] = topology.realServers
    const dns = flows.filter(({ id }) => id === 'dns')
    const traffic = await startTraffic(lab, topology.client, dns, 300)
    await traffic.attempts(200)
    serverOf(rs1).kill('SIGKILL')
    await expect.poll(() => serving(rs1), LOOK).toEqual([])
    await setTimeout(UNDER_WAY)
    await traffic.mark('without rs1')
    await traffic.attempts(100)
    const report = await traffic.stop()
    expect(failuresIn(report, 'without rs1')['dns']).toBeGreaterThan(0)
    if (rs1 !== undefined) await serve(rs1)
    await topology.check(topology.director, 'sysctl -w net.ipv4.vs.expire_nodest_conn=1')
    await expect.poll(() => serving(rs1), LOOK).toHaveLength(ALL)
  })
})
