import { describe, expect, it } from 'vitest'
import { verbOf } from '../../../src/daemon/operator-verbs.ts'
import type { Operational } from '../../../src/model/operational.ts'
import { NO_WORDS, say } from '../../../src/model/operator-words.ts'
import { DEFAULT_POLICY } from '../../../src/model/policy-spec.ts'
import { type Bench, bench, web } from '../pipeline/bench.ts'
import { backend, backends, key, spec, tcpCheck } from '../pipeline/makers.ts'

const UP: Operational = { health: 'up', since: 0, turns: 1 }
const asked = { checks: [tcpCheck], debounce: { min: 0, max: 0 } }

/** The operator gives a backend weight 4 over ten minutes. */
function raise(made: Bench, number: number): void {
  const about = { service: web, backend: key(number) }
  const known = { services: [], update: made.updates.at(-1), words: NO_WORDS }
  const verb = verbOf({ verb: 'weight', weight: 4, over: 600_000, target: { service: 'web' } }, about, known, 1_000)
  made.operator$.next(say(NO_WORDS, about, verb, 1_000))
}

function weights(made: Bench): Record<string, number> {
  return Object.fromEntries([...(made.service()?.destinations ?? [])].map(([at, { weight }]) => [at, weight]))
}

describe('a weight that is reached in steps takes nobody out on its way up', () => {
  it('from a part of 1', () => {
    const policy = { ...DEFAULT_POLICY, slowStart: 30_000 }
    const made = bench(spec({ ...asked, scheduler: 'wrr', policy, backends: backends(1) }))
    made.operational$.next({ service: web, found: new Map([[key(1), { ...UP, report: { percent: 30 } }]]) })
    made.until(1_000)
    expect(weights(made)).toEqual({ [key(1)]: 30 })
    raise(made, 1)
    expect(weights(made)).toEqual({ [key(1)]: 100 })
    made.until(61_000)
    expect(weights(made)).toEqual({ [key(1)]: 100 })
  })

  it('of one that waits behind a better priority, when that one dies', () => {
    const two = backends(backend(1, { priority: 1 }), backend(2, { priority: 2 }))
    const made = bench(spec({ ...asked, backends: two }))
    made.operational$.next({ service: web, found: new Map([1, 2].map((number) => [key(number), UP])) })
    made.until(1_000)
    raise(made, 2)
    const dead: Operational = { health: 'down', since: 1_500, turns: 2, failure: 'refused' }
    made.until(1_500)
    made.operational$.next({
      service: web,
      found: new Map([
        [key(1), dead],
        [key(2), UP],
      ]),
    })
    made.until(2_000)
    expect(weights(made)).toEqual({ [key(1)]: 0, [key(2)]: 1 })
  })
})
