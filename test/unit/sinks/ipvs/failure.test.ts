import { describe, expect, it } from 'vitest'
import type { IpvsCommand } from '../../../../src/kernel/for-sinks.ts'
import { serviceKey } from '../../../../src/model/virtual-service.ts'
import { held, identity, key, service, state, virtual, wanted } from '../../../support/desired.ts'
import { rig } from './rig.ts'

const WEB = 'tcp/10.0.0.1:80'
const webKey = serviceKey(identity(WEB))
const A = '10.1.0.1:80'
const B = '10.1.0.2:80'

function adds(text: string): (command: IpvsCommand) => string | undefined {
  return (command) => (command.kind === 'add-destination' && command.destination.address === text ? 'EINVAL' : undefined)
}

describe('a failure', () => {
  it('of one service does not stop the others, and is retried with back-off', async () => {
    const { sink, kernel, written } = rig()
    const desired = state([service('tcp/10.0.0.9:80', [A, B], { scheduler: 'nosuch' }), service(WEB, [A])])
    const first = await sink.reconcile(desired, 'changes', 1_000)
    expect(kernel.destination(webKey, key(A))).toBeDefined()
    expect(first.failed, 'one failure, not one per destination').toHaveLength(1)
    expect(kernel.reads, 'nothing to read again').toBe(1)
    expect(first.failed[0]).toMatchObject({ object: 'tcp/10.0.0.9:80', code: 'KERNEL_REFUSED', retryAt: 2_000 })
    expect(first.failed[0]?.message).toContain('ip_vs_nosuch')
    expect(first.wakeAt).toBe(2_000)
    written()
    await sink.reconcile(desired, 'changes', 1_500)
    expect(written(), 'not before its time').toEqual([])
    const second = await sink.reconcile(desired, 'changes', 2_000)
    expect(written()[0]).toBe('add-service tcp/10.0.0.9:80 nosuch')
    expect(second.failed[0]?.retryAt).toBe(4_000)
    kernel.schedulers.add('nosuch')
    const third = await sink.reconcile(desired, 'changes', 4_000)
    expect(third).toMatchObject({ failed: [], applied: { 'add-service': 1, 'add-destination': 2 }, driftRepaired: 0 })
    expect(third.wakeAt).toBeUndefined()
  })

  it('makes no drain read the whole table: only its own retry does', async () => {
    const { sink, kernel } = rig()
    await sink.reconcile(state([service(WEB, [A, B])]), 'full', 1_000)
    kernel.setConnections(webKey, key(B), { active: 3 })
    kernel.refuse = adds('10.1.0.9')
    const desired = state([service(WEB, [A]), service('tcp/10.0.0.2:80', ['10.1.0.9:80'])])
    let report = await sink.reconcile(desired, 'changes', 10_000)
    const woken: string[] = []
    for (let wake = 0; wake < 12; wake++) {
      const { wakeAt = 0, wakeScope = 'changes', failed } = report
      const retry = failed.some(({ retryAt }) => retryAt <= wakeAt)
      woken.push(`${retry ? 'retry' : 'drain'} ${wakeScope}`)
      report = await sink.reconcile(desired, wakeScope, wakeAt)
    }
    expect(new Set(woken)).toEqual(new Set(['drain changes', 'retry full']))
  })

  it('of a service spares its many destinations the try', async () => {
    const { sink, kernel } = rig()
    const many = Array.from({ length: 1_000 }, (_, index) => `10.1.${index >> 8}.${index & 255}:80`)
    const report = await sink.reconcile(state([service(WEB, many, { scheduler: 'nosuch' })]), 'changes', 1_000)
    expect(report.failed).toHaveLength(1)
    expect(kernel.written.length).toBeLessThan(300)
  })

  it('of one destination does not stop its neighbours', async () => {
    const { sink, kernel, written } = rig()
    kernel.refuse = adds('10.1.0.1')
    const desired = state([service(WEB, [A, B])])
    const report = await sink.reconcile(desired, 'changes', 1_000)
    expect(report.failed).toMatchObject([{ object: `${WEB} ${A}`, code: 'KERNEL_REFUSED' }])
    expect(kernel.destination(webKey, key(B))).toBeDefined()
    written()
    const full = await sink.reconcile(desired, 'full', 1_500)
    expect(written()).toEqual([])
    expect(full.failed, 'it is still failing').toHaveLength(1)
    kernel.refuse = () => undefined
    const healed = await sink.reconcile(desired, 'changes', 2_000)
    expect(written()).toEqual([`add-destination ${WEB} ${A} weight 1`])
    expect(healed).toMatchObject({ failed: [], driftRepaired: 0 })
  })

  it('waits up to a minute, and tries something else at once', async () => {
    const { sink, kernel } = rig()
    kernel.refuse = adds('10.1.0.1')
    const desired = state([service(WEB, [A])])
    let now = 1_000
    const waits: number[] = []
    for (let attempt = 0; attempt < 9; attempt++) {
      const { failed } = await sink.reconcile(desired, 'changes', now)
      const retryAt = failed[0]?.retryAt ?? 0
      waits.push(retryAt - now)
      now = retryAt
    }
    expect(waits).toEqual([1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000, 60_000])
    kernel.refuse = () => undefined
    await sink.reconcile(state([service(WEB, [wanted(A, { weight: 4 })])]), 'changes', now - 59_000)
    expect(kernel.destination(webKey, key(A))?.weight).toBe(4)
  })

  it('is no failure any more when nobody wants the object', async () => {
    const { sink, kernel } = rig()
    kernel.refuse = adds('10.1.0.1')
    await sink.reconcile(state([service(WEB, [A, B])]), 'changes', 1_000)
    const report = await sink.reconcile(state([service(WEB, [B])]), 'changes', 1_100)
    expect(report.failed).toEqual([])
    const gone = rig()
    await gone.sink.reconcile(state([service('tcp/10.0.0.9:80', [A], { scheduler: 'nosuch' })]), 'changes', 1_000)
    const after = await gone.sink.reconcile(state([]), 'full', 1_100)
    expect(after).toMatchObject({ failed: [] })
    expect(after.wakeAt).toBeUndefined()
    expect(gone.ownership.record.services.size, 'an intent that came to nothing is forgotten').toBe(0)
  })

  it('EEXIST and ENOENT mean to read again, not to fail', async () => {
    const { sink, kernel, written } = rig()
    await sink.reconcile(state([service(WEB, [A, B])]), 'changes', 1_000)
    kernel.tamper(
      { kind: 'delete-destination', service: identity(WEB), destination: held(A) },
      { kind: 'add-destination', service: identity(WEB), destination: held('10.1.0.3:80', { weight: 9 }) },
      { kind: 'add-service', service: virtual('tcp/10.0.0.2:80', { scheduler: 'rr' }) },
    )
    written()
    const report = await sink.reconcile(
      state([service(WEB, [wanted(A, { weight: 5 }), B, '10.1.0.3:80']), service('tcp/10.0.0.2:80', [A])]),
      'changes',
      2_000,
    )
    expect(report.failed).toEqual([])
    expect(kernel.destination(webKey, key(A))?.weight).toBe(5)
    expect(kernel.destination(webKey, key('10.1.0.3:80'))?.weight).toBe(1)
    expect(kernel.service(serviceKey(identity('tcp/10.0.0.2:80')))?.scheduler).toBe('wlc')
  })

  it('a service that vanished is made again when an edit meets ESRCH', async () => {
    const { sink, kernel } = rig()
    await sink.reconcile(state([service(WEB, [A, B])]), 'changes', 1_000)
    kernel.tamper({ kind: 'delete-service', service: identity(WEB) })
    const report = await sink.reconcile(state([service(WEB, [wanted(A, { weight: 5 }), B])]), 'changes', 2_000)
    expect(report.failed).toEqual([])
    expect(kernel.destination(webKey, key(A))?.weight).toBe(5)
    expect(kernel.destination(webKey, key(B))?.weight).toBe(1)
  })

  it.each(['KERNEL_STUCK', 'NO_PERMISSION', 'IPVS_MISSING'] as const)(
    '%s rejects the pass; the next one reads everything',
    async (code) => {
      const { sink, kernel, written } = rig()
      const desired = state([service(WEB, [A])])
      kernel.break(code)
      await expect(sink.reconcile(desired, 'changes', 1_000)).rejects.toMatchObject({ code })
      kernel.break(undefined)
      await sink.reconcile(desired, 'changes', 2_000)
      kernel.onWrite = () => kernel.break(code)
      written()
      await expect(sink.reconcile(state([service(WEB, [wanted(A, { weight: 3 })])]), 'changes', 3_000)).resolves.toBeDefined()
      await expect(sink.reconcile(state([service(WEB, [wanted(A, { weight: 4 })])]), 'changes', 4_000)).rejects.toMatchObject({
        code,
      })
      kernel.break(undefined)
      kernel.onWrite = undefined
      const reads = kernel.reads
      await sink.reconcile(state([service(WEB, [wanted(A, { weight: 4 })])]), 'changes', 5_000)
      expect(kernel.reads).toBe(reads + 1)
      expect(kernel.destination(webKey, key(A))?.weight).toBe(4)
    },
  )
})

describe('drift', () => {
  it('is found and repaired by a full pass, and counted', async () => {
    const { sink, kernel, written, transitions } = rig()
    const desired = state([service(WEB, [A, B]), service('tcp/10.0.0.2:80', [A])])
    await sink.reconcile(desired, 'changes', 1_000)
    written()
    kernel.tamper(
      { kind: 'edit-destination', service: identity(WEB), destination: held(A, { weight: 3 }) },
      { kind: 'delete-destination', service: identity(WEB), destination: held(B) },
      { kind: 'edit-service', service: virtual(WEB, { scheduler: 'rr' }) },
      { kind: 'delete-service', service: identity('tcp/10.0.0.2:80') },
    )
    transitions.length = 0
    const report = await sink.reconcile(desired, 'full', 2_000)
    expect(report).toMatchObject({ driftRepaired: 5, failed: [] })
    expect(written().sort()).toEqual(
      [
        `add-destination tcp/10.0.0.2:80 ${A} weight 1`,
        `add-destination ${WEB} ${B} weight 1`,
        'add-service tcp/10.0.0.2:80 wlc',
        `edit-destination ${WEB} ${A} weight 1`,
        `edit-service ${WEB} wlc`,
      ].sort(),
    )
    const byHand = transitions.find(({ destination, service: owner }) => destination === A && owner === webKey)
    expect(byHand).toMatchObject({ from: 'weight 3', to: 'weight 1', cause: 'drift' })
    expect(byHand?.reasons[0]).toContain('pointsman weight')
    expect((await sink.reconcile(desired, 'full', 3_000)).driftRepaired).toBe(0)
  })

  it('is not what a desired change in the same full pass brings', async () => {
    const { sink } = rig()
    await sink.reconcile(state([service(WEB, [A, B])]), 'changes', 1_000)
    const report = await sink.reconcile(state([service(WEB, [wanted(A, { weight: 5 }), B], { scheduler: 'rr' })]), 'full', 2_000)
    expect(report).toMatchObject({ driftRepaired: 0, applied: { 'edit-destination': 1, 'edit-service': 1 } })
  })

  it('is not what the first answer of a source brings', async () => {
    const { sink } = rig()
    await sink.reconcile(state([service(WEB, [], { complete: false })]), 'full', 1_000)
    const report = await sink.reconcile(state([service(WEB, [A, B])]), 'changes', 2_000)
    expect(report).toMatchObject({ driftRepaired: 0, applied: { 'add-service': 1, 'add-destination': 2 } })
  })

  it('a torn dump causes no write and no drift', async () => {
    const { sink, kernel, written } = rig()
    const desired = state([service(WEB, [A, B]), service('tcp/10.0.0.2:80', [A])])
    await sink.reconcile(desired, 'changes', 1_000)
    written()
    kernel.tearNextDump('tcp/10.0.0.2:80', `${WEB} ${B}`)
    const report = await sink.reconcile(desired, 'full', 2_000)
    expect(written()).toEqual([])
    expect(report).toEqual({ applied: {}, failed: [], driftRepaired: 0, foreign: 0, draining: 0 })
  })
})
