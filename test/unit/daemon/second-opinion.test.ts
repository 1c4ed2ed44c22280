import fc from 'fast-check'
import { Subject, VirtualTimeScheduler } from 'rxjs'
import { describe, expect, it } from 'vitest'
import { probeBackends } from '../../../src/daemon/probe-backends.ts'
import type { ProbeResult } from '../../../src/model/probe-result.ts'
import type { CheckSpec } from '../../../src/model/probe-spec.ts'
import type { ServiceSpec } from '../../../src/model/service-spec.ts'
import { serviceKey } from '../../../src/model/virtual-service.ts'
import type { DesiredUpdate } from '../../../src/pipeline/desired-update.ts'
import { heardOf, NO_BEGINNING, type ServiceState, startService, timePassed } from '../../../src/pipeline/service.ts'
import { openSlot } from '../../../src/pipeline/slot.ts'
import { checked } from '../pipeline/deciding/rig.ts'
import { backends, key, members, provenance, tcpCheck } from '../pipeline/makers.ts'
import { letPass } from './virtual-time.ts'

const STATUS: ProbeResult = { outcome: 'failed', failure: 'wrong-answer', message: 'answers 503' }
const SILENCE: ProbeResult = { outcome: 'failed', failure: 'no-answer', message: 'does not answer in time' }
const DEADLINE = 490
const STEP = 10
/** Milliseconds by which probe and verdict are late here: steps, gathered news. */
const GRAINS = 150

interface Case {
  readonly size: number
  readonly fall: number
  readonly interval: number
  readonly fastInterval: number | undefined
  readonly jitter: number
  readonly brokenAt: number
  /** Milliseconds that each member takes to answer. */
  readonly takes: readonly number[]
  /** What is broken says nothing until the deadline. */
  readonly hangs: boolean
}

const aCase: fc.Arbitrary<Case> = fc.record({
  size: fc.integer({ min: 2, max: 7 }),
  fall: fc.integer({ min: 1, max: 3 }),
  interval: fc.constantFrom(1_000, 2_000),
  fastInterval: fc.constantFrom(undefined, 200),
  jitter: fc.constantFrom(0, 20),
  brokenAt: fc.integer({ min: 3_000, max: 5_000 }),
  takes: fc.array(fc.integer({ min: 1, max: 300 }), { minLength: 7, maxLength: 7 }),
  hangs: fc.boolean(),
})

/** One service whose members are asked, from the probes to the weights, in virtual time. */
class Pool {
  readonly scheduler = new VirtualTimeScheduler(undefined, 0)
  state: ServiceState
  asked = 0
  readonly #numbers: readonly number[]

  constructor(
    { size, fall, interval, fastInterval, jitter, brokenAt, takes, hangs }: Case,
    isBroken: (number: number) => boolean,
  ) {
    this.#numbers = Array.from({ length: size }, (_, index) => index + 1)
    const check: CheckSpec = {
      ...tcpCheck,
      interval,
      timeout: 500,
      rise: 2,
      fall,
      jitter,
      ...(fastInterval !== undefined && { fastInterval }),
    }
    const service: ServiceSpec = checked({ checks: [check], backends: backends(...this.#numbers) }, { damping: 'off' })
    this.state = startService(service, (_, source) => openSlot(0, source, undefined, 2_000, 0), 0, NO_BEGINNING)
    const updates$ = new Subject<DesiredUpdate>()
    probeBackends(updates$, {
      probeFor:
        (_, { address }) =>
        () => {
          this.asked++
          const number = Number(address.split('.').at(-1))
          const broken = this.scheduler.now() >= brokenAt && isBroken(number)
          const result: ProbeResult = broken ? (hangs ? SILENCE : STATUS) : { outcome: 'passed' }
          const delay = broken && hangs ? DEADLINE : takes[number - 1]
          return new Promise((resolve) => this.scheduler.schedule(() => resolve(result), delay))
        },
      limit: 100,
      onResult: () => {},
      scheduler: this.scheduler,
    }).subscribe(({ found }) => {
      this.state = heardOf(this.state, { found }, this.scheduler.now())
    })
    const known = provenance(service, { members: members(...this.#numbers), admin: new Map() })
    updates$.next({ desired: { services: new Map() }, provenance: new Map([[serviceKey(service.identity), known]]), eventAt: 0 })
  }

  /** Members without a weight. */
  get out(): number[] {
    const { destinations } = this.state.decided.service
    return this.#numbers.filter((number) => (destinations.get(key(number))?.weight ?? 0) === 0)
  }

  async until(time: number, look: () => void): Promise<void> {
    for (let now = this.scheduler.now(); now < time; now += STEP) {
      await letPass(this.scheduler, now + STEP, STEP)
      if (this.state.dueAt <= this.scheduler.now()) this.state = timePassed(this.state, this.scheduler.now())
      look()
    }
  }
}

// Half a minute of virtual time for each of many cases.
describe('a question that breaks', { timeout: 120_000 }, () => {
  it('for all at once takes nobody out, not for a moment', async () => {
    let held = 0
    await fc.assert(
      fc.asyncProperty(aCase, async (one) => {
        const pool = new Pool(one, () => true)
        await pool.until(one.brokenAt + 4 * (one.interval + 500), () => expect(pool.out).toEqual([]))
        held += pool.state.pool.ejections.held.size === one.size ? 1 : 0
      }),
      { numRuns: 30 },
    )
    expect(held).toBe(30)
  })

  it('for one alone takes it out as soon as it is down and the others have answered, and nobody else', async () => {
    let earlier = 0
    await fc.assert(
      fc.asyncProperty(aCase, async (one) => {
        const pool = new Pool(one, (number) => number === 1)
        const { brokenAt, interval, fastInterval = interval, fall, jitter } = one
        let outAt = Number.POSITIVE_INFINITY
        await pool.until(brokenAt + (fall + 2) * (interval + 500), () => {
          const out = pool.out
          expect(out.filter((number) => number !== 1)).toEqual([])
          if (out.includes(1)) outAt = Math.min(outAt, pool.scheduler.now())
        })
        const slowest = Math.max(...one.takes, one.hangs ? DEADLINE : 0)
        const late = 1 + jitter / 100
        const detection = interval * late + (fall - 1) * Math.max(fastInterval * late, slowest + fastInterval) + slowest
        // An answer that was on its way when the failure was found is asked for once more.
        expect(outAt - brokenAt).toBeLessThanOrEqual(detection + 2 * slowest + GRAINS)
        if (outAt - brokenAt < detection) earlier++
      }),
      { numRuns: 30 },
    )
    expect(earlier).toBeGreaterThan(5)
  })

  it('for one in every other answer does not ask the others more than twice as often', async () => {
    const one: Case = {
      size: 5,
      fall: 3,
      interval: 1_000,
      fastInterval: undefined,
      jitter: 0,
      brokenAt: 3_000,
      takes: [1, 1, 1, 1, 1, 1, 1],
      hangs: false,
    }
    let turn = 0
    const pool = new Pool(one, (number) => number === 1 && turn++ % 2 === 0)
    await pool.until(23_000, () => expect(pool.out).toEqual([]))
    expect(pool.asked).toBeGreaterThan(5 * 23)
    expect(pool.asked).toBeLessThan(2 * 5 * 23)
  })
})
