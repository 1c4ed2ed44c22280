/** The status page of the program as it is shipped: its figures are the kernel's, and ipvsadm says the same. */

import { setTimeout } from 'node:timers/promises'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { Lab } from '../lab/lab.ts'
import { sharedLab } from '../lab/shared.ts'
import { buildTopology, type Topology } from '../lab/topology.ts'
import { startServer, startTraffic } from '../lab/traffic/traffic.ts'
import { configurationText, Daemon, freshDirectory } from './support/pointsman.ts'

const vip = '10.9.0.1'
/** No HOME, no environment at all, and nothing may be written but in /run. */
const BARE = [
  'unshare',
  '-m',
  'sh',
  '-ec',
  'mount -o remount,bind,ro /; ! touch /var/written 2>/dev/null; exec env -i PATH="$PATH" "$@"',
  'sh',
]
const LOOK = { timeout: 60_000, interval: 200 }
const COUNTERS = ['connections', 'packets_in', 'packets_out', 'bytes_in', 'bytes_out'] as const

const parts = new AsyncDisposableStack()
let lab: Lab
let topology: Topology
let daemon: Daemon

const backends = (): string[] => topology.realServers.slice(0, 2).map(({ addresses }) => `${addresses.ipv4}:8080`)

beforeAll(async () => {
  lab = parts.use(await sharedLab())
  topology = parts.use(await buildTopology(lab, { name: 'status', kind: 'routed', virtualAddresses: 1 }))
  const directory = freshDirectory('status')
  // The second one has no server: it is down from its first probe on.
  const [serving] = topology.realServers
  if (serving !== undefined) await startServer(lab, serving, [`tcp:${serving.addresses.ipv4}:8080`])
  const health_check = { interval: '1s', fast_interval: '300ms', timeout: '1s', fall: 1, rise: 1, tcp: {} }
  const service = {
    name: 'web',
    listen: `${vip}:80`,
    scheduler: 'wrr',
    health_check,
    backends: backends().map((address) => ({ address })),
  }
  daemon = parts.use(
    await Daemon.start(lab, directory, {
      netns: topology.director.netns,
      under: BARE,
      configuration: configurationText(directory, [service]),
    }),
  )
})
afterAll(() => parts.disposeAsync())

/** What the kernel has counted of the service, in the order of COUNTERS. */
async function countedByIpvsadm(): Promise<number[]> {
  const said = await topology.check(topology.director, `ipvsadm -Ln --stats --exact -t ${vip}:80`)
  const line = said.split('\n').find((each) => each.startsWith(`TCP  ${vip}:80`))
  return line?.trim().split(/\s+/).slice(2).map(Number) ?? []
}

const web = async () => JSON.parse((await daemon.get('/api/v1/status?service=web')).body).services[0]

it('shows what ipvsadm shows, under traffic, out of a daemon that has no HOME and a file system to read only', async () => {
  for (const path of ['/', '/page/page.js', '/page/page.css', '/page/icon.svg']) {
    const { code, body } = await daemon.get(path)
    expect([code, body.length > 200]).toEqual([200, true])
  }
  const [up, down] = backends()
  const states = async () =>
    Object.fromEntries((await web()).backends.map(({ backend, state }: { backend: string; state: string }) => [backend, state]))
  await expect.poll(states, LOOK).toEqual({ [up ?? '']: 'up', [down ?? '']: 'down' })
  const flow = { id: 'web', protocol: 'tcp', address: vip, port: 80, concurrency: 1, pauseMs: 20, timeoutMs: 3_000 } as const
  const traffic = await startTraffic(lab, topology.client, [flow], 300)
  await expect.poll(async () => (await web()).rates?.connections, LOOK).toBeGreaterThan(0)
  await traffic.attempts(20)
  await traffic.stop()
  await setTimeout(1_000)
  const counted = await countedByIpvsadm()
  expect(counted).toHaveLength(COUNTERS.length)
  expect(counted[0]).toBeGreaterThanOrEqual(20)
  // Nobody comes any more: the next look sees what ipvsadm has seen.
  const shown = async () => {
    const { traffic: totals } = await web()
    return COUNTERS.map((counter) => totals[counter])
  }
  await expect.poll(shown, LOOK).toEqual(await countedByIpvsadm())
  const report = await web()
  expect(report.backends.find(({ backend }: { backend: string }) => backend === down)).toMatchObject({
    weight: 0,
    kernel: { weight: 0, active: 0 },
    check: { kind: 'tcp', code: 'L4CON', result: 'failed' },
    times_down: 1,
    downtime: { seconds: 0, since: expect.any(String) },
  })
  expect((await topology.check(topology.director, 'ipvsadm -Ln')).replaceAll(/ +/g, ' ')).toContain(`-> ${down} Masq 0`)
})
