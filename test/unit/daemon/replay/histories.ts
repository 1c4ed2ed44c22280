import fc from 'fast-check'
import type { AdminState } from '../../../../src/model/admin-state.ts'
import type { Backend } from '../../../../src/model/backend.ts'
import type { DestinationKey } from '../../../../src/model/destination.ts'
import type { Operational } from '../../../../src/model/operational.ts'
import { DEFAULT_POLICY } from '../../../../src/model/policy-spec.ts'
import type { ServiceSpec } from '../../../../src/model/service-spec.ts'
import { type ServiceKey, serviceKey } from '../../../../src/model/virtual-service.ts'
import { endpoint } from '../../../support/desired.ts'
import { Bench } from '../../pipeline/bench.ts'
import { backend, backends, file, fresh, identity, key, spec, stale, tcpCheck } from '../../pipeline/makers.ts'

const NUMBERS = [1, 2, 3, 4, 5, 6]
const PATHS = ['/a', '/b', '/c'] as const

/** A configuration of a number: two services, whose sources, checks and policies differ between the numbers. */
export function configured(number: number): ServiceSpec[] {
  const web = spec({
    sources: [file('/a'), file(number % 2 === 0 ? '/b' : '/c')],
    backends: backends(...(number % 3 === 0 ? [backend(1, { weight: 7 })] : [])),
    checks: number % 2 === 0 ? [tcpCheck] : [{ ...tcpCheck, rise: number + 1 }],
    weight: 3,
    guard: { maxRemoval: 34, window: 60_000, onEmpty: number === 1 ? 5_000 : 'hold' },
    hold: { snapshotMaxAge: 86_400_000, ...(number === 2 && { maxAge: 30_000 }) },
    policy: {
      ...DEFAULT_POLICY,
      ...(number !== 1 && { slowStart: 20_000 }),
      ...(number === 3 && { sorryServer: endpoint('10.2.0.1:80') }),
      quorum: { by: 'count', min: 2, hysteresis: 0 },
    },
  })
  const other = spec({
    name: 'other',
    identity: identity(2),
    sources: [file('/a')],
    scheduler: number === 2 ? 'dh' : 'wrr',
    guard: { maxRemoval: 50, window: 10_000, onEmpty: 'hold' },
  })
  return number === 3 ? [web] : [web, other]
}

/** `first`: of the pool to be down by a failure above connect, before the others were asked; `leaving`: up, and asks for drain. */
const FOUND = ['up', 'down', 'sick', 'first', 'wavering', 'leaving'] as const
type Found = (typeof FOUND)[number]

const who = fc.uniqueArray(fc.constantFrom(...NUMBERS), { maxLength: NUMBERS.length })
const path = fc.constantFrom(...PATHS)
const which = fc.constantFrom(1, 2)
const kind = <Kind extends string>(name: Kind) => fc.constant(name)

const happening = fc.oneof(
  { weight: 2, arbitrary: fc.record({ kind: kind('configured'), number: fc.constantFrom(0, 1, 2, 3) }) },
  {
    weight: 6,
    arbitrary: fc.record({
      kind: kind('fresh'),
      path,
      who,
      weight: fc.constantFrom(undefined, 0, 5),
      trust: fc.constantFrom('fresh' as const, 'fresh' as const, 'truncated' as const),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: kind('same'), path }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constantFrom('stale' as const, 'broken' as const), path, who }) },
  {
    weight: 6,
    arbitrary: fc.record({ kind: fc.constantFrom(...FOUND), which, who }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constantFrom('drain' as const, 'maintenance' as const, 'ready' as const),
      which,
      who,
      lasts: fc.constantFrom(undefined, 1_000, 60_000),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: kind('approved'), which }) },
  { weight: 1, arbitrary: fc.record({ kind: kind('probed'), which, who }) },
  { weight: 1, arbitrary: fc.record({ kind: kind('kernel'), expires: fc.boolean(), who }) },
)

/** What happens, each with the milliseconds until the next. */
export const history = fc.array(fc.tuple(happening, fc.constantFrom(0, 1, 100, 600, 2_000.25, 10_000, 61_000)), {
  minLength: 1,
  maxLength: 40,
  size: 'medium',
})
export type History = readonly (readonly [Happening, number])[]
type Happening = typeof happening extends fc.Arbitrary<infer One> ? One : never

/** Lives through a history, and gives the bench with all that was said on the way. */
export function lived(happened: History, tick: (made: Bench) => void = () => {}): Bench {
  const made = new Bench()
  made.past.set('file /a', {
    members: new Map([1, 2].map((number) => [key(number), { backend: backend(number) }])),
    held: new Map([[key(3), { backend: backend(3), since: -1_000, rule: 'removal' as const }]]),
    at: -5_000,
  })
  const world = new World(made)
  made.configure(...configured(0))
  for (const [one, milliseconds] of happened) {
    world.live(one)
    tick(made)
    made.until(made.scheduler.frame + milliseconds)
    tick(made)
  }
  made.stop()
  return made
}

class World {
  readonly #made: Bench
  readonly #last = new Map<string, ReadonlyMap<DestinationKey, Backend>>()
  readonly #found = new Map<ServiceKey, ReadonlyMap<DestinationKey, Operational>>()
  #words: ReadonlyMap<ServiceKey, ReadonlyMap<DestinationKey, AdminState>> = new Map()

  constructor(made: Bench) {
    this.#made = made
  }

  live(one: Happening): void {
    const made = this.#made
    const now = made.scheduler.frame
    switch (one.kind) {
      case 'configured':
        made.configure(...configured(one.number))
        break
      case 'fresh': {
        const list = one.who.map((number) => backend(number, one.weight === undefined ? {} : { weight: one.weight }))
        const event = fresh(list, { at: now, trust: one.trust })
        if (event.kind === 'fresh') this.#last.set(one.path, event.set.backends)
        made.say(event, one.path)
        break
      }
      case 'same':
        made.say(fresh([], { at: now, backends: this.#last.get(one.path) ?? new Map() }), one.path)
        break
      case 'stale':
        made.say(stale(one.who), one.path)
        break
      case 'broken':
        made.say({ kind: 'pending', failure: { code: 'SOURCE_UNREADABLE', message: 'no', at: now } }, one.path)
        break
      case 'up':
      case 'down':
      case 'sick':
      case 'first':
      case 'wavering':
      case 'leaving':
        this.#probe(service(one.which), one.kind, one.who, now)
        break
      case 'drain':
      case 'maintenance':
      case 'ready':
        this.#say(service(one.which), one, now)
        break
      case 'approved':
        made.approve$.next(service(one.which))
        break
      case 'probed':
        made.probed$.next({ service: service(one.which), failing: new Set(one.who.map(key)) })
        break
      case 'kernel': {
        const weights = new Map([[service(1), new Map(one.who.map((number) => [key(number), number]))]])
        made.kernel$.next({ expiresQuiescentTemplates: one.expires, weights })
        break
      }
    }
  }

  #probe(at: ServiceKey, found: Found, numbers: readonly number[], now: number): void {
    const all = new Map(this.#found.get(at))
    for (const number of numbers) {
      const { turns = 0 } = all.get(key(number)) ?? {}
      const failure = found === 'down' ? ('refused' as const) : ('wrong-answer' as const)
      const passes = found === 'up' || found === 'leaving'
      all.set(key(number), {
        health: passes || found === 'wavering' ? 'up' : 'down',
        since: now,
        turns: turns + 1,
        ...(!passes && { failure, message: `tcp: ${failure}` }),
        ...(found === 'first' && { siblingsDue: true }),
        ...(found === 'leaving' && { report: { wish: 'drain' } }),
      })
    }
    this.#found.set(at, all)
    this.#made.operational$.next({ service: at, found: all })
  }

  #say(at: ServiceKey, { kind, who, lasts }: Extract<Happening, { lasts: unknown }>, now: number): void {
    const words = new Map(this.#words.get(at))
    for (const number of who) {
      if (kind === 'ready') words.delete(key(number))
      else words.set(key(number), { state: kind, at: now, ...(lasts !== undefined && { until: now + lasts }) })
    }
    this.#words = new Map(this.#words).set(at, words)
    this.#made.operator$.next(this.#words)
  }
}

function service(which: number): ServiceKey {
  return serviceKey(identity(which))
}
