import fc from 'fast-check'
import { BehaviorSubject, Subject, tap, VirtualTimeScheduler } from 'rxjs'
import { expect, it } from 'vitest'
import { probeHeld } from '../../../src/daemon/probe-held.ts'
import { destinationKey } from '../../../src/model/destination.ts'
import type { SourceEvent } from '../../../src/model/source-event.ts'
import type { DesiredUpdate, ProbeVerdict, Release, WantedServices } from '../../../src/pipeline/desired-update.ts'
import { desiredState } from '../../../src/pipeline/wire.ts'
import { file, fresh, key, spec, tcpCheck } from '../pipeline/makers.ts'
import { letPass } from './virtual-time.ts'

const SIZE = 8
const web = spec({ checks: [tcpCheck], sources: [file()], guard: { maxRemoval: 20, window: 60_000, onEmpty: 'hold' } })

/** Pipeline and probes together in virtual time; who is in `dead` refuses. */
class Road {
  readonly scheduler = new VirtualTimeScheduler(undefined, 0)
  readonly said$ = new Subject<SourceEvent>()
  readonly released: [string, Release][] = []
  dead: ReadonlySet<string> = new Set()
  latest: DesiredUpdate | undefined
  readonly #updates$ = new Subject<DesiredUpdate>()
  readonly #probed$ = new Subject<ProbeVerdict>()
  readonly #probing = probeHeld(this.#updates$, {
    tcpProbe: (target) => async () =>
      this.dead.has(destinationKey(target)) ? { outcome: 'failed', failure: 'refused', message: 'x' } : { outcome: 'passed' },
    onResult: () => {},
    onFinding: () => {},
    scheduler: this.scheduler,
  }).subscribe((verdict) => this.#probed$.next(verdict))
  readonly #road = desiredState(new BehaviorSubject<WantedServices>({ services: [web] }), () => this.said$, {
    scheduler: this.scheduler,
    probed$: this.#probed$,
    onGuard: ({ released }) => this.released.push(...released),
  })
    .pipe(tap((update) => this.#updates$.next(update)))
    .subscribe((update) => {
      this.latest = update
    })

  async run(milliseconds: number): Promise<void> {
    await letPass(this.scheduler, this.scheduler.frame + milliseconds, 50)
  }

  stop(): void {
    this.#probing.unsubscribe()
    this.#road.unsubscribe()
  }
}

it('whatever a source says and whoever dies: no probe lets go of one that always answers; the dead are held for seconds only', async () => {
  const some = fc.uniqueArray(fc.integer({ min: 1, max: SIZE }), { maxLength: SIZE })
  const step = fc.record({ list: some, dead: some, wait: fc.integer({ min: 1, max: 60 }) })
  let byProbe = 0
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 8 }), some, async (steps, immortal) => {
      const road = new Road()
      try {
        const alive = new Set(immortal.map(key))
        road.said$.next(fresh(Array.from({ length: SIZE }, (_, index) => index + 1)))
        let dead = new Set<string>()
        for (const { list, dead: dying, wait } of steps) {
          dead = new Set(dying.map(key).filter((one) => !alive.has(one)))
          road.dead = dead
          road.said$.next(fresh(list, { at: road.scheduler.frame }))
          await road.run(wait * 50)
        }
        await road.run(3_000)
        byProbe += road.released.filter(([, why]) => why === 'probe').length
        for (const [one, why] of road.released) expect(why === 'probe' && alive.has(one as never)).toBe(false)
        const held = [...(road.latest?.provenance.values() ?? [])].flatMap((service) => [...service.held])
        const single = held.filter(([one, { rule }]) => rule === 'removal' && dead.has(one))
        expect(single).toEqual([])
        if (held.every(([one]) => dead.has(one))) expect(held).toEqual([])
      } finally {
        road.stop()
      }
    }),
    { numRuns: 60 },
  )
  expect(byProbe).toBeGreaterThan(0)
})
