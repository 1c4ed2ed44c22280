import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Pace } from '../../../src/admin/pace.ts'
import { DesiredHashes, StateHash } from '../../../src/admin/state-hash.ts'
import { TrafficLedger } from '../../../src/admin/traffic-ledger.ts'
import { ChunkedMap } from '../../../src/model/chunked-map.ts'
import type { DesiredService } from '../../../src/model/desired-state.ts'
import { type DestinationKey, destinationKey } from '../../../src/model/destination.ts'
import { type ServiceKey, serviceKey } from '../../../src/model/virtual-service.ts'
import { address, destination, service, table, WEB } from './readings.ts'

interface Entry {
  readonly service: number
  readonly host: number
  readonly weight: number
}

const keyOf = (port: number) => `tcp/10.0.0.1:${port}` as ServiceKey

function hashOf(entries: readonly Entry[]): number {
  const hash = new StateHash()
  for (const { service, host, weight } of entries) {
    hash.addDestination(keyOf(service), `10.0.1.${host}:80` as DestinationKey, { forwarding: { method: 'nat' }, weight })
  }
  return hash.value
}

const entry = fc.record({ service: fc.nat(20), host: fc.nat(255), weight: fc.nat(65_535) })
const entries = fc.uniqueArray(entry, { selector: ({ service, host }) => `${service} ${host}`, minLength: 2, maxLength: 40 })

describe('the hash of a state', () => {
  test('is a whole number that a Prometheus value holds exactly, and the order is nothing', () => {
    fc.assert(
      fc.property(
        entries.chain((list) => fc.tuple(fc.constant(list), fc.shuffledSubarray(list, { minLength: list.length }))),
        ([list, shuffled]) => {
          const value = hashOf(list)
          expect(Number.isSafeInteger(value) && value >= 0).toBe(true)
          expect(hashOf(shuffled)).toBe(value)
        },
      ),
    )
  })

  test('tells of every weight, of every destination more or less, and of two weights that changed places', () => {
    fc.assert(
      fc.property(entries, fc.nat(65_535), (list, weight) => {
        const [first, second, ...rest] = list as [Entry, Entry, ...Entry[]]
        const value = hashOf(list)
        expect(hashOf([second, ...rest])).not.toBe(value)
        if (weight !== first.weight) expect(hashOf([{ ...first, weight }, second, ...rest])).not.toBe(value)
        if (first.weight === second.weight) return
        const swapped = [{ ...first, weight: second.weight }, { ...second, weight: first.weight }, ...rest]
        expect(hashOf(swapped)).not.toBe(value)
      }),
    )
  })

  test('does not depend on the process: two directors compute the same', () => {
    expect(hashOf([{ service: 80, host: 7, weight: 5 }])).toBe(EXPECTED)
  })

  test('knows the scheduler, the forwarding and to which service a destination belongs', () => {
    const values = new Set<number>()
    for (const scheduler of ['wlc', 'wrr']) {
      for (const method of ['nat', 'direct'] as const) {
        for (const port of [80, 81]) {
          const hash = new StateHash()
          hash.addService(keyOf(80), scheduler)
          hash.addService(keyOf(81), 'wlc')
          hash.addDestination(keyOf(port), '10.0.1.1:80' as DestinationKey, { forwarding: { method }, weight: 1 })
          values.add(hash.value)
        }
      }
    }
    expect(values.size).toBe(8)
  })
})

/** Changes only with the way of hashing: then directors of two versions differ, and the changelog has to say so. */
const EXPECTED = 454_253_802_312_217

const NAMES = new Map([[serviceKey(WEB), 'web']])
const read = [destination('10.0.1.1', 1n, { weight: 3 }), destination('10.0.1.2', 2n, { weight: 4 })]

const wanted = (weights: readonly number[]): DesiredService => ({
  name: 'anything',
  identity: WEB,
  scheduler: 'wlc',
  destinations: ChunkedMap.from(
    weights.map((weight, index) => {
      const place = { address: address(`10.0.1.${index + 1}`), port: 8080 }
      return [destinationKey(place), { ...place, forwarding: { method: 'nat' }, weight, reasons: [] }]
    }),
  ),
  complete: true,
  drainTimeout: 0,
  adopt: 'named',
})

describe('desired and actual', () => {
  const desired = (weights: readonly number[]) =>
    new DesiredHashes().of(new Map([[serviceKey(WEB), wanted(weights)]]), new Pace())

  test('are equal where the kernel holds what it should, and differ by one weight', async () => {
    const { hash } = await new TrafficLedger(false).take(table(service(WEB, 1n, read)), NAMES)
    expect(await desired([3, 4])).toBe(hash)
    expect(await desired([3, 5])).not.toBe(hash)
    expect(await desired([3])).not.toBe(hash)
  })

  test('of what is not ours nothing counts', async () => {
    const other = { ...WEB, port: 81 } as const
    const ledger = new TrafficLedger(false)
    const { hash } = await ledger.take(table(service(WEB, 1n, read)), NAMES)
    expect((await ledger.take(table(service(other, 1n, read), service(WEB, 9n, read)), NAMES)).hash).toBe(hash)
  })

  test('a service that is the same object is not gone through again', async () => {
    let visits = 0
    const counting = wanted([3, 4])
    const service: DesiredService = {
      ...counting,
      get destinations() {
        visits += 1
        return counting.destinations
      },
    }
    const hashes = new DesiredHashes()
    const services = new Map([[serviceKey(WEB), service]])
    const first = await hashes.of(services, new Pace())
    expect(await hashes.of(services, new Pace())).toBe(first)
    expect(visits).toBe(1)
  })
})
