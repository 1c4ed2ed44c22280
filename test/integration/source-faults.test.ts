import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { SourceEvent } from '../../src/model/source-event.ts'
import { openSourceWith } from '../../src/sources/registry.ts'
import { key, numbers, spec } from '../unit/pipeline/makers.ts'
import { ROADS, type Road } from './registry-roads.ts'
import { Listener, pause } from './scratch.ts'

/** How long a source may take to notice that nothing comes any more: Consul's answers may be a wait and its slack apart. */
const NOTICED = 15_000

/** Milliseconds in which the source asks again, so that the end of the fault finds a question under way. */
const ASKS_AGAIN = 600

describe.each(ROADS)('the source %s behind a network', (_, open, faults) => {
  let road: Road
  beforeAll(async () => {
    road = await open()
  })
  afterAll(() => road?.[Symbol.asyncDispose]())

  it.each(faults)('that %s keeps every member meanwhile, and is exact within a second of its end', async (__, fault) => {
    await road.harm({ kind: 'pass' })
    await road.know(1, 2, 3)
    const listener = new Listener<SourceEvent>(openSourceWith()(road.source, spec()))
    const says = (kind: SourceEvent['kind'], members: readonly number[], patience: number) =>
      listener.until((last) => last.kind === kind && membersOf(last) === listed(members), `${kind} ${members}`, patience)
    await says('fresh', [1, 2, 3], 5_000)
    await road.harm(fault)
    await says('stale', [1, 2, 3], NOTICED)
    await road.know(1, 4, 5)
    await pause(ASKS_AGAIN)
    await road.harm({ kind: 'pass' })
    const healed = performance.now()
    await says('fresh', [1, 4, 5], 5_000)
    expect(performance.now() - healed).toBeLessThan(1_000)
    const others = listener.heard.filter(
      (event) => ![listed([1, 2, 3]), listed([1, 4, 5]), listed([])].includes(membersOf(event)),
    )
    expect(others, 'no half answer was believed').toEqual([])
    expect(listener.heard.filter((event) => event.kind !== 'pending' && event.set.backends.size < 3)).toEqual([])
  })
})

function membersOf(event: SourceEvent): string {
  return event.kind === 'pending' ? listed([]) : numbers(event.set.backends).join()
}

function listed(members: readonly number[]): string {
  return members.map(key).sort().join()
}
