import fc from 'fast-check'
import { expect, it } from 'vitest'
import { differingKeys } from '../../../src/model/shared-map.ts'
import { serviceKey } from '../../../src/model/virtual-service.ts'
import { NO_PIPELINE, type PipelineEvent, pipelineStep } from '../../../src/pipeline/pipeline.ts'
import { WAKE } from '../../../src/pipeline/step.ts'
import { file, fresh, identity, key, spec, tcpCheck } from './makers.ts'

const number = fc.integer({ min: 1, max: 4 })
const move = fc.record({
  what: fc.constantFrom('wanted', 'said', 'found', 'wait'),
  services: fc.uniqueArray(number),
  one: number,
  list: fc.uniqueArray(fc.integer({ min: 1, max: 6 })),
  wait: fc.integer({ min: 0, max: 3_000 }),
})

it('holds, after any history, exactly what each service came to, and differs from the state before by what it was given alone', () => {
  let updates = 0
  fc.assert(
    fc.property(fc.array(move, { maxLength: 25 }), (history) => {
      let state = NO_PIPELINE
      let now = 0
      for (const { what, services, one, list, wait } of history) {
        now += wait
        const before = state.update?.desired.services
        const at = serviceKey(identity(one))
        const events = (): (PipelineEvent | typeof WAKE)[] => {
          const specs = services.map((each) =>
            spec({ identity: identity(each), name: `s${each}`, sources: [file(`/lists/${each}`)], checks: [tcpCheck] }),
          )
          const found = new Map(
            list.map((each) => [key(each), { health: each % 2 === 0 ? 'up' : 'down', since: now, turns: 1 }] as const),
          )
          if (what === 'wanted') return [{ kind: 'wanted', wanted: { services: specs } }]
          if (what === 'said')
            return (state.services.get(at)?.slots ?? []).map((slot) => ({
              kind: 'said',
              service: at,
              slot: slot.number,
              event: fresh(list, { at: now }),
            }))
          return what === 'found' ? [{ kind: 'operational', service: at, found }] : [WAKE]
        }
        for (const event of events()) state = pipelineStep(state, event, now).state
        const after = state.update?.desired.services
        if (after === undefined) continue
        expect([...after.keys()].sort()).toEqual([...state.keys].sort())
        for (const name of state.keys) expect(after.get(name)).toBe(state.services.get(name)?.decided.service)
        for (const name of state.keys) expect(state.update?.provenance.get(name)?.spec).toBe(state.services.get(name)?.spec)
        if (before === undefined || before === after) continue
        updates += 1
        const all = [...new Set([...before.keys(), ...after.keys()])]
        expect(differingKeys(before, after).sort()).toEqual(all.filter((name) => before.get(name) !== after.get(name)).sort())
        if (what === 'said' || what === 'found') expect(differingKeys(before, after).filter((name) => name !== at)).toEqual([])
      }
    }),
  )
  expect(updates).toBeGreaterThan(50)
})
