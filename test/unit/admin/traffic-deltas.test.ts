import { describe, expect, test } from 'vitest'
import { TrafficDeltas, type TrafficLine, type WatchedTraffic } from '../../../src/admin/traffic-deltas.ts'
import type { IpvsTable } from '../../../src/model/ipvs-table.ts'
import { type ServiceKey, serviceKey } from '../../../src/model/virtual-service.ts'
import { destination, service, table, WEB } from './readings.ts'

const KEY = serviceKey(WEB)

function watched(more: Partial<WatchedTraffic['log']> = {}): Map<ServiceKey, WatchedTraffic> {
  return new Map([[KEY, { name: 'web', identity: WEB, log: { interval: 10_000, backends: false, idle: false, ...more } }]])
}

function deltas(more: Partial<WatchedTraffic['log']> = {}): TrafficDeltas {
  const made = new TrafficDeltas()
  made.follow(watched(more), 1_000)
  return made
}

async function take(deltas: TrafficDeltas, reading: IpvsTable, now: number): Promise<TrafficLine[]> {
  const lines: TrafficLine[] = []
  for await (const line of deltas.take(reading, now)) lines.push(line)
  return lines
}

describe('what services have done', () => {
  test('is the difference of two readings, each number under its own name', async () => {
    const each = deltas()
    expect(await take(each, table(service(WEB, 100n, [destination('10.0.1.1', 100n, { active: 3 })])), 1_000)).toEqual([])
    expect(await take(each, table(service(WEB, 107n, [destination('10.0.1.1', 107n, { active: 3 })])), 10_000)).toEqual([
      {
        service: 'web',
        vip: '10.0.0.1:80',
        protocol: 'tcp',
        seconds: 9,
        connections: 7,
        packets_in: 14,
        packets_out: 21,
        bytes_in: 35,
        bytes_out: 49,
        active: 3,
        inactive: 2,
      },
    ])
  })

  test('is told of each backend where it is asked for, with what came to it alone', async () => {
    const each = deltas({ backends: true })
    await take(each, table(service(WEB, 10n, [destination('10.0.1.1', 6n), destination('10.0.1.2', 4n)])), 1_000)
    const lines = await take(each, table(service(WEB, 15n, [destination('10.0.1.1', 11n), destination('10.0.1.2', 4n)])), 10_000)
    expect(lines.map(({ backend, connections }) => [backend, connections])).toEqual([
      [undefined, 5],
      ['10.0.1.1:8080', 5],
    ])
  })

  test('is told of the idle where it is asked for', async () => {
    const idle = async (more: object) => {
      const each = deltas(more)
      const same = table(service(WEB, 10n, [destination('10.0.1.1', 10n)]))
      await take(each, same, 1_000)
      return (await take(each, same, 10_000)).length
    }
    const all = [{}, { idle: true }, { idle: true, backends: true }, { backends: true }]
    expect(await Promise.all(all.map(idle))).toEqual([0, 1, 2, 0])
  })

  test('is counted on when an object is made anew or zeroed, and in full when it was not there before', async () => {
    const each = deltas({ backends: true })
    await take(each, table(), 1_000)
    const made = await take(each, table(service(WEB, 3n, [destination('10.0.1.1', 3n)])), 10_000)
    expect(made.map(({ connections }) => connections)).toEqual([3, 3])
    const zeroed = await take(each, table(service(WEB, 2n, [destination('10.0.1.1', 1n), destination('10.0.1.2', 1n)])), 20_000)
    expect(zeroed.map(({ connections }) => connections)).toEqual([2, 1, 1])
    expect(await take(each, table(), 30_000)).toEqual([])
    expect(await take(each, table(service(WEB, 2n, [])), 40_000)).toMatchObject([{ connections: 2 }])
  })

  describe('by a backend that comes back', () => {
    const web = (...backends: readonly (readonly [host: string, total: bigint])[]) =>
      table(
        service(
          WEB,
          100n,
          backends.map(([host, total]) => destination(host, total)),
        ),
      )
    /** What the lines say of it when it was away from the second reading to the third. */
    const away = async (before: bigint, after: bigint, at: number, between: readonly number[] = []) => {
      const each = deltas({ backends: true })
      await take(each, web(['10.0.1.1', before]), 1_000)
      for (const moment of [10_000, ...between]) await take(each, web(), moment)
      return (await take(each, web(['10.0.1.1', after]), at)).map(({ backend, connections }) => [backend, connections])
    }
    const AGO = [['10.0.1.1:8080', 3]]

    test('is what came since, where the kernel had kept it', async () => {
      expect(await away(100n, 103n, 20_000)).toEqual(AGO)
      expect(await away(100n, 103n, 200_000, [60_000, 120_000])).toEqual(AGO)
      expect(await away(100n, 100n, 20_000)).toEqual([])
    })

    test('is all of it, where it was made anew', async () => {
      expect(await away(100n, 3n, 20_000)).toEqual(AGO)
    })

    test('is all of it, where it was away for longer than the kernel keeps it', async () => {
      expect(await away(2n, 3n, 1_220_000, [1_210_000])).toEqual(AGO)
    })

    test('is what came since, where the interval is longer than all that', async () => {
      expect(await away(100n, 103n, 3_600_000)).toEqual(AGO)
    })

    test('is all of it, where the service was made anew', async () => {
      const each = deltas({ backends: true })
      await take(each, web(['10.0.1.1', 1n]), 1_000)
      await take(each, web(), 10_000)
      await take(each, table(), 20_000)
      const lines = await take(each, web(['10.0.1.1', 3n]), 30_000)
      expect(lines.map(({ connections }) => connections)).toEqual([100, 3])
    })
  })

  test('of a quiet interval is not told later: seconds are those since the reading before', async () => {
    const each = deltas()
    await take(each, table(service(WEB, 1n, [])), 1_000)
    await take(each, table(service(WEB, 1n, [])), 10_000)
    expect(await take(each, table(service(WEB, 2n, [])), 20_000)).toMatchObject([{ seconds: 10, connections: 1 }])
  })

  test('stays with a service that is renamed or gets another interval', async () => {
    const each = deltas()
    await take(each, table(service(WEB, 5n, [])), 1_000)
    each.follow(new Map([[KEY, { name: 'shop', identity: WEB, log: { interval: 4_000, backends: false, idle: false } }]]), 2_000)
    expect(each.dueAt(2_000)).toBe(4_000)
    expect(await take(each, table(service(WEB, 6n, [])), 4_000)).toMatchObject([{ service: 'shop', seconds: 3, connections: 1 }])
  })
})

describe('when it is due', () => {
  test('never while nothing is watched, at once for what is new, then at whole multiples of the interval', async () => {
    const each = new TrafficDeltas()
    expect(each.dueAt(3_000)).toBeUndefined()
    each.follow(watched(), 3_000)
    expect(each.dueAt(3_000)).toBe(3_000)
    await take(each, table(), 3_000)
    expect(each.dueAt(3_001)).toBe(10_000)
    await take(each, table(), 10_004)
    expect(each.dueAt(10_004)).toBe(20_000)
    each.follow(new Map(), 11_000)
    expect(each.dueAt(11_000)).toBeUndefined()
  })

  test('a reading before its time gives no line', async () => {
    const each = deltas()
    await take(each, table(service(WEB, 5n, [])), 1_000)
    expect(await take(each, table(service(WEB, 6n, [])), 9_999)).toEqual([])
    expect(await take(each, table(service(WEB, 7n, [])), 10_000)).toMatchObject([{ connections: 2 }])
  })
})
