/**
 * A real SIGKILL between each kernel write and its record, then a restart. Each crash happens on the way from one
 * configuration to another; the next one happens on the way back, over whatever the first has left.
 */

import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { FAILPOINTS } from '../../src/failpoint.ts'
import type { Lab } from '../lab/lab.ts'
import { sharedLab } from '../lab/shared.ts'
import { privateNamespace } from './support/namespace.ts'
import { configurationText, Daemon, freshDirectory } from './support/pointsman.ts'
import { expectTable, restore, tableLines, waitForTable } from './support/table.ts'

const netns = 'failpoints'
const directory = freshDirectory('failpoints')

/** Every kind of write lies between the two: services and destinations added, edited, drained and deleted; a sync daemon each. */
const configurations = [
  {
    daemon: { role: 'master', interface: 'vs0', id: 7 },
    services: [
      {
        name: 'web',
        listen: '10.9.0.1:80',
        scheduler: 'wrr',
        backends: [{ address: '10.9.1.1:8080', weight: 5 }, { address: '10.9.1.2:8080' }],
      },
      { name: 'dns', listen: '10.9.0.2:53', protocol: 'udp', scheduler: 'rr', backends: [{ address: '10.9.1.1:53' }] },
      { name: 'mail', listen: '10.9.0.3:25', scheduler: 'rr', backends: [{ address: '10.9.1.1:25' }] },
    ],
    table: `
      -A -t 10.9.0.1:80 -s wrr
      -a -t 10.9.0.1:80 -r 10.9.1.1:8080 -m -w 5
      -a -t 10.9.0.1:80 -r 10.9.1.2:8080 -m -w 1
      -A -u 10.9.0.2:53 -s rr
      -a -u 10.9.0.2:53 -r 10.9.1.1:53 -m -w 1
      -A -t 10.9.0.3:25 -s rr
      -a -t 10.9.0.3:25 -r 10.9.1.1:25 -m -w 1
    `,
  },
  {
    daemon: { role: 'backup', interface: 'vs0', id: 8 },
    services: [
      {
        name: 'web',
        listen: '10.9.0.1:80',
        scheduler: 'wlc',
        backends: [{ address: '10.9.1.1:8080', weight: 7 }, { address: '10.9.1.3:8080' }],
      },
      { name: 'dns', listen: '10.9.0.4:53', protocol: 'udp', scheduler: 'rr', backends: [{ address: '10.9.1.1:53' }] },
      { name: 'six', listen: '[2001:db8:9::1]:80', scheduler: 'wlc', backends: [{ address: '[2001:db8:9:1::1]:80' }] },
    ],
    table: `
      -A -t 10.9.0.1:80 -s wlc
      -a -t 10.9.0.1:80 -r 10.9.1.1:8080 -m -w 7
      -a -t 10.9.0.1:80 -r 10.9.1.3:8080 -m -w 1
      -A -u 10.9.0.4:53 -s rr
      -a -u 10.9.0.4:53 -r 10.9.1.1:53 -m -w 1
      -A -t [2001:db8:9::1]:80 -s wlc
      -a -t [2001:db8:9::1]:80 -r [2001:db8:9:1::1]:80 -m -w 1
    `,
  },
] as const

/** Somebody else's: beside our services, and in one of them. */
const foreign = `
  -A -t 10.9.0.1:8443 -s lc
  -a -t 10.9.0.1:8443 -r 10.9.1.9:8443 -m -w 9
  -a -t 10.9.0.1:80 -r 10.9.1.9:8080 -m -w 4
`

const configured = ({ services, daemon }: (typeof configurations)[number]): string =>
  configurationText(directory, services, { global: { ipvs: { sync_daemons: [daemon] } } })

const daemonLines = async (): Promise<string[]> =>
  (await lab.check(['ipvsadm', '-L', '--daemon'], { netns })).trim().split('\n').filter(Boolean)

const parts = new AsyncDisposableStack()
let lab: Lab
let state = 0

beforeAll(async () => {
  lab = parts.use(await sharedLab())
  parts.use(await privateNamespace(lab, netns))
  // The sync daemon wants a link that is up and has an address.
  await lab.check('ip link add vs0 type dummy && ip addr add 10.88.1.1/24 dev vs0 && ip link set vs0 up multicast on', { netns })
  await using daemon = await Daemon.start(lab, directory, {
    netns,
    configuration: configured(configurations[0]),
  })
  await waitForTable(lab, configurations[0].table, { netns })
  await restore(lab, foreign, { netns })
  await daemon.stop('SIGKILL')
})
afterAll(() => parts.disposeAsync())

describe('killed at', () => {
  it.each(FAILPOINTS.filter((name) => name.startsWith('ipvs.')))('%s, a restart ends exactly as wanted', async (crash) => {
    state = 1 - state
    const { table, daemon } = configurations[state as 0 | 1]
    const configuration = configured(configurations[state as 0 | 1])

    await using killed = await Daemon.start(lab, directory, {
      netns,
      configuration,
      env: { POINTSMAN_FAILPOINT: crash },
      unready: true,
    })
    // A place that is never passed would let the daemon live on, and fail here.
    expect(await killed.ended()).toEqual({ code: undefined, signal: 'SIGKILL' })

    await using restarted = await Daemon.start(lab, directory, { netns, configuration })
    await waitForTable(lab, table + foreign, { netns })
    await expect
      .poll(daemonLines, { timeout: 20_000 })
      .toEqual([expect.stringContaining(`${daemon.role} sync daemon (mcast=vs0, syncid=${daemon.id}`)])
    const metrics = await restarted.metrics()
    // Nothing of ours has become foreign, and nothing foreign has become ours.
    expect(metrics.one('pointsman_sink_foreign_objects')).toBe(2)
    expect(restarted.log.filter(({ cause }) => cause === 'adoption')).toEqual([])
    expect(restarted.complaints()).toEqual([])
    expect(metrics.one('pointsman_sink_draining_objects')).toBe(0)
    await restarted.stop('SIGKILL')
  })

  it('leaves nothing of ours behind when all services leave the configuration afterwards', async () => {
    const configuration = configurationText(directory, [], { global: { ipvs: { sync_daemons: [] } } })
    await using daemon = await Daemon.start(lab, directory, { netns, configuration })
    const { table } = configurations[state as 0 | 1]
    // The service that holds a foreign destination is never deleted.
    const spared = tableLines(table).find((line) => line.startsWith('-A -t 10.9.0.1:80 '))
    await waitForTable(lab, `${foreign}${spared}`, { netns })
    await expectTable(lab, `${foreign}${spared}`, { netns })
    expect(await daemonLines()).toEqual([])
    expect(daemon.complaints()).toEqual([])
    expect(await daemon.stop()).toEqual({ code: 0, signal: undefined })
  })
})
