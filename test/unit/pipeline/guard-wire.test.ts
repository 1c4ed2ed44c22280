import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { ServiceSpec } from '../../../src/model/service-spec.ts'
import { sourceName } from '../../../src/model/source-spec.ts'
import { type Bench, bench, web } from './bench.ts'
import { backend, backends, file, fresh, key, spec, stale } from './makers.ts'

const usual: ServiceSpec['guard'] = { maxRemoval: 34, window: 60_000, onEmpty: 'hold' }
const guarded = spec({ sources: [file()], guard: usual })

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from + 1 }, (_, index) => from + index)
}

function keys(...list: number[]): string[] {
  return list.map(key).sort()
}

/** The source names these at a moment in seconds. */
function at(made: Bench, seconds: number, list: Parameters<typeof fresh>[0], path?: string): void {
  made.until(seconds * 1_000)
  made.say(fresh(list, { at: seconds * 1_000 }), path)
}

describe('ordinary operations pass without approval', () => {
  it('a rolling replacement of all 12 members, three at a time', () => {
    const made = bench(guarded)
    at(made, 0, range(1, 12))
    for (let done = 3; done <= 12; done += 3) {
      const gone = 10 * done
      at(made, gone, [...range(done + 1, 12), ...range(101, 100 + done - 3)])
      expect(made.held()).toEqual([])
      at(made, gone + 5, [...range(done + 1, 12), ...range(101, 100 + done)])
    }
    made.until(100_000)
    expect(made.destinations()).toEqual(keys(...range(101, 112)))
    expect(made.guards).toEqual([])
  })

  it('a rolling replacement in which each new member comes before its old one goes', () => {
    const made = bench(guarded)
    at(made, 0, range(1, 12))
    for (let done = 1; done <= 12; done++) {
      at(made, done, [...range(done, 12), ...range(101, 100 + done)])
      at(made, done + 0.5, [...range(done + 1, 12), ...range(101, 100 + done)])
    }
    made.until(100_000)
    expect(made.destinations()).toEqual(keys(...range(101, 112)))
    expect(made.guards).toEqual([])
  })

  it('an autoscaler that takes 10 of 40 away over ten minutes, and one that takes 10 of 12', () => {
    for (const size of [40, 12]) {
      const made = bench(guarded)
      at(made, 0, range(1, size))
      for (let gone = 1; gone <= 10; gone++) at(made, 60 * gone, range(gone + 1, size))
      made.until(700_000)
      expect(made.destinations()).toEqual(keys(...range(11, size)))
      expect(made.guards).toEqual([])
    }
  })

  it('members that the registry has called critical or put into maintenance before they go', () => {
    const made = bench(guarded)
    at(made, 0, range(1, 12))
    at(made, 10, [...range(1, 11).map((number) => backend(number, { state: 'maintenance' })), 12])
    at(made, 20, [12])
    made.until(30_000)
    expect(made.destinations()).toEqual(keys(12))
    expect(made.guards).toEqual([])
  })
})

describe('an answer that suddenly lacks half', () => {
  function halved(): Bench {
    const made = bench(guarded)
    at(made, 0, range(1, 12))
    at(made, 10, range(1, 6))
    made.until(20_000)
    return made
  }

  it('is held below the floor, and what is held is visible', () => {
    const made = halved()
    expect(made.destinations()).toEqual(keys(...range(1, 6), 11, 12))
    expect(made.held()).toEqual(keys(11, 12))
    expect(made.guards).toHaveLength(1)
    expect(made.guards[0]).toMatchObject({ service: web, began: [key(11), key(12)] })
    expect(made.changes.at(-1)?.status).toMatchObject({ records: 6, heldRemovals: 2 })
  })

  it('goes when fresh answers have repeated it for the window', () => {
    const made = halved()
    at(made, 69, range(1, 6))
    made.until(69_900)
    expect(made.held()).toEqual(keys(11, 12))
    at(made, 70, range(1, 6))
    made.until(70_500)
    expect(made.destinations()).toEqual(keys(...range(1, 6)))
    expect(made.held()).toEqual([])
    expect([...(made.guards.at(-1)?.released.values() ?? [])]).toEqual(['repeated', 'repeated'])
    expect(made.changes.at(-1)?.status).toMatchObject({ heldRemovals: 0 })
  })

  it('is not repeated by the same answer told again, by an outage, or by an answer that nobody vouches for', () => {
    const made = halved()
    made.until(100_000)
    made.say(fresh(range(1, 6), { at: 10_000 }))
    made.say({
      kind: 'stale',
      set: { backends: backends(1), origin: 'x', trust: 'stale', at: 1 },
      failure: { code: 'X', message: 'x', at: 1 },
    })
    made.say(fresh(range(1, 6), { at: 100_000, trust: 'leaderless' }))
    made.until(1_000_000)
    expect(made.held()).toEqual(keys(11, 12))
  })

  it('goes with approval, at once but for the debounce', () => {
    const made = halved()
    made.approve$.next(web)
    made.until(20_500)
    expect(made.destinations()).toEqual(keys(...range(1, 6)))
    expect(made.guards.at(-1)).toMatchObject({
      held: new Map(),
      released: new Map([
        [key(11), 'free'],
        [key(12), 'free'],
      ]),
    })
    made.approve$.next(web)
    expect(made.guards).toHaveLength(2)
  })

  it('comes back when the source names it again', () => {
    const made = halved()
    at(made, 30, range(1, 12))
    expect(made.destinations()).toEqual(keys(...range(1, 12)))
    expect(made.held()).toEqual([])
  })
})

describe('an empty answer', () => {
  it('is held until it is approved', () => {
    const made = bench(guarded)
    at(made, 0, [1, 2])
    for (let minute = 1; minute < 100; minute++) at(made, 60 * minute, [])
    expect(made.destinations()).toEqual(keys(1, 2))
    made.approve$.next(web)
    made.until(7_000_000)
    expect(made.destinations()).toEqual([])
    expect(made.service()).toMatchObject({ complete: true })
  })

  it('of one source among several concerns the members of that source alone', () => {
    const made = bench(spec({ sources: [file('/a'), file('/b')], guard: usual }))
    at(made, 0, range(1, 20), '/a')
    at(made, 0, range(21, 40), '/b')
    for (let minute = 1; minute < 10; minute++) at(made, 60 * minute, [], '/a')
    expect(made.held()).toEqual(keys(...range(1, 20)))
    expect(made.changes.at(-1)?.status).toMatchObject({ source: 'file /a', heldRemovals: 20 })
  })

  it('is applied as soon as the configuration says that it is to be', () => {
    const made = bench(guarded)
    at(made, 0, [1, 2])
    at(made, 10, [])
    made.configure({ ...guarded, guard: { ...usual, onEmpty: 'apply' } })
    made.until(20_000)
    expect(made.destinations()).toEqual([])
  })

  it('does not touch pinned members, and removes what is pinned elsewhere', () => {
    const made = bench({ ...guarded, backends: backends(1) })
    at(made, 0, [1, 2, 3])
    at(made, 10, [2, 3])
    made.until(20_000)
    expect(made.held()).toEqual([])
    expect(made.destinations()).toEqual(keys(1, 2, 3))
    at(made, 30, [3])
    made.until(40_000)
    expect(made.destinations()).toEqual(keys(1, 3))
  })
})

describe('a change of the configuration', () => {
  it('replaces the whole set of a source without the guard', () => {
    const made = bench(guarded)
    at(made, 0, range(1, 12))
    made.until(10_000)
    made.configure({ ...guarded, sources: [file('/new')] })
    at(made, 11, [20, 21], '/new')
    made.until(12_000)
    expect(made.destinations()).toEqual(keys(20, 21))
    expect(made.guards).toEqual([])
  })

  it('takes a source away with all its members, the held ones among them', () => {
    const made = bench(spec({ sources: [file('/a'), file('/b')], guard: usual }))
    at(made, 0, range(1, 12), '/a')
    at(made, 0, [20], '/b')
    at(made, 10, [1, 2], '/a')
    at(made, 15, [], '/a')
    expect(made.held()).not.toEqual([])
    made.configure(spec({ sources: [file('/b')], guard: usual }))
    made.until(20_000)
    expect(made.destinations()).toEqual(keys(20))
    expect(made.held()).toEqual([])
  })

  it('keeps what is held for a source until the source that replaces it has answered', () => {
    const made = bench(guarded)
    at(made, 0, range(1, 12))
    at(made, 10, range(1, 6))
    made.configure({ ...guarded, sources: [file('/new')] })
    made.until(50_000)
    expect(made.destinations()).toEqual(keys(...range(1, 6), 11, 12))
    at(made, 51, range(1, 6), '/new')
    made.until(52_000)
    expect(made.destinations()).toEqual(keys(...range(1, 6)))
  })

  it('goes on holding what is held for a source that it only has asked again, and counts on', () => {
    const made = bench(guarded)
    at(made, 0, range(1, 12))
    at(made, 10, range(1, 6))
    made.configure({ ...guarded, fullNat: true })
    at(made, 20, range(1, 6))
    made.until(60_000)
    expect(made.destinations()).toEqual(keys(...range(1, 6), 11, 12))
    expect(made.guards).toHaveLength(1)
    at(made, 71, range(1, 6))
    made.until(72_000)
    expect(made.destinations()).toEqual(keys(...range(1, 6)))
  })

  it.each<Partial<ServiceSpec>>([{ fullNat: true }, { upperThreshold: 9 }, { persistence: { timeout: 60, mask: 0xffffffff } }])(
    'empties nothing when a source that %o has asked again names nobody, whether it did before or does now',
    (more) => {
      for (const before of [[], range(1, 12)]) {
        const made = bench(guarded)
        at(made, 0, range(1, 12))
        at(made, 10, before)
        made.configure({ ...guarded, ...more })
        at(made, 11, [])
        at(made, 100, [])
        made.until(200_000)
        expect(made.destinations()).toEqual(keys(...range(1, 12)))
        expect(made.held()).toEqual(keys(...range(1, 12)))
      }
    },
  )

  it('empties nothing when only the way to ask a source changes', () => {
    const list = (interval: number): ServiceSpec['sources'][number] => {
      return { kind: 'http', url: 'http://inventory/', interval, timeout: 1_000, maxSize: 1_000 }
    }
    const made = bench({ ...guarded, sources: [list(30_000)] })
    const path = sourceName(list(0)).slice('file '.length)
    at(made, 0, range(1, 12), path)
    at(made, 10, [], path)
    made.configure({ ...guarded, sources: [list(5_000)] })
    at(made, 11, [], path)
    made.until(200_000)
    expect(made.destinations()).toEqual(keys(...range(1, 12)))
    expect(made.changes.at(-1)?.status).toMatchObject({ source: 'http http://inventory/', heldRemovals: 12 })
  })

  it('measures the next process’s past in the same way', () => {
    const made = bench(guarded)
    at(made, 0, range(1, 12))
    at(made, 10, [])
    for (const change of made.lastGood) if (change.kind === 'known') made.past.set(sourceName(file()), change.lastGood)
    made.configure({ ...guarded, fullNat: true })
    at(made, 11, [])
    made.until(20_000)
    expect(made.held()).toEqual(keys(...range(1, 12)))
  })

  it('takes away without the guard what its source puts aside because it does not fit any more', () => {
    const made = bench(guarded)
    at(made, 0, range(1, 12))
    made.configure({ ...guarded, fullNat: true })
    made.until(10_000)
    made.say(fresh([1, 2], { at: 10_000, quarantined: 10 }))
    made.until(12_000)
    expect(made.destinations()).toEqual(keys(1, 2))
    expect(made.guards).toEqual([])
  })

  it('lets nothing go that is held for a source which it leaves alone', () => {
    const made = bench(spec({ sources: [file('/a'), file('/b')], guard: usual }))
    at(made, 0, range(1, 12), '/a')
    at(made, 0, [20], '/b')
    at(made, 10, [], '/a')
    made.configure(spec({ sources: [file('/a')], guard: usual, weight: 5 }))
    made.until(20_000)
    expect(made.destinations()).toEqual(keys(...range(1, 12)))
    expect(made.held()).toEqual(keys(...range(1, 12)))
  })
})

describe('whatever two sources say within the window, and whatever is reloaded meanwhile', () => {
  const list = (name: string, interval: number): ServiceSpec['sources'][number] => {
    return { kind: 'http', url: `http://${name}/`, interval, timeout: 1_000, maxSize: 1_000 }
  }
  const pathOf = (name: string) => sourceName(list(name, 0)).slice('file '.length)
  const step = fc.record({
    pause: fc.nat(3_000),
    source: fc.constantFrom('a', 'b'),
    members: fc.oneof(fc.constant<number[]>([]), fc.subarray(range(1, 12))),
    event: fc.constantFrom('fresh', 'fresh', 'fresh', 'leaderless', 'truncated', 'stale', 'context', 'interval', 'snapshot'),
  })

  it('the pool stays above the floor as long as it is asked for the same', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 14 }), (steps) => {
        let configured = { ...guarded, sources: [list('a', 0), list('b', 0)] }
        const made = bench(configured)
        made.say(fresh(range(1, 12)), pathOf('a'))
        made.say(fresh(range(1, 6)), pathOf('b'))
        let now = 0
        for (const { pause, source, members, event } of steps) {
          now += pause
          made.until(now)
          if (event === 'stale') made.say(stale(members), pathOf(source))
          else if (event === 'snapshot') remember(made)
          else if (event === 'context') configured = { ...configured, upperThreshold: now + 1 }
          else if (event === 'interval') configured = { ...configured, sources: [list('a', now), list('b', now)] }
          else made.say(fresh(members, { at: now, trust: event }), pathOf(source))
          made.configure(configured)
          expect(made.destinations().length).toBeGreaterThanOrEqual(8)
        }
        made.until(now + 5_000)
        expect(made.destinations().length).toBeGreaterThanOrEqual(8)
        made.stop()
      }),
    )
  })

  function remember({ lastGood, past }: Bench): void {
    for (const change of lastGood) if (change.kind === 'known') past.set(sourceName(change.source), change.lastGood)
  }
})
