/** Others change the table while the daemon holds it: what is ours is repaired, what is theirs is left alone. */

import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { Lab } from '../lab/lab.ts'
import { sharedLab } from '../lab/shared.ts'
import { privateNamespace } from './support/namespace.ts'
import { NetlinkMonitor } from './support/netlink-monitor.ts'
import { configurationText, Daemon, freshDirectory, pointsman } from './support/pointsman.ts'
import { expectTable, ipvsadm, restore, waitForTable } from './support/table.ts'

const netns = 'tamper'
const directory = freshDirectory('tamper')
const state = ['--state-dir', `${directory}/state`]

/** Configured between two full reads, in seconds; a repair may take this long and a pass. */
const resyncSeconds = 2

const services = [
  {
    name: 'web',
    listen: '10.9.0.1:80',
    scheduler: 'wrr',
    backends: [
      { address: '10.9.1.1:8080', weight: 5 },
      { address: '10.9.1.2:8080', weight: 3 },
    ],
  },
  { name: 'dns', listen: '10.9.0.2:53', protocol: 'udp', scheduler: 'rr', backends: [{ address: '10.9.1.3:53' }] },
  { name: 'six', listen: '[2001:db8:9::1]:80', scheduler: 'wlc', backends: [{ address: '[2001:db8:9:1::1]:80', weight: 2 }] },
]

const ours = `
  -A -t 10.9.0.1:80 -s wrr
  -a -t 10.9.0.1:80 -r 10.9.1.1:8080 -m -w 5
  -a -t 10.9.0.1:80 -r 10.9.1.2:8080 -m -w 3
  -A -u 10.9.0.2:53 -s rr
  -a -u 10.9.0.2:53 -r 10.9.1.3:53 -m -w 1
  -A -t [2001:db8:9::1]:80 -s wlc
  -a -t [2001:db8:9::1]:80 -r [2001:db8:9:1::1]:80 -m -w 2
`

const parts = new AsyncDisposableStack()
let lab: Lab
let daemon: Daemon

beforeAll(async () => {
  lab = parts.use(await sharedLab())
  parts.use(await privateNamespace(lab, netns))
  const configuration = configurationText(directory, services, { global: { resync_interval: `${resyncSeconds}s` } })
  daemon = parts.use(await Daemon.start(lab, directory, { netns, configuration }))
})
afterAll(() => parts.disposeAsync())

/** A repair within the resync interval, and a pass of a slow machine. */
const repaired = { netns, timeoutMs: resyncSeconds * 1000 + 3000 }

describe('what is ours', () => {
  beforeEach(() => expectTable(lab, ours, { netns }))

  it.each([
    ['a service that was removed', '-D -t 10.9.0.1:80', 3],
    ['an IPv6 service that was removed', '-D -t [2001:db8:9::1]:80', 2],
    ['a destination that was removed', '-d -t 10.9.0.1:80 -r 10.9.1.2:8080', 1],
    ['a weight that was changed by hand', '-e -t 10.9.0.1:80 -r 10.9.1.1:8080 -m -w 77', 1],
    ['a weight set to 0 by hand', '-e -u 10.9.0.2:53 -r 10.9.1.3:53 -m -w 0', 1],
    ['another forwarding', '-e -u 10.9.0.2:53 -r 10.9.1.3:53 -i -w 1', 1],
    ['another scheduler', '-E -t 10.9.0.1:80 -s lc', 1],
  ])('%s is put back within the resync interval, and counted', async (_, words, differences) => {
    const before = await daemon.metrics()
    const from = daemon.log.length
    await ipvsadm(lab, words, { netns })
    await waitForTable(lab, ours, repaired)
    const after = await daemon.waitForMetrics((metrics) => metrics.drift > before.drift, 'the drift was counted')
    expect(after.drift - before.drift).toBe(differences)
    expect(after.changes - before.changes).toBe(differences)
    const lines = daemon.log.slice(from).filter(({ cause }) => cause === 'drift')
    expect(lines).toHaveLength(differences)
    for (const line of lines) expect(line.level).toBe('warn')
  })

  it('comes back whole after the table was emptied', async () => {
    await ipvsadm(lab, '-C', { netns })
    await waitForTable(lab, ours, repaired)
  })
})

describe('what is not ours', () => {
  const foreign = `
    -A -t 10.9.0.1:8443 -s lc
    -a -t 10.9.0.1:8443 -r 10.9.1.9:8443 -m -w 9
    -a -t 10.9.0.1:80 -r 10.9.1.9:8080 -m -w 4
  `

  beforeAll(async () => {
    await expectTable(lab, ours, { netns })
    await restore(lab, foreign, { netns })
  })
  afterAll(async () => {
    await ipvsadm(lab, '-D -t 10.9.0.1:8443', { netns })
    await ipvsadm(lab, '-d -t 10.9.0.1:80 -r 10.9.1.9:8080', { netns })
    await expectTable(lab, ours, { netns })
  })

  it('stays through full reads: a service on another port of the same address, a destination in our service', async () => {
    const before = await daemon.metrics()
    const after = await daemon.fullPasses(2)
    await expectTable(lab, ours + foreign, { netns })
    expect(after.drift).toBe(before.drift)
    expect(after.changes).toBe(before.changes)
    expect(after.one('pointsman_sink_foreign_objects')).toBe(2)
  })

  it('stays while what is ours beside it is repaired', async () => {
    await ipvsadm(lab, '-e -t 10.9.0.1:80 -r 10.9.1.1:8080 -m -w 6', { netns })
    await ipvsadm(lab, '-d -t 10.9.0.1:80 -r 10.9.1.2:8080', { netns })
    await waitForTable(lab, ours + foreign, repaired)
  })

  it('stays, and what is ours is not repaired, while the daemon is paused', async () => {
    expect((await pointsman(lab, ['pause', '--reason', 'by hand', ...state], { netns })).code).toBe(0)
    const monitor = await NetlinkMonitor.start(lab, netns)
    const byHand = '-e -t 10.9.0.1:80 -r 10.9.1.1:8080 -m -w 6'
    await ipvsadm(lab, byHand, { netns })
    await daemon.reconfigure(configurationText(directory, services.slice(0, 2)))
    await new Promise((resolve) => setTimeout(resolve, resyncSeconds * 1_000 + 1_000))
    expect(await monitor.writes()).toEqual([
      { command: 'set-destination', service: 'tcp 10.9.0.1:80', destination: '10.9.1.1:8080' },
    ])
    await expectTable(lab, ours.replace('10.9.1.1:8080 -m -w 5', '10.9.1.1:8080 -m -w 6') + foreign, { netns })
    expect(await daemon.health('/readyz')).toMatchObject({
      code: 200,
      body: { status: 'degraded', reasons: [{ reason: 'paused' }] },
    })
    await daemon.reconfigure(configurationText(directory, services))
    expect((await pointsman(lab, ['resume', ...state], { netns })).code).toBe(0)
    await waitForTable(lab, ours + foreign, repaired)
  })

  it('keeps its service alive when that leaves the configuration', async () => {
    await daemon.reconfigure(configurationText(directory, services.slice(1)))
    const withoutWeb = ours.replaceAll(/.*10\.9\.0\.1:80 .*\n/g, '')
    await waitForTable(lab, `${withoutWeb}${foreign} -A -t 10.9.0.1:80 -s wrr`, { netns })
    await daemon.fullPasses(2)
    await expectTable(lab, `${withoutWeb}${foreign} -A -t 10.9.0.1:80 -s wrr`, { netns })
    await daemon.reconfigure(configurationText(directory, services))
    await waitForTable(lab, ours + foreign, { netns })
  })
})

describe('a stranger in our service', () => {
  it('is taken over by adopt, and drains; one that comes later stays', async () => {
    await restore(lab, '-a -t 10.9.0.1:80 -r 10.9.1.9:8080 -m -w 4', { netns })
    const { code, stdout } = await pointsman(lab, ['adopt', 'web', ...state], { netns })
    expect([code, stdout]).toEqual([0, '1 foreign backend of web taken over, to drain: 10.9.1.9:8080\n'])
    await waitForTable(lab, ours, { netns })
    const later = '-a -t 10.9.0.1:80 -r 10.9.1.8:8080 -m -w 4'
    await restore(lab, later, { netns })
    await daemon.fullPasses(2)
    await expectTable(lab, `${ours} ${later}`, { netns })
    await ipvsadm(lab, '-d -t 10.9.0.1:80 -r 10.9.1.8:8080', { netns })
  })
})

describe('kernel writes, as a netlink monitor sees them', () => {
  it('sees what ipvsadm writes, so that seeing nothing means something', async () => {
    const monitor = await NetlinkMonitor.start(lab, netns)
    await ipvsadm(lab, '-A -t 10.9.0.7:7 -s rr', { netns })
    await ipvsadm(lab, '-a -t 10.9.0.7:7 -r [2001:db8:9:1::7]:7 -i -w 7', { netns }).catch(() => undefined)
    await ipvsadm(lab, '-a -t 10.9.0.7:7 -r 10.9.1.7:7 -m -w 7', { netns })
    await ipvsadm(lab, '-D -t 10.9.0.7:7', { netns })
    const writes = await monitor.writes()
    expect(writes).toContainEqual({ command: 'new-service', service: 'tcp 10.9.0.7:7', destination: '' })
    expect(writes).toContainEqual({ command: 'new-destination', service: 'tcp 10.9.0.7:7', destination: '10.9.1.7:7' })
    expect(writes).toContainEqual({ command: 'delete-service', service: 'tcp 10.9.0.7:7', destination: '' })
  })

  it('are none over four full passes when nothing differs, though the kernel is read', async () => {
    await expectTable(lab, ours, { netns })
    const monitor = await NetlinkMonitor.start(lab, netns)
    const before = await daemon.metrics()
    const after = await daemon.fullPasses(4)
    const requests = await monitor.requests()
    expect(requests.filter(({ command }) => command === 'get-service').length).toBeGreaterThanOrEqual(4)
    expect(requests.filter(({ command }) => !command.startsWith('get-'))).toEqual([])
    expect(after.changes).toBe(before.changes)
    expect(after.drift).toBe(before.drift)
  })

  it('are one message for one repaired weight', async () => {
    const monitor = await NetlinkMonitor.start(lab, netns)
    await ipvsadm(lab, '-e -t 10.9.0.1:80 -r 10.9.1.1:8080 -m -w 9', { netns })
    await waitForTable(lab, ours, repaired)
    const writes = await monitor.writes()
    const edit = { command: 'set-destination', service: 'tcp 10.9.0.1:80', destination: '10.9.1.1:8080' }
    // The first is ipvsadm's own.
    expect(writes).toEqual([edit, edit])
  })
})

describe('a second process that adds and deletes 200 services', () => {
  const churned = Array.from({ length: 200 }, (_, index) => `-t 10.99.${index >> 6}.${(index & 63) + 1}:80`)

  /** Rounds of 200 additions and 200 deletions, for as long as it runs. */
  async function startChurn(): Promise<{ stop(): Promise<number> }> {
    const add = churned.map((service) => `-A ${service} -s rr`).join('\n')
    const remove = churned.map((service) => `-D ${service}`).join('\n')
    await lab.writeFile('/run/lab/road/churn-add', `${add}\n`)
    await lab.writeFile('/run/lab/road/churn-remove', `${remove}\n`)
    const loop =
      'while [ ! -e /run/lab/road/churn-stop ]; do ipvsadm -R <churn-add && ipvsadm -R <churn-remove && echo round; done'
    const process = lab.spawn(`cd /run/lab/road && rm -f churn-stop && ${loop}`, { netns })
    await process.waitForLine((line) => line === 'round')
    return {
      async stop() {
        await lab.check(['touch', '/run/lab/road/churn-stop'])
        expect(await process.exited).toMatchObject({ code: 0 })
        expect(process.stderr).toBe('')
        return process.stdout.split('\n').length - 1
      },
    }
  }

  it('causes no write and no counted drift, though it tears the dumps', async () => {
    // More of ours, so that every read takes several messages.
    const many = Array.from({ length: 150 }, (_, index) => ({
      name: `many-${index}`,
      listen: `10.9.${2 + (index >> 6)}.${(index & 63) + 1}:80`,
      scheduler: 'rr',
      backends: [{ address: '10.9.1.1:80' }],
    }))
    await daemon.reconfigure(configurationText(directory, [...services, ...many]))
    const manyLines = many.flatMap(({ listen }) => [`-A -t ${listen} -s rr`, `-a -t ${listen} -r 10.9.1.1:80 -m -w 1`]).join('\n')
    await waitForTable(lab, ours + manyLines, { netns })
    await daemon.fullPasses(1)

    const churn = await startChurn()
    const monitor = await NetlinkMonitor.start(lab, netns)
    const before = await daemon.metrics()
    // Full passes every two seconds, scrapes in between: all of them read while the table changes.
    const after = await daemon.fullPasses(6)
    const writes = await monitor.writes()
    const rounds = await churn.stop()

    const isChurned = ({ service }: { readonly service: string }): boolean => service.startsWith('tcp 10.99.')
    expect(writes.filter(isChurned).length).toBeGreaterThan(400)
    expect(writes.filter((write) => !isChurned(write))).toEqual([])
    expect(rounds).toBeGreaterThan(1)
    expect(after.changes).toBe(before.changes)
    expect(after.drift).toBe(before.drift)
    expect(daemon.complaints()).toEqual([])
    await expectTable(lab, ours + manyLines, { netns })
  })
})
