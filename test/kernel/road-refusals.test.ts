/** Where the road is closed: no root, no IPVS, no scheduler, another writer. Each is one sentence and an exit code of its own. */

import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { Lab, RunResult } from '../lab/lab.ts'
import { sharedLab } from '../lab/shared.ts'
import { privateNamespace } from './support/namespace.ts'
import { NetlinkMonitor } from './support/netlink-monitor.ts'
import { configurationText, Daemon, freshDirectory, pointsman } from './support/pointsman.ts'
import { clearTable, expectTable, waitForTable } from './support/table.ts'

const netns = 'refusals'

const parts = new AsyncDisposableStack()
let lab: Lab
let directory: string

beforeAll(async () => {
  lab = parts.use(await sharedLab())
  parts.use(await privateNamespace(lab, netns))
})
afterAll(() => parts.disposeAsync())
beforeEach(async () => {
  directory = freshDirectory('refusals')
  await clearTable(lab, { netns })
})

const web = { name: 'web', listen: '10.9.0.1:80', scheduler: 'rr', backends: [{ address: '10.9.1.1:8080' }] }
const webTable = '-A -t 10.9.0.1:80 -s rr\n -a -t 10.9.0.1:80 -r 10.9.1.1:8080 -m -w 1\n'

/** The daemon refuses to start, and the five other commands that need the kernel refuse too. */
async function everyCommand(under: readonly string[] = []): Promise<ReadonlyMap<string, RunResult>> {
  const config = `${directory}/pointsman.yaml`
  await lab.writeFile(config, configurationText(directory, [web]))
  const state = ['--state-dir', `${directory}/state`]
  const results = new Map<string, RunResult>()
  for (const [name, args] of Object.entries({
    start: ['start', '-c', config],
    once: ['once', '-c', config],
    plan: ['plan', '-c', config],
    apply: ['apply', '-f', config],
    get: ['get', ...state],
  })) {
    results.set(name, await pointsman(lab, args, { netns, under }))
  }
  return results
}

/** One line on standard error, one sentence in it. */
function expectOneSentence(result: RunResult, words: RegExp): void {
  const lines = result.stderr.trim().split('\n')
  expect(lines).toHaveLength(1)
  expect(lines[0]).toMatch(words)
  expect(lines[0]).toMatch(/^pointsman: [^\n]+\.$/)
}

describe('without rights', () => {
  it('every command that needs the kernel ends with 22 and names the capability', async () => {
    const nobody = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups', '--bounding-set=-all', '--inh-caps=-all']
    for (const [, result] of await everyCommand(nobody)) {
      expect(result.code).toBe(22)
      expectOneSentence(result, /CAP_NET_ADMIN/)
    }
  })
})

describe('without modules', () => {
  /** The kernel's modules out of sight, as on a machine that has none; what is loaded stays until it is unloaded. */
  const hide = 'mount -t tmpfs none /lib/modules/$(uname -r)'
  const show = 'umount /lib/modules/$(uname -r)'

  it('every command ends with 20 while the kernel has no ip_vs, and says what to do', async (context) => {
    if (lab.mode !== 'vm') context.skip('the modules of the machine itself are left alone')
    // A namespace with services keeps the modules in use.
    await lab.check(`for n in $(ip netns list | cut -d' ' -f1); do ip netns exec $n ipvsadm -C; done; ipvsadm -C`)
    await lab.check(
      `for m in $(lsmod | grep -o '^ip_vs_[a-z0-9_]*'); do rmmod $m; done; rmmod ip_vs; ! lsmod | grep -q '^ip_vs '`,
    )
    await lab.check(hide)
    try {
      for (const [, result] of await everyCommand()) {
        expect(result.code).toBe(20)
        expectOneSentence(result, /ip_vs/)
      }
      const doctor = await pointsman(lab, ['doctor', '-c', `${directory}/pointsman.yaml`, '--json'], { netns })
      expect(doctor.code).toBe(42)
      const { checks } = JSON.parse(doctor.stdout)
      expect(checks).toContainEqual(expect.objectContaining({ check: 'ip_vs', verdict: 'fail', cure: expect.any(String) }))
    } finally {
      await lab.check(`${show}; modprobe ip_vs`)
    }
  })

  it('a missing scheduler fails its own service alone, is counted and tried again, and heals by itself', async (context) => {
    if (lab.mode !== 'vm') context.skip('the modules of the machine itself are left alone')
    const hashed = { ...web, name: 'hashed', listen: '10.9.0.2:80', scheduler: 'mh' }
    await lab.run('rmmod ip_vs_mh')
    await lab.check(`modprobe ip_vs_rr && ${hide}`)
    let hidden = true
    try {
      await using daemon = await Daemon.start(lab, directory, {
        netns,
        configuration: configurationText(directory, [hashed, web]),
      })
      await expectTable(lab, webTable, { netns })
      expect(daemon.complaints()).toEqual([expect.objectContaining({ msg: expect.stringContaining('load the module ip_vs_mh') })])

      const failing = await daemon.waitForMetrics(
        (metrics) => metrics.sum('pointsman_sink_object_failures_total') >= 2,
        'a second try was counted',
      )
      expect(failing.one('pointsman_sink_failing_objects')).toBe(1)
      expect(failing.sum('pointsman_sink_object_failures_total', { code: 'KERNEL_REFUSED' })).toBeGreaterThanOrEqual(2)
      // One service of two is in trouble: ready, and degraded.
      const health = await daemon.health('/readyz')
      expect(health).toMatchObject({ code: 200, body: { status: 'degraded' } })
      expect(JSON.stringify(health.body)).toMatch(/object-failing.*ip_vs_mh|ip_vs_mh.*object-failing/)

      await lab.check(show)
      hidden = false
      const healed = `${webTable}-A -t 10.9.0.2:80 -s mh -b mh-fallback\n -a -t 10.9.0.2:80 -r 10.9.1.1:8080 -m -w 1`
      await waitForTable(lab, healed, { netns, timeoutMs: 60_000 })
      const well = await daemon.waitForMetrics((metrics) => metrics.sum('pointsman_sink_failing_objects') === 0, 'nothing fails')
      // Once when it began, once when it ended; no line for every try.
      expect(daemon.complaints()).toHaveLength(1)
      expect(daemon.log.some(({ msg }) => msg === 'tcp/10.9.0.2:80 fails no longer')).toBe(true)
      expect(well.sum('pointsman_degraded', { reason: 'object-failing' })).toBe(0)
      expect(await daemon.health('/readyz')).toMatchObject({ code: 200, body: { status: 'ready' } })
    } finally {
      if (hidden) await lab.check(show)
    }
  })
})

describe('another writer of ours', () => {
  const configuration = (): string => configurationText(directory, [web])

  it('of two daemons started at once one runs, and the other ends with 40 and says who holds the table', async () => {
    const options = { netns, configuration: configuration(), unready: true }
    const [one, two] = await Promise.all([Daemon.start(lab, directory, options), Daemon.start(lab, directory, options)])
    const first = await Promise.race([one.process.exited.then(() => one), two.process.exited.then(() => two)])
    const other = first === one ? two : one
    await other.ready()
    const [starting] = other.log
    expect(await first.process.exited).toEqual({ code: 40, signal: undefined })
    expect(first.process.stderr).toMatch(
      new RegExp(`^pointsman: .*process ${starting?.['pid']} \\(pointsman start\\)[^\\n]*\\.\\n$`),
    )
    await expectTable(lab, webTable, { netns })
    expect(await other.stop()).toEqual({ code: 0, signal: undefined })
    expect(first.log.filter(({ msg }) => msg.startsWith('web'))).toEqual([])
  })

  it('once and apply beside a daemon end with 40 and write nothing; plan, get and doctor need no lock', async () => {
    await using daemon = await Daemon.start(lab, directory, { netns, configuration: configuration() })
    const other = `${directory}/other.yaml`
    await lab.writeFile(other, configurationText(directory, [{ ...web, scheduler: 'wrr' }]))
    const monitor = await NetlinkMonitor.start(lab, netns)
    for (const args of [
      ['once', '-c', other],
      ['apply', '-f', other],
    ]) {
      const refused = await pointsman(lab, args, { netns })
      expect(refused).toMatchObject({ code: 40, stdout: '' })
      expectOneSentence(refused, new RegExp(`process ${daemon.log[0]?.['pid']} \\(pointsman start\\)`))
    }
    expect(await pointsman(lab, ['plan', '-c', other], { netns })).toMatchObject({ code: 10, stderr: '' })
    expect(await pointsman(lab, ['get', '--state-dir', `${directory}/state`], { netns })).toMatchObject({ code: 0, stderr: '' })
    const doctor = await pointsman(lab, ['doctor', '-c', other], { netns })
    expect(doctor.stdout).toMatch(new RegExp(`process ${daemon.log[0]?.['pid']} \\(pointsman start\\) writes it`))
    expect(await monitor.writes()).toEqual([])
    await expectTable(lab, webTable, { netns })
  })

  it('that was killed holds nothing any more', async () => {
    await using daemon = await Daemon.start(lab, directory, { netns, configuration: configuration() })
    await daemon.stop('SIGKILL')
    const once = await pointsman(lab, ['once', '-c', daemon.configPath], { netns })
    expect(once).toMatchObject({ code: 0, stderr: '', stdout: expect.stringContaining('Nothing to change') })
  })
})
