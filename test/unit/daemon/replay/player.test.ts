import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { AsRecorded } from '../../../../src/daemon/replay/as-recorded.ts'
import { Player } from '../../../../src/daemon/replay/player.ts'
import type { DesiredUpdate } from '../../../../src/pipeline/desired-update.ts'
import { JournalLines } from '../../../../src/store/journal-lines.ts'
import { type JournalLine, JournalReader } from '../../../../src/store/journal-reading.ts'
import type { JournalTurn } from '../../../../src/store/journal-turn.ts'
import { history, lived } from './histories.ts'

const HEADER = { build: { version: '1.2.3' }, run: 'r', part: 1, lost: 0, at: 0 }

/** The turns as a journal would hold them. */
function written(turns: readonly JournalTurn[]): string[] {
  const lines = new JournalLines()
  const texts = [[...lines.begin(HEADER)].join('')]
  for (const turn of turns) texts.push([...lines.lineOf(turn)].join(''))
  return texts
}

function read(texts: readonly string[]): JournalTurn[] {
  const reader = new JournalReader()
  const lines = texts.map((text): JournalLine | undefined => reader.read(text.trimEnd()))
  expect(lines[0]).toMatchObject({ kind: 'header' })
  return lines.slice(1).map((line, index) => {
    if (line?.kind !== 'turn') throw new Error(`line ${index + 2} cannot be read: ${texts[index + 1]}`)
    return line
  })
}

function played(turns: readonly JournalTurn[], wakes: 'asRecorded' | 'asAsked'): DesiredUpdate[] {
  const player = new Player(new AsRecorded(), wakes)
  return turns.flatMap((turn) => [...player.play(turn)].flatMap(({ output: { update } }) => update ?? []))
}

/** Everything of an update, the order of all maps included; of a probe its kind, for what it asks is not written down. */
function whole({ desired, provenance, eventAt }: DesiredUpdate) {
  const services = [...desired.services].map(([key, { destinations, ...service }]) => [key, service, [...destinations]])
  const from = [...provenance].map(([key, { spec, members, operational, admin, ...rest }]) => {
    const checks = spec.checks.map(({ probe, ...check }) => ({ ...check, kind: probe.kind }))
    return [key, { ...spec, checks, backends: [...spec.backends] }, [...members], [...operational], [...admin], rest]
  })
  return { services, undecided: desired.undecided, from, eventAt }
}

describe('a run that was recorded', () => {
  it('makes the same desired states again, woken when it was then', () => {
    let updates = 0
    fc.assert(
      fc.property(history, (happened) => {
        const made = lived(happened)
        expect(played(read(written(made.turns)), 'asRecorded').map(whole)).toEqual(made.updates.map(whole))
        updates += made.updates.length
      }),
      { numRuns: 60 },
    )
    expect(updates).toBeGreaterThan(300)
  }, 60_000)

  it('makes them too when it is woken as it asks for it', () => {
    let wakes = 0
    fc.assert(
      fc.property(history, (happened) => {
        const made = lived(happened, (bench) => bench.until(bench.scheduler.frame))
        const turns = read(written(made.turns))
        expect(played(turns, 'asAsked').map(whole)).toEqual(made.updates.map(whole))
        wakes += turns.filter(({ event }) => event.kind === 'wake').length
      }),
      { numRuns: 60 },
    )
    expect(wakes).toBeGreaterThan(100)
  }, 60_000)

  it('is written in the same way twice', () => {
    fc.assert(
      fc.property(history, (happened) => {
        expect(written(lived(happened).turns)).toEqual(written(lived(happened).turns))
      }),
      { numRuns: 30 },
    )
  })
})
