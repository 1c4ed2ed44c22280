import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { assertOthersServe } from '../../../src/daemon/last-serving.ts'
import { Operator } from '../../../src/daemon/operator.ts'
import type { Operational } from '../../../src/model/operational.ts'
import { NO_WORDS, say } from '../../../src/model/operator-words.ts'
import type { SelfReport } from '../../../src/model/probe-result.ts'
import { openWords } from '../../../src/store/words.ts'
import { bench, web } from '../pipeline/bench.ts'
import { backend, backends, key, spec, tcpCheck } from '../pipeline/makers.ts'

const DAY = 86_400_000
const one = { service: web, backend: key(1) }

let directory: string
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'pointsman-operator-'))
})
afterEach(async () => {
  vi.useRealTimers()
  await rm(directory, { recursive: true, force: true })
})

it('a word ends at its moment, however far that is', async () => {
  const words = await openWords({ directory, place: { bootId: 'b', netns: '1' } })
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'], now: 0 })
  const ended: number[] = []
  using operator = new Operator(words, {
    now: () => performance.now(),
    onChange: (_, ranOut) => ranOut && ended.push(performance.now()),
  })
  void operator.say([one], () => ({ verb: 'drain', until: 40 * DAY }))
  vi.advanceTimersByTime(40 * DAY - 1)
  expect(operator.words.get(web)?.get(key(1))?.state).toBe('drain')
  vi.advanceTimersByTime(1)
  expect(ended).toEqual([40 * DAY])
  expect(operator.words).toEqual(NO_WORDS)
})

it('the last that serves is protected, but not where somebody of the next priority is ready', () => {
  const known = (made: ReturnType<typeof bench>) => ({ services: [], update: made.updates.at(-1), words: NO_WORDS })
  const alone = known(bench(spec({ backends: backends(1) })))
  expect(() => assertOthersServe([one], alone)).toThrow('10.1.0.1:8080 is the only backend that serves')
  const behind = bench(spec({ backends: backends(backend(1, { priority: 1 }), backend(2, { priority: 2 })) }))
  expect(behind.destinations()).toEqual([key(1)])
  expect(() => assertOthersServe([one], known(behind))).not.toThrow()
  behind.operator$.next(say(NO_WORDS, one, { verb: 'drain' }, 0))
  expect(behind.service()?.destinations.get(key(2))?.weight).toBe(1)
  const drained = say(NO_WORDS, { service: web, backend: key(2) }, { verb: 'maintenance' }, 0)
  expect(() =>
    assertOthersServe([one], { ...known(bench(behind.updates.at(-1)?.provenance.get(web)?.spec ?? spec())), words: drained }),
  ).toThrow('is the only backend')
})

it.each<SelfReport>([{ wish: 'drain' }, { wish: 'maintenance' }, { percent: 0 }, { weight: 0 }])(
  'the last that serves is protected where the next priority asks for %o',
  (report) => {
    const two = backends(backend(1, { priority: 1 }), backend(2, { priority: 2 }))
    const made = bench(spec({ checks: [tcpCheck], debounce: { min: 0, max: 0 }, backends: two }))
    const up: Operational = { health: 'up', since: 0, turns: 1 }
    const found = (of2: Operational) => new Map([[key(1), up] as const, [key(2), of2] as const])
    const known = () => ({ services: [], update: made.updates.at(-1), words: NO_WORDS })
    made.operational$.next({ service: web, found: found(up) })
    made.until(1_000)
    expect(() => assertOthersServe([one], known())).not.toThrow()
    made.operational$.next({ service: web, found: found({ ...up, report }) })
    made.until(2_000)
    expect(() => assertOthersServe([one], known())).toThrow('is the only backend')
  },
)

it('the last that is up is protected where others serve in panic alone', () => {
  const made = bench(spec({ checks: [tcpCheck], debounce: { min: 0, max: 0 }, backends: backends(1, 2) }))
  const up: Operational = { health: 'up', since: 0, turns: 1 }
  const dead: Operational = { health: 'down', since: 1_000, turns: 2, failure: 'refused' }
  const hear = (of1: Operational, of2: Operational) => {
    made.operational$.next({ service: web, found: new Map([[key(1), of1] as const, [key(2), of2] as const]) })
    made.until(made.scheduler.now() + 1_000)
  }
  const known = () => ({ services: [], update: made.updates.at(-1), words: NO_WORDS })
  hear(up, up)
  hear(dead, dead)
  // All that serve are dead: that is the operator's to end.
  expect(() => assertOthersServe([one], known())).not.toThrow()
  hear(up, dead)
  expect(made.updates.at(-1)?.provenance.get(web)?.pool.mode).toBe('panic')
  expect(() => assertOthersServe([one], known())).toThrow('10.1.0.1:8080 is the only backend that serves')
  expect(() => assertOthersServe([{ service: web, backend: key(2) }], known())).not.toThrow()
})
