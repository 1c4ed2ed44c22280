import { describe, expect, it } from 'vitest'
import { expire, expiryAt, hold, membersOf, nothingHeld } from '../../../src/pipeline/hold.ts'
import { backend, backends, fresh, key, numbers, stale } from './makers.ts'

const failure = { code: 'SOURCE_UNREADABLE', message: 'it is gone', at: 5 }

describe('holding what a source said', () => {
  it('holds nothing, and has no answer, until the source answers', () => {
    const held = hold(nothingHeld(1), { kind: 'pending' }, 2)
    expect(held).toEqual({ state: 'pending', members: new Map(), since: 1, updates: 0 })
    expect(hold(held, { kind: 'pending', failure }, 3)).toEqual({
      state: 'pending',
      members: new Map(),
      since: 1,
      updates: 0,
      failure,
    })
  })

  it('takes an empty answer for an answer', () => {
    const held = hold(nothingHeld(1), fresh([], { at: 7 }), 8)
    expect(held).toMatchObject({ state: 'up', members: new Map(), answeredAt: 7, since: 8, updates: 1 })
  })

  it('keeps the last good set through an outage for ever, and says since when', () => {
    const up = hold(nothingHeld(1), fresh([1, 2], { at: 2 }), 2)
    const out = hold(up, stale([1, 2]), 10)
    const later = hold(out, stale([1, 2], 'still gone'), 1e12)
    expect(later.members).toBe(up.members)
    expect(later).toMatchObject({ state: 'stale', since: 10, answeredAt: 2, failure: { message: 'still gone' } })
  })

  it('never lets an outage without a set empty what is held', () => {
    const up = hold(nothingHeld(1), fresh([1, 2]), 2)
    const out = hold(up, { kind: 'pending', failure }, 10)
    expect(out.members).toBe(up.members)
    expect(out).toMatchObject({ state: 'stale', failure })
  })

  it('forgets the failure when the source is back, and keeps the members that are the same', () => {
    const up = hold(nothingHeld(1), fresh([1, 2]), 2)
    const back = hold(hold(up, stale([1, 2]), 10), fresh([1, 2], { at: 20 }), 20)
    expect(back).toMatchObject({ state: 'up', members: up.members, answeredAt: 20, since: 20, updates: 1 })
    expect(back).not.toHaveProperty('failure')
    expect(back.members).toBe(up.members)
  })

  it('replaces by a trusted answer, with the identity of every member that did not change', () => {
    const up = hold(nothingHeld(1), fresh([1, 2, 3]), 2)
    const next = hold(up, fresh([1, backend(2, { weight: 7 }), 4]), 3)
    expect(numbers(next.members)).toEqual(numbers(backends(1, 2, 4)))
    expect(next.members.get(key(1))).toBe(up.members.get(key(1)))
    expect(next.members.get(key(2))?.backend.weight).toBe(7)
  })

  it.each(['truncated', 'leaderless', 'stale'] as const)('adds and edits but never removes by a %s answer', (trust) => {
    const up = hold(nothingHeld(1), fresh([1, 2]), 2)
    const next = hold(up, fresh([backend(2, { weight: 3 }), 4], { trust }), 3)
    expect(numbers(next.members)).toEqual(numbers(backends(1, 2, 4)))
    expect(next.members.get(key(2))?.backend.weight).toBe(3)
    expect(hold(next, fresh([4], { trust }), 4).members).toBe(next.members)
  })

  it.each(['truncated', 'leaderless', 'stale'] as const)('is not whole by a %s answer, and stays whole through one', (trust) => {
    const some = hold(nothingHeld(1), fresh([1], { trust }), 2)
    expect(some).not.toHaveProperty('whole')
    const all = hold(some, fresh([1, 2]), 3)
    expect(all.whole).toBe(true)
    expect(hold(all, fresh([1], { trust }), 4).whole).toBe(true)
    expect(hold(all, stale([1]), 4).whole).toBe(true)
  })

  it('takes a last good set from before its own time as an answer, once', () => {
    const loaded = hold(nothingHeld(1), stale([1, 2]), 2)
    expect(loaded).toMatchObject({ state: 'stale', answeredAt: 0 })
    expect(numbers(loaded.members)).toEqual(numbers(backends(1, 2)))
    expect(hold(loaded, stale([3]), 3).members).toBe(loaded.members)
  })
})

describe('entries that could not be used', () => {
  it('are counted as the last answer has them, also where it says the same, and through an outage', () => {
    const set = backends(1, 2)
    const said = (quarantined?: number) => fresh([], { backends: set, ...(quarantined !== undefined && { quarantined }) })
    const two = hold(nothingHeld(1), said(2), 2)
    expect(two.quarantined).toBe(2)
    const out = hold(two, stale([1, 2]), 3)
    expect(out.quarantined).toBe(2)
    expect(hold(out, said(3), 4).quarantined).toBe(3)
    expect(hold(out, said(), 4)).not.toHaveProperty('quarantined')
    expect(hold(out, fresh([1]), 4)).not.toHaveProperty('quarantined')
  })
})

describe('a repetition', () => {
  it('is known by the map itself, and costs no look at the members', () => {
    const said = fresh([1, 2], { at: 2 })
    if (said.kind !== 'fresh') throw new Error('fresh is fresh')
    const up = hold(nothingHeld(1), said, 2)
    const unreadable = Object.defineProperty(said.set.backends, Symbol.iterator, {
      get: () => {
        throw new Error('looked at')
      },
    })
    const again = hold(up, { kind: 'fresh', set: { ...said.set, backends: unreadable, at: 9 } }, 9)
    expect(again.answeredAt).toBe(9)
    expect(again.updates).toBe(1)
    expect(again.members).toBe(up.members)
  })

  it('is none after an answer that only added', () => {
    const said = fresh([1, 2])
    const more = hold(hold(nothingHeld(1), said, 2), fresh([3], { trust: 'leaderless' }), 3)
    expect(numbers(hold(more, said, 4).members)).toEqual(numbers(backends(1, 2)))
  })

  it('tells that an answer may lack members for as long as it does', () => {
    const part = hold(nothingHeld(1), fresh([1], { trust: 'truncated' }), 2)
    expect(part.partial).toBe(true)
    expect(hold(part, fresh([1, 2], { trust: 'leaderless' }), 3).partial).toBe(true)
    const whole = fresh([1, 2])
    const known = hold(part, whole, 3)
    expect(known).not.toHaveProperty('partial')
    expect(hold(hold(known, fresh([1], { trust: 'stale' }), 4), whole, 5)).not.toHaveProperty('partial')
    // Nobody asks whether an answer was whole that does not come.
    expect(hold(part, stale([1]), 3)).not.toHaveProperty('partial')
  })

  it('is no update', () => {
    const one = hold(hold(nothingHeld(1), fresh([1]), 2), fresh([1]), 3)
    expect(one.updates).toBe(1)
    expect(hold(one, fresh([1, 2]), 4).updates).toBe(2)
  })
})

describe('a source that is away for too long', () => {
  const up = hold(nothingHeld(1), fresh([1, 2], { at: 2 }), 2)
  const out = hold(up, stale([1, 2]), 100)

  it('is so from the moment at which it began to fail, and never without max_age', () => {
    expect(expiryAt(out, 50)).toBe(150)
    expect(expiryAt(hold(out, stale([1, 2], 'still gone'), 140), 50)).toBe(150)
    expect(expiryAt(out, undefined)).toBeUndefined()
    expect(expiryAt(up, 50)).toBeUndefined()
  })

  it('is so from the first failure where the answer is from before its own time', () => {
    expect(expiryAt(hold(nothingHeld(100), stale([1]), 101), 50)).toBe(151)
  })

  it('holds nothing until it answers again, whatever it says meanwhile', () => {
    const expired = expire(out)
    expect(expired).toMatchObject({ state: 'stale', members: new Map(), answeredAt: 2, expired: true })
    expect(expiryAt(expired, 50)).toBeUndefined()
    expect(hold(expired, stale([1, 2]), 200).members.size).toBe(0)
    const back = hold(expired, fresh([1, 2], { at: 300 }), 300)
    expect(numbers(back.members)).toEqual(numbers(backends(1, 2)))
    expect(back).not.toHaveProperty('expired')
  })
})

describe('members of a map', () => {
  it('are the same map when nothing differs, whatever the order', () => {
    const one = membersOf(new Map(), backends(1, 2), 'static')
    expect(membersOf(one, backends(2, 1), 'static')).toBe(one)
  })

  it('differ when another origin says the same', () => {
    const one = membersOf(new Map(), backends(1), 'static')
    expect(membersOf(one, backends(1), 'file /x').get(key(1))).toEqual({ backend: backend(1), origin: 'file /x' })
  })
})
