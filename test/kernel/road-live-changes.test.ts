/** Attributes are edited in place: connections live on, and what others have set and the configuration does not name stays. */

import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Lab } from '../lab/lab.ts'
import { sharedLab } from '../lab/shared.ts'
import { buildTopology, type Topology } from '../lab/topology.ts'
import { listenersOn, startServer, startTraffic } from '../lab/traffic/traffic.ts'
import { NetlinkMonitor } from './support/netlink-monitor.ts'
import { configurationText, Daemon, freshDirectory } from './support/pointsman.ts'
import { expectTable, ipvsadm, waitForTable } from './support/table.ts'

const directory = freshDirectory('live')
const vip = '10.9.0.1'
const addresses = ['10.2.1.2:80', '10.2.2.2:80', '10.2.3.2:80'] as const

const parts = new AsyncDisposableStack()
let lab: Lab
let topology: Topology
let netns: string
let daemon: Daemon

interface Attributes {
  readonly service?: Readonly<Record<string, unknown>>
  /** Of the first backend; the others have weight 1. */
  readonly backend?: Readonly<Record<string, unknown>>
}

const configuration = ({ service = {}, backend = {} }: Attributes, global: Readonly<Record<string, unknown>> = {}): string =>
  configurationText(
    directory,
    [
      {
        name: 'web',
        listen: `${vip}:80`,
        scheduler: 'wlc',
        ...service,
        backends: addresses.map((address, index) => ({ address, ...(index === 0 ? backend : {}) })),
      },
    ],
    { global },
  )

const table = (service: string, first = '-m -w 1'): string => `
  -A -t ${vip}:80 ${service}
  -a -t ${vip}:80 -r ${addresses[0]} ${first}
  -a -t ${vip}:80 -r ${addresses[1]} -m -w 1
  -a -t ${vip}:80 -r ${addresses[2]} -m -w 1
`

beforeAll(async () => {
  lab = parts.use(await sharedLab())
  topology = parts.use(await buildTopology(lab, { name: 'live', kind: 'routed' }))
  netns = topology.director.netns
  await Promise.all(topology.realServers.map((host) => startServer(lab, host, listenersOn([host.addresses.ipv4], [80]))))
  daemon = parts.use(await Daemon.start(lab, directory, { netns, configuration: configuration({}) }))
})
afterAll(() => parts.disposeAsync())

const thresholds = async (): Promise<string | undefined> => {
  const text = await lab.check(['ipvsadm', '-Ln', '--thresholds'], { netns })
  return new RegExp(`-> ${addresses[0].replaceAll('.', '\\.')} +(\\d+ +\\d+)`).exec(text)?.[1]?.replaceAll(/ +/g, ' ')
}

describe('a live change', () => {
  it('of scheduler, flags, persistence, weight, thresholds or forwarding is one edit in place, and no connection is lost', async () => {
    const traffic = await startTraffic(
      lab,
      topology.client,
      [{ id: 'tcp', protocol: 'tcp', address: vip, port: 80, held: 30, limit: 0 }],
      900,
    )
    const monitor = await NetlinkMonitor.start(lab, netns)
    const steps: readonly (readonly [Attributes, string, string?])[] = [
      [{ service: { scheduler: 'wrr' } }, '-s wrr'],
      [{ service: { scheduler: 'mh', flags: ['mh-port'] } }, '-s mh -b mh-port'],
      [{ service: { scheduler: 'mh', flags: ['mh-fallback'] } }, '-s mh -b mh-fallback'],
      [{ service: { scheduler: 'wlc', flags: [], persistence: '120s' } }, '-s wlc -p 120'],
      [{ service: { persistence: { timeout: '60s', netmask: '255.255.255.0' } } }, '-s wlc -p 60 -M 255.255.255.0'],
      [{ service: { persistence: 'none' } }, '-s wlc'],
      [{ backend: { weight: 7 } }, '-s wlc', '-m -w 7'],
      [{ backend: { weight: 0 } }, '-s wlc', '-m -w 0'],
      [{ backend: { forwarding: 'direct' } }, '-s wlc', '-g -w 1'],
      [{ backend: { forwarding: 'tunnel' } }, '-s wlc', '-i -w 1 --tun-type ipip'],
      [{}, '-s wlc'],
    ]
    for (const [attributes, service, first] of steps) {
      await daemon.configure(configuration(attributes))
      await waitForTable(lab, table(service, first), { netns })
    }
    await daemon.configure(configuration({ backend: { upper_threshold: 1000, lower_threshold: 10 } }))
    await expect.poll(thresholds, { timeout: 20_000 }).toBe('1000 10')

    const writes = await monitor.writes()
    expect(new Set(writes.map(({ command }) => command))).toEqual(new Set(['set-service', 'set-destination']))
    expect(writes).toHaveLength(steps.length + 1)
    const [report] = (await traffic.stop()).flows
    expect(report).toMatchObject({ failuresByKind: {}, held: { opened: 30, alive: 30, lost: 0 } })
    expect(daemon.complaints()).toEqual([])
  })

  it('leaves alone what somebody else has set and the configuration does not name', async () => {
    await daemon.reconfigure(configuration({ backend: { upper_threshold: 0, lower_threshold: 0 } }))
    await expect.poll(thresholds, { timeout: 20_000 }).toBe('0 0')
    await daemon.reconfigure(configuration({}))
    await ipvsadm(lab, `-E -t ${vip}:80 -s wlc -p 500`, { netns })
    await ipvsadm(lab, `-e -t ${vip}:80 -r ${addresses[0]} -m -w 1 -x 222 -y 111`, { netns })
    const before = await daemon.metrics()
    const after = await daemon.fullPasses(2)
    await expectTable(lab, table('-s wlc -p 500'), { netns })
    expect(await thresholds()).toBe('222 111')
    expect(after.drift).toBe(before.drift)

    await daemon.configure(configuration({ service: { scheduler: 'wrr' }, backend: { weight: 4 } }))
    await waitForTable(lab, table('-s wrr -p 500', '-m -w 4'), { netns })
    expect(await thresholds()).toBe('222 111')

    await daemon.configure(configuration({ service: { scheduler: 'sh', persistence: 'none' } }))
    await waitForTable(lab, table('-s sh -b sh-fallback'), { netns })
    await ipvsadm(lab, `-E -t ${vip}:80 -s sh -b sh-fallback,sh-port`, { netns })
    expect((await daemon.fullPasses(2)).drift).toBe(after.drift)
    await expectTable(lab, table('-s sh -b sh-fallback,sh-port'), { netns })
    await daemon.configure(configuration({ service: { scheduler: 'wlc', flags: [] } }))
    await waitForTable(lab, table('-s wlc'), { netns })
  })
})

describe('what belongs to the kernel as a whole', () => {
  const timeouts = (): Promise<string> => lab.check(['ipvsadm', '-L', '--timeout'], { netns })
  const daemons = (): Promise<string> => lab.check(['ipvsadm', '-L', '--daemon'], { netns })
  const daemonLines = async (): Promise<string[]> => (await daemons()).trim().split('\n').filter(Boolean)

  const ipvs = {
    tcp_timeout: '700s',
    udp_timeout: '77s',
    sync_daemons: [
      { role: 'master', interface: 'eth0', id: 7 },
      { role: 'backup', interface: 'eth0', id: 9 },
    ],
  }

  it('is set as configured: timeouts, and the sync daemon in both roles', async () => {
    expect(await timeouts()).toContain('Timeout (tcp tcpfin udp): 900 120 300')
    expect(await daemonLines()).toEqual([])
    await daemon.reconfigure(configuration({}, { ipvs }))
    await expect.poll(timeouts, { timeout: 20_000 }).toContain('Timeout (tcp tcpfin udp): 700 120 77')
    await expect.poll(daemonLines, { timeout: 20_000 }).toHaveLength(2)
    expect(await daemons()).toMatch(/master sync daemon \(mcast=eth0, syncid=7/)
    expect(await daemons()).toMatch(/backup sync daemon \(mcast=eth0, syncid=9/)
  })

  it('is kept so when somebody else changes it, and not written when it is right', async () => {
    await ipvsadm(lab, '--set 100 50 25', { netns })
    await ipvsadm(lab, '--stop-daemon master', { netns })
    // What is not configured is not ours: the FIN timeout stays as it was set by hand.
    await expect.poll(timeouts, { timeout: 20_000 }).toContain('Timeout (tcp tcpfin udp): 700 50 77')
    await expect.poll(daemons, { timeout: 20_000 }).toMatch(/master sync daemon \(mcast=eth0, syncid=7/)
    expect(await daemonLines()).toHaveLength(2)
    const monitor = await NetlinkMonitor.start(lab, netns)
    await daemon.fullPasses(2)
    expect(await monitor.writes()).toEqual([])
  })

  it('takes another id at once, and a list without it stops what we started', async () => {
    await daemon.reconfigure(
      configuration({}, { ipvs: { ...ipvs, sync_daemons: [{ role: 'master', interface: 'eth0', id: 8 }] } }),
    )
    await expect.poll(daemons, { timeout: 20_000 }).toMatch(/master sync daemon \(mcast=eth0, syncid=8/)
    await expect.poll(daemonLines, { timeout: 20_000 }).toHaveLength(1)
    await daemon.reconfigure(configuration({}, { ipvs: { ...ipvs, sync_daemons: [] } }))
    await expect.poll(daemonLines, { timeout: 20_000 }).toEqual([])
    expect(daemon.complaints()).toEqual([])
  })
})
