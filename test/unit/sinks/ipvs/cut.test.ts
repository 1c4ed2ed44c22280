import { describe, expect, it } from 'vitest'
import { serviceKey } from '../../../../src/model/virtual-service.ts'
import { held, identity, key, service, state, virtual } from '../../../support/desired.ts'
import { rig } from './rig.ts'

const WEB = 'tcp/10.0.0.1:80'
const A = '10.1.0.1:80'
const B = '10.1.0.2:80'
const cut = new Map([[key(B), ['down: refused', 'listed by test']]])

/** A service with A and B; B has connections. */
async function serving() {
  const set = rig()
  await set.sink.reconcile(state([service(WEB, [A, B])]), 'changes', 1_000)
  set.kernel.setConnections(serviceKey(identity(WEB)), key(B), { active: 2, inactive: 0, persistent: 1 })
  set.written()
  return set
}

describe('a destination that is to be out at once', () => {
  it('is deleted without a drain', async () => {
    const { sink, written, transitions } = await serving()
    await sink.reconcile(state([service(WEB, [A], { cut })]), 'changes', 2_000)
    expect(written()).toEqual([`delete-destination ${WEB} ${B}`])
    expect(transitions.at(-1)).toMatchObject({
      from: 'weight 1',
      to: 'absent',
      cause: 'discovery',
      reasons: ['down: refused', 'listed by test'],
    })
  })

  it('is deleted in the middle of a drain, although nothing else changed', async () => {
    const { sink, written } = await serving()
    await sink.reconcile(state([service(WEB, [A])]), 'changes', 2_000)
    written()
    await sink.reconcile(state([service(WEB, [A], { cut })]), 'changes', 2_500)
    expect(written()).toEqual([`delete-destination ${WEB} ${B}`])
  })

  it('is deleted while another source has not answered: it is known, and others are not touched', async () => {
    const { sink, written } = await serving()
    await sink.reconcile(state([service(WEB, [], { cut, complete: false })]), 'full', 2_000)
    expect(written()).toEqual([`delete-destination ${WEB} ${B}`])
  })

  it('is taken over and deleted where somebody else made it: the configuration names it', async () => {
    const { sink, kernel, written, ownership } = rig()
    kernel.tamper(
      { kind: 'add-service', service: virtual(WEB) },
      { kind: 'add-destination', service: identity(WEB), destination: held(A) },
      { kind: 'add-destination', service: identity(WEB), destination: held(B) },
    )
    await sink.reconcile(state([service(WEB, [A], { cut })]), 'full', 2_000)
    expect(written()).toEqual([`delete-destination ${WEB} ${B}`])
    expect([...(ownership.record.services.get(serviceKey(identity(WEB)))?.destinations ?? [])]).toEqual([A])
  })
})
