/**
 * The container image under a real engine, on a kernel with IPVS: started by the line of docs/install.md, as its own user with the rights that the line
 * gives it, it does all that a director does, and no restart of whatever kind costs a request or a write.
 */

import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import type { Finding } from '../../src/daemon/doctor/facts.ts'
import { inCheckout, type Lab } from '../lab/lab.ts'
import { sharedLab } from '../lab/shared.ts'
import { buildTopology, type Topology } from '../lab/topology.ts'
import { startTraffic } from '../lab/traffic/traffic.ts'
import { ContainerEngine } from './support/container-engine.ts'
import { daemonSetPod, writeConfigMap } from './support/daemon-set.ts'
import {
  BACKENDS,
  configurationWith,
  HELD,
  LASTING_FLOW,
  prepare,
  SNAT,
  sourcesOf,
  tableWith,
  VIP,
} from './support/full-nat-director.ts'
import { NetlinkMonitor } from './support/netlink-monitor.ts'
import { readTable, tableLines } from './support/table.ts'

/** Short connections through each restart, few at a time: the daemon that starts meanwhile has the processor to itself, or nearly. */
const ENOUGH = 100

const configuration = configurationWith()

/** As it is printed there. */
const RUN = /^docker run -d(?:.*\\\n)*.*$/m.exec(readFileSync(inCheckout('docs/install.md'), 'utf8'))?.[0] ?? ''

// Some thirty programs are started in it, each of which an emulated processor of a busy host needs seconds for.
vi.setConfig({ testTimeout: 900_000, hookTimeout: 900_000 })

let lab: Lab
let net: Topology
let engine: ContainerEngine
const parts = new AsyncDisposableStack()

beforeAll(async () => {
  lab = parts.use(await sharedLab())
  net = parts.use(await buildTopology(lab, { name: 'container', kind: 'routed', realServers: 2 }))
  await prepare(lab, net, 'net.ipv4.vs.conntrack=1 net.ipv4.vs.expire_nodest_conn=1')
  engine = parts.use(await ContainerEngine.start(lab, net.director, { names: ['pointsman:0.1.0'] }))
  await lab.writeFile('/etc/pointsman/pointsman.yaml', configuration)
  parts.defer(async () => void (await lab.check('rm -r /etc/pointsman')))
})
afterAll(() => parts.disposeAsync())

const table = () => readTable(lab, { netns: net.director.netns })
const health = () => engine.inspect('pointsman', '{{.State.Health.Status}}')
const address = () => net.check(net.director, `ip -o addr show to ${VIP}`)

const askDns = (localPort: number) => sourcesOf(lab, net.client, localPort, 8_000)

describe('docker run', () => {
  it('as docs/install.md has it programs IPVS, source NAT and an address, and is healthy', async () => {
    expect(RUN).toContain('--cap-add NET_ADMIN --read-only')
    await engine.check(RUN)
    await expect.poll(table, { timeout: 120_000, interval: 500 }).toEqual(tableLines(tableWith(1)))
    await expect.poll(address, { timeout: 30_000 }).toContain('eth0')
    await expect.poll(() => net.check(net.director, 'nft list tables'), { timeout: 30_000 }).toContain('table inet pointsman')
    // The servers have no way back but to the director.
    await expect.poll(() => askDns(5_300), { timeout: 60_000 }).toEqual([SNAT])
    await expect.poll(health, { timeout: 120_000, interval: 1_000 }).toBe('healthy')
  })
})

describe('the container', () => {
  it('runs the daemon as its own user with two capabilities, on a file system to read only', async () => {
    const said = await engine.check('docker exec pointsman cat /proc/1/status')
    const field = (name: string) => new RegExp(`^${name}:\\s*(.*)$`, 'm').exec(said)?.[1]
    expect(field('Uid')).toMatch(/^65532\b/)
    // Bits 12 and 13: CAP_NET_ADMIN, CAP_NET_RAW; a filter of system calls.
    expect(field('CapEff')).toBe('0000000000003000')
    expect(field('Seccomp')).toBe('2')
    expect((await engine.run("docker exec pointsman sh -c 'echo >/usr/lib/pointsman/try'")).stderr).toMatch(/Read-only/)
  })

  it('has commands that speak with the daemon, and a doctor that finds nothing wrong', async () => {
    expect(await engine.check('docker exec pointsman pointsman status')).toMatch(/web.*2 of 2 serve.*dns.*1 of 1 serve/s)
    const { stdout } = await engine.run('docker exec pointsman pointsman doctor --json')
    const { checks } = JSON.parse(stdout) as { readonly checks: readonly Finding[] }
    expect(checks.map(({ check }) => check)).toEqual(expect.arrayContaining(['source NAT', 'admin address', 'firewall']))
    expect(checks.filter(({ verdict }) => verdict === 'fail')).toEqual([])
  })
})

describe('no request fails and nothing is written to IPVS', { retry: 0 }, () => {
  it('through docker restart, and docker kill and start; what the operator said is in the volume', async () => {
    const traffic = await startTraffic(lab, net.client, [LASTING_FLOW], 1_200)
    await traffic.attempts(ENOUGH)
    await engine.check(`docker exec pointsman pointsman drain web ${BACKENDS[1]} --reason "new disk"`)
    await expect.poll(table, { timeout: 60_000 }).toEqual(tableLines(tableWith(0)))
    const monitor = await NetlinkMonitor.start(lab, net.director.netns)
    const through = async (name: string, harm: string) => {
      await traffic.mark(name)
      await engine.check(harm)
      await engine.check('until docker exec pointsman pointsman status >/dev/null; do sleep 1; done')
      await traffic.attempts(ENOUGH)
      expect(await table(), name).toEqual(tableLines(tableWith(0)))
    }

    await through('restart', 'docker restart pointsman')
    await through('killed', 'docker kill -s KILL pointsman && docker start pointsman')

    expect(await monitor.writes()).toEqual([])
    const [web] = (await traffic.stop()).flows
    expect(web).toMatchObject({ failures: 0, failuresByKind: {}, firstFailures: [] })
    expect(web?.held).toMatchObject({ opened: HELD, alive: HELD, lost: 0 })
    expect(Object.keys(web?.servers ?? {}).toSorted()).toEqual(['rs1', 'rs2'])
    expect(await engine.check('docker exec pointsman pointsman status')).toContain('new disk')
    await engine.check(`docker exec pointsman pointsman undrain web ${BACKENDS[1]}`)
    await expect.poll(table, { timeout: 60_000 }).toEqual(tableLines(tableWith(1)))
  })
})

describe('with its rights the daemon', () => {
  it('mends source NAT and an address that others take away', async () => {
    await net.check(net.director, `nft delete table inet pointsman; ip addr del ${VIP}/32 dev eth0`)
    await expect.poll(address, { timeout: 60_000 }).toContain('eth0')
    await expect.poll(() => askDns(5_301), { timeout: 60_000 }).toEqual([SNAT])
  })

  it('says nothing of a right that it lacks', async () => {
    const lines = (await engine.log('pointsman')).split('\n')
    expect(lines.length).toBeGreaterThan(10)
    expect(lines.filter((line) => /EPERM|EACCES|EROFS|not permitted|permission denied/i.test(line))).toEqual([])
  })
})

describe('docker rm', () => {
  it('leaves the table, and the clients, as they are', async () => {
    await engine.check('docker stop pointsman && docker rm pointsman')
    expect(await table()).toEqual(tableLines(tableWith(1)))
    expect(await askDns(5_302)).toEqual([SNAT])
  })
})

describe('the DaemonSet', () => {
  it('has the image do the same with the rights of its security context, answer its probes and take over its ConfigMap', async () => {
    const pod = daemonSetPod(inCheckout('deploy/kubernetes/daemonset.yaml'))
    const volume = '/run/lab/road/config-map'
    await writeConfigMap(lab, volume, 'first', pod.configuration)
    await engine.check(pod.dockerRun('pod', { configuration: volume, state: '/run/lab/road/pod-state' }))
    for (const url of pod.probes) await engine.check(`until curl -sf --max-time 20 ${url}; do sleep 1; done`)
    // What is programmed is left alone: it is of a state directory that this daemon does not have.
    expect(await table()).toEqual(tableLines(tableWith(1)))

    await writeConfigMap(lab, volume, 'second', configuration.replaceAll(':80"', ':81"'))
    const web = tableLines(`-A -t ${VIP}:81 -s rr\n${BACKENDS.map((each) => `-a -t ${VIP}:81 -r ${each} -m -w 1`).join('\n')}`)
    await expect.poll(table, { timeout: 120_000, interval: 500 }).toEqual([...tableLines(tableWith(1)), ...web].sort())
    const status = await engine.check('docker exec pod cat /proc/1/status')
    expect(status).toMatch(/^CapEff:\s*0000000000003000$/m)
    expect(status).toMatch(/^CapBnd:\s*0000000000003000$/m)
    expect(status).toMatch(/^NoNewPrivs:\s*1$/m)
    expect((await engine.log('pod')).split('\n').filter((line) => /EPERM|EACCES|EROFS|not permitted/.test(line))).toEqual([])
  })
})
