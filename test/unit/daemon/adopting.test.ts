import { expect, test } from 'vitest'
import { Adopting } from '../../../src/daemon/adopting.ts'
import type { DestinationKey } from '../../../src/model/destination.ts'
import type { ServiceKey } from '../../../src/model/virtual-service.ts'
import type { DesiredUpdate } from '../../../src/pipeline/desired-update.ts'
import type { PassReport } from '../../../src/sinks/sink.ts'
import { key, service, state } from '../../support/desired.ts'

const WEB = 'tcp/10.0.0.1:80' as ServiceKey
const [A, B] = [key('10.1.0.8:80'), key('10.1.0.9:80')]
const NOTHING: PassReport = { applied: {}, failed: [], driftRepaired: 0, foreign: 0, draining: 0 }

const update = (...services: string[]): DesiredUpdate => ({
  desired: state(services.map((name) => service(name, ['10.1.0.1:80']))),
  provenance: new Map(),
  eventAt: 0,
})
const listed = ({ desired }: DesiredUpdate) => [...(desired.services.get(WEB)?.adoptAlso ?? [])]
const passed = ({ desired }: DesiredUpdate, scope: 'full' | 'changes' = 'full', ...failing: string[]) => {
  const failed = failing.map((object) => ({ object, code: 'KERNEL_REFUSED', message: 'no', retryAt: 0 }))
  return { desired, scope, startedAt: 0, finishedAt: 0, ok: true as const, report: { ...NOTHING, failed } }
}

function adopting() {
  const owned = new Set<DestinationKey>()
  return { owned, adopting: new Adopting((service) => (service === WEB ? owned : new Set())) }
}

test('what is listed is taken over by one full pass, and nothing afterwards', () => {
  const { adopting: one } = adopting()
  const plain = update(WEB)
  expect(one.in(plain)).toBe(plain)
  one.add(WEB, [A])
  one.add(WEB, [B])
  const taking = one.in(update(WEB))
  expect(listed(taking)).toEqual([A, B])
  expect(one.ended(passed(taking, 'changes'))).toBe(false)
  expect(one.ended({ ...passed(taking), ok: false, error: new Error('no') })).toBe(false)
  expect(one.ended(passed(plain))).toBe(false)
  expect(one.ended(passed(taking))).toBe(true)
  expect(one.in(plain)).toBe(plain)
})

test('what fails is tried again, alone; and is done with where it is ours by the record, whatever else of the service fails', () => {
  const { adopting: one, owned } = adopting()
  one.add(WEB, [A, B])
  expect(one.ended(passed(one.in(update(WEB)), 'full', `${WEB} ${B}`))).toBe(true)
  const again = one.in(update(WEB))
  expect(listed(again)).toEqual([B])
  expect(one.ended(passed(again, 'full', WEB))).toBe(false)
  owned.add(B)
  expect(one.ended(passed(again, 'full', WEB))).toBe(true)
  expect(listed(one.in(update(WEB)))).toEqual([])
})

test('what was listed while a pass was under way waits for the next one', () => {
  const { adopting: one } = adopting()
  one.add(WEB, [A])
  const underWay = one.in(update(WEB))
  one.add(WEB, [B])
  expect(one.ended(passed(underWay))).toBe(true)
  expect(listed(one.in(update(WEB)))).toEqual([B])
})

test('is forgotten when the service is not wanted any more, and when it is dropped', () => {
  const { adopting: one } = adopting()
  one.add(WEB, [A])
  one.in(update('tcp/10.0.0.2:80'))
  expect(listed(one.in(update(WEB)))).toEqual([])
  one.add(WEB, [A])
  expect(one.drop()).toEqual([WEB])
  expect(one.drop()).toEqual([])
  expect(listed(one.in(update(WEB)))).toEqual([])
})
