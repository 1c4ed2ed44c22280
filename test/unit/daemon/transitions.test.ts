import { describe, expect, it } from 'vitest'
import { guardTurns, sourceTurn, transitionsBetween } from '../../../src/daemon/transitions.ts'
import { NO_WORDS, say } from '../../../src/model/operator-words.ts'
import { DEFAULT_POLICY } from '../../../src/model/policy-spec.ts'
import type { Health } from '../../../src/model/probe-result.ts'
import type { StateEvent } from '../../../src/model/state-event.ts'
import { type Bench, bench, web } from '../pipeline/bench.ts'
import { backends, file, fresh, key, spec, tcpCheck } from '../pipeline/makers.ts'

const probed = spec({ backends: backends(1, 2, 3), checks: [tcpCheck], debounce: { min: 0, max: 0 } })

/** All that turned, in words. */
function turns({ updates }: Pick<Bench, 'updates'>): string[] {
  return updates.flatMap((update, index) => transitionsBetween(updates[index - 1], update).map(inWords))
}

function inWords({ kind, backend, from, to, reasons }: StateEvent): string {
  return [
    kind,
    ...(backend === undefined ? [] : [backend]),
    from,
    '->',
    to,
    ...reasons.slice(0, 1).map((reason) => `(${reason})`),
  ].join(' ')
}

function find(made: Bench, ...healths: readonly (readonly [number, Health])[]): void {
  const found = new Map(
    healths.map(([number, health]) => {
      const message = health === 'down' ? { message: 'tcp: refused', failure: 'refused' as const } : {}
      return [key(number), { health, since: 0, turns: 0, ...message }] as const
    }),
  )
  made.operational$.next({ service: web, found })
}

describe('what turned between two desired states', () => {
  it('is nothing at the first one, of which the kernel tells', () => {
    expect(turns(bench(spec({ backends: backends(1, 2) })))).toEqual([])
  })

  it('is nothing when the members of a pool become known', () => {
    const made = bench(spec({ sources: [file()] }))
    made.say(fresh([1, 2]))
    made.until(1_000)
    expect(made.updates.length).toBeGreaterThan(1)
    expect(turns(made)).toEqual([])
  })

  it('is what probes find, and who ceases and begins to serve', () => {
    const made = bench(probed)
    find(made, [1, 'up'], [2, 'up'], [3, 'up'])
    made.until(1_000)
    find(made, [1, 'up'], [2, 'down'], [3, 'up'])
    made.until(2_000)
    find(made, [1, 'up'], [2, 'up'], [3, 'up'])
    made.until(3_000)
    const said = turns(made)
    expect(said).toEqual([
      ...[1, 2, 3].map((number) => `health ${key(number)} unknown -> up`),
      `health ${key(2)} up -> down (tcp: refused)`,
      `serving ${key(2)} serves -> does not serve (down: tcp: refused)`,
      `health ${key(2)} down -> up`,
      `serving ${key(2)} does not serve -> serves (service weight 1)`,
    ])
  })

  it('is what the operator’s word makes of who serves', () => {
    const made = bench(spec({ backends: backends(1, 2) }))
    made.operator$.next(say(NO_WORDS, { service: web, backend: key(1) }, { verb: 'drain', reason: 'disk' }, 0))
    made.until(1_000)
    made.operator$.next(NO_WORDS)
    made.until(2_000)
    expect(turns(made)).toEqual([
      expect.stringMatching(`^serving ${key(1)} serves -> does not serve \\(.*disk`),
      `serving ${key(1)} does not serve -> serves (service weight 1)`,
    ])
  })

  it('is a pool that nobody serves any more, and its quorum', () => {
    const made = bench(
      spec({ ...probed, policy: { ...DEFAULT_POLICY, panic: 'off', quorum: { by: 'count', min: 2, hysteresis: 0 } } }),
    )
    find(made, [1, 'up'], [2, 'up'], [3, 'up'])
    made.until(1_000)
    find(made, [1, 'down'], [2, 'down'], [3, 'down'])
    made.until(2_000)
    const said = turns(made).filter((text) => /^(pool|quorum)/.test(text))
    expect(said.at(-1)).toBe('quorum had -> lost (0 by count, 2 are asked for)')
    expect(said).toContain('pool normal -> nobody')
  })
})

it('a source that answers, and the removals that the guard holds', () => {
  const made = bench(spec({ sources: [file()], guard: { maxRemoval: 34, window: 60_000, onEmpty: 'hold' } }))
  made.say(fresh([1, 2, 3, 4]))
  made.until(1_000)
  made.say(fresh([]))
  made.until(2_000)
  const sources = made.changes.map(sourceTurn).filter((turn) => turn !== undefined)
  expect(sources.map(({ source, from, to }) => [source, from, to])).toEqual([['file /lists/web.yaml', 'pending', 'up']])
  const guard = made.guards.flatMap(guardTurns)
  expect(guard.map(({ backend, from, to, grave }) => [backend, from, to, grave])).toEqual(
    [1, 2, 3, 4].map((number) => [key(number), 'listed', 'held', true]),
  )
  made.approve$.next(web)
  expect(
    made.guards
      .flatMap(guardTurns)
      .slice(4)
      .map(({ to, cause }) => [to, cause]),
  ).toEqual([1, 2, 3, 4].map(() => ['gone', 'free']))
})
