import { describe, expect, it } from 'vitest'
import type { OperatorWords } from '../../../src/model/admin-state.ts'
import { differing, expire, NO_WORDS, nextExpiry, type OperatorVerb, say, takesOut } from '../../../src/model/operator-words.ts'
import { serviceKey } from '../../../src/model/virtual-service.ts'
import { identity, key } from '../../support/desired.ts'

const web = serviceKey(identity('tcp/10.0.0.1:80'))
const backend = key('10.0.1.1:80')
const one = { service: web, backend }
const said = (words: OperatorWords) => words.get(web)?.get(backend)
const wordsAfter = (...verbs: [OperatorVerb, number][]) =>
  verbs.reduce((words, [verb, now]) => say(words, one, verb, now), NO_WORDS)

describe('what the operator says', () => {
  it('is kept with its reason, its moment and its end, and taken back whole', () => {
    const words = wordsAfter([{ verb: 'drain', reason: 'disk', until: 60 }, 5])
    expect(said(words)).toEqual({ state: 'drain', reason: 'disk', at: 5, until: 60 })
    expect(say(words, one, { verb: 'ready' }, 7)).toEqual(NO_WORDS)
  })

  it('of the weight leaves the state and its end as they are, and the other way round', () => {
    const words = wordsAfter(
      [{ verb: 'drain', reason: 'disk', until: 60 }, 5],
      [{ verb: 'weight', weight: 3, reason: 'new disk' }, 6],
    )
    expect(said(words)).toEqual({
      state: 'drain',
      reason: 'disk',
      at: 5,
      until: 60,
      weight: { weight: 3, reason: 'new disk', at: 6 },
    })
    expect(said(say(words, one, { verb: 'ready' }, 7))).toEqual({
      state: 'ready',
      at: 6,
      weight: { weight: 3, reason: 'new disk', at: 6 },
    })
    expect(said(say(words, one, { verb: 'unset' }, 7))).toEqual({ state: 'drain', reason: 'disk', at: 5, until: 60 })
    expect(said(say(words, one, { verb: 'maintenance' }, 8))).toMatchObject({
      state: 'maintenance',
      at: 8,
      weight: { weight: 3 },
    })
    expect(said(say(words, one, { verb: 'maintenance' }, 8))).not.toHaveProperty('until')
  })

  it('of a ramp says when it began', () => {
    const ramp = { from: 1, duration: 60_000, steps: 6 }
    expect(said(wordsAfter([{ verb: 'weight', weight: 100, ramp }, 9]))?.weight).toEqual({
      weight: 100,
      at: 9,
      ramp: { ...ramp, startedAt: 9 },
    })
  })

  it('is the same map when there is nothing to take back, and touches no other backend', () => {
    expect(say(NO_WORDS, one, { verb: 'ready' }, 1)).toBe(NO_WORDS)
    const words = wordsAfter([{ verb: 'weight', weight: 3 }, 1])
    expect(say(words, one, { verb: 'ready' }, 2)).toBe(words)
    const other = say(words, { service: web, backend: key('10.0.1.2:80') }, { verb: 'drain' }, 3)
    expect(said(other)).toBe(said(words))
  })
})

describe('the end of a word', () => {
  const words = wordsAfter([{ verb: 'drain', until: 60 }, 5], [{ verb: 'weight', weight: 0, until: 90 }, 6])

  it('comes for the state and for the weight apart', () => {
    expect(nextExpiry(words)).toBe(60)
    expect(expire(words, 59)).toBe(words)
    const ready = expire(words, 60)
    expect(said(ready)).toEqual({ state: 'ready', at: 6, weight: { weight: 0, at: 6, until: 90 } })
    expect(nextExpiry(ready)).toBe(90)
    expect(expire(ready, 90)).toEqual(NO_WORDS)
    expect(expire(words, 1_000)).toEqual(NO_WORDS)
    expect(nextExpiry(wordsAfter([{ verb: 'drain' }, 1]))).toBeUndefined()
  })

  it('is told of backend by backend', () => {
    expect([...differing(words, expire(words, 60))]).toEqual([{ ...one, before: said(words), after: said(expire(words, 60)) }])
    expect([...differing(words, NO_WORDS)]).toEqual([{ ...one, before: said(words) }])
    expect([...differing(NO_WORDS, words)]).toEqual([{ ...one, after: said(words) }])
    expect([...differing(words, words)]).toEqual([])
  })
})

it.each<[OperatorVerb, boolean]>([
  [{ verb: 'drain' }, true],
  [{ verb: 'maintenance' }, true],
  [{ verb: 'weight', weight: 0 }, true],
  [{ verb: 'weight', weight: 1 }, false],
])('whether %o takes a backend out of service: %s', (verb, out) => {
  expect(takesOut(said(wordsAfter([verb, 1])))).toBe(out)
})
