import { describe, expect, it } from 'vitest'
import { serviceKey } from '../../../../src/model/virtual-service.ts'
import { held, identity, key, service, state, virtual, wanted } from '../../../support/desired.ts'
import { rig } from './rig.ts'

const WEB = 'tcp/10.0.0.1:80'
const webKey = serviceKey(identity(WEB))
const A = '10.1.0.1:80'
const B = '10.1.0.2:80'

/** A service with A and B of which B has left at second 2, with two connections. */
async function draining(more: Parameters<typeof service>[2] = {}) {
  const set = rig()
  await set.sink.reconcile(state([service(WEB, [A, wanted(B, { weight: 3 })], more)]), 'changes', 1_000)
  set.written()
  set.kernel.setConnections(webKey, key(B), { active: 2, inactive: 5, persistent: 1 })
  const without = state([service(WEB, [A], more)])
  const report = await set.sink.reconcile(without, 'changes', 2_000)
  return { ...set, without, report }
}

describe('a destination that leaves', () => {
  it('drains: weight 0 at once, deleted when nothing is active on two reads in a row', async () => {
    const { sink, kernel, written, without, report, ownership, transitions } = await draining()
    expect(written()).toEqual([`edit-destination ${WEB} ${B} weight 0`])
    expect(report).toMatchObject({ draining: 1, wakeAt: 3_000 })
    expect(ownership.record.services.get(webKey)?.drains.get(key(B))).toEqual({ startedAt: 2_000, deadline: 302_000 })
    await sink.reconcile(without, 'changes', 3_000)
    kernel.setConnections(webKey, key(B), { active: 0 })
    await sink.reconcile(without, 'changes', 4_000)
    expect(written(), 'one idle read is not enough; inactive connections and templates do not count').toEqual([])
    kernel.setConnections(webKey, key(B), { active: 1 })
    await sink.reconcile(without, 'changes', 5_000)
    kernel.setConnections(webKey, key(B), { active: 0 })
    await sink.reconcile(without, 'changes', 6_000)
    expect(written(), 'two reads, but not in a row').toEqual([])
    const last = await sink.reconcile(without, 'changes', 7_000)
    expect(written()).toEqual([`delete-destination ${WEB} ${B}`])
    expect(last).toEqual({ applied: { 'delete-destination': 1 }, failed: [], driftRepaired: 0, foreign: 0, draining: 0 })
    expect(ownership.record.services.get(webKey)?.destinations.has(key(B))).toBe(false)
    expect(transitions.map(({ drained }) => drained).filter((how) => how !== undefined)).toEqual([
      { how: 'idle', connections: 0 },
    ])
    expect(transitions.slice(-2).map(({ from, to, cause, reasons }) => ({ from, to, cause, reason: reasons[0] }))).toEqual([
      { from: 'weight 3', to: 'draining', cause: 'drain', reason: 'no longer a member of the pool' },
      { from: 'draining', to: 'absent', cause: 'drain', reason: 'no active connection on two reads' },
    ])
  })

  it('is not deleted by two reads in the same moment', async () => {
    const { sink, kernel, written, without } = await draining()
    kernel.setConnections(webKey, key(B), { active: 0 })
    written()
    await sink.reconcile(without, 'full', 3_000)
    await sink.reconcile(without, 'full', 3_100)
    expect(written()).toEqual([])
    await sink.reconcile(without, 'full', 3_600)
    expect(written()).toEqual([`delete-destination ${WEB} ${B}`])
  })

  it('is deleted at the deadline whatever it still has', async () => {
    const { sink, written, without, transitions } = await draining({ drainTimeout: 5_000 })
    written()
    await sink.reconcile(without, 'changes', 6_999)
    expect(written()).toEqual([])
    await sink.reconcile(without, 'changes', 7_000)
    expect(written()).toEqual([`delete-destination ${WEB} ${B}`])
    expect(transitions.at(-1)?.drained).toEqual({ how: 'deadline', connections: 2 })
  })

  it('does not read the kernel for it more often than needed', async () => {
    const { sink, kernel, without } = await draining()
    const reads = kernel.reads
    await sink.reconcile(without, 'changes', 2_100)
    await sink.reconcile(without, 'changes', 2_900)
    expect(kernel.reads).toBe(reads)
    await sink.reconcile(without, 'changes', 3_000)
    expect(kernel.reads).toBe(reads + 1)
  })

  it('returns: the drain is called off, in the record too', async () => {
    const { sink, written, ownership, transitions } = await draining()
    written()
    await sink.reconcile(state([service(WEB, [A, wanted(B, { weight: 3 })])]), 'changes', 3_000)
    expect(written()).toEqual([`edit-destination ${WEB} ${B} weight 3`])
    expect(ownership.record.services.get(webKey)?.drains.size).toBe(0)
    expect(transitions.at(-1)).toMatchObject({ from: 'draining', to: 'weight 3', cause: 'discovery' })
  })

  it('keeps its deadline over a restart', async () => {
    const { kernel, ownership, without, written } = await draining({ drainTimeout: 60_000 })
    written()
    const second = rig({ kernel, ownership })
    await second.sink.reconcile(without, 'changes', 30_000)
    expect(second.written()).toEqual([])
    await second.sink.reconcile(without, 'changes', 62_000)
    expect(second.written()).toEqual([`delete-destination ${WEB} ${B}`])
  })

  it('is not deleted while a source has not answered, deadline or not', async () => {
    const { kernel, ownership, written, without } = await draining({ drainTimeout: 60_000 })
    written()
    const second = rig({ kernel, ownership })
    const report = await second.sink.reconcile(state([service(WEB, [A], { complete: false })]), 'full', 100_000)
    expect(second.written()).toEqual([])
    expect(report.wakeAt, 'nothing to wake for').toBeUndefined()
    await second.sink.reconcile(without, 'changes', 101_000)
    expect(second.written()).toEqual([`delete-destination ${WEB} ${B}`])
  })

  it('is recognised when a crash left it at weight 0 without a recorded drain', async () => {
    const { sink, kernel, ownership, written } = rig()
    ownership.record.apply({ do: 'own-service', service: identity(WEB), name: 'web' })
    ownership.record.apply({ do: 'own', service: webKey, destinations: [key(B)] })
    kernel.tamper(
      { kind: 'add-service', service: virtual(WEB) },
      { kind: 'add-destination', service: identity(WEB), destination: held(B, { weight: 0 }) },
    )
    const report = await sink.reconcile(state([service(WEB, [])]), 'changes', 50_000)
    expect(written()).toEqual([])
    expect(report.draining).toBe(1)
    expect(ownership.record.services.get(webKey)?.drains.get(key(B))).toEqual({ startedAt: 50_000, deadline: 350_000 })
  })

  it('starts its drain anew when the clock was set back behind its start', async () => {
    const { sink, ownership, without } = await draining()
    await sink.reconcile(without, 'full', 1_500)
    expect(ownership.record.services.get(webKey)?.drains.get(key(B))).toEqual({ startedAt: 1_500, deadline: 301_500 })
  })

  it('goes at once from UDP, one-packet, dh, and sh or mh without their fallback flag', async () => {
    const fallback = { flag1: true, flag2: false, flag3: false }
    const none = { flag1: false, flag2: false, flag3: false }
    const cases: [string, Parameters<typeof service>[2], string][] = [
      ['udp/10.0.0.1:53', {}, 'delete-destination'],
      ['fwmark/9/ipv4', { onePacket: true }, 'delete-destination'],
      ['fwmark/9/ipv4', {}, 'edit-destination'],
      ['sctp/10.0.0.1:53', {}, 'edit-destination'],
      [WEB, { scheduler: 'dh' }, 'delete-destination'],
      [WEB, { scheduler: 'sh', flags: none }, 'delete-destination'],
      [WEB, { scheduler: 'mh', flags: none }, 'delete-destination'],
      [WEB, { scheduler: 'sh', flags: fallback }, 'edit-destination'],
      [WEB, { scheduler: 'mh' }, 'edit-destination'],
      [WEB, { drainTimeout: 0 }, 'delete-destination'],
    ]
    for (const [text, more, first] of cases) {
      const { sink, written } = rig()
      await sink.reconcile(state([service(text, [A, B], more)]), 'changes', 1_000)
      written()
      await sink.reconcile(state([service(text, [A], more)]), 'changes', 2_000)
      expect(
        written().map((line) => line.split(' ')[0]),
        `${text} ${JSON.stringify(more)}`,
      ).toEqual([first])
    }
  })

  it('is not there at weight 0 where the scheduler would refuse clients', async () => {
    const { sink, written } = rig()
    await sink.reconcile(state([service(WEB, [A, wanted(B, { weight: 0 })], { scheduler: 'dh' })]), 'changes', 1_000)
    expect(written()).toEqual([`add-service ${WEB} dh`, `add-destination ${WEB} ${A} weight 1`])
    await sink.reconcile(state([service(WEB, [wanted(A, { weight: 0 }), B], { scheduler: 'dh' })]), 'changes', 2_000)
    expect(written()).toEqual([`add-destination ${WEB} ${B} weight 1`, `delete-destination ${WEB} ${A}`])
    await sink.reconcile(state([service(WEB, [wanted(A, { weight: 0 }), B], { scheduler: 'wrr' })]), 'changes', 3_000)
    expect(written(), 'another scheduler takes weight 0').toEqual([
      `add-destination ${WEB} ${A} weight 0`,
      `edit-service ${WEB} wrr`,
    ])
  })
})

describe('a service that leaves the configuration', () => {
  it('drains its destinations, then goes with them in one command', async () => {
    const { sink, written, ownership, transitions } = rig()
    await sink.reconcile(state([service(WEB, [A, B])]), 'changes', 1_000)
    written()
    await sink.reconcile(state([]), 'changes', 2_000)
    expect(written().sort()).toEqual([`edit-destination ${WEB} ${A} weight 0`, `edit-destination ${WEB} ${B} weight 0`])
    await sink.reconcile(state([]), 'changes', 3_000)
    transitions.length = 0
    await sink.reconcile(state([]), 'changes', 4_000)
    expect(written()).toEqual([`delete-service ${WEB}`])
    expect(ownership.record.services.size).toBe(0)
    expect(transitions.map(({ destination, to }) => `${destination ?? 'service'} ${to}`).sort()).toEqual([
      `${A} absent`,
      `${B} absent`,
      'service absent',
    ])
  })

  it('goes at once when it is UDP', async () => {
    const { sink, written } = rig()
    await sink.reconcile(state([service('udp/10.0.0.1:53', [A, B])]), 'changes', 1_000)
    written()
    await sink.reconcile(state([]), 'changes', 2_000)
    expect(written()).toEqual(['delete-service udp/10.0.0.1:53'])
  })

  it('uses the drain time that it had, and comes back untouched when it returns', async () => {
    const { sink, written, kernel } = rig()
    const desired = state([service(WEB, [A], { drainTimeout: 10_000 })])
    await sink.reconcile(desired, 'changes', 1_000)
    kernel.setConnections(webKey, key(A), { active: 1 })
    await sink.reconcile(state([]), 'changes', 2_000)
    written()
    await sink.reconcile(desired, 'changes', 5_000)
    expect(written()).toEqual([`edit-destination ${WEB} ${A} weight 1`])
    await sink.reconcile(state([]), 'changes', 6_000)
    written()
    await sink.reconcile(state([]), 'changes', 15_999)
    expect(written()).toEqual([])
    await sink.reconcile(state([]), 'changes', 16_000)
    expect(written()).toEqual([`delete-service ${WEB}`])
  })

  it('goes on with it after a restart', async () => {
    const first = rig()
    await first.sink.reconcile(state([service(WEB, [A])]), 'changes', 1_000)
    await first.sink.reconcile(state([]), 'changes', 2_000)
    first.written()
    const second = rig({ kernel: first.kernel, ownership: first.ownership })
    await second.sink.reconcile(state([]), 'full', 3_000)
    await second.sink.reconcile(state([]), 'changes', 4_000)
    expect(second.written()).toEqual([`delete-service ${WEB}`])
    const third = rig({ kernel: first.kernel, ownership: first.ownership })
    await third.sink.reconcile(state([]), 'full', 5_000)
    expect(third.written()).toEqual([])
  })
})
