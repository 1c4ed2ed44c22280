/** A pool that lives in a Consul agent: instances register, serve, deregister and exit under traffic, and nobody's request fails. */

import { afterAll, beforeAll, expect, it } from 'vitest'
import { inCheckout, type Lab, type LabProcess } from '../lab/lab.ts'
import { sharedLab } from '../lab/shared.ts'
import { buildTopology, type Topology } from '../lab/topology.ts'
import { startTraffic } from '../lab/traffic/traffic.ts'
import { consulBinary } from '../peers/consul.ts'
import { configurationText, Daemon, freshDirectory } from './support/pointsman.ts'
import { readTable } from './support/table.ts'

const directory = freshDirectory('consul')
const vip = '10.9.0.1'
const LANES = 3
/** Together with the three real servers and the lanes: 207 registrations and as many deregistrations under traffic, after nine without. */
const CYCLES = 24
/** Milliseconds. Nine lanes of that length are a replacement a second. */
const LIFE = 8_000
const LINGER = 2_000

const parts = new AsyncDisposableStack()
let lab: Lab
let topology: Topology

beforeAll(async () => {
  lab = parts.use(await sharedLab())
  topology = parts.use(await buildTopology(lab, { name: 'consul', kind: 'routed' }))
  await startAgent(await consulBinary())
})
afterAll(() => parts.disposeAsync())

/** On the director, reached by the real servers over their own links. */
async function startAgent(binary: string): Promise<void> {
  const words = [
    '-dev',
    '-node=director',
    '-bind=127.0.0.1',
    '-client=0.0.0.0',
    `-data-dir=${directory}/consul`,
    '-log-level=warn',
  ]
  const agent = topology.spawn(topology.director, [binary, 'agent', ...words])
  const asked =
    'until curl -sf --max-time 5 http://127.0.0.1:8500/v1/health/service/consul | grep -q serfHealth; do sleep 0.3; done'
  await Promise.race([
    lab.check(asked, { netns: topology.director.netns, timeoutMs: 120_000 }),
    agent.exited.then(({ code }) => Promise.reject(new Error(`the agent ended with ${code}: ${agent.stderr.slice(-500)}`))),
  ])
}

/** Ended and deregistered with the try that started them: the agent outlives it. */
class Instances implements AsyncDisposable {
  readonly processes: readonly LabProcess[]

  constructor(processes: readonly LabProcess[]) {
    this.processes = processes
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const churn of this.processes) churn.kill('SIGKILL')
    await Promise.all(this.processes.map((churn) => churn.exited))
    const api = 'http://127.0.0.1:8500/v1/agent/service'
    const each = `grep -o '"ID": *"web-[^"]*"' | cut -d'"' -f4 | while read id; do curl -sf -X PUT ${api}/deregister/$id; done`
    await lab.check(`curl -sf ${api}s | ${each}`, { netns: topology.director.netns })
  }
}

async function startInstances(): Promise<Instances> {
  const hosts = topology.realServers.length
  const processes = await Promise.all(
    topology.realServers.map(async (host, index) => {
      const delay = (LIFE / LANES / hosts) * index
      const plan = { lanes: LANES, cycles: CYCLES, delay, life: LIFE, linger: LINGER, firstPort: 8_000 }
      const churn = await lab.spawnScript(inCheckout('test/kernel/guest/instance-churn.ts'), {
        netns: host.netns,
        args: [host.role, host.addresses.ipv4, `http://10.2.${index + 1}.1:8500`, JSON.stringify(plan)],
        keepInput: true,
      })
      await churn.waitForLine((line) => line === 'registered', 120_000)
      return churn
    }),
  )
  return new Instances(processes)
}

const members = async (): Promise<readonly string[]> =>
  (await readTable(lab, { netns: topology.director.netns })).filter((line) => line.startsWith('-a'))

it('200 instances register and deregister, each exits 2 s after it has left, and no request fails', async () => {
  await using instances = await startInstances()
  const pool = LANES * topology.realServers.length
  await using daemon = await Daemon.start(lab, directory, {
    netns: topology.director.netns,
    configuration: configurationText(
      directory,
      [
        {
          name: 'web',
          listen: `${vip}:80`,
          scheduler: 'wrr',
          health_check: { enabled: false },
          source: { consul: { service: 'web', address: 'http://127.0.0.1:8500' } },
        },
      ],
      { global: { resync_interval: '30s' } },
    ),
  })
  await expect.poll(members, { timeout: 30_000 }).toHaveLength(pool)

  for (const churn of instances.processes) churn.write('go\n')
  // Where the processor is emulated the first changes of a process take it seconds, in which its code is compiled.
  const drained = () => daemon.log.filter(({ to }) => to === 'draining').length
  await expect.poll(drained, { timeout: 180_000 }).toBeGreaterThanOrEqual(pool)
  const traffic = await startTraffic(
    lab,
    topology.client,
    [{ id: 'web', protocol: 'tcp', address: vip, port: 80, concurrency: 2, pauseMs: 50 }],
    600,
  )
  const ends = await Promise.all(
    instances.processes.map((churn) => churn.waitForLine((line) => line.startsWith('churned'), 400_000)),
  )
  await traffic.attempts(100)
  const [flow] = (await traffic.stop()).flows
  expect(ends).toEqual(instances.processes.map(() => `churned ${LANES * CYCLES}`))
  expect(flow).toMatchObject({ failures: 0, failuresByKind: {}, firstFailures: [] })
  expect(flow?.attempts).toBeGreaterThanOrEqual(2_000)

  // What is left is exactly what is registered.
  await expect.poll(members, { timeout: 30_000 }).toHaveLength(pool)
  const metrics = await daemon.metrics()
  expect(metrics.one('pointsman_source_up', { service: 'web' })).toBe(1)
  expect(metrics.one('pointsman_source_records', { service: 'web' })).toBe(pool)
  expect(daemon.complaints()).toEqual([])
})
