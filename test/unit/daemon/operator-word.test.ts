import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { assertOthersServe } from '../../../src/daemon/last-serving.ts'
import { Operator } from '../../../src/daemon/operator.ts'
import { NO_WORDS, say } from '../../../src/model/operator-words.ts'
import { openWords } from '../../../src/store/words.ts'
import { bench, web } from '../pipeline/bench.ts'
import { backend, backends, key, spec } from '../pipeline/makers.ts'

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
