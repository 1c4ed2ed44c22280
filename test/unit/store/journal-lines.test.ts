import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { loadConfiguration } from '../../../src/config/load.ts'
import { formatIssue } from '../../../src/document/issue.ts'
import { type Backend, sameBackend } from '../../../src/model/backend.ts'
import type { DestinationKey } from '../../../src/model/destination.ts'
import type { ServiceSpec } from '../../../src/model/service-spec.ts'
import { JournalLines } from '../../../src/store/journal-lines.ts'
import { JournalReader } from '../../../src/store/journal-reading.ts'
import { editedMap, mapEdit } from '../../../src/store/map-edit.ts'
import { fromPlain, plainOf } from '../../../src/store/plain.ts'
import { backend, key } from '../pipeline/makers.ts'

describe('a service', () => {
  const path = 'config/pointsman-full.yaml'
  const loaded = loadConfiguration({ path, bytes: readFileSync(path) }, {})
  if (!loaded.ok) throw new Error(loaded.issues.map(formatIssue).join('\n'))
  const { services, ipvs } = loaded.configuration

  /** Of a probe its kind, of a source all but its secrets. */
  function known({ checks, sources, ...spec }: ServiceSpec) {
    const open = sources.map((source) => ({ ...source, ...('token' in source && { token: '' }) }))
    return { ...spec, sources: open, checks: checks.map(({ probe, ...check }) => ({ ...check, kind: probe.kind })) }
  }

  it('of whatever kind is read as it was written', () => {
    const lines = new JournalLines()
    const header = { build: { version: '1' }, run: 'r', part: 1, lost: 0, at: 0 }
    const undecided = new Set(['tcp/10.9.9.9:80' as never])
    const turn = { event: { kind: 'wanted', wanted: { services, ipvs, undecided } }, now: 1 } as const
    const texts = [[...lines.begin(header)].join(''), [...lines.lineOf(turn)].join(''), [...lines.lineOf(turn)].join('')]
    const reader = new JournalReader()
    const [, first, again] = texts.map((text) => reader.read(text.trimEnd()))
    for (const line of [first, again]) {
      if (line?.kind !== 'turn' || line.event.kind !== 'wanted') throw new Error('no configuration was read')
      const { wanted } = line.event
      expect(wanted.services.map(known)).toStrictEqual(services.map(known))
      expect([wanted.ipvs, wanted.undecided]).toStrictEqual([ipvs, undecided])
    }
    expect(new Set(services.flatMap(({ sources }) => sources.map(({ kind }) => kind))).size).toBeGreaterThan(2)
    expect(new Set(services.flatMap(({ checks }) => checks.map(({ probe }) => probe.kind))).size).toBeGreaterThan(2)
    expect(texts[2]?.length).toBeLessThan((texts[1]?.length ?? 0) / 5)
  })
})

describe('an edit', () => {
  const list = fc.uniqueArray(fc.tuple(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1, max: 2 })), {
    selector: ([number]) => number,
  })
  const mapOf = (entries: readonly (readonly [number, number])[]): ReadonlyMap<DestinationKey, Backend> =>
    new Map(entries.map(([number, weight]) => [key(number), backend(number, { weight })]))

  it('makes one map of another, in the same order', () => {
    let short = 0
    fc.assert(
      fc.property(list, list, fc.boolean(), (one, two, isNear) => {
        const before = mapOf(one)
        const after = mapOf(isNear ? [...one.slice(1), ...two.filter(([number]) => !one.some(([old]) => old === number))] : two)
        const edit = mapEdit(before, after, sameBackend)
        expect([...editedMap(before, edit)]).toEqual([...after])
        if (edit.edit === 'some') short++
        expect(editedMap(before, mapEdit(before, before, sameBackend))).toBe(before)
      }),
    )
    expect(short).toBeGreaterThan(10)
  })
})

it('values that JSON does not know come back, whatever the keys are', () => {
  const leaf = fc.oneof(fc.string(), fc.double({ noNaN: true }), fc.bigInt(), fc.boolean(), fc.constant(null))
  const { value } = fc.letrec((tie) => ({
    value: fc.oneof(
      { maxDepth: 4 },
      leaf,
      fc.array(tie('value')),
      fc.array(tie('value')).map((items) => new Set(items)),
      fc.array(fc.tuple(fc.string(), tie('value'))).map((entries) => new Map(entries)),
      fc.dictionary(fc.constantFrom('a', '$map', '$set', '$bigint', '$number', '$object', '__proto__'), tie('value'), {
        noNullPrototype: true,
      }),
    ),
  }))
  fc.assert(
    fc.property(value, (one) => {
      const back = fromPlain(JSON.parse(JSON.stringify(plainOf(one))))
      expect(back).toEqual(one)
    }),
  )
})
