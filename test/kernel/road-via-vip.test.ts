/** Probes on the way of the clients: to the virtual address, through a hidden service for each backend, by a mark of its own. */

import { setTimeout } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Lab } from '../lab/lab.ts'
import { sharedLab } from '../lab/shared.ts'
import { buildTopology, type Host, type Topology } from '../lab/topology.ts'
import { type Listener, startServer } from '../lab/traffic/traffic.ts'
import { configurationText, Daemon, freshDirectory, pointsman } from './support/pointsman.ts'
import { expectTable, ipvsadm, readTable, waitForTable } from './support/table.ts'

let lab: Lab
const all = new AsyncDisposableStack()
beforeAll(async () => {
  lab = all.use(await sharedLab())
})
afterAll(() => all.disposeAsync())

const times = { interval: '500ms', timeout: '1500ms', fall: 2, rise: 1, tcp: { send: 'probe\n', expect: 'probe' } }
const throughVip = { ...times, via: 'vip' }

/**
 * What probes say of each backend: `direct 10.1.0.11:8001` is `up`, `down` or `unknown`, with the message. Asked as `pointsman status`
 * does, without a Node to start each time.
 */
async function states({ netns, directory }: Daemon): Promise<Record<string, { state: string; message?: string }>> {
  const answer = await lab.check(`curl -s --unix-socket ${directory}/state/*.sock http://daemon/status`, { netns })
  const { services } = JSON.parse(answer) as {
    services: {
      service: string
      backends: { backend: string; operational: { state: string; message?: string } }[]
    }[]
  }
  return Object.fromEntries(
    services.flatMap(({ service, backends }) =>
      backends.map(({ backend, operational: { state, message } }) => [
        `${service} ${backend}`,
        { state, ...(message !== undefined && { message }) },
      ]),
    ),
  )
}

async function notUp(daemon: Daemon): Promise<string[]> {
  const found = Object.entries(await states(daemon))
  return found.flatMap(([name, { state }]) => (state === 'up' ? [] : [name])).sort()
}

/** Waits until exactly these are down and all others up. */
async function waitForDown(daemon: Daemon, ...down: string[]): Promise<void> {
  await expect.poll(() => notUp(daemon), { timeout: 60_000, interval: 500 }).toEqual(down.toSorted())
  const found = await states(daemon)
  for (const name of down) expect({ name, ...found[name] }).toMatchObject({ name, state: 'down' })
}

/** On all addresses of both families, those too that come later. */
const everywhere = (protocol: 'tcp' | 'udp', port: number): Listener[] =>
  ['0.0.0.0', '::'].map((address): Listener => `${protocol}:${address}:${port}`)

/** Lines of the table about services that go by a mark. */
const marked = async (netns: string) => (await readTable(lab, { netns })).filter((line) => line.includes(' -f '))

const FIRST = 0x7000_0000

describe('direct routing and a tunnel', () => {
  const parts = new AsyncDisposableStack()
  const directory = freshDirectory('via-vip')
  const vip = '10.1.0.101'
  const vip6 = 'fd00:1::101'
  let topology: Topology
  let daemon: Daemon
  let rs1: Host
  let rs2: Host

  const services = (check: object) => [
    {
      name: 'direct',
      listen: `${vip}:8001`,
      forwarding: 'direct',
      health_check: check,
      backends: ['10.1.0.11:8001', '10.1.0.12:8001'],
    },
    {
      name: 'tunnel',
      listen: `${vip}:8002`,
      forwarding: 'tunnel',
      health_check: check,
      backends: ['10.1.0.11:8002', '10.1.0.12:8002'],
    },
    {
      name: 'direct6',
      listen: `[${vip6}]:8003`,
      forwarding: 'direct',
      health_check: check,
      backends: ['[fd00:1::11]:8003', '[fd00:1::12]:8003'],
    },
    // The same servers at their own addresses.
    {
      name: 'plain',
      listen: `${vip}:8004`,
      forwarding: 'direct',
      health_check: times,
      backends: ['10.1.0.11:8004', '10.1.0.12:8004'],
    },
  ]
  const visible = `
    -A -t ${vip}:8001 -s wlc
    -a -t ${vip}:8001 -r 10.1.0.11:8001 -g -w 1
    -a -t ${vip}:8001 -r 10.1.0.12:8001 -g -w 1
    -A -t ${vip}:8002 -s wlc
    -a -t ${vip}:8002 -r 10.1.0.11:8002 -i -w 1 --tun-type ipip
    -a -t ${vip}:8002 -r 10.1.0.12:8002 -i -w 1 --tun-type ipip
    -A -t [${vip6}]:8003 -s wlc
    -a -t [${vip6}]:8003 -r [fd00:1::11]:8003 -g -w 1
    -a -t [${vip6}]:8003 -r [fd00:1::12]:8003 -g -w 1
    -A -t ${vip}:8004 -s wlc
    -a -t ${vip}:8004 -r 10.1.0.11:8004 -g -w 1
    -a -t ${vip}:8004 -r 10.1.0.12:8004 -g -w 1
    -A -f ${FIRST} -s wlc
  `
  /** The first mark is somebody else's, and a rule looks at the second and the fourth. */
  const hidden = `
    -A -f ${FIRST + 2} -s rr
    -a -f ${FIRST + 2} -r 10.1.0.11:8001 -g -w 1
    -A -f ${FIRST + 4} -s rr
    -a -f ${FIRST + 4} -r 10.1.0.12:8001 -g -w 1
    -A -f ${FIRST + 5} -s rr
    -a -f ${FIRST + 5} -r 10.1.0.11:8002 -i -w 1 --tun-type ipip
    -A -f ${FIRST + 6} -s rr
    -a -f ${FIRST + 6} -r 10.1.0.12:8002 -i -w 1 --tun-type ipip
    -A -f ${FIRST + 7} -6 -s rr
    -a -f ${FIRST + 7} -6 -r [fd00:1::11]:8003 -g -w 1
    -A -f ${FIRST + 8} -6 -s rr
    -a -f ${FIRST + 8} -6 -r [fd00:1::12]:8003 -g -w 1
  `

  beforeAll(async () => {
    topology = parts.use(await buildTopology(lab, { name: 'viavip', kind: 'bridge', realServers: 2 }))
    const [first, second] = topology.realServers
    if (first === undefined || second === undefined) throw new Error('there are no real servers')
    rs1 = first
    rs2 = second
    const { netns } = topology.director
    await Promise.all(
      topology.realServers.map((host) =>
        startServer(
          lab,
          host,
          [8001, 8002, 8003, 8004].flatMap((port) => everywhere('tcp', port)),
        ),
      ),
    )
    await ipvsadm(lab, `-A -f ${FIRST} -s wlc`, { netns })
    await topology.check(topology.director, `ip rule add fwmark ${FIRST + 1}/0xfffffffd table 100`)
    daemon = parts.use(
      await Daemon.start(lab, directory, { netns, configuration: configurationText(directory, services(throughVip)) }),
    )
  })
  afterAll(() => parts.disposeAsync())

  it('makes a service for each backend, with a mark that nobody else has, and hides it', async () => {
    const { netns } = daemon
    await waitForTable(lab, visible + hidden, { netns })
    const listed = await pointsman(lab, ['get', '--state-dir', `${directory}/state`], { netns })
    expect({ code: listed.code, marks: listed.stdout.match(/fwmark: \d+/g) }).toEqual({ code: 0, marks: [`fwmark: ${FIRST}`] })
    const metrics = await daemon.get('/metrics')
    expect(metrics.body).not.toContain('fwmark/')
    expect(Object.keys(await states(daemon)).filter((name) => name.includes('fwmark'))).toEqual([])
    const plan = await pointsman(lab, ['plan', '--config', daemon.configPath], { netns })
    expect(plan).toMatchObject({ code: 0, stdout: expect.stringMatching(/^No changes\. 1 foreign object left alone\.$/m) })
    expect(daemon.log.filter(({ msg }) => msg.includes('probe of'))).toEqual([])
  })

  it('knows nothing of IPv4 backends until the kernel lets their answers in, and says how', async () => {
    const waiting = ['direct 10.1.0.11:8001', 'direct 10.1.0.12:8001', 'tunnel 10.1.0.11:8002', 'tunnel 10.1.0.12:8002']
    await expect.poll(() => notUp(daemon), { timeout: 60_000, interval: 500 }).toEqual(waiting)
    const found = await states(daemon)
    const message =
      'answers of direct backends come from the virtual address itself, and the kernel drops them: sysctl -w net.ipv4.conf.eth0.accept_local=1'
    expect(found[`direct 10.1.0.11:8001`]).toEqual({ state: 'unknown', message })
    expect(found[`tunnel 10.1.0.12:8002`]).toEqual({ state: 'unknown', message: message.replace('direct', 'tunnel') })
    await topology.check(topology.director, 'sysctl -w net.ipv4.conf.eth0.accept_local=1')
    await waitForDown(daemon)
  })

  it('finds that the virtual address is missing on a real server that answers at its own', async () => {
    await topology.check(rs1, `ip addr del ${vip}/32 dev lo`)
    await waitForDown(daemon, 'direct 10.1.0.11:8001', 'tunnel 10.1.0.11:8002')
    expect((await states(daemon))['plain 10.1.0.11:8004']).toEqual({ state: 'up' })
    await topology.check(rs1, `ip addr add ${vip}/32 dev lo`)
    await waitForDown(daemon)
  })

  it('finds it over IPv6, too', async () => {
    await topology.check(rs2, `ip addr del ${vip6}/128 dev lo`)
    await waitForDown(daemon, 'direct6 [fd00:1::12]:8003')
    await topology.check(rs2, `ip addr add ${vip6}/128 dev lo nodad`)
    await waitForDown(daemon)
  })

  it('finds that a real server does not unpack what comes through its tunnel', async () => {
    await topology.check(rs2, 'ip link set tunl0 down')
    await waitForDown(daemon, 'tunnel 10.1.0.12:8002')
    await topology.check(rs2, 'ip link set tunl0 up')
    await waitForDown(daemon)
  })

  it('keeps its marks over a restart, without a write', async () => {
    const { netns } = daemon
    await waitForTable(lab, visible + hidden, { netns })
    expect(await daemon.stop()).toMatchObject({ code: 0 })
    await expectTable(lab, visible + hidden, { netns })
    daemon = parts.use(await Daemon.start(lab, directory, { netns }))
    await waitForDown(daemon)
    await expectTable(lab, visible + hidden, { netns })
    const metrics = await daemon.metrics()
    expect(metrics.sum('pointsman_sink_changes_total')).toBe(0)
  })

  it('gives a mark back with its backend, and all of them when nobody is asked this way', async () => {
    const { netns } = daemon
    const [direct, ...others] = services(throughVip)
    await daemon.reconfigure(configurationText(directory, [{ ...direct, backends: ['10.1.0.11:8001'] }, ...others]))
    await expect
      .poll(async () => (await marked(netns)).filter((line) => line.includes(`${FIRST + 4} `)), { timeout: 30_000 })
      .toEqual([])
    await daemon.reconfigure(configurationText(directory, services(times)))
    await waitForTable(lab, visible, { netns, timeoutMs: 30_000 })
    await setTimeout(500)
    await waitForDown(daemon)
    expect(daemon.complaints()).toEqual([])
  })
})

describe('NAT', () => {
  const parts = new AsyncDisposableStack()
  const directory = freshDirectory('via-vip-nat')
  const vip = '10.9.0.1'
  let topology: Topology
  let daemon: Daemon

  beforeAll(async () => {
    topology = parts.use(await buildTopology(lab, { name: 'viavipnat', kind: 'routed', realServers: 2 }))
    const { netns } = topology.director
    await Promise.all(
      topology.realServers.map((host) => startServer(lab, host, [...everywhere('tcp', 8080), ...everywhere('udp', 8053)])),
    )
    const services = [
      { name: 'web', listen: `${vip}:80`, health_check: throughVip, backends: ['10.2.1.2:8080', '10.2.2.2:8080'] },
      {
        name: 'web6',
        listen: '[fd00:9::1]:80',
        health_check: throughVip,
        backends: ['[fd00:2:1::2]:8080', '[fd00:2:2::2]:8080'],
      },
      {
        name: 'dns',
        listen: `${vip}:53`,
        protocol: 'udp',
        health_check: { ...throughVip, tcp: undefined, udp: { send: 'probe', expect: 'probe' } },
        backends: ['10.2.1.2:8053', '10.2.2.2:8053'],
      },
    ]
    daemon = parts.use(await Daemon.start(lab, directory, { netns, configuration: configurationText(directory, services) }))
  })
  afterAll(() => parts.disposeAsync())

  it('carries a probe to each backend and back, over TCP and UDP, IPv4 and IPv6', () => waitForDown(daemon))

  it('finds that one real server drops what the others answer', async () => {
    const [rs1] = topology.realServers
    if (rs1 === undefined) throw new Error('there are no real servers')
    await topology.check(rs1, 'ip link set eth0 down')
    await waitForDown(daemon, 'dns 10.2.1.2:8053', 'web 10.2.1.2:8080', 'web6 [fd00:2:1::2]:8080')
    expect(daemon.complaints()).toEqual([])
  })
})
