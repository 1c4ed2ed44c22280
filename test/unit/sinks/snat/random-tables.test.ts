import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { NftCommand } from '../../../../src/kernel/for-sinks.ts'
import type { DesiredService } from '../../../../src/model/desired-state.ts'
import { serviceKey } from '../../../../src/model/virtual-service.ts'
import { randomServices } from '../../../support/random-snat.ts'
import { NOTHING_SERVED, rig, state, TABLE } from './rig.ts'

const tampering = fc.constantFrom('nothing', 'nothing', 'nothing', 'flush', 'element', 'rules')

/** What the table is to hold, by another way than the sink's. */
function expected(services: readonly DesiredService[]): string[] {
  return services
    .flatMap((one) => {
      const { identity, sourceNat: nat } = one
      if (nat === undefined) return []
      const single = nat !== 'masquerade' && nat.first === nat.last
      const target =
        nat === 'masquerade' ? 'snat_masquerade' : single ? nat.first : `snat_${nat.first}-${nat.last}`.replaceAll(':', '_')
      const ends =
        identity.kind === 'address'
          ? [{ head: identity.protocol, address: identity.address, port: identity.port }]
          : [...one.destinations.values()].map(({ address, port }) => ({ head: identity.fwmark, address, port }))
      return ends.map(({ head, address, port }) => {
        const map = `${identity.kind === 'address' ? 'vip' : 'mark'}${address.includes(':') ? 6 : 4}${port === 0 ? '_any_port' : ''}`
        return `${map}${single ? '_address' : ''} ${head} ${address}${port === 0 ? '' : ` ${port}`} => ${target}`
      })
    })
    .sort()
}

/** Elements that a transaction names, `add` or `delete` before each. */
function written(transactions: readonly (readonly NftCommand[])[]): string[] {
  return transactions.flat().flatMap((command) => {
    const [[verb, object] = ['', {}]] = Object.entries(command)
    const { element } = object as { element?: { name: string; elem: unknown[] } }
    return (element?.elem ?? []).map((one) => {
      const key = (verb === 'add' ? (one as unknown[])[0] : one) as { concat: unknown[] }
      return `${verb} ${element?.name} ${key.concat.join(' ')}`
    })
  })
}

/** What is to be written at the least to get from one set of elements to another. */
function fewest(before: readonly string[], after: readonly string[]): string[] {
  const nameOf = (text: string) => text.split(' => ')[0]
  const gone = before.filter((text) => !after.includes(text)).map((text) => `delete ${nameOf(text)}`)
  const come = after.filter((text) => !before.includes(text)).map((text) => `add ${nameOf(text)}`)
  return [...gone, ...come].sort()
}

describe('random tables one into the next', () => {
  it('end as wanted, with the fewest elements written, and leave foreign tables alone', async () => {
    let tampered = 0
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(randomServices, tampering, fc.boolean()), { minLength: 2, maxLength: 8 }),
        async (steps) => {
          let { pass, kernel, elements, transactions, sink } = rig()
          const foreign = { family: 'inet', table: 'firewalld', name: 'filter' }
          kernel.byOthers([{ add: { table: { family: 'inet', name: 'firewalld' } } }, { add: { chain: foreign } }])
          const before = await kernel.readTable('inet', 'firewalld')
          for (const [services, kind, restart] of steps) {
            if (restart) ({ pass, kernel, elements, transactions, sink } = rig({ kernel }))
            const was = elements() ?? []
            if (was.length > 0) tampered += tamper(kernel, kind) ? 1 : 0
            const hadTable = kernel.tables().includes(TABLE)
            const meddled = was.length > 0 && kind !== 'nothing'
            const { opened, closed } = await pass(state(services), meddled ? 'full' : 'changes')
            const now = expected(services)
            expect(elements() ?? []).toEqual(now)
            // Its hook carries the connections that live.
            if (hadTable) expect(kernel.tables()).toContain(TABLE)
            expect([opened.unconfirmed.size, ...opened.failed, ...closed.failed]).toEqual([0])
            const wrote = transactions()
            expect(wrote.length).toBeLessThanOrEqual(2)
            if (!meddled && now.length > 0 && was.length > 0) expect(written(wrote).sort()).toEqual(fewest(was, now))
            const again = await pass(state(services), 'full')
            expect([again.opened.applied, again.closed.applied, again.opened.driftRepaired, transactions()]).toEqual([
              {},
              {},
              0,
              [],
            ])
          }
          expect(await kernel.readTable('inet', 'firewalld')).toEqual(before)
          await sink.remove()
          expect(kernel.tables()).toEqual(['inet firewalld'])
        },
      ),
      { numRuns: 300 },
    )
    expect(tampered).toBeGreaterThan(50)
  }, 60_000)

  it('a crash between open and close costs no translation that is needed, and leaves none for good', async () => {
    await fc.assert(
      fc.asyncProperty(randomServices, randomServices, randomServices, async (first, second, third) => {
        const one = rig()
        await one.pass(state(first))
        const keep = new Set(first.map(({ identity }) => serviceKey(identity)))
        await one.open(state(second))
        const needed = expected(second)
        expect(one.elements() ?? []).toEqual(expect.arrayContaining(needed))
        const two = rig({ kernel: one.kernel })
        await two.pass(state(third), 'full', { ...NOTHING_SERVED, service: (key) => keep.has(key) })
        expect(two.elements() ?? []).toEqual(expect.arrayContaining(expected(third)))
        await two.pass(state(third), 'changes')
        expect(two.elements() ?? []).toEqual(expected(third))
      }),
      { numRuns: 200 },
    )
  }, 60_000)
})

function tamper(kernel: ReturnType<typeof rig>['kernel'], kind: string): boolean {
  const [text] = kernel.elements(TABLE) ?? []
  if (kind === 'flush') kernel.byOthers([{ delete: { table: { family: 'inet', name: 'pointsman' } } }])
  else if (kind === 'rules') kernel.byOthers([{ flush: { chain: { family: 'inet', table: 'pointsman', name: 'postrouting' } } }])
  else if (kind === 'element' && text !== undefined) {
    const [name, ...key] = (text.split(' => ')[0] as string).split(' ')
    const concat = key.map((part) => (/^\d+$/.test(part) ? Number(part) : part))
    kernel.byOthers([{ delete: { element: { family: 'inet', table: 'pointsman', name, elem: [{ concat }] } } }])
  } else return false
  return true
}
