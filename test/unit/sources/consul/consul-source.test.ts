import { describe, expect, it } from 'vitest'
import type { IpAddress } from '../../../../src/model/address.ts'
import { afterHeard, type Knowledge, warningsOf } from '../../../../src/sources/consul/consul-source.ts'
import { ConsulFault } from '../../../../src/sources/consul/fault.ts'
import { type ReadEntry, readHealthEntries } from '../../../../src/sources/consul/health-entry.ts'
import { instancesOf } from '../../../../src/sources/consul/instances.ts'
import type { ConsulReading } from '../../../../src/sources/consul/query-reader.ts'
import { consulSpec, entry } from './scripted-agent.ts'

const spec = consulSpec(['http://127.0.0.1:8500'])
const service = {
  name: 'web',
  identity: { kind: 'address', protocol: 'tcp', address: '10.9.0.1' as IpAddress, port: 80 },
  forwarding: { method: 'nat' },
} as const

const nothing: Knowledge = { event: { kind: 'pending' } }
const read = (...entries: readonly unknown[]) => readHealthEntries(JSON.parse(JSON.stringify(entries))) ?? []

function answer(
  before: Knowledge,
  content: readonly ReadEntry[],
  more: Partial<Omit<ConsulReading<unknown>, 'content'>> = {},
): Knowledge {
  const reading = { content, same: false, trust: 'fresh' as const, index: 5n, at: 100, ...more }
  return afterHeard(before, { kind: 'answer', reading }, spec, service)
}

function fault(before: Knowledge, message: string, at = 200): Knowledge {
  return afterHeard(before, { kind: 'fault', fault: new ConsulFault('SOURCE_UNREADABLE', message), at }, spec, service)
}

function setOf({ event }: Knowledge) {
  if (event.kind === 'pending') throw new Error('nothing is known')
  return event.set
}

describe('what a Consul source says after one more answer', () => {
  it('keeps an instance that cannot be read as it was before the source was opened', () => {
    const { backends } = setOf(answer(nothing, read(entry(1), entry(2))))
    const begun = { ...nothing, instances: instancesOf(backends) }
    const unusable = read(entry(1), entry(2, { service: { Address: 'web-2.internal' } }))
    expect([...setOf(answer(begun, unusable)).backends.keys()]).toEqual(['10.1.1.1:80', '10.1.1.2:80'])
    expect([...setOf(answer(begun, read(entry(1)))).backends.keys()]).toEqual(['10.1.1.1:80'])
  })

  it('is fresh, with members under its name', () => {
    const { event } = answer(nothing, read(entry(1)))
    expect(event).toMatchObject({ kind: 'fresh', set: { origin: 'consul web', trust: 'fresh', at: 100 } })
    expect([...setOf(answer(nothing, read(entry(1)))).backends.keys()]).toEqual(['10.1.1.1:80'])
  })

  it('confirms with the same members and a later time, whether the bytes or only the meaning are the same', () => {
    const content = read(entry(1))
    const first = answer(nothing, content)
    const again = answer(first, content, { same: true, at: 300 })
    const rewritten = answer(again, read(entry(1, { service: { ModifyIndex: 99 }, node: { Meta: { a: 'b' } } })), { at: 400 })
    for (const [knowledge, at] of [
      [again, 300],
      [rewritten, 400],
    ] as const) {
      expect(setOf(knowledge).backends).toBe(setOf(first).backends)
      expect(setOf(knowledge).at).toBe(at)
    }
  })

  it('removes nobody where instances are listed and none of them can be used', () => {
    const named = read(...[1, 2].map((number) => entry(number, { service: { Address: `web-${number}.internal` } })))
    expect(setOf(answer(nothing, named))).toMatchObject({ trust: 'truncated', backends: new Map(), quarantined: 2 })
    expect(setOf(answer(nothing, read())).trust).toBe('fresh')
  })

  it.each(['leaderless', 'stale', 'truncated'] as const)('passes on that an answer is %s, also when it is empty', (trust) => {
    const first = answer(nothing, read(entry(1)))
    const empty = answer(first, read(), { trust })
    expect(empty.event).toMatchObject({ kind: 'fresh', set: { trust, backends: new Map() } })
    expect(answer(empty, read()).event).toMatchObject({ set: { trust: 'fresh', backends: new Map() } })
  })

  it.each([
    ['leaderless', 'the servers know no leader'],
    ['stale', 'the servers answer with what may be old'],
    ['truncated', 'the token may not see everything that was asked for'],
  ] as const)('tells of a doubt that stays (%s), for nobody leaves meanwhile', (trust, problem) => {
    const told = (knowledge: Knowledge) => warningsOf(knowledge).map((issue) => issue.problem)
    const content = read(entry(1))
    const once = answer(answer(nothing, content), read(), { trust })
    expect(told(once), 'a leader is asked for again at once').toEqual(trust === 'truncated' ? [problem] : [])
    const twice = answer(once, read(), { trust })
    expect(told(twice)).toEqual([problem])
    expect(told(fault(twice, 'gone')), 'not told anew after an outage').toEqual([problem])
    expect(told(answer(twice, content))).toEqual([])
  })

  it('is truncated when somebody in it cannot be told', () => {
    expect(setOf(answer(nothing, read(entry(1), null))).trust).toBe('truncated')
    expect(setOf(answer(nothing, read(entry(1), null), { trust: 'leaderless' })).trust).toBe('leaderless')
  })

  it('counts the entries that cannot be used', () => {
    expect(setOf(answer(nothing, read(entry(1), entry(2, { service: { Address: 'nowhere' } })))).quarantined).toBe(1)
    expect(setOf(answer(nothing, read(entry(1))))).not.toHaveProperty('quarantined')
  })

  it('takes an empty answer with a known leader for an answer', () => {
    expect(answer(nothing, read()).event).toMatchObject({ kind: 'fresh', set: { backends: new Map(), trust: 'fresh' } })
  })
})

describe('what a Consul source says after a fault', () => {
  it('is pending with the reason while nothing is known', () => {
    const failure = { code: 'SOURCE_UNREADABLE', message: 'gone', at: 200 }
    expect(fault(nothing, 'gone').event).toEqual({ kind: 'pending', failure })
  })

  it('is stale with the last members, the reason once', () => {
    const up = answer(nothing, read(entry(1)))
    const out = fault(up, 'gone')
    expect(out.event).toMatchObject({ kind: 'stale', set: { trust: 'stale', at: 100 }, failure: { message: 'gone' } })
    expect(setOf(out).backends).toBe(setOf(up).backends)
    expect(fault(out, 'gone', 900).event).toBe(out.event)
    expect(fault(out, 'another', 900).event).toMatchObject({ failure: { message: 'another', at: 900 } })
  })

  it('is fresh again with the same members when the bytes are still the same', () => {
    const content = read(entry(1))
    const up = answer(nothing, content)
    const back = answer(fault(up, 'gone'), content, { same: true, at: 500 })
    expect(back.event).toMatchObject({ kind: 'fresh', set: { at: 500, trust: 'fresh' } })
    expect(setOf(back).backends).toBe(setOf(up).backends)
  })
})
