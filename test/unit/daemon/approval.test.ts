import { expect, it } from 'vitest'
import { heldOf } from '../../../src/daemon/approval.ts'
import type { Health } from '../../../src/model/probe-result.ts'
import { bench, web } from '../pipeline/bench.ts'
import { backends, file, fresh, key, spec, tcpCheck } from '../pipeline/makers.ts'

const NONE = new Set<never>()

it('removals that the guard holds, and failures that hit too many at once, are both approved of', () => {
  const probed = spec({
    sources: [file()],
    backends: backends(9),
    checks: [tcpCheck],
    guard: { maxRemoval: 34, window: 60_000, onEmpty: 'hold' },
    debounce: { min: 0, max: 0 },
  })
  const made = bench(probed)
  const found = (health: Health, ...list: number[]) => {
    const failure = health === 'down' ? { failure: 'wrong-answer' as const, message: 'status 500' } : {}
    made.operational$.next({
      service: web,
      found: new Map(list.map((number) => [key(number), { health, since: 0, turns: 0, ...failure }])),
    })
  }
  const held = () => heldOf('web', [probed], made.updates.at(-1), NONE)
  made.say(fresh([1, 2, 3]))
  found('up', 1, 2, 3, 9)
  made.until(1_000)
  expect(held).toThrow('Nothing is held of service web')
  found('down', 1, 2, 3, 9)
  made.until(2_000)
  expect(held()).toEqual({ key: web, removals: [], failures: expect.arrayContaining([1, 2, 3, 9].map(key)) })
  made.approve$.next(web)
  made.until(3_000)
  expect(held).toThrow('Nothing is held')
  found('up', 1, 2, 3, 9)
  made.say(fresh([]))
  made.until(4_000)
  expect(held()).toEqual({ key: web, removals: [1, 2, 3].map(key), failures: [] })
})
