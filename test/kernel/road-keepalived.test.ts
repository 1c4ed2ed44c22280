/** The two configurations of docs/guide/keepalived.md, but for times and addresses, on one director. */

import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { inCheckout, type Lab, type LabProcess } from '../lab/lab.ts'
import { sharedLab } from '../lab/shared.ts'
import { buildTopology, type Host, type Topology } from '../lab/topology.ts'
import { listenersOn, startServer, startTraffic } from '../lab/traffic/traffic.ts'
import { Daemon, freshDirectory, pointsman } from './support/pointsman.ts'
import { expectTable } from './support/table.ts'

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

beforeAll(async () => {
  lab = parts.use(await sharedLab())
  topology = parts.use(await buildTopology(lab, { name: 'vrrp', kind: 'bridge', realServers: 2 }))
  // The address is where keepalived puts it.
  await topology.check(topology.director, `ip addr del ${VIP}/32 dev eth0`)
  // The link between the directors, of which there is one here; the kernel asks for an address on it.
  await topology.check(
    topology.director,
    'ip link add eth1 type dummy && ip link set eth1 up && ip addr add 10.9.9.1/24 dev eth1',
  )
  await Promise.all(topology.realServers.map((host) => startServer(lab, host, listenersOn([host.addresses.ipv4, VIP], [80]))))
})
afterAll(() => parts.disposeAsync())

/** curl alone takes seconds to start on an emulated machine. */
const patient = (text: string): string =>
  text.replace('--max-time 2', '--max-time 8').replace('interval 2', 'interval 4\n    timeout 12')

async function startKeepalived(host: Host): Promise<LabProcess> {
  const directory = freshDirectory(`keepalived-${host.role}`)
  await lab.check(['mkdir', '-p', directory])
  const path = `${directory}/keepalived.conf`
  await lab.writeFile(path, patient(block('text keepalived.conf')))
  const files = ['-f', path, '-p', `${directory}/pid`, '-r', `${directory}/vrrp.pid`]
  const process = lab.spawn(['keepalived', '--vrrp', '--dont-fork', '--log-console', ...files], { netns: host.netns })
  parts.defer(() => process.kill('SIGTERM'))
  return process
}

it('keepalived and Pointsman share a director: one has the address, one the table, and the one hears when the other is gone', async () => {
  const host = topology.director
  const directory = freshDirectory('vrrp')
  const options = { netns: host.netns, configuration: block('yaml'), args: ['--state-dir', `${directory}/state`] }
  const daemon = parts.use(await Daemon.start(lab, directory, options))
  const table = `-A -t ${VIP}:80 -s mh -b mh-fallback
    -a -t ${VIP}:80 -r 10.1.0.11:80 -g -w 1
    -a -t ${VIP}:80 -r 10.1.0.12:80 -g -w 1`
  await expectTable(lab, table, { netns: host.netns })

  const keepalived = await startKeepalived(host)
  const says = (words: string) => keepalived.waitForLine((line) => line.includes(words), 120_000)
  await says('VRRP_Script(pointsman) succeeded')
  await says('Entering MASTER STATE')
  await expect.poll(() => topology.check(host, 'ip -4 -o addr show dev eth0'), { timeout: 30_000 }).toContain(` ${VIP}/32 `)
  expect(keepalived.stdout + keepalived.stderr).not.toMatch(/Line \d+\)|WARNING/)
  // Of two programs that share a director by this page neither is told to go.
  const { stdout } = await pointsman(lab, ['doctor', '-c', `${directory}/pointsman.yaml`, ...options.args, '--json'], {
    netns: host.netns,
  })
  const { checks } = JSON.parse(stdout) as { readonly checks: readonly { readonly check: string; readonly verdict: string }[] }
  expect(checks.filter(({ check }) => check === 'other writer')).toMatchObject([
    { verdict: 'ok', message: expect.stringMatching(/^keepalived \(process \d+\) runs for VRRP alone/) },
  ])
  const traffic = await startTraffic(lab, topology.client, [
    { id: 'web', protocol: 'tcp', address: VIP, port: 80, concurrency: 1 },
  ])
  await traffic.attempts(10)

  const lowered = () => (keepalived.stdout + keepalived.stderr).split('Changing effective priority from 150 to 130').length
  const before = lowered()
  await daemon.stop('SIGKILL')
  await expect.poll(lowered, { timeout: 120_000 }).toBe(before + 1)
  // A director that is alone serves on with the table as it was left.
  await traffic.attempts(10)
  const { flows } = await traffic.stop()
  // By mh one client is sent to one backend, and stays with it.
  expect(flows[0]).toMatchObject({ failures: 0 })
  expect(Object.keys(flows[0]?.servers ?? {})).toHaveLength(1)
  await expectTable(lab, table, { netns: host.netns })
})
