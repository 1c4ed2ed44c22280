/** The durable record in trouble, and the ways in which the daemon ends. */

import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { Lab } from '../lab/lab.ts'
import { sharedLab } from '../lab/shared.ts'
import { privateNamespace } from './support/namespace.ts'
import { NetlinkMonitor } from './support/netlink-monitor.ts'
import { configurationText, Daemon, freshDirectory, pointsman } from './support/pointsman.ts'
import { clearTable, expectTable, ipvsadm, waitForTable } from './support/table.ts'

const netns = 'state'

const parts = new AsyncDisposableStack()
let lab: Lab
let directory: string

beforeAll(async () => {
  lab = parts.use(await sharedLab())
  parts.use(await privateNamespace(lab, netns))
})
afterAll(() => parts.disposeAsync())
beforeEach(async () => {
  directory = freshDirectory('state')
  record = `${directory}/state/ownership-${(await lab.check(`stat -Lc %i /run/netns/${netns}`)).trim()}.json`
  await clearTable(lab, { netns })
})

const web = {
  name: 'web',
  listen: '10.9.0.1:80',
  scheduler: 'rr',
  backends: [{ address: '10.9.1.1:8080' }, { address: '10.9.1.2:8080' }],
}
const mail = { name: 'mail', listen: '10.9.0.2:25', scheduler: 'rr', backends: [{ address: '10.9.1.1:25' }] }
const dns = { name: 'dns', listen: '10.9.0.3:53', protocol: 'udp', scheduler: 'rr', backends: [{ address: '10.9.1.1:53' }] }

const webTable = `
  -A -t 10.9.0.1:80 -s rr
  -a -t 10.9.0.1:80 -r 10.9.1.1:8080 -m -w 1
  -a -t 10.9.0.1:80 -r 10.9.1.2:8080 -m -w 1
`
const mailTable = '-A -t 10.9.0.2:25 -s rr\n -a -t 10.9.0.2:25 -r 10.9.1.1:25 -m -w 1\n'
const dnsTable = '-A -u 10.9.0.3:53 -s rr\n -a -u 10.9.0.3:53 -r 10.9.1.1:53 -m -w 1\n'

const start = (services: readonly unknown[], global: Readonly<Record<string, unknown>> = {}, unready = false): Promise<Daemon> =>
  Daemon.start(lab, directory, { netns, configuration: configurationText(directory, services, { global }), unready })

/** Named by the inode of the namespace. */
let record: string

describe('the record of what is ours', () => {
  it('corrupt: the named is adopted without a write, the rest becomes foreign and is said to be', async () => {
    {
      await using daemon = await start([web, mail])
      await daemon.stop('SIGKILL')
    }
    await lab.check(`head -c 300 /dev/urandom > ${record}`)
    const monitor = await NetlinkMonitor.start(lab, netns)
    await using daemon = await start([{ ...web, backends: web.backends.slice(0, 1) }])
    const metrics = await daemon.fullPasses(1)
    expect(await monitor.writes()).toEqual([])
    await expectTable(lab, webTable + mailTable, { netns })
    // The service of mail, and the destination of web that nobody names.
    expect(metrics.one('pointsman_sink_foreign_objects')).toBe(2)
    expect(
      daemon.log
        .filter(({ level }) => level === 'warn' || level === 'error')
        .map(({ msg }) => msg)
        .join('\n'),
    ).toMatch(/cannot be read|unreadable/)
    expect(await lab.check(`ls ${directory}/state`)).toMatch(/ownership-\d+\.json\.corrupt-/)
  })

  it('from a newer version: the start ends with 41 and touches neither the table nor the record', async () => {
    const newer = `${JSON.stringify({ format: 'pointsman-ownership', version: 999, whatever: true })}\n`
    await lab.writeFile(record, newer)
    const monitor = await NetlinkMonitor.start(lab, netns)
    await using daemon = await start([web], {}, true)
    expect(await daemon.ended()).toEqual({ code: 41, signal: undefined })
    expect(daemon.process.stderr).toMatch(/^pointsman: .*later version of Pointsman[^\n]*\.\n$/)
    expect(await monitor.writes()).toEqual([])
    await expectTable(lab, '', { netns })
    expect((await lab.readFile(record)).toString()).toBe(newer)
  })

  it('unwritable from the start: 41, and nothing is written to the kernel', async () => {
    await lab.check(`mkdir -p ${directory}/state && mount -t tmpfs -o ro none ${directory}/state`)
    await using daemon = await start([web], {}, true)
    expect(await daemon.ended()).toEqual({ code: 41, signal: undefined })
    expect(daemon.process.stderr).toMatch(/^pointsman: .*state.* cannot be written \(EROFS\)[^\n]*\.\n$/)
    await expectTable(lab, '', { netns })
    await lab.check(['umount', `${directory}/state`])
  })

  it('unwritable later: what needs no record goes on, nothing is created or deleted, and all heals when it can be written', async () => {
    await lab.check(`mkdir -p ${directory}/state && mount -t tmpfs none ${directory}/state`)
    await using daemon = await start([web, dns])
    await expectTable(lab, webTable + dnsTable, { netns })
    await lab.check(`mount -o remount,ro ${directory}/state`)

    // A weight is an edit in place; mail would be new, dns would go.
    const weighted = { ...web, backends: [{ address: '10.9.1.1:8080', weight: 9 }, { address: '10.9.1.2:8080' }] }
    await daemon.configure(configurationText(directory, [weighted, mail]))
    const edited = webTable.replace('10.9.1.1:8080 -m -w 1', '10.9.1.1:8080 -m -w 9')
    await waitForTable(lab, edited + dnsTable, { netns })
    const failing = await daemon.waitForMetrics(
      (metrics) => metrics.sum('pointsman_sink_object_failures_total', { code: 'STATE_UNWRITABLE' }) > 0,
      'the failure was counted',
    )
    expect(failing.one('pointsman_sink_failing_objects')).toBeGreaterThan(0)
    expect(await daemon.health('/readyz')).toMatchObject({ body: { status: 'degraded' } })
    await daemon.fullPasses(1)
    await expectTable(lab, edited + dnsTable, { netns })

    // Nor does a crash meanwhile change that.
    await daemon.stop('SIGKILL')
    const heavier = { ...web, backends: [{ address: '10.9.1.1:8080', weight: 7 }, { address: '10.9.1.2:8080' }] }
    await using next = await start([heavier, mail])
    const again = webTable.replace('10.9.1.1:8080 -m -w 1', '10.9.1.1:8080 -m -w 7')
    await waitForTable(lab, again + dnsTable, { netns })
    expect(
      next.log
        .filter(({ level }) => level === 'error')
        .map(({ msg }) => msg)
        .join('\n'),
    ).toContain('cannot be written (EROFS)')

    await lab.check(`mount -o remount,rw ${directory}/state`)
    await waitForTable(lab, again + mailTable, { netns, timeoutMs: 60_000 })
    await next.waitForMetrics((metrics) => metrics.sum('pointsman_sink_failing_objects') === 0, 'nothing fails')
    await next.stop('SIGKILL')
    await lab.check(['umount', `${directory}/state`])
  })

  it('of two namespaces that share a state directory stay apart, whoever writes when', async () => {
    const theirs = '-A -t 10.9.0.2:25 -s rr'
    await using other = await privateNamespace(lab, `${netns}-other`)
    await ipvsadm(lab, theirs, { netns: other.name })
    const startOther = (): Promise<Daemon> =>
      Daemon.start(lab, directory, {
        netns: other.name,
        configPath: `${directory}/other.yaml`,
        configuration: configurationText(directory, [web]),
      })
    {
      await using first = await start([web, mail])
      await using second = await startOther()
      await expectTable(lab, webTable + theirs, { netns: other.name })
      await first.configure(configurationText(directory, [web, mail, dns]))
      await waitForTable(lab, webTable + mailTable + dnsTable, { netns })
      await first.stop('SIGKILL')
      await second.stop('SIGKILL')
    }
    await using second = await startOther()
    await second.fullPasses(1)
    await expectTable(lab, webTable + theirs, { netns: other.name })
    await using _ = await start([web])
    await waitForTable(lab, webTable, { netns })
  })
})

it('once on a full disk programs the kernel, ends with the code of that, and says that its output is lost', async () => {
  const under = ['sh', '-c', 'exec "$@" >/dev/full', 'sh']
  await lab.writeFile(`${directory}/pointsman.yaml`, configurationText(directory, [web]))
  const { code, stderr } = await pointsman(lab, ['once', '--config', `${directory}/pointsman.yaml`], { netns, under })
  expect({ code, stderr: stderr.toString() }).toEqual({
    code: 0,
    stderr: expect.stringMatching(/^pointsman: .*\(ENOSPC\)[^\n]*\.\n$/m),
  })
  await expectTable(lab, webTable, { netns })
})

describe('the end', () => {
  const foreign = '-A -t 10.9.0.9:80 -s rr\n'

  beforeEach(() => ipvsadm(lab, '-A -t 10.9.0.9:80 -s rr', { netns }))

  it.each(['SIGTERM', 'SIGINT'] as const)(
    '%s with on_exit: keep ends with 0, leaves the table as it is and says so',
    async (signal) => {
      await using daemon = await start([web, dns], { on_exit: 'keep' })
      const monitor = await NetlinkMonitor.start(lab, netns)
      expect(await daemon.stop(signal)).toEqual({ code: 0, signal: undefined })
      expect(await monitor.writes()).toEqual([])
      await expectTable(lab, webTable + dnsTable + foreign, { netns })
      expect(daemon.process.stderr).toBe('')
      expect(daemon.log.at(-1)).toMatchObject({ level: 'info', msg: 'stopped', on_exit: 'keep' })
    },
  )

  it('SIGTERM ends a daemon whose log is on a full disk, and which has done its work all the same', async () => {
    const under = ['sh', '-c', 'exec "$@" >/dev/full', 'sh']
    const configuration = configurationText(directory, [web], { global: { on_exit: 'remove' } })
    await using daemon = await Daemon.start(lab, directory, { netns, configuration, under, unready: true })
    await waitForTable(lab, webTable + foreign, { netns, timeoutMs: 200_000 })
    await daemon.configure(configurationText(directory, [web, dns], { global: { on_exit: 'remove' } }))
    await waitForTable(lab, webTable + dnsTable + foreign, { netns })
    expect(await daemon.stop('SIGTERM')).toEqual({ code: 0, signal: undefined })
    await expectTable(lab, foreign, { netns })
  })

  it('with on_exit: remove takes all that is ours along and nothing else', async () => {
    await using daemon = await start([web, dns], { on_exit: 'remove' })
    await ipvsadm(lab, '-a -t 10.9.0.1:80 -r 10.9.1.9:8080 -m -w 4', { netns })
    await daemon.fullPasses(1)
    expect(await daemon.stop()).toEqual({ code: 0, signal: undefined })
    // web holds a foreign destination: it stays with that alone.
    await expectTable(lab, `${foreign}-A -t 10.9.0.1:80 -s rr\n -a -t 10.9.0.1:80 -r 10.9.1.9:8080 -m -w 4`, { netns })
  })

  it('with on_exit: drain sets weights to 0, waits for the empty ones, removes them, and ends', async () => {
    await using daemon = await start([web, dns], { on_exit: 'drain' })
    const monitor = await NetlinkMonitor.start(lab, netns)
    expect(await daemon.stop()).toEqual({ code: 0, signal: undefined })
    await expectTable(lab, foreign, { netns })
    const writes = (await monitor.writes()).map(({ command, destination }) => `${command} ${destination}`.trim())
    // Both backends of TCP are drained before the first deletion of theirs.
    expect(writes.indexOf('set-destination 10.9.1.1:8080')).toBeGreaterThanOrEqual(0)
    expect(writes.indexOf('set-destination 10.9.1.2:8080')).toBeGreaterThanOrEqual(0)
    const deletions = writes.flatMap((write, index) => (/^delete-.*8080$/.test(write) ? [index] : []))
    for (const at of deletions) expect(at).toBeGreaterThan(writes.lastIndexOf('set-destination 10.9.1.2:8080'))
  })
})
