/** The two configurations of docs/guide/keepalived.md, word for word: two directors, of which the first one loses its daemon under traffic. */

import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { inCheckout, type Lab, type LabProcess } from '../lab/lab.ts'
import { sharedLab } from '../lab/shared.ts'
import { buildTopology, type Host, type Topology } from '../lab/topology.ts'
import { listenersOn, startServer, startTraffic } from '../lab/traffic/traffic.ts'
import { Daemon, freshDirectory } from './support/pointsman.ts'
import { expectTable, readStatistics } from './support/table.ts'

/** What the page has, and who it is in the lab. */
const ADDRESSES = { '192.0.2.10': '10.1.0.101', '192.0.2.21': '10.1.0.11', '192.0.2.22': '10.1.0.12' }
const VIP = ADDRESSES['192.0.2.10']

const page = readFileSync(inCheckout('docs/guide/keepalived.md'), 'utf8')

function block(begin: string): string {
  const found = page.split(`\`\`\`${begin}\n`)[1]?.split('```')[0]
  if (found === undefined) throw new Error(`docs/guide/keepalived.md has no block ${begin}`)
  return Object.entries(ADDRESSES).reduce((text, [from, to]) => text.replaceAll(from, to), found)
}

const parts = new AsyncDisposableStack()
let lab: Lab
let topology: Topology
let first: Host
let second: Host
let backends: readonly Host[]

beforeAll(async () => {
  lab = parts.use(await sharedLab())
  topology = parts.use(await buildTopology(lab, { name: 'vrrp', kind: 'bridge' }))
  const [rs1, rs2, spare] = topology.realServers
  if (rs1 === undefined || rs2 === undefined || spare === undefined) throw new Error('three real servers are wanted')
  first = topology.director
  second = spare
  backends = [rs1, rs2]
  // The address is where keepalived puts it.
  await topology.check(first, `ip addr del ${VIP}/32 dev eth0`)
  await topology.check(second, `ip addr del ${VIP}/32 dev lo`)
  await Promise.all(backends.map((host) => startServer(lab, host, listenersOn([host.addresses.ipv4, VIP], [80]))))
})
afterAll(() => parts.disposeAsync())

async function startDaemon(host: Host): Promise<Daemon> {
  const directory = freshDirectory(`vrrp-${host.role}`)
  const options = { netns: host.netns, configuration: block('yaml'), args: ['--state-dir', `${directory}/state`] }
  return parts.use(await Daemon.start(lab, directory, options))
}

async function startKeepalived(host: Host, change: (text: string) => string): Promise<LabProcess> {
  const directory = freshDirectory(`keepalived-${host.role}`)
  await lab.check(['mkdir', '-p', directory])
  const path = `${directory}/keepalived.conf`
  await lab.writeFile(path, change(block('text keepalived.conf')))
  const files = ['-f', path, '-p', `${directory}/pid`, '-r', `${directory}/vrrp.pid`]
  const process = lab.spawn(['keepalived', '--vrrp', '--dont-fork', '--log-console', ...files], { netns: host.netns })
  parts.defer(() => process.kill('SIGTERM'))
  return process
}

const holders = async (): Promise<string[]> => {
  const has = async (host: Host) => (await topology.check(host, 'ip -4 -o addr show dev eth0')).includes(` ${VIP}/`)
  const each = await Promise.all([first, second].map(async (host) => ((await has(host)) ? [host.role] : [])))
  return each.flat()
}

it('the address leaves a director whose daemon is gone, no connection is lost, and it returns with the daemon', async () => {
  const daemon = await startDaemon(first)
  await startDaemon(second)
  const table = `-A -t ${VIP}:80 -s mh -b mh-fallback
    -a -t ${VIP}:80 -r 10.1.0.11:80 -g -w 1
    -a -t ${VIP}:80 -r 10.1.0.12:80 -g -w 1`
  for (const { netns } of [first, second]) await expectTable(lab, table, { netns })
  const keepalived = await startKeepalived(first, (text) => text)
  await startKeepalived(second, (text) => text.replace('priority 150', 'priority 140').replace('director1', 'director2'))
  await expect.poll(holders, { timeout: 60_000, interval: 500 }).toEqual([first.role])

  expect(keepalived.stdout + keepalived.stderr).not.toMatch(/Line \d+\)|WARNING/)

  const traffic = await startTraffic(lab, topology.client, [
    { id: 'web', protocol: 'tcp', address: VIP, port: 80, concurrency: 2, held: 5 },
  ])
  await traffic.attempts(30)
  await daemon.stop('SIGKILL')
  await expect.poll(holders, { timeout: 60_000, interval: 500 }).toEqual([second.role])
  await traffic.attempts(30)
  expect((await readStatistics(lab, { netns: second.netns })).get(`TCP ${VIP}:80`)?.connections).toBeGreaterThan(0)
  const { flows } = await traffic.stop()
  expect(flows[0]).toMatchObject({ held: { lost: 0 } })
  for (const { role } of backends) expect(Object.keys(flows[0]?.servers ?? {})).toContain(role)

  await startDaemon(first)
  await expect.poll(holders, { timeout: 60_000, interval: 500 }).toEqual([first.role])
})
