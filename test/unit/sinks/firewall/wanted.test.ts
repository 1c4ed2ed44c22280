import { expect, test } from 'vitest'
import type { DesiredService } from '../../../../src/model/desired-state.ts'
import type { IpvsTable } from '../../../../src/model/ipvs-table.ts'
import type { ServiceKey } from '../../../../src/model/virtual-service.ts'
import { type HeldServices, WantedOpenings } from '../../../../src/sinks/firewall/wanted.ts'
import { held, key, service, state, virtual, wanted } from '../../../support/desired.ts'

const WEB = 'tcp/10.9.0.1:80' as ServiceKey
const DNS = 'udp/10.9.0.1:53' as ServiceKey
const NOTHING: IpvsTable = new Map()
const NOBODY: HeldServices = { table: NOTHING, holds: () => false }

const inKernel = (name: ServiceKey, texts: readonly string[]): IpvsTable =>
  new Map([
    [
      name,
      {
        service: virtual(name),
        destinations: new Map(
          texts.map((text) => [key(text), { destination: held(text), connections: { active: 1, inactive: 0, persistent: 0 } }]),
        ),
      },
    ],
  ])

const all = (wants: WantedOpenings) =>
  (['input', 'output', 'forward'] as const).flatMap((hook) => [...wants.at(hook, ['ipv4', 'ipv6']).keys()])
const change = (wants: WantedOpenings, since: number) => {
  const { came, went } = wants.since(since) ?? { came: new Map(), went: new Map() }
  return { came: [...came.keys()], went: [...went.keys()] }
}

test('openings come and go with what asks for them, and nothing else is a change', () => {
  const wants = new WantedOpenings()
  const services = new Map<ServiceKey, DesiredService>()
  const update = (backends: Parameters<typeof service>[1], now = NOBODY) => {
    // In place, as whoever desires may do.
    services.set(WEB, service(WEB, backends))
    wants.update({ services }, now)
    return wants.revision
  }
  const first = update(['10.2.1.2:80'])
  expect(all(wants)).toEqual(['input tcp/10.9.0.1:80', 'output tcp/10.2.1.2:80', 'forward tcp/10.2.1.2:80'])
  expect(update([wanted('10.2.1.2:80', { weight: 0 })])).toBe(first)
  const second = update(['10.2.1.2:80', '10.2.1.3:80'])
  expect(change(wants, first)).toEqual({ came: ['output tcp/10.2.1.3:80', 'forward tcp/10.2.1.3:80'], went: [] })

  const draining = { table: inKernel(WEB, ['10.2.1.3:80']), holds: () => true }
  expect(update(['10.2.1.2:80'], draining)).toBe(second)
  // Its drain is over.
  update(['10.2.1.2:80'])
  expect(change(wants, second)).toEqual({ came: [], went: ['output tcp/10.2.1.3:80', 'forward tcp/10.2.1.3:80'] })
  expect(change(wants, first)).toEqual({ came: [], went: [] })
  wants.clear()
  expect([wants.size, all(wants)]).toEqual([0, []])
})

test('two services with one backend need it until both have left it, and one that forwards directly has one for all of its backends', () => {
  const wants = new WantedOpenings()
  const of = (...services: DesiredService[]) => wants.update(state(services), NOBODY)
  const second = 'tcp/10.9.0.2:80'
  of(service(WEB, ['10.2.1.2:80']), service(second, ['10.2.1.2:80']))
  const { revision } = wants
  of(service(WEB, ['10.2.1.2:80']), service(second, []))
  expect(wants.revision).toBe(revision)
  of(service(WEB, []), service(second, []))
  expect(change(wants, revision).went).toEqual(['output tcp/10.2.1.2:80', 'forward tcp/10.2.1.2:80'])
  const direct = (...texts: string[]) =>
    of(
      service(
        WEB,
        texts.map((text) => wanted(text, { forwarding: { method: 'direct' } })),
      ),
    )
  direct('10.2.1.2:80', '10.2.1.3:80')
  const both = wants.revision
  direct('10.2.1.3:80')
  expect(wants.revision).toBe(both)
  expect(all(wants)).toEqual(['input tcp/10.9.0.1:80', 'output tcp/10.9.0.1:80'])
})

test('of the table those services are looked at whose state may be another', () => {
  const wants = new WantedOpenings()
  const asked: ServiceKey[] = []
  const inTable = new Map([...inKernel(WEB, ['10.2.1.2:80']), ...inKernel(DNS, ['10.2.1.2:53', '10.2.1.9:53'])])
  const read = () => ({
    keys: () => inTable.keys(),
    get: (name: ServiceKey) => {
      asked.push(name)
      return inTable.get(name)
    },
  })
  const web = service(WEB, ['10.2.1.2:80'])
  const dns = service(DNS, ['10.2.1.2:53', '10.2.1.9:53'])
  const update = (table: HeldServices['table'], services: readonly DesiredService[], draining: readonly ServiceKey[] = []) => {
    asked.length = 0
    wants.update(state(services), { table, holds: () => true, draining })
    return asked.toSorted()
  }
  const table = read()
  expect(update(table, [web, dns])).toEqual([WEB, DNS].toSorted())
  expect(update(table, [web, dns])).toEqual([])
  expect(update(table, [web, service(DNS, [wanted('10.2.1.2:53', { weight: 0 }), '10.2.1.9:53'])])).toEqual([])
  // One that is asked for no more is looked at until it is gone, and one that is adopted to drain as soon as that is known.
  expect(update(table, [web, service(DNS, ['10.2.1.2:53'])])).toEqual([DNS])
  expect(update(table, [web, service(DNS, ['10.2.1.2:53'])])).toEqual([DNS])
  inTable.delete(DNS)
  expect(update(table, [web])).toEqual([DNS])
  expect(update(table, [web])).toEqual([])
  expect(update(table, [web], [WEB])).toEqual([WEB])
  // Everything was read again.
  expect(update(read(), [web])).toEqual([WEB])
})
