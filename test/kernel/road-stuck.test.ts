/**
 * A kernel that does not come back. Nothing in a healthy kernel takes longer than the shortest deadline on demand, so the
 * daemon's own system call is held up from outside: strace delays the next sendto(2) of the kernel thread, and of no other.
 * To the daemon that is what a lock held for too long inside the kernel would be: the thread is in the call and cannot be
 * interrupted. Afterwards the call goes through, as it would when the kernel lets go.
 */

import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Lab } from '../lab/lab.ts'
import { sharedLab } from '../lab/shared.ts'
import { privateNamespace } from './support/namespace.ts'
import { NetlinkMonitor } from './support/netlink-monitor.ts'
import { NotifySocket } from './support/notify-socket.ts'
import { configurationText, Daemon, freshDirectory } from './support/pointsman.ts'
import { expectTable, ipvsadm, waitForTable } from './support/table.ts'

const netns = 'stuck'
const directory = freshDirectory('stuck')
const deadlineSeconds = 1
const watchdogSeconds = 6

const table = '-A -t 10.9.0.1:80 -s rr\n -a -t 10.9.0.1:80 -r 10.9.1.1:8080 -m -w 1\n'
const tampered = table.replace('-w 1', '-w 66')

const parts = new AsyncDisposableStack()
let lab: Lab
let manager: NotifySocket
let daemon: Daemon

beforeAll(async () => {
  lab = parts.use(await sharedLab())
  parts.use(await privateNamespace(lab, netns))
  manager = parts.use(await NotifySocket.open(lab, `${directory}/notify`))
  const web = { name: 'web', listen: '10.9.0.1:80', scheduler: 'rr', backends: [{ address: '10.9.1.1:8080' }] }
  daemon = parts.use(
    await Daemon.start(lab, directory, {
      netns,
      configuration: configurationText(directory, [web], { global: { kernel_deadline: `${deadlineSeconds}s` } }),
      env: { NOTIFY_SOCKET: manager.path, WATCHDOG_USEC: String(watchdogSeconds * 1_000_000) },
    }),
  )
})
afterAll(() => parts.disposeAsync())

describe('a daemon that is well', () => {
  it('says READY once and gives signs of life in time', async () => {
    expect(manager.count('READY=1')).toBe(1)
    // The manager would act on a silence of the whole interval; two in each is what the daemon promises.
    expect(await manager.countWithin('WATCHDOG=1', watchdogSeconds * 1000)).toBeGreaterThanOrEqual(2)
    expect(await daemon.health('/readyz')).toMatchObject({ code: 200 })
    expect(await daemon.health('/healthz')).toMatchObject({ code: 200 })
    expect((await daemon.metrics()).one('pointsman_kernel_stuck')).toBe(0)
  })

  it('repairs what was changed, so that not repairing it means something', async () => {
    await ipvsadm(lab, '-e -t 10.9.0.1:80 -r 10.9.1.1:8080 -m -w 66', { netns })
    await waitForTable(lab, table, { netns })
  })
})

describe('a kernel call that overruns its deadline', () => {
  it('makes the daemon stuck: not ready, an alert, no further write, no sign of life, also when the kernel lets go', async () => {
    const pid = daemon.log[0]?.['pid']
    const thread = await lab.check(`grep -l pointsman-ipvs /proc/${pid}/task/*/comm | cut -d/ -f5`)
    expect(thread.trim()).toMatch(/^\d+$/)
    const delay = `sendto:delay_enter=${(deadlineSeconds + 7) * 1_000_000}`
    const strace = lab.spawn(['strace', '-p', thread.trim(), '-e', 'trace=sendto', '-e', `inject=${delay}`])
    const stuck = await daemon.waitForLog(({ code }) => code === 'KERNEL_STUCK', 60_000)
    expect(stuck.level).toBe('fatal')
    await ipvsadm(lab, '-e -t 10.9.0.1:80 -r 10.9.1.1:8080 -m -w 66', { netns })
    const monitor = await NetlinkMonitor.start(lab, netns)

    const ready = await daemon.health('/readyz')
    expect(ready).toMatchObject({ code: 503, body: { status: 'not-ready' } })
    expect(JSON.stringify(ready.body)).toContain('stuck')
    expect(await daemon.health('/healthz')).toMatchObject({ code: 503 })
    const metrics = await daemon.metrics()
    expect(metrics.one('pointsman_kernel_stuck')).toBe(1)
    expect(metrics.one('pointsman_ready')).toBe(0)
    expect(metrics.one('pointsman_degraded', { reason: 'stuck' })).toBe(1)

    // The manager's watchdog would bite: a whole interval and more without a sign of life.
    expect(await manager.countWithin('WATCHDOG=1', watchdogSeconds * 1000 + 2000)).toBe(0)
    strace.kill('SIGINT')
    await strace.exited
    expect(strace.stderr).toMatch(/sendto\(/)
    // The thread is free again, and still nothing is written: neither by a resync nor for a new configuration.
    const more = { name: 'more', listen: '10.9.0.2:80', scheduler: 'rr', backends: [{ address: '10.9.1.1:8080' }] }
    await daemon.configure(configurationText(directory, [more], { global: { kernel_deadline: `${deadlineSeconds}s` } }))
    expect(await manager.countWithin('WATCHDOG=1', 5000)).toBe(0)
    expect(await monitor.writes()).toEqual([])
    await expectTable(lab, tampered, { netns })
    expect(daemon.log.filter(({ code }) => code === 'KERNEL_STUCK' && true).length).toBe(1)
  })

  it('can be stopped, leaves the table as it is, and a restart repairs it', async () => {
    const ended = await daemon.stop('SIGTERM', 30_000)
    expect(ended.signal).toBeUndefined()
    await expectTable(lab, tampered, { netns })
    await using restarted = await Daemon.start(lab, directory, { netns })
    await waitForTable(lab, '-A -t 10.9.0.2:80 -s rr\n -a -t 10.9.0.2:80 -r 10.9.1.1:8080 -m -w 1', { netns })
    expect(await restarted.health('/readyz')).toMatchObject({ code: 200 })
  })
})
