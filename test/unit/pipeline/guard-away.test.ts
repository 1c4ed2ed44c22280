/** What probes find and the operator says of members counts in the guard: they are no rest that a pool could live on. */

import { describe, expect, it } from 'vitest'
import type { Operational } from '../../../src/model/operational.ts'
import type { GuardSpec } from '../../../src/model/service-spec.ts'
import { type Bench, bench, web } from './bench.ts'
import { file, fresh, key, spec, tcpCheck } from './makers.ts'

const usual: GuardSpec = { maxRemoval: 34, window: 60_000, onEmpty: 'hold' }

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from + 1 }, (_, index) => from + index)
}

function keys(...list: number[]): string[] {
  return list.map(key).sort()
}

function at(made: Bench, seconds: number, list: Parameters<typeof fresh>[0]): void {
  made.until(seconds * 1_000)
  made.say(fresh(list, { at: seconds * 1_000 }))
}

/** Health checks find these down since the tenth second, and all others of the twelve up. */
function find(made: Bench, seconds: number, ...down: number[]): void {
  made.until(seconds * 1_000)
  const found = range(1, 12).map((number): [ReturnType<typeof key>, Operational] => {
    const common = { since: 10_000, turns: 0 }
    return [key(number), down.includes(number) ? { ...common, health: 'down', failure: 'refused' } : { ...common, health: 'up' }]
  })
  made.operational$.next({ service: web, found: new Map(found) })
}

function maintain(made: Bench, seconds: number, ...list: number[]): void {
  made.until(seconds * 1_000)
  const words = list.map((number) => [key(number), { state: 'maintenance' as const, at: seconds * 1_000 }] as const)
  made.operator$.next(new Map([[web, new Map(words)]]))
}

function twelve(): Bench {
  const made = bench(spec({ sources: [file()], checks: [tcpCheck], guard: usual }))
  at(made, 0, range(1, 12))
  find(made, 1)
  return made
}

describe('a pool in which eight of twelve fail their health check', () => {
  const failing = () => {
    const made = twelve()
    find(made, 10, ...range(1, 8))
    return made
  }

  it('keeps all but one of the four that are left when the registry forgets them', () => {
    const made = failing()
    at(made, 600, range(1, 8))
    expect(made.held()).toEqual(keys(10, 11, 12))
    made.until(610_000)
    expect(made.destinations()).toEqual(keys(...range(1, 8), 10, 11, 12))
  })

  it('lets those go that fail', () => {
    const made = failing()
    at(made, 600, range(9, 12))
    made.until(601_000)
    expect(made.held()).toEqual([])
    expect(made.destinations()).toEqual(keys(9, 10, 11, 12))
  })

  it('lets go of what it holds when enough are well again', () => {
    const made = failing()
    at(made, 600, range(1, 8))
    find(made, 605, 1, 2, 3, 4, 5, 6)
    expect(made.held()).toEqual(keys(11, 12))
    find(made, 606)
    expect(made.held()).toEqual([])
    expect([...(made.guards.at(-1)?.released.values() ?? [])]).toEqual(['paid', 'paid'])
  })
})

describe('members that the operator has in maintenance', () => {
  it('may leave, without being counted', () => {
    const made = twelve()
    maintain(made, 5, ...range(1, 6))
    at(made, 10, range(7, 12))
    expect(made.held()).toEqual([])
  })

  it('are no rest', () => {
    const made = twelve()
    maintain(made, 5, ...range(1, 8))
    at(made, 600, range(1, 8))
    expect(made.held()).toEqual(keys(10, 11, 12))
  })

  it('are let go when they are put into it while they are held', () => {
    const made = twelve()
    at(made, 10, range(1, 6))
    expect(made.held()).toEqual(keys(11, 12))
    maintain(made, 20, 11)
    expect(made.held()).toEqual(keys(12))
  })
})
