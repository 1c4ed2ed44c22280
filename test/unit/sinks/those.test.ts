import fc from 'fast-check'
import { expect, it } from 'vitest'
import type { DesiredService } from '../../../src/model/desired-state.ts'
import { SharedMap } from '../../../src/model/shared-map.ts'
import type { ServiceKey } from '../../../src/model/virtual-service.ts'
import { Those } from '../../../src/sinks/those.ts'
import { service } from '../../support/desired.ts'

const key = (number: number) => `tcp/10.0.0.${number}:80` as ServiceKey

it('names the same services as a look at all of them, whichever states it has seen', () => {
  const edit = fc.tuple(fc.integer({ min: 1, max: 6 }), fc.constantFrom('translated', 'plain', 'absent'))
  fc.assert(
    fc.property(fc.array(fc.tuple(edit, fc.boolean())), (history) => {
      const those = new Those(({ sourceNat }) => sourceNat !== undefined)
      let services = SharedMap.from<ServiceKey, DesiredService>([])
      for (const [[number, what], isShared] of history) {
        const more = what === 'translated' ? ({ sourceNat: 'masquerade' } as const) : {}
        const of = what === 'absent' ? undefined : service(key(number), [], more)
        services = services.edited([key(number)], () => of)
        const expected = [...services].filter(([, one]) => one.sourceNat !== undefined).map(([name]) => name)
        expect([...those.of({ services: isShared ? services : new Map(services) })].sort()).toEqual(expected.sort())
      }
    }),
  )
})
