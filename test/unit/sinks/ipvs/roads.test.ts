import { describe, expect, it } from 'vitest'
import { roadName } from '../../../../src/model/probe-road.ts'
import { serviceKey } from '../../../../src/model/virtual-service.ts'
import { held, identity, key, service, state, virtual } from '../../../support/desired.ts'
import { rig } from './rig.ts'

const MARK = 'fwmark/100/ipv4'
const A = '10.1.0.1:80'
const B = '10.1.0.2:80'
const nameOf = (backend: string) => roadName(serviceKey(identity('tcp/10.0.0.1:80')), key(backend))
const road = (backend: string) =>
  service(MARK, [backend], { name: nameOf(backend), scheduler: 'rr', drainTimeout: 0, adopt: 'never' })

describe('a service for probes alone', () => {
  it('is made, recorded by its name, and goes at once with the connections of its probes', async () => {
    const { sink, kernel, written, ownership } = rig()
    await sink.reconcile(state([road(A)]), 'full', 1_000)
    expect(written()).toEqual([`add-service ${MARK} rr`, `add-destination ${MARK} ${A} weight 1`])
    expect(ownership.record.services.get(serviceKey(identity(MARK)))?.name).toBe(nameOf(A))
    kernel.setConnections(serviceKey(identity(MARK)), key(A), { active: 3, inactive: 1, persistent: 0 })
    await sink.reconcile(state([]), 'changes', 2_000)
    expect(written()).toEqual([`delete-service ${MARK}`])
  })

  it('goes at once also where an earlier process made it', async () => {
    const before = rig()
    await before.sink.reconcile(state([road(A)]), 'full', 1_000)
    const { sink, kernel, written } = rig({ kernel: before.kernel, ownership: before.ownership })
    before.written()
    kernel.setConnections(serviceKey(identity(MARK)), key(A), { active: 3, inactive: 0, persistent: 0 })
    await sink.reconcile(state([]), 'full', 2_000)
    expect(written()).toEqual([`delete-service ${MARK}`])
  })

  it('changes its backend without a drain', async () => {
    const { sink, written } = rig()
    await sink.reconcile(state([road(A)]), 'full', 1_000)
    written()
    await sink.reconcile(state([road(B)]), 'changes', 2_000)
    expect(written()).toEqual([`add-destination ${MARK} ${B} weight 1`, `delete-destination ${MARK} ${A}`])
  })

  it("leaves somebody else's service of its mark alone and shows it as foreign", async () => {
    const { sink, kernel, written, ownership } = rig()
    kernel.tamper(
      { kind: 'add-service', service: virtual(MARK) },
      { kind: 'add-destination', service: identity(MARK), destination: held(B) },
    )
    const report = await sink.reconcile(state([road(A)]), 'full', 1_000)
    expect({ written: written(), failed: report.failed, foreign: report.foreign }).toEqual({
      written: [],
      failed: [],
      foreign: 1,
    })
    expect(ownership.record.services.size).toBe(0)
    expect((await sink.planOnly(state([road(A)]))).foreign).toHaveLength(1)
  })

  it('leaves it alone also where it appeared after the last look at the kernel', async () => {
    const { sink, kernel, written, ownership } = rig()
    await sink.reconcile(state([]), 'full', 1_000)
    kernel.tamper({ kind: 'add-service', service: virtual(MARK) })
    await sink.reconcile(state([road(A)]), 'changes', 2_000)
    expect(written()).toEqual([])
    expect(ownership.record.services.size).toBe(0)
  })
})
