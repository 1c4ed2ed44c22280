import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { isDown } from '../../../../src/model/backend.ts'
import type { DestinationKey } from '../../../../src/model/destination.ts'
import type { Operational } from '../../../../src/model/operational.ts'
import type { PolicySpec } from '../../../../src/model/policy-spec.ts'
import type { ServiceSpec } from '../../../../src/model/service-spec.ts'
import { decide } from '../../../../src/pipeline/decide.ts'
import { isDamped } from '../../../../src/pipeline/deciding/damping.ts'
import { judgePool } from '../../../../src/pipeline/deciding/pool.ts'
import { endpoint } from '../../../support/desired.ts'
import { backend, backends, identity, key } from '../makers.ts'
import { checked, Rig } from './rig.ts'

const SIZE = 6
const NUMBERS = Array.from({ length: SIZE }, (_, index) => index + 1)

const some = fc.uniqueArray(fc.constantFrom(...NUMBERS), { minLength: 1, maxLength: SIZE })
const wait = fc.constantFrom(0, 100, 1_000, 5_000, 30_000, 61_000, 300_000)

type Event =
  | {
      readonly kind: 'up' | 'refused' | 'sick' | 'leaving' | 'sick and leaving' | 'flap' | 'leave' | 'critical' | 'back'
      readonly who: readonly number[]
    }
  | { readonly kind: 'drain' | 'maintenance' | 'weight' | 'ready'; readonly who: readonly number[]; readonly lasts: number }
  | { readonly kind: 'asks'; readonly who: readonly number[]; readonly percent: number }
  | { readonly kind: 'approve' }

const event: fc.Arbitrary<Event> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constantFrom('up', 'refused', 'sick', 'flap'), who: some }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constantFrom('leave', 'critical', 'back'), who: some }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constantFrom('drain', 'maintenance', 'weight', 'ready'),
      who: some,
      lasts: fc.constantFrom(1_000, 60_000, 3_600_000),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('asks' as const), who: some, percent: fc.constantFrom(1, 50, 100) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('approve' as const) }) },
)

/** The same with members that ask to be let go. */
const anything: fc.Arbitrary<Event> = fc.oneof(
  { weight: 3, arbitrary: event },
  { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom('leaving', 'sick and leaving'), who: some }) },
)

const history = fc.array(fc.tuple(event, wait), { minLength: 1, maxLength: 25 })

const longHistory = fc.array(fc.tuple(anything, wait), { minLength: 1, maxLength: 25 })

const policy: fc.Arbitrary<Partial<PolicySpec>> = fc
  .record({
    onDown: fc.constantFrom<PolicySpec['onDown']>('fitting', 'zero', 'remove'),
    panic: fc.constantFrom<PolicySpec['panic']>({ percent: 0 }, { percent: 50 }, { percent: 100 }),
    maxEjection: fc.constantFrom(1, 50, 100),
    damping: fc.constantFrom<PolicySpec['damping']>('off', { halfLife: 60_000 }),
    slowStart: fc.constantFrom(undefined, 30_000),
  })
  .map(({ slowStart, ...others }) => ({ ...others, ...(slowStart !== undefined && { slowStart }) }))

const shape = fc.constantFrom<Partial<ServiceSpec>>(
  { scheduler: 'wlc' },
  { scheduler: 'dh' },
  { scheduler: 'sh' },
  { identity: { ...identity(), protocol: 'udp' } as ServiceSpec['identity'] },
  { persistence: { timeout: 60, mask: 0xffffffff } },
)

/** A rig that lives through events, and what a bystander knows of them. */
class Witness {
  readonly rig: Rig
  readonly everUp = new Set<DestinationKey>()
  readonly #service: ServiceSpec
  readonly #present = new Set(NUMBERS)
  readonly #critical = new Set<number>()

  constructor(more: Partial<ServiceSpec>, by: Partial<PolicySpec>) {
    this.#service = checked({ ...more, weight: 3, backends: backends(...NUMBERS) }, by)
    this.rig = new Rig(this.#service)
  }

  live(happened: Event): void {
    const { rig } = this
    switch (happened.kind) {
      case 'up':
        rig.up(...happened.who)
        break
      case 'refused':
        rig.down(...happened.who)
        break
      case 'sick':
        rig.sick(...happened.who)
        break
      case 'leaving':
        rig.found('up', happened.who, { report: { wish: 'drain' } })
        break
      case 'sick and leaving':
        rig.found('down', happened.who, { report: { wish: 'drain' }, failure: 'wrong-answer', message: 'http said 503' })
        break
      case 'flap':
        for (let fall = 0; fall < 3; fall++) rig.up(...happened.who).down(...happened.who)
        rig.up(...happened.who)
        break
      case 'asks':
        rig.found('up', happened.who, { report: { percent: happened.percent } })
        break
      case 'leave':
        for (const number of happened.who) this.#present.delete(number)
        this.#list()
        break
      case 'critical':
        for (const number of happened.who) this.#critical.add(number)
        this.#list()
        break
      case 'back':
        for (const number of happened.who) {
          this.#present.add(number)
          this.#critical.delete(number)
        }
        this.#list()
        break
      case 'ready':
        for (const number of happened.who) rig.word(number, undefined)
        break
      case 'weight':
        for (const number of happened.who)
          rig.word(number, { weight: { weight: 7, at: rig.now, until: rig.now + happened.lasts } })
        break
      case 'approve':
        rig.approve()
        break
      default:
        for (const number of happened.who) rig.word(number, { state: happened.kind, until: rig.now + happened.lasts })
    }
  }

  #list(): void {
    const list = [...this.#present].map((number) => backend(number, this.#critical.has(number) ? { state: 'critical' } : {}))
    this.rig.configure({ ...this.#service, backends: backends(...list) })
  }

  /** Members that nobody keeps out, with what the probes say. */
  get open() {
    const { state, now } = this.rig
    const { found, words } = state.hearing.passed
    return [...state.debounced.passed].flatMap(([at, { backend: one }]) => {
      const said = words.get(at)
      const ready = said === undefined || said.state === 'ready' || now >= (said.until ?? Number.POSITIVE_INFINITY)
      const health = found.get(at)?.health ?? 'unknown'
      return ready && !isDown(one)
        ? [{ at, health, damped: isDamped(state.flaps.get(at), now), weight: this.rig.table.get(at) ?? 0 }]
        : []
    })
  }

  get shut(): DestinationKey[] {
    const open = new Set(this.open.map(({ at }) => at))
    return [...this.rig.state.debounced.passed.keys()].filter((at) => !open.has(at))
  }

  look(): void {
    const { found } = this.rig.state.hearing.passed
    for (const at of this.everUp) if (!this.rig.state.debounced.passed.has(at)) this.everUp.delete(at)
    for (const at of this.rig.state.debounced.passed.keys()) if (found.get(at)?.health === 'up') this.everUp.add(at)
  }
}

function live(
  lived: readonly (readonly [Event, number])[],
  more: Partial<ServiceSpec>,
  by: Partial<PolicySpec>,
  check: (witness: Witness) => void,
): void {
  const witness = new Witness(more, by)
  for (const [happened, milliseconds] of lived) {
    witness.live(happened)
    witness.look()
    check(witness)
    witness.rig.wait(milliseconds)
    check(witness)
  }
}

describe('whatever happens', () => {
  it('a healthy, present, ready backend serves, but for one that flaps beside others that do not', () => {
    let serving = 0
    let flapping = 0
    fc.assert(
      fc.property(history, shape, policy, (lived, more, by) => {
        live(lived, more, by, ({ open }) => {
          const steady = open.filter(({ health, damped }) => health === 'up' && !damped)
          for (const { weight } of steady) expect(weight).toBeGreaterThan(0)
          serving += steady.length
          if (steady.length > 0) return
          for (const { weight } of open.filter(({ health }) => health === 'up')) expect(weight).toBeGreaterThan(0)
          flapping += open.filter(({ health }) => health === 'up').length
        })
      }),
      { numRuns: 300 },
    )
    expect(serving).toBeGreaterThan(1_000)
    expect(flapping).toBeGreaterThan(100)
  })

  it('somebody serves as long as one is there that ever was up and nobody keeps out', () => {
    let panics = 0
    fc.assert(
      fc.property(history, shape, policy, (lived, more, by) => {
        live(lived, more, by, ({ open, everUp, rig }) => {
          if (!open.some(({ at }) => everUp.has(at))) return
          expect(open.some(({ weight }) => weight > 0)).toBe(true)
          if (rig.mode === 'panic') panics++
        })
      }),
      { numRuns: 300 },
    )
    expect(panics).toBeGreaterThan(100)
  })

  it('failures above connect take no more of a pool in one round than max_ejection, though one alone is believed', () => {
    const turn = fc.tuple(
      fc.record({ kind: fc.constantFrom('up' as const, 'sick' as const), who: some }),
      fc.constantFrom(0, 100),
    )
    let held = 0
    fc.assert(
      fc.property(fc.array(turn, { maxLength: 25 }), shape, fc.constantFrom(1, 34, 50, 67, 100), (lived, more, maxEjection) => {
        const most = Math.max(1, Math.floor((SIZE * maxEjection) / 100))
        const begin = [{ kind: 'up', who: NUMBERS }, 10_000] as const
        live([begin, ...lived], more, { maxEjection, damping: 'off', panic: 'off' }, ({ open, rig }) => {
          expect(open.filter(({ weight }) => weight === 0).length).toBeLessThanOrEqual(most)
          held += rig.state.pool.ejections.held.size
        })
      }),
      { numRuns: 200 },
    )
    expect(held).toBeGreaterThan(1_000)
  })

  it('wishes to be let go take no more of a pool in one round than max_ejection, though one alone is obeyed', () => {
    const turn = fc.tuple(
      fc.record({ kind: fc.constantFrom('up' as const, 'leaving' as const, 'sick' as const), who: some }),
      fc.constantFrom(0, 100),
    )
    let held = 0
    fc.assert(
      fc.property(fc.array(turn, { maxLength: 25 }), shape, fc.constantFrom(1, 34, 50, 67, 100), (lived, more, maxEjection) => {
        const most = Math.max(1, Math.floor((SIZE * maxEjection) / 100))
        const begin = [{ kind: 'up', who: NUMBERS }, 10_000] as const
        live([begin, ...lived], more, { maxEjection, damping: 'off', panic: 'off' }, ({ rig }) => {
          const out = NUMBERS.filter((number) => (rig.table.get(key(number)) ?? 0) === 0)
          expect(out.length).toBeLessThanOrEqual(most)
          held += rig.state.pool.ejections.held.size
        })
      }),
      {
        numRuns: 200,
        examples: [
          [
            [
              [{ kind: 'sick', who: [1] }, 0],
              [{ kind: 'leaving', who: [1, 5] }, 0],
            ],
            { scheduler: 'wlc' },
            1,
          ],
        ],
      },
    )
    expect(held).toBeGreaterThan(1_000)
  })

  it('a wish takes nobody out while nobody else can serve, whoever asks, fails and returns', () => {
    const kinds = ['up', 'refused', 'sick', 'leaving', 'sick and leaving'] as const
    const turns = fc.array(fc.tuple(fc.record({ kind: fc.constantFrom(...kinds), who: some }), wait), { maxLength: 25 })
    const rules = fc.record({ maxEjection: fc.constantFrom(1, 50, 99), panic: fc.constantFrom('off' as const, { percent: 0 }) })
    let last = 0
    fc.assert(
      fc.property(turns, shape, rules, (lived, more, by) => {
        const witness = new Witness(more, { ...by, damping: 'off' })
        const { rig } = witness
        rig.up(...NUMBERS).wait(10_000)
        const weightOf = (number: number) => rig.table.get(key(number)) ?? 0
        const members = NUMBERS.map((number) => ({ number, healthy: true, asks: false, served: false }))
        const look = () => {
          if (!members.some(({ healthy, asks, served }) => healthy && (!asks || served))) return
          expect(NUMBERS.some((number) => weightOf(number) > 0)).toBe(true)
          if (members.every(({ healthy, asks }) => !healthy || asks)) last++
        }
        for (const [happened, milliseconds] of lived) {
          const asks = happened.kind === 'leaving' || happened.kind === 'sick and leaving'
          for (const member of members.filter(({ number }) => happened.who.includes(number))) {
            if (asks && !member.asks) member.served = member.healthy && weightOf(member.number) > 0
            Object.assign(member, { asks, healthy: happened.kind === 'up' || happened.kind === 'leaving' })
          }
          witness.live(happened)
          look()
          rig.wait(milliseconds)
          look()
        }
      }),
      { numRuns: 300 },
    )
    expect(last).toBeGreaterThan(100)
  })

  it('a pool of two that both ask to be let go at once serves on when one of them dies, whichever and whenever', () => {
    const two = fc.record({
      who: fc.constantFrom(1, 2),
      how: fc.constantFrom<Partial<Operational>>({ failure: 'refused' }, { failure: 'wrong-answer' }),
      asks: fc.boolean(),
      waits: fc.array(wait, { minLength: 3, maxLength: 3 }),
      maxEjection: fc.constantFrom(1, 50, 99),
    })
    fc.assert(
      fc.property(two, shape, ({ who, how, asks, waits: [before = 0, between = 0, after = 0], maxEjection }, more) => {
        const policy = { maxEjection, panic: 'off', damping: 'off' } as const
        const drain = { report: { wish: 'drain' } } as const
        const rig = new Rig(checked({ ...more, backends: backends(1, 2) }, policy)).up(1, 2).wait(before)
        rig.found('up', [1, 2], drain).wait(between)
        expect(rig.weights).toEqual({ 1: 1, 2: 1 })
        rig.found('down', [who], { ...how, message: 'dead', ...(asks && drain) })
        expect(rig.weights[3 - who]).toBe(1)
        expect(rig.weights[who] ?? 0).toBe(0)
        rig.wait(after)
        expect(rig.weights[3 - who]).toBe(1)
      }),
    )
  })

  it('with a sorry server somebody always answers, and it never stands beside a member that serves', () => {
    const sorryServer = endpoint('10.2.0.1:80')
    let sorry = 0
    fc.assert(
      fc.property(history, shape, policy, (lived, more, by) => {
        live(lived, more, { ...by, sorryServer }, ({ rig }) => {
          const weights = [...rig.table].filter(([, weight]) => weight > 0).map(([at]) => at)
          expect(weights.length).toBeGreaterThan(0)
          if (!weights.includes('10.2.0.1:80')) return
          sorry++
          expect(weights).toHaveLength(1)
        })
      }),
      { numRuns: 200 },
    )
    expect(sorry).toBeGreaterThan(100)
  })

  it('whom the operator or the registry keeps out gets no new client', () => {
    let shut = 0
    fc.assert(
      fc.property(history, shape, policy, (lived, more, by) => {
        live(lived, more, by, (witness) => {
          for (const at of witness.shut) expect(witness.rig.table.get(at) ?? 0).toBe(0)
          shut += witness.shut.length
        })
      }),
      { numRuns: 200 },
    )
    expect(shut).toBeGreaterThan(1_000)
  })

  it('two runs agree, and a decision made step by step is the one made afresh', () => {
    fc.assert(
      fc.property(longHistory, shape, policy, (lived, more, by) => {
        const seen = () => {
          const said: unknown[] = []
          live(lived, more, by, ({ rig: { state } }) => {
            const { service, leftOut, verdict } = state.decided
            said.push([...service.destinations], [...leftOut], state.dueAt)
            const afresh = decide(state.spec, state.debounced.passed, service.complete, undefined, verdict)
            expect(new Map(service.destinations)).toEqual(new Map(afresh.service.destinations))
            expect({ ...service, destinations: 0 }).toEqual({ ...afresh.service, destinations: 0 })
            expect(leftOut).toEqual(afresh.leftOut)
          })
          return said
        }
        expect(seen()).toEqual(seen())
      }),
      { numRuns: 100 },
    )
  })

  it('the same looked at again at once says the same: it need not be', () => {
    let looked = 0
    fc.assert(
      fc.property(longHistory, shape, policy, (lived, more, by) => {
        live(lived, more, by, ({ rig: { state, now } }) => {
          const { input, ...pool } = state.pool
          if (input === undefined || now >= pool.dueAt) return
          looked++
          expect(judgePool(pool, input, now)).toEqual({ ...pool, input })
        })
      }),
      { numRuns: 200 },
    )
    expect(looked).toBeGreaterThan(1_000)
  })

  it('a time without events settles: nothing is due for ever', () => {
    fc.assert(
      fc.property(longHistory, shape, policy, (lived, more, by) => {
        const witness = new Witness(more, by)
        for (const [happened, milliseconds] of lived) {
          witness.live(happened)
          witness.rig.wait(milliseconds)
        }
        witness.rig.wait(10 * 3_600_000)
        expect(witness.rig.state.dueAt).toBe(Number.POSITIVE_INFINITY)
      }),
      { numRuns: 100 },
    )
  })
})
