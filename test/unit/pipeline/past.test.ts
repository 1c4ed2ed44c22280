import { describe, expect, it } from 'vitest'
import type { Backend } from '../../../src/model/backend.ts'
import type { ServiceSpec } from '../../../src/model/service-spec.ts'
import type { HeldRemoval, LastGood } from '../../../src/pipeline/desired-update.ts'
import { Bench } from './bench.ts'
import { backends, file, fresh, key, spec, stale } from './makers.ts'

const usual: ServiceSpec['guard'] = { maxRemoval: 34, window: 60_000, onEmpty: 'hold' }
const listed = spec({ sources: [file()], guard: usual })
const failure = { code: 'SOURCE_UNREADABLE', message: 'it is gone', at: 5 }

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from + 1 }, (_, index) => from + index)
}

function lastGood(list: (number | Backend)[], held: Record<number, HeldRemoval> = {}, at = -3_600_000): LastGood {
  const members = new Map([...backends(...list)].map(([at, backend]) => [at, { backend }]))
  const removals = Object.entries(held).flatMap(([number, removal]) =>
    [...backends(Number(number))].map(([at, backend]) => [at, { ...removal, backend }] as const),
  )
  return { members, held: new Map(removals), at }
}

/** A start with these last good answers, by path. */
function start(past: Record<string, LastGood>, ...services: ServiceSpec[]): Bench {
  const made = new Bench()
  for (const [path, good] of Object.entries(past)) made.past.set(`file ${path}`, good)
  made.configure(...services)
  return made
}

describe('a source that is opened', () => {
  it('is told of the members that it had, as long as they are not too old to be believed', () => {
    const made = start(
      { '/a': lastGood([1, 2]), '/b': { ...lastGood([3]), outdated: true } },
      spec({ sources: [file('/a'), file('/b')] }),
    )
    expect(made.known.map((known) => [...known.keys()])).toEqual([[key(1), key(2)], []])
  })
})

describe('a start while the registry is dead', () => {
  it('uses the last good answer as soon as the source fails, with its age and the failure', () => {
    const made = start({ '/lists/web.yaml': lastGood([1, 2]) }, listed)
    expect(made.destinations()).toEqual([])
    expect(made.service()).toMatchObject({ complete: false })
    made.until(100)
    made.say({ kind: 'pending', failure })
    expect(made.destinations()).toEqual([key(1), key(2)])
    expect(made.service()).toMatchObject({ complete: true })
    expect(made.changes.at(-1)?.status).toMatchObject({ state: 'stale', answeredAt: -3_600_000, records: 2, failure })
  })

  it('uses it when the source says nothing for two seconds', () => {
    const made = start({ '/lists/web.yaml': lastGood([1, 2]) }, listed)
    made.until(1_999)
    expect(made.destinations()).toEqual([])
    made.until(2_000)
    expect(made.destinations()).toEqual([key(1), key(2)])
    expect(made.changes.at(-1)?.status.failure).toMatchObject({
      code: 'SOURCE_SILENT',
      message: 'There was no answer within 2 s.',
    })
  })

  it('waits for every source before it removes anything', () => {
    const both = spec({ sources: [file('/a'), file('/b')], guard: usual })
    const made = start({ '/a': lastGood([1]) }, both)
    made.until(10_000)
    expect(made.destinations()).toEqual([key(1)])
    expect(made.service()).toMatchObject({ complete: false })
    made.say({ kind: 'pending', failure }, '/b')
    expect(made.service()).toMatchObject({ complete: false })
  })

  it('touches nothing where nothing is known', () => {
    const made = start({}, listed)
    made.say({ kind: 'pending', failure })
    made.until(1e9)
    expect(made.service()).toMatchObject({ complete: false })
    expect(made.destinations()).toEqual([])
  })

  it('takes the place of nobody who has answered', () => {
    const made = start({ '/lists/web.yaml': lastGood([1, 2]) }, listed)
    made.say(fresh([1, 3], { at: 10 }))
    made.until(10_000)
    made.say(stale([1, 3]))
    made.until(20_000)
    expect(made.destinations()).toEqual([key(1), key(3)])
  })
})

describe('a first answer that is measured by the last one of the process before', () => {
  it('brings back nobody who is gone for good reason', () => {
    const made = start({ '/lists/web.yaml': lastGood(range(1, 12)) }, listed)
    made.say(fresh(range(3, 13), { at: 10 }))
    expect(made.updates.flatMap(({ desired }) => [...(desired.services.values() ?? [])])).toHaveLength(2)
    expect(made.destinations()).toEqual(range(3, 13).map(key).sort())
    made.until(10_000)
    expect(made.destinations()).toEqual(range(3, 13).map(key).sort())
  })

  it('meets the guard: an empty registry after a restart of both empties nothing', () => {
    const made = start({ '/lists/web.yaml': lastGood([1, 2, 3]) }, listed)
    made.say(fresh([], { at: 10 }))
    made.until(1e6)
    expect(made.destinations()).toEqual([key(1), key(2), key(3)])
    expect(made.held()).toEqual([key(1), key(2), key(3)])
  })

  it('goes on holding what was held, and lets go what answers have repeated across the restart', () => {
    const held: HeldRemoval = { since: -30_000, rule: 'removal' }
    const made = start({ '/lists/web.yaml': lastGood(range(1, 6), { 11: held, 12: held }) }, listed)
    made.say(fresh(range(1, 6), { at: 10 }))
    expect(made.held()).toEqual([key(11), key(12)])
    expect(made.destinations()).toEqual([...range(1, 6), 11, 12].map(key).sort())
    made.until(30_000)
    made.say(fresh(range(1, 6), { at: 30_000 }))
    made.until(31_000)
    expect(made.destinations()).toEqual(range(1, 6).map(key))
  })

  it('goes on holding while the registry is dead, too', () => {
    const held: HeldRemoval = { since: -1e9, rule: 'empty' }
    const made = start({ '/lists/web.yaml': lastGood([], { 1: held, 2: held }) }, listed)
    made.until(1e6)
    expect(made.destinations()).toEqual([key(1), key(2)])
    expect(made.guards[0]).toMatchObject({ began: [key(1), key(2)] })
  })
})

describe('what the next process should know', () => {
  it('is every answer, its confirmation, and what is held', () => {
    const made = start({}, listed)
    made.say(fresh(range(1, 12), { at: 10 }))
    made.until(1_000)
    made.say(fresh(range(1, 6), { at: 1_000 }))
    const [first, second] = made.lastGood
    expect(first).toMatchObject({ kind: 'known', source: file(), lastGood: { at: 10, held: new Map() } })
    if (second?.kind !== 'known') throw new Error('nothing is known')
    expect([...second.lastGood.members.keys()]).toEqual(range(1, 6).map(key))
    expect([...second.lastGood.held]).toMatchObject([
      [key(11), { since: 1_000, rule: 'removal', backend: { port: 8080 } }],
      [key(12), { since: 1_000 }],
    ])
    made.approve$.next(made.guards[0]?.service ?? ('' as never))
    expect(made.lastGood.at(-1)).toMatchObject({ lastGood: { at: 1_000, held: new Map() } })
  })

  it('is nothing new while the source fails, or stands in for itself', () => {
    const made = start({ '/lists/web.yaml': lastGood([1]) }, listed)
    made.until(5_000)
    made.say({ kind: 'pending', failure })
    expect(made.lastGood).toEqual([])
  })

  it('is that a source is gone', () => {
    const made = start({}, listed)
    made.say(fresh([1]))
    made.configure(spec({ sources: [file('/new')] }))
    expect(made.lastGood.at(-1)).toMatchObject({ kind: 'gone', source: file() })
    made.configure()
    expect(made.lastGood.at(-1)).toMatchObject({ kind: 'gone', source: file('/new') })
  })

  it('is still that of a source that is only asked in another way', () => {
    const list = (interval: number) => ({ kind: 'http', url: 'http://a/', interval, timeout: 1_000, maxSize: 1_000 }) as const
    const made = start({}, spec({ sources: [list(30_000)] }))
    made.say(fresh([1]), 'http://a/')
    made.configure(spec({ sources: [list(5_000)] }))
    expect(made.lastGood.map(({ kind }) => kind)).toEqual(['known'])
  })
})

describe('max_age', () => {
  const aging = spec({ sources: [file()], guard: usual, hold: { maxAge: 60_000, snapshotMaxAge: 86_400_000 } })

  it('drains the members of a source that has failed for so long, the last one and the held ones included', () => {
    const made = start({}, aging)
    made.say(fresh(range(1, 12), { at: 0 }))
    made.until(1_000)
    made.say(fresh(range(1, 6), { at: 1_000 }))
    made.until(100_000)
    made.say(stale([1]))
    made.until(159_000)
    expect(made.destinations()).toHaveLength(8)
    made.until(161_000)
    expect(made.destinations()).toEqual([])
    expect(made.service()).toMatchObject({ complete: true })
    expect(made.held()).toEqual([])
    expect(made.changes.at(-1)?.status).toMatchObject({ state: 'stale', records: 0, expired: true })
    expect(made.lastGood.filter(({ kind }) => kind === 'known')).toHaveLength(2)
    made.say(fresh([1, 2], { at: 200_000 }))
    expect(made.destinations()).toEqual([key(1), key(2)])
  })

  it('is not reached while the source answers, however seldom', () => {
    const made = start({}, aging)
    made.say(fresh([1], { at: 0 }))
    made.until(1e7)
    made.say(stale([1]))
    made.until(1e7 + 59_000)
    expect(made.destinations()).toEqual([key(1)])
  })

  it('counts from the first failure after a restart, however long ago the answer was: a source without news is silent', () => {
    const made = start({ '/lists/web.yaml': lastGood([1], {}, -300_000) }, aging)
    made.until(2_000)
    expect(made.destinations()).toEqual([key(1)])
    made.until(61_999)
    expect(made.destinations()).toEqual([key(1)])
    made.until(63_000)
    expect(made.destinations()).toEqual([])
  })

  it('counts from the first failure after a reload by which the source is asked anew', () => {
    const made = start({}, aging)
    made.say(fresh([1], { at: 0 }))
    made.until(300_000)
    made.past.set('file /lists/web.yaml', lastGood([1], {}, 0))
    made.configure({ ...aging, fullNat: true })
    made.say({ kind: 'pending', failure })
    made.until(301_000)
    expect(made.destinations()).toEqual([key(1)])
    made.until(361_000)
    expect(made.destinations()).toEqual([])
  })

  it('leaves other sources and pinned members alone', () => {
    const made = start({}, { ...aging, sources: [file('/a'), file('/b')], backends: backends(9) })
    made.say(fresh([1], { at: 0 }), '/a')
    made.say(fresh([2], { at: 0 }), '/b')
    made.say(stale([1]), '/a')
    made.until(1e6)
    expect(made.destinations()).toEqual([key(2), key(9)])
  })
})
