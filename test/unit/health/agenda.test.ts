import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Agenda, type Pace } from '../../../src/health/agenda.ts'

function paces(keys: readonly string[], interval = 1_000): Map<string, Pace> {
  return new Map(keys.map((key) => [key, { interval }]))
}

function names(count: number): string[] {
  return Array.from({ length: count }, (_, index) => `check ${index}`)
}

/** Lets an agenda run until a time; each check takes as long as `takes` says. Gives when each was begun. */
function play(agenda: Agenda, from: number, until: number, takes: (key: string) => number): Map<string, number[]> {
  const begun = new Map<string, number[]>()
  const ends: { key: string; at: number }[] = []
  let now = from
  for (;;) {
    for (const key of agenda.begin(now)) {
      begun.set(key, [...(begun.get(key) ?? []), now])
      ends.push({ key, at: now + takes(key) })
    }
    ends.sort((a, b) => a.at - b.at)
    now = Math.max(now, Math.min(agenda.nextAt ?? until, ends[0]?.at ?? until))
    if (now >= until) return begun
    while (ends[0] !== undefined && ends[0].at <= now) agenda.ended(ends.shift()?.key ?? '', now)
  }
}

describe('the agenda', () => {
  it('begins all at once, then spreads them evenly over the interval, each at a moment of its own', () => {
    const agenda = new Agenda(1_000)
    agenda.follow(paces(names(100)), 5_000)
    const begun = play(agenda, 5_000, 10_000, () => 5)
    const buckets = new Array<number>(10).fill(0)
    for (const [first, second = 0, ...rest] of begun.values()) {
      expect(first).toBe(5_000)
      expect(second - 5_000).toBeGreaterThanOrEqual(500)
      expect(second - 5_000).toBeLessThanOrEqual(1_500)
      for (const [index, time] of rest.entries()) expect(time - second).toBeCloseTo((index + 1) * 1_000, 5)
      const bucket = Math.floor((second % 1_000) / 100)
      buckets[bucket] = (buckets[bucket] ?? 0) + 1
    }
    for (const count of buckets) expect(Math.abs(count - 10)).toBeLessThanOrEqual(2)
  })

  it('never runs more than the limit, and has the one that waits longest go first', () => {
    const agenda = new Agenda(2)
    agenda.follow(paces(names(5)), 0)
    expect(agenda.begin(0)).toEqual(['check 0', 'check 1'])
    expect(agenda.begin(0)).toEqual([])
    expect(agenda.nextAt).toBeUndefined()
    agenda.ended('check 1', 10)
    expect(agenda.nextAt).toBe(0)
    expect(agenda.begin(10)).toEqual(['check 2'])
  })

  it('skips the moments that a slow check has missed, and never begins it twice at once', () => {
    const agenda = new Agenda(10)
    agenda.follow(paces(['slow']), 0)
    expect(play(agenda, 0, 10_000, () => 2_300).get('slow')).toEqual([0, 3_000, 6_000, 9_000])
  })

  it('forgets what leaves, at rest or under way, and gives a newcomer its first moment at once', () => {
    const agenda = new Agenda(1)
    agenda.follow(paces(['a', 'b']), 0)
    expect(agenda.begin(0)).toEqual(['a'])
    agenda.follow(paces(['c']), 10)
    agenda.ended('a', 20)
    expect(agenda.begin(20)).toEqual(['c'])
    agenda.ended('c', 30)
    expect(agenda.nextAt).toBeGreaterThanOrEqual(520)
    agenda.follow(paces(['c', 'a']), 40)
    expect(agenda.begin(40)).toEqual(['a'])
  })

  it('keeps the moments of those that stay, and takes up another interval', () => {
    const agenda = new Agenda(10)
    agenda.follow(paces(['a']), 0)
    agenda.begin(0)
    agenda.ended('a', 1)
    agenda.follow(paces(['a', 'b']), 400)
    expect(agenda.begin(999)).toEqual(['b'])
    expect(agenda.nextAt).toBe(1_000)
    agenda.follow(paces(['a', 'b'], 200), 999)
    expect(agenda.begin(1_000)).toEqual(['a'])
    agenda.ended('a', 1_001)
    expect(agenda.nextAt).toBe(1_200)
  })

  it('whatever comes and goes: within the limit, never twice at once, nobody is forgotten', () => {
    const move = fc.record({
      keys: fc.option(fc.uniqueArray(fc.constantFrom(...names(8)))),
      wait: fc.integer({ min: 0, max: 700 }),
      done: fc.integer({ min: 0, max: 7 }),
    })
    fc.assert(
      fc.property(fc.array(move, { maxLength: 60 }), fc.integer({ min: 1, max: 4 }), (moves, limit) => {
        const agenda = new Agenda(limit)
        const running: string[] = []
        let wanted: string[] = []
        let now = 0
        const begin = () => {
          for (const key of agenda.begin(now)) {
            expect(wanted).toContain(key)
            expect(running).not.toContain(key)
            running.push(key)
          }
          expect(running.length).toBeLessThanOrEqual(limit)
        }
        for (const { keys, wait, done } of moves) {
          now += wait
          if (keys !== null) {
            wanted = keys
            agenda.follow(paces(keys), now)
            for (const key of running.filter((one) => !wanted.includes(one))) running.splice(running.indexOf(key), 1)
          }
          begin()
          for (const key of running.splice(0, done)) agenda.ended(key, now)
          begin()
        }
        for (const key of running.splice(0)) agenda.ended(key, now)
        const later = play(agenda, now, now + 20_000, () => 1)
        expect([...later.keys()].sort()).toEqual([...wanted].sort())
      }),
    )
  })
})

describe('checks that are down', () => {
  const [ANSWERS, TIMES_OUT] = [5, 3_000]

  /** The most that anybody waited who lives, once everybody has been asked; `told`: whether the agenda is told who is down. */
  function longestWait(dead: number, living: number, told: boolean): { readonly living: number; readonly dead: number } {
    const agenda = new Agenda(8, () => 0)
    const list = [...names(dead).map((name) => `dead ${name}`), ...names(living)]
    const isDead = (key: string) => key.startsWith('dead')
    agenda.follow(new Map(list.map((key) => [key, { interval: 1_000, isDown: told && isDead(key) }])), 0)
    const waits = { living: 0, dead: 0 }
    const asked = new Set<string>()
    let begun = 0
    const ends: { key: string; at: number }[] = []
    // Who waited in the first round, while nobody was known, comes to his own moments after it.
    let from = Number.POSITIVE_INFINITY
    for (let now = 0; now < from + 120_000; ) {
      const lates: number[] = []
      for (const [index, key] of agenda.begin(now, (late) => lates.push(late)).entries()) {
        ends.push({ key, at: now + (isDead(key) ? TIMES_OUT : ANSWERS) })
        const who = isDead(key) ? 'dead' : 'living'
        if (now < from) continue
        waits[who] = Math.max(waits[who], lates[index] ?? 0)
        if (isDead(key)) begun += 1
      }
      ends.sort((a, b) => a.at - b.at)
      now = Math.max(now, Math.min(agenda.nextAt ?? Number.POSITIVE_INFINITY, ends[0]?.at ?? Number.POSITIVE_INFINITY))
      while (ends[0] !== undefined && ends[0].at <= now) {
        const { key = '' } = ends.shift() ?? {}
        asked.add(key)
        agenda.ended(key, now)
      }
      if (asked.size === list.length) from = Math.min(from, now + 10_000)
    }
    expect(begun, 'the dead are asked on').toBeGreaterThan(0)
    return waits
  }

  it('however many they are and however long they take, leave half of the slots to those that live', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 200 }), fc.integer({ min: 1, max: 20 }), (dead, living) => {
        expect(longestWait(dead, living, true).living).toBeLessThanOrEqual(50)
      }),
      { numRuns: 20 },
    )
  })

  it('would make them wait for seconds if nobody told who is down', () => {
    expect(longestWait(100, 10, false).living).toBeGreaterThan(5_000)
  })
})
