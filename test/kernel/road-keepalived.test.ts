/** The two configurations of docs/guide/keepalived.md, but for times and addresses, on one director. */

import { afterAll, beforeAll, expect, it } from 'vitest'
import type { Lab } from '../lab/lab.ts'
import { sharedLab } from '../lab/shared.ts'
import { buildTopology, type Topology } from '../lab/topology.ts'
import { listenersOn, startServer, startTraffic } from '../lab/traffic/traffic.ts'
import { guideBlock, startKeepalived } from './support/keepalived-guide.ts'
import { Daemon, freshDirectory, pointsman } from './support/pointsman.ts'
import { expectTable } from './support/table.ts'

const VIP = '10.1.0.101'

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

it('keepalived and Pointsman share a director: one has the address, one the table, and the one hears when the other is gone', async () => {
  const host = topology.director
  const directory = freshDirectory('vrrp')
  const options = { netns: host.netns, configuration: guideBlock('yaml'), args: ['--state-dir', `${directory}/state`] }
  const daemon = parts.use(await Daemon.start(lab, directory, options))
  const table = `-A -t ${VIP}:80 -s mh -b mh-fallback
    -a -t ${VIP}:80 -r 10.1.0.11:80 -g -w 1
    -a -t ${VIP}:80 -r 10.1.0.12:80 -g -w 1`
  await expectTable(lab, table, { netns: host.netns })

  const conf = guideBlock('text keepalived.conf')
  const keepalived = parts.use(await startKeepalived(lab, { netns: host.netns, name: host.role, conf }))
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
