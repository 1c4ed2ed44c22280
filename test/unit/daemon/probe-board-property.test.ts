import fc from 'fast-check'
import { expect, it } from 'vitest'
import { Board } from '../../../src/daemon/probe-board.ts'
import { planMembers, restingIn } from '../../../src/daemon/probe-plan.ts'
import { type CheckStanding, firstStanding, together } from '../../../src/health/check-standing.ts'
import type { Check } from '../../../src/health/checks.ts'
import type { AdminState } from '../../../src/model/admin-state.ts'
import type { DestinationKey } from '../../../src/model/destination.ts'
import { type Operational, sameOperational } from '../../../src/model/operational.ts'
import type { CheckSpec } from '../../../src/model/probe-spec.ts'
import { SharedMap } from '../../../src/model/shared-map.ts'
import { type ServiceKey, serviceKey } from '../../../src/model/virtual-service.ts'
import type { ServiceProvenance } from '../../../src/pipeline/desired-update.ts'
import { backend, identity, key, members, provenance, spec, tcpCheck } from '../pipeline/makers.ts'

const CHECKS: readonly (readonly CheckSpec[])[] = [
  [],
  [tcpCheck],
  [{ ...tcpCheck, interval: 1_000 }],
  [tcpCheck, { ...tcpCheck, port: 9_000 }],
  // Every member has the same one.
  [{ ...tcpCheck, address: backend(1).address, port: 7_000 }],
]

interface Wanted {
  readonly checks: number
  readonly list: readonly number[]
  /** In maintenance; with an end when `until` is there. */
  readonly resting: readonly number[]
  readonly until: number | undefined
}

const small = fc.integer({ min: 1, max: 5 })
const wanted: fc.Arbitrary<Wanted | undefined> = fc.option(
  fc.record({
    checks: fc.nat(CHECKS.length - 1),
    list: fc.uniqueArray(small),
    resting: fc.uniqueArray(small, { maxLength: 2 }),
    until: fc.option(fc.integer({ min: 0, max: 30 }), { nil: undefined }),
  }),
  { nil: undefined },
)
const step = fc.record({
  service: fc.integer({ min: 1, max: 4 }),
  wanted,
  /** Checks that are heard of after it, by their places, and whether they pass. */
  heard: fc.array(fc.tuple(fc.nat(9), fc.boolean()), { maxLength: 4 }),
})

function provenanceOf(number: number, { checks, list, resting, until }: Wanted): ServiceProvenance {
  const words = resting.map((one): [DestinationKey, AdminState] => {
    return [key(one), { state: 'maintenance', at: 0, ...(until !== undefined && { until }) }]
  })
  const of = spec({ identity: identity(number), name: `s${number}`, checks: CHECKS[checks] ?? [] })
  return provenance(of, { members: members(...list), admin: new Map(words) })
}

/** All services and all checks, looked at anew at each update. */
class Whole {
  checks = new Map<string, { standing: CheckStanding; readonly spec: CheckSpec; readonly services: Set<ServiceKey> }>()
  #planned = new Map<ServiceKey, ReturnType<typeof planMembers>>()

  follow(all: ReadonlyMap<ServiceKey, ServiceProvenance>, now: number): void {
    const inherited = new Map<string, CheckStanding>()
    const planned = new Map<ServiceKey, ReturnType<typeof planMembers>>()
    for (const [service, known] of all) {
      const after = planMembers(known.spec, known.members, restingIn(known, now).resting)
      planned.set(service, after)
      const before = new Map(this.#planned.get(service)?.map((member) => [member.destination, member.checks]))
      for (const { destination, checks } of after)
        for (const [index, check] of checks.entries()) {
          const last = this.checks.get(before.get(destination)?.[index]?.key ?? '')
          if (last !== undefined && !this.checks.has(check.key)) inherited.set(check.key, { ...last.standing, against: 0 })
        }
    }
    const checks: Whole['checks'] = new Map()
    for (const [service, list] of planned)
      for (const { key: name, spec: of } of list.flatMap((member) => member.checks)) {
        const known = checks.get(name) ?? this.checks.get(name)
        const standing = known?.standing ?? inherited.get(name) ?? firstStanding(of, now)
        const services = checks.get(name)?.services ?? new Set()
        checks.set(name, { standing, spec: of, services: services.add(service) })
      }
    this.checks = checks
    this.#planned = planned
  }

  found(service: ServiceKey): ReadonlyMap<DestinationKey, Operational> {
    return new Map(
      (this.#planned.get(service) ?? []).map(({ destination, checks }) => {
        const standings = checks.flatMap(({ key: name, spec: of }) => {
          const known = this.checks.get(name)
          return known === undefined ? [] : [{ kind: of.probe.kind, standing: known.standing }]
        })
        return [destination, together(standings)]
      }),
    )
  }
}

/** What differs in words alone is not told again. */
function expectSame(told: ReadonlyMap<DestinationKey, Operational>, found: ReadonlyMap<DestinationKey, Operational>): void {
  expect([...told.keys()].sort()).toEqual([...found.keys()].sort())
  for (const [at, one] of found) expect(sameOperational(told.get(at) as Operational, one)).toBe(true)
}

it('comes to the same checks and findings over any history as looking at all services each time, and names what differs alone', () => {
  let inheriting = 0
  fc.assert(
    fc.property(fc.array(step, { maxLength: 20 }), (history) => {
      let now = 0
      const board = new Board({ probeFor: () => async () => ({ outcome: 'passed' }), scheduler: { now: () => now } })
      const whole = new Whole()
      const running = new Map<string, Check>()
      const told = new Map<ServiceKey, ReadonlyMap<DestinationKey, Operational>>()
      let all = SharedMap.from<ServiceKey, ServiceProvenance>([])
      for (const { service, wanted: want, heard } of history) {
        now += 2
        const at = serviceKey(identity(service))
        all = all.edited([at], () => want && provenanceOf(service, want))
        // What was told of a service goes with it.
        if (want === undefined) told.delete(at)
        const before = new Set(running.keys())
        const edit = board.follow({ provenance: all })
        whole.follow(all, now)
        for (const name of edit?.gone ?? []) expect(running.delete(name)).toBe(true)
        for (const [name, check] of edit?.put ?? []) {
          expect(before.has(name)).toBe(false)
          running.set(name, check)
        }
        expect([...running.keys()].sort()).toEqual([...whole.checks.keys()].sort())
        for (const [name, { standing }] of whole.checks) {
          expect((running.get(name) as unknown as { standing: CheckStanding }).standing).toEqual(standing)
          if (!before.has(name) && standing.health !== 'unknown') inheriting += 1
        }
        for (const [place, passes] of heard) {
          const name = [...running.keys()].sort()[place]
          if (name === undefined) continue
          board.heard(name, passes ? { outcome: 'passed' } : { outcome: 'failed', failure: 'refused', message: 'refuses' }, 1)
          const known = whole.checks.get(name)
          if (known !== undefined) known.standing = (running.get(name) as unknown as { standing: CheckStanding }).standing
        }
        for (const { service: of, found } of board.news()) told.set(of, found)
        for (const of of all.keys()) expectSame(told.get(of) ?? new Map(), whole.found(of))
      }
    }),
    { numRuns: 40 },
  )
  expect(inheriting, 'standings that went over to a new check').toBeGreaterThan(0)
})
