/** Downloads from a backend that leaves the pool: one that ends before the drain's deadline is whole, one that does not is cut and counted. */

import { afterAll, beforeAll, expect, it } from 'vitest'
import { inCheckout, type Lab } from '../lab/lab.ts'
import { sharedLab } from '../lab/shared.ts'
import { buildTopology, type Topology } from '../lab/topology.ts'
import { configurationText, Daemon, freshDirectory } from './support/pointsman.ts'
import { readTable } from './support/table.ts'

const vip = '10.9.0.1'
const PORT = 8080
/** Seconds. */
const DEADLINE = 15
const SHORT = 8
const LONG = 90

const directory = freshDirectory('drain')
const parts = new AsyncDisposableStack()
let lab: Lab
let topology: Topology

beforeAll(async () => {
  lab = parts.use(await sharedLab())
  topology = parts.use(await buildTopology(lab, { name: 'drain', kind: 'routed' }))
  // At the deadline a connection ends with a reset, not in silence.
  await topology.check(topology.director, 'sysctl -w net.ipv4.vs.expire_nodest_conn=1')
  for (const host of topology.realServers) {
    const server = await lab.spawnScript(inCheckout('test/kernel/guest/slow-download.ts'), {
      netns: host.netns,
      args: [host.addresses.ipv4, `${PORT}`],
    })
    await server.waitForLine((line) => line === 'ready', 120_000)
  }
})
afterAll(() => parts.disposeAsync())

const web = (hosts: Topology['realServers']) =>
  configurationText(directory, [
    {
      name: 'web',
      listen: `${vip}:80`,
      scheduler: 'rr',
      drain: { timeout: `${DEADLINE}s` },
      backends: hosts.map((host) => ({ address: `${host.addresses.ipv4}:${PORT}` })),
    },
  ])

/** What curl says of a download in the end: its exit code and how many bytes came. */
function download(seconds: number) {
  const curl = ['curl', '-s', '-o', '/dev/null', '-w', '%{exitcode} %{size_download}\\n', `http://${vip}/${seconds}`]
  return topology.spawn(topology.client, curl)
}

it('a short download is whole, a long one is cut with a reset and counted', async () => {
  const [leaving, ...staying] = topology.realServers
  if (leaving === undefined) throw new Error('there is no real server')
  await using daemon = await Daemon.start(lab, directory, { netns: topology.director.netns, configuration: web([leaving]) })
  const [short, long] = [download(SHORT), download(LONG)]
  const active = async () =>
    (await lab.check(['ipvsadm', '-Ln'], { netns: topology.director.netns })).match(/-> \S+ +Masq +\d+ +(\d+)/)?.[1]
  await expect.poll(active, { timeout: 20_000 }).toBe('2')

  await daemon.reconfigure(web(staying))
  expect((await short.exited).code).toBe(0)
  expect(short.stdout).toBe(`0 ${SHORT * 10}\n`)
  // 56: the connection was reset while data was due (curl(1), EXIT CODES).
  expect((await long.exited).code).toBe(56)
  expect(Number(long.stdout.split(' ')[1])).toBeLessThan(LONG * 10)

  const lines = await readTable(lab, { netns: topology.director.netns })
  expect(lines.filter((line) => line.startsWith('-a'))).toHaveLength(staying.length)
  const metrics = await daemon.metrics()
  expect(metrics.one('pointsman_sink_drains_total', { how: 'deadline' })).toBe(1)
  expect(metrics.one('pointsman_sink_drain_cut_connections_total', {})).toBe(1)
  expect(daemon.complaints()).toEqual([])
})
