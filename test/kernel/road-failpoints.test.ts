/**
 * A real SIGKILL between each kernel write and its record, then a restart. Each crash happens on the way from one
 * configuration to another; the next one happens on the way back, over whatever the first has left.
 */

import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { FAILPOINTS, type Failpoint } from '../../src/failpoint.ts'
import type { Lab } from '../lab/lab.ts'
import { sharedLab } from '../lab/shared.ts'
import { privateNamespace } from './support/namespace.ts'
import { configurationText, Daemon, type DaemonOptions, freshDirectory } from './support/pointsman.ts'
import { expectTable, restore, tableLines, waitForTable } from './support/table.ts'

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

type Configured = (typeof configurations)[number]

/** One of several namespaces in each of which one crash follows the other. */
class Lane {
  readonly netns: string
  readonly #lab: Lab
  readonly #directory: string
  #state = 0

  constructor(lab: Lab, netns: string) {
    this.netns = netns
    this.#lab = lab
    this.#directory = freshDirectory(netns)
  }

  async begin(): Promise<void> {
    // The sync daemon wants a link that is up and has an address.
    const link = 'ip link add vs0 type dummy && ip addr add 10.88.1.1/24 dev vs0 && ip link set vs0 up multicast on'
    await this.#lab.check(link, { netns: this.netns })
    await using daemon = await this.#start({ configuration: this.#text(configurations[0]) })
    await waitForTable(this.#lab, configurations[0].table, this)
    await restore(this.#lab, foreign, this)
    await daemon.stop('SIGKILL')
  }

  async crashAt(failpoint: Failpoint): Promise<void> {
    this.#state = 1 - this.#state
    const { table, daemon } = this.#wanted
    const configuration = this.#text(this.#wanted)

    await using killed = await this.#start({ configuration, env: { POINTSMAN_FAILPOINT: failpoint }, unready: true })
    // A place that is never passed would let the daemon live on, and fail here.
    expect(await killed.ended(), failpoint).toEqual({ code: undefined, signal: 'SIGKILL' })

    await using restarted = await this.#start({ configuration })
    await waitForTable(this.#lab, table + foreign, this)
    await expect
      .poll(() => this.#daemonLines(), { timeout: 20_000, message: failpoint })
      .toEqual([expect.stringContaining(`${daemon.role} sync daemon (mcast=vs0, syncid=${daemon.id}`)])
    const metrics = await restarted.metrics()
    // Nothing of ours has become foreign, and nothing foreign has become ours.
    expect(metrics.one('pointsman_sink_foreign_objects'), failpoint).toBe(2)
    expect(restarted.log.filter(({ cause }) => cause === 'adoption')).toEqual([])
    expect(restarted.complaints()).toEqual([])
    expect(metrics.one('pointsman_sink_draining_objects'), failpoint).toBe(0)
    await restarted.stop('SIGKILL')
  }

  async leave(): Promise<void> {
    const configuration = configurationText(this.#directory, [], { global: { ipvs: { sync_daemons: [] } } })
    await using daemon = await this.#start({ configuration })
    // The service that holds a foreign destination is never deleted.
    const spared = tableLines(this.#wanted.table).find((line) => line.startsWith('-A -t 10.9.0.1:80 '))
    await waitForTable(this.#lab, `${foreign}${spared}`, this)
    await expectTable(this.#lab, `${foreign}${spared}`, this)
    expect(await this.#daemonLines()).toEqual([])
    expect(daemon.complaints()).toEqual([])
    expect(await daemon.stop()).toEqual({ code: 0, signal: undefined })
  }

  get #wanted(): Configured {
    return configurations[this.#state as 0 | 1]
  }

  #text({ services, daemon }: Configured): string {
    return configurationText(this.#directory, services, { global: { ipvs: { sync_daemons: [daemon] } } })
  }

  #start(options: DaemonOptions): Promise<Daemon> {
    return Daemon.start(this.#lab, this.#directory, { netns: this.netns, ...options })
  }

  async #daemonLines(): Promise<string[]> {
    return (await this.#lab.check(['ipvsadm', '-L', '--daemon'], this)).trim().split('\n').filter(Boolean)
  }
}

/** All at the same time, to their ends: one that goes on would meet the next test. */
async function inEach(work: (lane: Lane, index: number) => Promise<void>): Promise<void> {
  const failed = (await Promise.allSettled(lanes.map(work))).find((outcome) => outcome.status === 'rejected')
  if (failed !== undefined) throw failed.reason
}

/** The machine has two processors, and a daemon that starts uses one. */
const LANES = 2

const places = FAILPOINTS.filter((name) => name.startsWith('ipvs.'))
const rounds = Array.from({ length: Math.ceil(places.length / LANES) }, (_, round) =>
  places.slice(round * LANES, (round + 1) * LANES),
)

const parts = new AsyncDisposableStack()
let lanes: readonly Lane[] = []

beforeAll(async () => {
  const lab = parts.use(await sharedLab())
  for (let number = 1; number <= LANES; number++) {
    const { name } = parts.use(await privateNamespace(lab, `failpoints-${number}`))
    lanes = [...lanes, new Lane(lab, name)]
  }
  await inEach((lane) => lane.begin())
})
afterAll(() => parts.disposeAsync())

describe('killed at', () => {
  it.each(rounds.map((round) => [round.join(' and, elsewhere, at '), round] as const))(
    '%s, a restart ends exactly as wanted',
    async (_, round) => {
      await inEach(async (lane, index) => {
        const failpoint = round[index]
        if (failpoint !== undefined) await lane.crashAt(failpoint)
      })
    },
  )

  it('leaves nothing of ours behind when all services leave the configuration afterwards', () => inEach((lane) => lane.leave()))
})
