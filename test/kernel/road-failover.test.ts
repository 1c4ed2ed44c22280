/** Two directors by docs/guide/keepalived.md: one dies, the other has the table and the connections already. */

import { afterAll, beforeAll, expect, it } from 'vitest'
import type { Lab } from '../lab/lab.ts'
import { sharedLab } from '../lab/shared.ts'
import { buildTopology, type Host, type Topology } from '../lab/topology.ts'
import { listenersOn, startServer, startTraffic } from '../lab/traffic/traffic.ts'
import { guideBlock, startKeepalived } from './support/keepalived-guide.ts'
import { Daemon, freshDirectory } from './support/pointsman.ts'
import { expectTable } from './support/table.ts'

const VIP = '10.1.0.101'
const HELD = 12
const LOOK = { timeout: 60_000, interval: 500 }

const parts = new AsyncDisposableStack()
let lab: Lab
let topology: Topology
let directors: readonly [Host, Host]

beforeAll(async () => {
  lab = parts.use(await sharedLab())
  topology = parts.use(await buildTopology(lab, { name: 'failover', kind: 'bridge', realServers: 2 }))
  const { director } = topology
  const second = await secondDirector()
  directors = [director, second]
  // The address is where keepalived puts it; the directors tell each other of connections over a link of their own.
  await topology.check(director, `ip addr del ${VIP}/32 dev eth0`)
  await lab.check(`ip link add eth1 netns ${director.netns} type veth peer name eth1 netns ${second.netns}`)
  for (const [at, { netns }] of directors.entries()) {
    await lab.check(`ip link set eth1 up && ip addr add 10.9.9.${at + 1}/24 dev eth1`, { netns })
  }
  await Promise.all(topology.realServers.map((host) => startServer(lab, host, listenersOn([host.addresses.ipv4, VIP], [80]))))
})
afterAll(() => parts.disposeAsync())

/** On the same link as the first. */
async function secondDirector(): Promise<Host> {
  const netns = 'failover-director2'
  const bridge = 'failover-link'
  await lab.check(`ip netns add ${netns}
    ip link add eth0 netns ${netns} type veth peer name director2 netns ${bridge}
    ip -n ${bridge} link set director2 master bridge && ip -n ${bridge} link set director2 up
    ip -n ${netns} link set lo up && ip -n ${netns} addr add 10.1.0.3/24 dev eth0 && ip -n ${netns} link set eth0 up`)
  parts.defer(async () => void (await lab.check(`ip netns pids ${netns} | xargs -r kill -KILL; ip netns del ${netns}`)))
  return { role: 'director2', netns, addresses: { ipv4: '10.1.0.3', ipv6: 'fd00:1::3' } }
}

async function startPointsman({ role, netns }: Host): Promise<Daemon> {
  const directory = freshDirectory(role)
  const args = ['--state-dir', `${directory}/state`]
  return parts.use(await Daemon.start(lab, directory, { netns, configuration: guideBlock('yaml'), args }))
}

/** Connections of the service that a director knows of, whoever carried their packets. */
async function known({ netns }: Host): Promise<number> {
  const lines = (await lab.check('ipvsadm -Lnc', { netns })).split('\n')
  return lines.filter((line) => line.includes('ESTABLISHED') && line.includes(`${VIP}:80`)).length
}

const isAt = async ({ netns }: Host) => (await lab.check('ip -4 -o addr show dev eth0', { netns })).includes(` ${VIP}/32 `)

it('a director dies: the other has the address in seconds, serves with its own table, and no held connection is lost', async () => {
  const [first, second] = directors
  const daemons = await Promise.all(directors.map(startPointsman))
  const table = `-A -t ${VIP}:80 -s mh -b mh-fallback
    -a -t ${VIP}:80 -r 10.1.0.11:80 -g -w 1
    -a -t ${VIP}:80 -r 10.1.0.12:80 -g -w 1`
  for (const { netns } of directors) await expectTable(lab, table, { netns })
  // What the guide says to compare.
  const hashes = await Promise.all(
    daemons.map(async (daemon) => (await daemon.metrics()).one('pointsman_state_hash', { state: 'desired' })),
  )
  expect(hashes[0]).toBe(hashes[1])

  for (const [at, { netns, role }] of directors.entries()) {
    const conf = guideBlock('text keepalived.conf').replace('priority 150', `priority ${150 - 10 * at}`)
    parts.use(await startKeepalived(lab, { netns, name: role, conf }))
  }
  await expect.poll(() => isAt(first), LOOK).toBe(true)
  const traffic = await startTraffic(lab, topology.client, [
    { id: 'web', protocol: 'tcp', address: VIP, port: 80, concurrency: 1, pauseMs: 50, held: HELD, timeoutMs: 60_000 },
  ])
  // Before anything happens the second director knows connections of which it never saw a packet.
  await expect.poll(() => known(second), LOOK).toBeGreaterThanOrEqual(HELD)
  expect(await isAt(second)).toBe(false)

  await traffic.mark('the first director is dead')
  await lab.check('ip link set eth0 down; ip link set eth1 down', { netns: first.netns })
  await expect.poll(() => isAt(second), LOOK).toBe(true)
  await traffic.attempts(20)
  await traffic.mark('the second serves')
  await traffic.attempts(40)
  const { flows } = await traffic.stop()
  const [web] = flows
  expect(web?.held).toMatchObject({ opened: HELD, alive: HELD, lost: 0 })
  expect(web?.phases.find(({ name }) => name === 'the second serves')).toMatchObject({ failures: 0 })
  await expectTable(lab, table, { netns: second.netns })
})
