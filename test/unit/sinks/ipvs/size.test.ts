import { afterEach, describe, expect, it, vi } from 'vitest'
import { ChunkedMap } from '../../../../src/model/chunked-map.ts'
import type { DesiredService } from '../../../../src/model/desired-state.ts'
import { key, service, state, wanted } from '../../../support/desired.ts'
import { rig } from './rig.ts'

const WEB = 'tcp/10.0.0.1:80'

afterEach(() => vi.restoreAllMocks())

function pool(size: number): DesiredService {
  return service(
    WEB,
    Array.from({ length: size }, (_, index) => wanted(`10.1.${index >> 8}.${index & 255}:80`)),
  )
}

/** Counts what is looked at in all maps of destinations, one by one or in passing. */
function countLooks(): () => number {
  let looks = 0
  const { get, has, keys, values } = ChunkedMap.prototype
  const entries = ChunkedMap.prototype[Symbol.iterator]
  vi.spyOn(ChunkedMap.prototype, 'get').mockImplementation(function (this: ChunkedMap<string, unknown>, name) {
    looks++
    return get.call(this, name)
  })
  vi.spyOn(ChunkedMap.prototype, 'has').mockImplementation(function (this: ChunkedMap<string, unknown>, name) {
    looks++
    return has.call(this, name)
  })
  for (const [name, walk] of [
    ['keys', keys],
    ['values', values],
    [Symbol.iterator, entries],
  ] as const) {
    vi.spyOn(ChunkedMap.prototype, name as 'keys').mockImplementation(function* (this: ChunkedMap<string, unknown>) {
      for (const item of walk.call(this) as Iterable<string>) {
        looks++
        yield item
      }
    })
  }
  return () => looks
}

/** Destinations that a pass with one changed weight looks at in a pool of `size`. */
async function looksAtOneChange(size: number): Promise<number> {
  const { sink, written } = rig()
  const before = pool(size)
  await sink.reconcile(state([before]), 'changes', 1_000)
  written()
  const after = { ...before, destinations: before.destinations.with(key('10.1.0.7:80'), wanted('10.1.0.7:80', { weight: 2 })) }
  const looks = countLooks()
  await sink.reconcile(state([after]), 'changes', 2_000)
  expect(written()).toEqual([`edit-destination ${WEB} 10.1.0.7:80 weight 2`])
  const count = looks()
  vi.restoreAllMocks()
  return count
}

describe('one change', () => {
  it('looks at as many destinations in a pool of 10,000 as in one of 100', async () => {
    const small = await looksAtOneChange(100)
    expect(small).toBeGreaterThan(0)
    expect(await looksAtOneChange(10_000)).toBeLessThanOrEqual(small)
  })

  it('is counted right: a pass that walks through all of them looks at all of them', async () => {
    const { sink } = rig()
    const desired = state([pool(1_000)])
    const looks = countLooks()
    await sink.reconcile(desired, 'changes', 1_000)
    expect(looks()).toBeGreaterThanOrEqual(1_000)
  })
})
