import { describe, expect, it } from 'vitest'
import type { IpvsCommand } from '../../../../src/kernel/for-sinks.ts'
import { serviceKey } from '../../../../src/model/virtual-service.ts'
import { held, identity, key, service, state, virtual } from '../../../support/desired.ts'
import { FakeOwnership } from '../../../support/fake-ownership.ts'
import { rig } from './rig.ts'

const WEB = 'tcp/10.0.0.1:80'
const webKey = serviceKey(identity(WEB))
const A = '10.1.0.1:80'
const FOREIGN = '10.9.0.1:80'

/** A table that somebody else made: a service of ours to be with A and a foreign backend, and another service. */
function occupied(...options: Parameters<typeof rig>) {
  const set = rig(...options)
  set.kernel.tamper(
    { kind: 'add-service', service: virtual(WEB) },
    { kind: 'add-destination', service: identity(WEB), destination: held(A) },
    { kind: 'add-destination', service: identity(WEB), destination: held(FOREIGN, { weight: 7 }) },
    { kind: 'add-service', service: virtual('tcp/10.0.0.1:443') },
    { kind: 'add-destination', service: identity('tcp/10.0.0.1:443'), destination: held('10.9.0.1:443') },
  )
  return set
}

describe('ownership', () => {
  it('adopts a service in place with the destinations that are named; the others stay foreign', async () => {
    const { sink, written, ownership, transitions } = occupied()
    const report = await sink.reconcile(state([service(WEB, [A])]), 'full', 1_000)
    expect(written()).toEqual([])
    expect(report.foreign).toBe(2)
    expect([...(ownership.record.services.get(webKey)?.destinations ?? [])]).toEqual([A])
    expect(sink.foreign().map((object) => object.kind)).toEqual(['service', 'destination'])
    expect(transitions.map(({ from, to, cause }) => `${from} > ${to} ${cause}`)).toEqual([
      'foreign > wlc adoption',
      'foreign > weight 1 adoption',
    ])
  })

  it('never changes or removes what is foreign, whatever happens around it', async () => {
    const { sink, kernel, written } = occupied()
    await sink.reconcile(state([service(WEB, [A])]), 'full', 1_000)
    await sink.reconcile(state([service(WEB, ['10.1.0.2:80'])]), 'changes', 2_000)
    await sink.reconcile(state([]), 'changes', 3_000)
    await sink.reconcile(state([]), 'full', 400_000)
    await sink.reconcile(state([]), 'full', 800_000)
    expect(kernel.destination(webKey, key(FOREIGN))).toEqual(held(FOREIGN, { weight: 7 }))
    expect(kernel.service(webKey), 'the service holds a foreign destination').toBeDefined()
    expect(kernel.destination(webKey, key(A))).toBeUndefined()
    expect(kernel.service(serviceKey(identity('tcp/10.0.0.1:443')))).toBeDefined()
    written()
    kernel.tamper({ kind: 'delete-destination', service: identity(WEB), destination: held(FOREIGN) })
    await sink.reconcile(state([]), 'full', 900_000)
    expect(written(), 'ours and empty at last').toEqual([`delete-service ${WEB}`])
  })

  it('leaves a service of ours alone while it is undecided whether it is wanted', async () => {
    const { sink, kernel, written } = rig()
    await sink.reconcile(state([service(WEB, [A], { drainTimeout: 0 })]), 'full', 1_000)
    written()
    const undecided = state([], { undecided: new Set([webKey]) })
    await sink.reconcile(undecided, 'changes', 2_000)
    await sink.reconcile(undecided, 'full', 800_000)
    expect(written()).toEqual([])
    await sink.reconcile(state([]), 'changes', 801_000)
    await sink.reconcile(state([]), 'full', 1_601_000)
    expect(kernel.service(webKey)).toBeUndefined()
  })

  it('spares a service in which something foreign appears at the last moment', async () => {
    const { sink, kernel, written } = rig()
    await sink.reconcile(state([service('udp/10.0.0.1:53', [A])]), 'changes', 1_000)
    written()
    kernel.tamper({ kind: 'add-destination', service: identity('udp/10.0.0.1:53'), destination: held(FOREIGN) })
    await sink.reconcile(state([]), 'changes', 2_000)
    expect(written()).toEqual([`delete-destination udp/10.0.0.1:53 ${A}`])
    expect(kernel.destination(serviceKey(identity('udp/10.0.0.1:53')), key(FOREIGN))).toBeDefined()
  })

  it('spares it however often something foreign comes and goes, and looks again soon', async () => {
    const { sink, kernel, written } = rig()
    const dns = identity('udp/10.0.0.1:53')
    await sink.reconcile(state([service('udp/10.0.0.1:53', [A])]), 'changes', 1_000)
    written()
    const reads = kernel.reads
    const come: IpvsCommand = { kind: 'add-destination', service: dns, destination: held(FOREIGN) }
    const go: IpvsCommand = { kind: 'delete-destination', service: dns, destination: held(FOREIGN) }
    // It is there whenever the deletion is to be confirmed, and not when the service is read again for a new plan.
    kernel.onRead = () => kernel.tamper((kernel.reads - reads) % 2 === 1 ? come : go)
    await sink.reconcile(state([]), 'changes', 2_000)
    expect(written()).toEqual([])
    kernel.onRead = undefined
    await sink.reconcile(state([]), 'changes', 3_000)
    expect(written()).toEqual([`delete-destination udp/10.0.0.1:53 ${A}`])
    expect(kernel.destination(serviceKey(dns), key(FOREIGN))).toBeDefined()
  })

  it('takes the others too with adopt: all, and they drain', async () => {
    const { sink, written, ownership } = occupied()
    const report = await sink.reconcile(state([service(WEB, [A], { adopt: 'all' })]), 'full', 1_000)
    expect(written()).toEqual([`edit-destination ${WEB} ${FOREIGN} weight 0`])
    expect(report).toMatchObject({ foreign: 1, draining: 1 })
    expect(ownership.record.services.get(webKey)?.drains.has(key(FOREIGN))).toBe(true)
  })

  it('takes those that are listed, and of the others none', async () => {
    const { sink, kernel, written, ownership } = occupied()
    const later = '10.1.0.8:80'
    const listed = service(WEB, [A], { adoptAlso: new Set([key(FOREIGN)]) })
    await sink.reconcile(state([service(WEB, [A])]), 'full', 1_000)
    expect(written()).toEqual([])
    kernel.tamper({ kind: 'add-destination', service: identity(WEB), destination: held(later) })
    const report = await sink.reconcile(state([listed]), 'full', 2_000)
    expect(written()).toEqual([`edit-destination ${WEB} ${FOREIGN} weight 0`])
    expect(report).toMatchObject({ foreign: 2, draining: 1 })
    expect(ownership.record.services.get(webKey)?.destinations).toEqual(new Set([key(A), key(FOREIGN)]))
    await sink.reconcile(state([service(WEB, [A], { adoptAlso: new Set([key(later)]) })]), 'changes', 3_000)
    expect(written()).toContain(`edit-destination ${WEB} ${later} weight 0`)
  })

  it('leaves those that are listed while not every source has answered', async () => {
    const { sink, written } = occupied()
    await sink.reconcile(state([service(WEB, [A], { adoptAlso: new Set([key(FOREIGN)]), complete: false })]), 'full', 1_000)
    expect(written()).toEqual([])
  })

  it('adopts a foreign destination once it is named', async () => {
    const { sink, written } = occupied()
    await sink.reconcile(state([service(WEB, [A])]), 'full', 1_000)
    const report = await sink.reconcile(state([service(WEB, [A, FOREIGN])]), 'changes', 2_000)
    expect(written()).toEqual([`edit-destination ${WEB} ${FOREIGN} weight 1`])
    expect(report.foreign).toBe(1)
  })

  it('forgets what somebody else has deleted', async () => {
    const { sink, kernel, ownership, written } = rig()
    await sink.reconcile(state([service(WEB, [A]), service('tcp/10.0.0.2:80', [A])]), 'changes', 1_000)
    await sink.reconcile(state([service(WEB, [])]), 'changes', 2_000)
    kernel.tamper(
      { kind: 'delete-destination', service: identity(WEB), destination: held(A) },
      { kind: 'delete-service', service: identity('tcp/10.0.0.2:80') },
    )
    written()
    await sink.reconcile(state([service(WEB, [])]), 'full', 3_000)
    expect(written()).toEqual([])
    expect(ownership.record.services.size).toBe(1)
    expect(ownership.record.services.get(webKey)).toMatchObject({ destinations: new Set(), drains: new Map() })
  })

  it('says loudly what became foreign when the record was lost', async () => {
    const said: string[] = []
    const log = {
      info: () => {},
      warn: () => {},
      error: (detail: object, message: string) => said.push(`${message} ${JSON.stringify(detail)}`),
    }
    const ownership = new FakeOwnership({ kind: 'corrupt', reason: 'line 3', setAside: '/var/lib/x.corrupt' })
    const { sink, written } = occupied({ ownership, log })
    await sink.reconcile(state([service(WEB, [A])]), 'changes', 1_000)
    await sink.reconcile(state([service(WEB, [A])]), 'full', 2_000)
    expect(written()).toEqual([])
    expect(said).toHaveLength(1)
    expect(said[0]).toContain('tcp/10.0.0.1:443')
    expect(said[0]).toContain(`${WEB} ${FOREIGN}`)
    expect(said[0]).toContain('/var/lib/x.corrupt')
  })

  it('creates and deletes nothing while the record cannot be written; edits of what is ours go on', async () => {
    const { sink, ownership, written } = rig()
    await sink.reconcile(state([service(WEB, [A, '10.1.0.2:80'])]), 'changes', 1_000)
    written()
    ownership.unwritable = true
    const changed = state([service(WEB, [A, '10.1.0.3:80'], { scheduler: 'rr' }), service('tcp/10.0.0.2:80', [A])])
    const report = await sink.reconcile(changed, 'changes', 2_000)
    expect(written()).toEqual([`edit-service ${WEB} rr`, `edit-destination ${WEB} 10.1.0.2:80 weight 0`])
    expect(report.failed).toEqual([
      { object: 'ownership record', code: 'STATE_UNWRITABLE', message: 'The record was made unwritable.', retryAt: 3_000 },
    ])
    expect(report.wakeAt).toBe(3_000)
    ownership.unwritable = false
    const healed = await sink.reconcile(changed, 'changes', 3_000)
    expect(written().sort()).toEqual([
      'add-destination tcp/10.0.0.1:80 10.1.0.3:80 weight 1',
      'add-destination tcp/10.0.0.2:80 10.1.0.1:80 weight 1',
      'add-service tcp/10.0.0.2:80 wlc',
    ])
    expect(healed).toMatchObject({ failed: [], draining: 1, driftRepaired: 0 })
  })

  it('has not failed to record what nobody wants any more', async () => {
    const { sink, ownership } = rig()
    await sink.reconcile(state([service(WEB, [A])]), 'changes', 1_000)
    ownership.unwritable = true
    expect((await sink.reconcile(state([service(WEB, [A, '10.1.0.2:80'])]), 'changes', 2_000)).failed).toHaveLength(1)
    const report = await sink.reconcile(state([service(WEB, [A])]), 'changes', 2_100)
    expect(report).toEqual({ applied: {}, failed: [], driftRepaired: 0, foreign: 0, draining: 0 })
  })

  it('does not ask to be called at once for what cannot be recorded', async () => {
    const { sink, kernel, ownership } = rig()
    kernel.refuse = (command) => (command.kind === 'add-destination' ? 'EINVAL' : undefined)
    await sink.reconcile(state([service(WEB, [A])]), 'changes', 1_000)
    ownership.unwritable = true
    const report = await sink.reconcile(state([service(WEB, [A]), service('tcp/10.0.0.2:80')]), 'changes', 2_500)
    expect(report.wakeAt).toBeGreaterThanOrEqual(2_750)
  })

  it('records a pass with additions once, and a pass with removals once more', async () => {
    const { sink, ownership } = rig()
    await sink.reconcile(state([service('udp/10.0.0.1:53', [A, '10.1.0.2:80'])]), 'changes', 1_000)
    expect(ownership.writes).toHaveLength(1)
    await sink.reconcile(state([service('udp/10.0.0.1:53', ['10.1.0.3:80'])]), 'changes', 2_000)
    expect(ownership.writes).toHaveLength(3)
  })
})
