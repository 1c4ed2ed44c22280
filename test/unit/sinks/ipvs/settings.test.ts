import { describe, expect, it } from 'vitest'
import type { SyncDaemon } from '../../../../src/model/ipvs-table.ts'
import { service, state, wanted } from '../../../support/desired.ts'
import { rig } from './rig.ts'

const MASTER: SyncDaemon = { role: 'master', interface: 'eth0', id: 5 }
const BACKUP: SyncDaemon = { role: 'backup', interface: 'eth0', id: 5 }

describe('kernel timeouts', () => {
  it('are set where they differ, kept so, and left alone where they are not desired', async () => {
    const { sink, kernel, written } = rig()
    const desired = state([], { timeouts: { tcp: 600 } })
    expect((await sink.reconcile(desired, 'changes', 1_000)).applied).toEqual({ 'set-timeouts': 1 })
    expect(await kernel.readTimeouts()).toEqual({ tcp: 600, tcpFin: 120, udp: 300 })
    kernel.tamper({ kind: 'set-timeouts', timeouts: { tcp: 100, udp: 77 } })
    const report = await sink.reconcile(desired, 'full', 2_000)
    expect(report).toMatchObject({ applied: { 'set-timeouts': 1 }, driftRepaired: 1 })
    expect(await kernel.readTimeouts()).toEqual({ tcp: 600, tcpFin: 120, udp: 77 })
    written()
    await sink.reconcile(desired, 'full', 3_000)
    await sink.reconcile(state([]), 'full', 4_000)
    expect(written()).toEqual([])
  })

  it('that the kernel refuses are a failure, retried', async () => {
    const { sink } = rig()
    const desired = state([], { timeouts: { tcp: 9_999_999 } })
    const report = await sink.reconcile(desired, 'changes', 1_000)
    expect(report).toMatchObject({ failed: [{ object: 'timeouts', code: 'KERNEL_REFUSED', retryAt: 2_000 }], wakeAt: 2_000 })
    expect(report.failed[0]?.message).toBe(
      'The kernel refused the IPVS timeouts (EINVAL): check global.ipvs.tcp_timeout, tcp_fin_timeout and udp_timeout.',
    )
    const later = await sink.reconcile(desired, 'changes', 2_000)
    expect(later.failed[0]?.retryAt).toBe(4_000)
  })
})

describe('sync daemons', () => {
  it('are started, kept, changed and stopped', async () => {
    const { sink, kernel, ownership } = rig()
    const both = state([], { syncDaemons: [MASTER, BACKUP] })
    await sink.reconcile(both, 'changes', 1_000)
    expect((await kernel.readSyncDaemons()).map(({ role }) => role)).toEqual(['master', 'backup'])
    kernel.tamper({ kind: 'stop-sync-daemon', role: 'backup' })
    expect(await sink.reconcile(both, 'full', 2_000)).toMatchObject({ driftRepaired: 1, applied: { 'start-sync-daemon': 1 } })
    await sink.reconcile(state([], { syncDaemons: [{ ...MASTER, id: 6 }, BACKUP] }), 'changes', 3_000)
    expect(await kernel.readSyncDaemons()).toMatchObject([{ role: 'backup' }, { role: 'master', id: 6 }])
    await sink.reconcile(state([]), 'full', 4_000)
    expect(await kernel.readSyncDaemons(), 'not desired at all means not ours').toHaveLength(2)
    await sink.reconcile(state([], { syncDaemons: [] }), 'changes', 5_000)
    expect(await kernel.readSyncDaemons()).toEqual([])
    expect(ownership.record.syncDaemons.size).toBe(0)
  })

  it('of another program are never stopped, and one that is in the way is reported', async () => {
    const { sink, kernel, written } = rig()
    kernel.tamper({ kind: 'start-sync-daemon', daemon: { ...MASTER, interface: 'eth9' } })
    await sink.reconcile(state([], { syncDaemons: [] }), 'full', 1_000)
    expect(written()).toEqual([])
    const report = await sink.reconcile(state([], { syncDaemons: [MASTER] }), 'changes', 2_000)
    expect(written()).toEqual([])
    expect(report.failed[0]?.message).toContain('ipvsadm --stop-daemon master')
    kernel.tamper({ kind: 'stop-sync-daemon', role: 'master' })
    const healed = await sink.reconcile(state([], { syncDaemons: [MASTER] }), 'full', 10_000)
    expect(healed).toMatchObject({ failed: [], applied: { 'start-sync-daemon': 1 } })
  })

  it('that run already as desired are adopted without a write', async () => {
    const { sink, kernel, written, ownership } = rig()
    kernel.tamper({ kind: 'start-sync-daemon', daemon: MASTER })
    await sink.reconcile(state([], { syncDaemons: [MASTER] }), 'changes', 1_000)
    expect(written()).toEqual([])
    expect([...ownership.record.syncDaemons]).toEqual(['master'])
  })

  it.each([
    ['ENODEV', MASTER, 'no interface eth0, or the interface has no IPv4 address'],
    ['ENODEV', { ...BACKUP, group: 'ff02::81' }, 'no interface eth0, or the interface has no IPv6 address'],
    ['EINVAL', MASTER, 'backends of the other address family'],
    ['EEXIST', BACKUP, 'ipvsadm --stop-daemon backup'],
    ['EADDRNOTAVAIL', MASTER, 'must be up, and have an IPv4 address'],
  ])('that do not start are reported with the cure: %s', async (errno, daemon, cure) => {
    const { sink, kernel } = rig()
    kernel.refuse = (command) => (command.kind === 'start-sync-daemon' ? errno : undefined)
    const { failed } = await sink.reconcile(state([], { syncDaemons: [daemon] }), 'changes', 1_000)
    expect(failed).toMatchObject([{ code: 'KERNEL_REFUSED', message: expect.stringContaining(cure) }])
    expect(failed[0]?.message).toContain(`(${errno})`)
  })

  it('and backends of the other address family exclude each other, and the refusal of either says so', async () => {
    const { sink, kernel } = rig()
    const tunnel = { method: 'tunnel', tunnel: { type: 'ipip' } } as const
    const mixed = service('tcp/10.0.0.1:80', [wanted('[2001:db8::1]:80', { forwarding: tunnel })])
    const first = await sink.reconcile(state([], { syncDaemons: [MASTER] }), 'changes', 1_000)
    expect(first.failed).toEqual([])
    const second = await sink.reconcile(state([mixed], { syncDaemons: [MASTER] }), 'changes', 2_000)
    expect(second.failed).toMatchObject([
      { object: 'tcp/10.0.0.1:80 [2001:db8::1]:80', message: expect.stringContaining('while a sync daemon runs') },
    ])
    await sink.reconcile(state([mixed], { syncDaemons: [] }), 'changes', 3_000)
    expect((await sink.reconcile(state([mixed], { syncDaemons: [] }), 'full', 60_000)).failed).toEqual([])
    const third = await sink.reconcile(state([mixed], { syncDaemons: [MASTER] }), 'changes', 61_000)
    expect(third.failed).toMatchObject([
      {
        object: 'sync daemon master',
        message: expect.stringContaining('while a service has backends of the other address family'),
      },
    ])
    expect(await kernel.readSyncDaemons()).toEqual([])
  })

  it('that do not start are not ours', async () => {
    const { sink, kernel, ownership } = rig()
    kernel.refuse = (command) => (command.kind === 'start-sync-daemon' ? 'EEXIST' : undefined)
    const report = await sink.reconcile(state([], { syncDaemons: [MASTER] }), 'changes', 1_000)
    expect(report.failed).toMatchObject([{ object: 'sync daemon master' }])
    expect(ownership.record.syncDaemons.size).toBe(0)
  })

  it.each<['settings' | 'list', SyncDaemon[]]>([
    ['settings', [{ ...MASTER, id: 6 }]],
    ['list', []],
  ])('of ours that the kernel does not stop stay ours, with other %s', async (_, syncDaemons) => {
    const { sink, kernel, ownership, written } = rig()
    await sink.reconcile(state([], { syncDaemons: [MASTER] }), 'changes', 1_000)
    kernel.refuse = (command) => (command.kind === 'stop-sync-daemon' ? 'EINTR' : undefined)
    written()
    const desired = state([], { syncDaemons })
    const report = await sink.reconcile(desired, 'changes', 2_000)
    expect(report.failed).toMatchObject([{ object: 'sync daemon master', message: expect.stringContaining('to stop') }])
    expect(written()).toHaveLength(1)
    expect([...ownership.record.syncDaemons]).toEqual(['master'])
    kernel.refuse = () => undefined
    expect(await sink.reconcile(desired, 'full', 10_000)).toMatchObject({ failed: [] })
    expect(await kernel.readSyncDaemons()).toMatchObject(syncDaemons)
    expect([...ownership.record.syncDaemons]).toEqual(syncDaemons.map(({ role }) => role))
  })

  it('are not started while the record cannot be written; timeouts are set all the same', async () => {
    const { sink, kernel, ownership } = rig()
    ownership.unwritable = true
    const desired = state([], { timeouts: { udp: 60 }, syncDaemons: [MASTER] })
    const report = await sink.reconcile(desired, 'changes', 1_000)
    expect(report.failed).toMatchObject([{ code: 'STATE_UNWRITABLE' }])
    expect((await kernel.readTimeouts()).udp).toBe(60)
    expect(await kernel.readSyncDaemons()).toEqual([])
    ownership.unwritable = false
    expect(await sink.reconcile(desired, 'changes', 2_000)).toMatchObject({ failed: [], applied: { 'start-sync-daemon': 1 } })
  })
})
