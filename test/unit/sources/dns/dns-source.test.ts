import { of, type Subscription, VirtualTimeScheduler } from 'rxjs'
import { describe, expect, it } from 'vitest'
import type { Issue } from '../../../../src/document/issue.ts'
import type { DnsSourceSpec, DnsSrvSourceSpec } from '../../../../src/model/dns-source-spec.ts'
import type { ServiceSpec } from '../../../../src/model/service-spec.ts'
import type { SourceEvent } from '../../../../src/model/source-event.ts'
import { dnsSource } from '../../../../src/sources/dns/dns-source.ts'
import type { Answer } from '../../../../src/sources/dns/resolver.ts'
import { Recovery } from '../../../../src/sources/recovery.ts'
import { spec as service } from '../../pipeline/makers.ts'
import { address, plainSpec, records, srv, srvSpec, trouble } from './support.ts'

const SRV = 'SRV _http._tcp.web.example'

/** A source in virtual time. `zone` answers questions such as `A a.example.`; `asked` says when they came, in seconds. */
function bench(
  source: DnsSrvSourceSpec | DnsSourceSpec,
  more: { service?: Partial<ServiceSpec>; random?: number; recovers?: boolean } = {},
) {
  const scheduler = new VirtualTimeScheduler()
  const zone: Record<string, Answer> = {}
  const asked: string[] = []
  const heard: [seconds: number, event: SourceEvent][] = []
  const warned: (readonly Issue[])[] = []
  const lookups = {
    ask: ({ type, name }: { type: string; name: string }) => {
      const question = `${type} ${name}`
      asked.push(`${scheduler.now() / 1_000} ${question}`)
      return of({ ...(zone[question] ?? trouble('nxdomain', `${name}: there is no such name`)), at: scheduler.now() })
    },
  }
  const open = dnsSource(source, service(more.service), {
    lookups,
    scheduler,
    random: () => more.random ?? 0,
    ...(more.recovers && { recovery: new Recovery(scheduler) }),
    onWarnings: (warnings) => warned.push(warnings),
  })
  const subscription: Subscription = open.watch().subscribe((event) => heard.push([scheduler.now() / 1_000, event]))
  const until = (seconds: number) => {
    scheduler.maxFrames = seconds * 1_000
    scheduler.flush()
    return last()
  }
  const last = (): SourceEvent => heard.at(-1)?.[1] ?? { kind: 'pending' }
  /** When the question was asked, in seconds. */
  const times = (question: string) => asked.filter((one) => one.endsWith(` ${question}`)).map((one) => Number.parseFloat(one))
  return { zone, asked, heard, warned, until, times, subscription }
}

function members(event: SourceEvent): string[] {
  return event.kind === 'pending' ? [] : [...event.set.backends.keys()].sort()
}

function weights(event: SourceEvent): (number | undefined)[] {
  return event.kind === 'pending' ? [] : [...event.set.backends.values()].map(({ weight }) => weight)
}

/** Two targets whose addresses come along. */
const two = records([srv('a'), srv('b')], { additionals: [address('a', '10.1.0.1'), address('b', '10.1.0.2')] })
const A = '10.1.0.1:8080'
const B = '10.1.0.2:8080'

describe('SRV records', () => {
  it('are pending at once, then fresh, with the addresses that came along', () => {
    const { zone, heard, asked, until } = bench(srvSpec())
    expect(heard).toEqual([[0, { kind: 'pending' }]])
    zone[SRV] = records([srv('a', { priority: 2, weight: 7 })], {
      additionals: [address('a', '10.1.0.1'), address('a', '10.1.0.9')],
    })
    expect(until(0)).toMatchObject({ kind: 'fresh', set: { trust: 'fresh', origin: 'dns_srv _http._tcp.web.example', at: 0 } })
    expect([...(heard[1]?.[1].kind === 'fresh' ? heard[1][1].set.backends.values() : [])]).toEqual([
      { address: '10.1.0.1', port: 8080, weight: 7, priority: 2 },
      { address: '10.1.0.9', port: 8080, weight: 7, priority: 2 },
    ])
    expect(asked).toEqual([`0 ${SRV}`])
  })

  it('have the addresses of their targets asked for where they did not come along', () => {
    const { zone, asked, until } = bench(srvSpec())
    zone[SRV] = records([srv('a'), srv('b')], { additionals: [address('a', '10.1.0.1')] })
    zone['A b.example.'] = records([address('b', '10.1.0.2')])
    expect(members(until(0))).toEqual([A, B])
    expect(asked).toEqual([`0 ${SRV}`, '0 A b.example.'])
  })

  it('publish every priority; the choice is not ours', () => {
    const { zone, until } = bench(srvSpec())
    zone[SRV] = records([srv('a', { priority: 1 }), srv('b', { priority: 5 })], { additionals: two.ok ? two.additionals : [] })
    const event = until(0)
    expect(event.kind === 'fresh' && [...event.set.backends.values()].map(({ priority }) => priority)).toEqual([1, 5])
  })

  it('give weight 0 a share, or none where that is chosen', () => {
    const answers = records([srv('a', { weight: 0 }), srv('b', { weight: 9 })], { additionals: two.ok ? two.additionals : [] })
    const serving = bench(srvSpec())
    serving.zone[SRV] = answers
    expect(weights(serving.until(0))).toEqual([9, 1])
    const draining = bench(srvSpec({ zeroWeight: 'drain' }))
    draining.zone[SRV] = answers
    expect(weights(draining.until(0))).toEqual([9, 0])
  })

  it('that lead to the same member count once: lower priority, then higher weight', () => {
    const { zone, until } = bench(srvSpec())
    zone[SRV] = records(
      [srv('a', { priority: 2, weight: 99 }), srv('b', { priority: 1, weight: 3 }), srv('c', { priority: 1, weight: 4 })],
      {
        additionals: ['a', 'b', 'c'].map((host) => address(host, '10.1.0.1')),
      },
    )
    const event = until(0)
    expect(event.kind === 'fresh' && [...event.set.backends.values()]).toEqual([
      { address: '10.1.0.1', port: 8080, weight: 4, priority: 1 },
    ])
  })

  it('that the service cannot use are put aside, counted and told once; alone they are an outage', () => {
    const { zone, warned, until } = bench(srvSpec(), { service: { forwarding: { method: 'direct' } } })
    const additionals = two.ok ? two.additionals : []
    zone[SRV] = records([srv('a', { port: 80 }), srv('b')], { additionals })
    expect(until(70)).toMatchObject({ kind: 'fresh', set: { quarantined: 1 } })
    expect(warned).toHaveLength(1)
    expect(warned[0]).toMatchObject([{ path: 'b.example', problem: expect.stringContaining('port 8080 is not') }])
    zone[SRV] = records([srv('b')], { additionals })
    expect(until(200)).toMatchObject({ kind: 'stale', failure: { code: 'SOURCE_INVALID' } })
    expect(members(until(200))).toEqual(['10.1.0.1:80'])
  })
})

describe('families', () => {
  it('are those of the service, both through a tunnel, or those that are wanted', () => {
    const asked = (source: DnsSrvSourceSpec, more: Partial<ServiceSpec> = {}) => {
      const { zone, asked, until } = bench(source, { service: more })
      zone[SRV] = records([srv('a')])
      until(0)
      return asked.slice(1).map((one) => one.slice(2))
    }
    const tunnel: Partial<ServiceSpec> = { forwarding: { method: 'tunnel', tunnel: { type: 'ipip' } } }
    expect(asked(srvSpec())).toEqual(['A a.example.'])
    expect(asked(srvSpec(), tunnel)).toEqual(['A a.example.', 'AAAA a.example.'])
    expect(asked(srvSpec({ families: ['ipv6'] }), tunnel)).toEqual(['AAAA a.example.'])
  })

  it('that the service cannot reach leave it pending with the reason', () => {
    const { until, asked } = bench(srvSpec({ families: ['ipv6'] }))
    expect(until(100)).toMatchObject({ kind: 'pending', failure: { code: 'SOURCE_INVALID' } })
    expect(asked).toEqual([])
  })

  it('of which a name lacks one are nothing unusual', () => {
    const { zone, until } = bench(plainSpec(), {
      service: {
        forwarding: { method: 'tunnel', tunnel: { type: 'gre', checksum: 'none' } },
        identity: { kind: 'fwmark', fwmark: 7, family: 'ipv4' },
      },
    })
    zone['A web.example'] = records([address('web', '10.1.0.1')])
    zone['AAAA web.example'] = trouble('nodata')
    expect(until(0)).toMatchObject({ kind: 'fresh', set: { trust: 'fresh' } })
    zone['AAAA web.example'] = trouble('timeout')
    expect(until(400)).toMatchObject({ kind: 'fresh', set: { trust: 'truncated' } })
  })
})

describe('a plain name', () => {
  it('gives members with the port and without weight and priority', () => {
    const { zone, until } = bench(plainSpec())
    zone['A web.example'] = records([address('web', '10.1.0.1'), address('web', '10.1.0.2')])
    const event = until(0)
    expect(event.kind === 'fresh' && [...event.set.backends.values()]).toEqual([
      { address: '10.1.0.1', port: 8080 },
      { address: '10.1.0.2', port: 8080 },
    ])
  })

  it('is stale when it cannot be looked up, and empty when it is gone for 30 s', () => {
    const { zone, until } = bench(plainSpec())
    zone['A web.example'] = records([address('web', '10.1.0.1')], { ttl: 5_000 })
    until(0)
    zone['A web.example'] = trouble('servfail', 'fails')
    expect(until(20)).toMatchObject({ kind: 'stale', failure: { code: 'DNS_SERVFAIL', message: 'fails' } })
    zone['A web.example'] = trouble('nxdomain')
    expect(until(45)).toMatchObject({ kind: 'stale', failure: { code: 'DNS_NXDOMAIN' } })
    expect(members(until(100))).toEqual([])
    expect(until(100)).toMatchObject({ kind: 'fresh', set: { trust: 'fresh' } })
  })
})

describe('the pace', () => {
  it.each([
    ['the time to live', 60_000, 0, [0, 60, 120]],
    ['five seconds at least', 0, 0, [0, 5, 10]],
    ['300 seconds at most', 86_400_000, 0, [0, 300, 600]],
    ['up to a tenth later', 60_000, 0.5, [0, 63, 126]],
    ['but never above the most', 300_000, 0.5, [0, 285, 570]],
  ])('is %s', (_, ttl, random, seconds) => {
    const { zone, until, times } = bench(srvSpec(), { random })
    zone[SRV] = records([srv('a')], { ttl, additionals: [address('a', '10.1.0.1', 86_400)] })
    until(seconds[2] ?? 0)
    expect(times(SRV)).toEqual(seconds)
  })

  it('is the lowest time to live of all, and only what is due is asked for', () => {
    const { zone, until, times } = bench(srvSpec())
    zone[SRV] = records([srv('a')], { ttl: 60_000 })
    zone['A a.example.'] = records([address('a', '10.1.0.1')], { ttl: 25_000 })
    until(61)
    expect(times(SRV)).toEqual([0, 60])
    expect(times('A a.example.')).toEqual([0, 25, 50])
  })

  it('doubles from 1 s to 30 s in trouble, and is itself again afterwards', () => {
    const { zone, until, times } = bench(srvSpec())
    zone[SRV] = trouble('timeout')
    until(70)
    expect(times(SRV)).toEqual([0, 1, 3, 7, 15, 31, 61])
    zone[SRV] = two
    until(152)
    expect(times(SRV).slice(-2)).toEqual([91, 151])
  })

  it('confirms with the same map and a later time', () => {
    const { zone, until, heard } = bench(srvSpec())
    zone[SRV] = two
    until(60)
    const [, first, second] = heard.map(([, event]) => event)
    expect(first?.kind === 'fresh' && second?.kind === 'fresh' && first.set.backends === second.set.backends).toBe(true)
    expect(second).toMatchObject({ set: { at: 60_000 } })
    expect(heard).toHaveLength(3)
  })

  it('ends with the subscription', () => {
    const { zone, until, asked, subscription } = bench(srvSpec())
    zone[SRV] = two
    until(0)
    subscription.unsubscribe()
    until(1_000)
    expect(asked).toHaveLength(1)
  })
})

describe('trouble with the name', () => {
  it.each(['servfail', 'refused', 'timeout'] as const)('%s keeps the last answer for ever, and is told once', (kind) => {
    const { zone, until, heard, asked } = bench(srvSpec())
    zone[SRV] = two
    until(0)
    zone[SRV] = trouble(kind, `${kind}!`)
    const event = until(100_000)
    expect(event).toMatchObject({
      kind: 'stale',
      failure: { code: `DNS_${kind.toUpperCase()}`, message: `${kind}!` },
      set: { at: 0 },
    })
    expect(members(event)).toEqual([A, B])
    expect(heard).toHaveLength(3)
    expect(asked.length).toBeLessThan(100_000 / 30 + 10)
    zone[SRV] = two
    expect(until(100_060)).toMatchObject({ kind: 'fresh', set: { trust: 'fresh' } })
  })

  it.each(['nxdomain', 'nodata'] as const)('%s keeps it for 30 s and is then an empty answer, to the second', (kind) => {
    const { zone, until, heard } = bench(srvSpec())
    zone[SRV] = two
    until(0)
    zone[SRV] = trouble(kind, 'gone')
    expect(until(89.9)).toMatchObject({
      kind: 'stale',
      failure: { code: `DNS_${kind.toUpperCase()}`, message: 'gone; it counts as an empty answer when it lasts 30s' },
    })
    expect(until(90)).toMatchObject({ kind: 'fresh', set: { trust: 'fresh', at: 90_000 } })
    expect(members(until(90))).toEqual([])
    expect(heard.map(([seconds]) => seconds)).toEqual([0, 0, 60, 90])
    zone[SRV] = two
    expect(members(until(125))).toEqual([A, B])
  })

  it('counts from its beginning, and anew after any other word', () => {
    const { zone, until } = bench(srvSpec())
    zone[SRV] = two
    until(0)
    zone[SRV] = trouble('nxdomain')
    until(80)
    zone[SRV] = trouble('servfail')
    until(92)
    zone[SRV] = trouble('nxdomain')
    expect(until(121)).toMatchObject({ kind: 'stale' })
    expect(members(until(170))).toEqual([])
  })

  it('leaves it pending, with the reason, when there never was an answer; then the policy counts all the same', () => {
    const { zone, until } = bench(srvSpec())
    zone[SRV] = trouble('nxdomain', 'gone')
    expect(until(29)).toMatchObject({ kind: 'pending', failure: { code: 'DNS_NXDOMAIN' } })
    expect(until(31)).toMatchObject({ kind: 'fresh', set: { trust: 'fresh' } })
  })

  it('target "." is a trusted empty answer at once', () => {
    const { zone, until } = bench(srvSpec())
    zone[SRV] = two
    until(0)
    zone[SRV] = records([srv('')])
    expect(until(60)).toMatchObject({ kind: 'fresh', set: { trust: 'fresh', at: 60_000 } })
    expect(members(until(60))).toEqual([])
  })

  it('target "." beside others is passed over', () => {
    const { zone, until } = bench(srvSpec())
    zone[SRV] = records([srv(''), srv('a')], { additionals: [address('a', '10.1.0.1')] })
    expect(members(until(0))).toEqual([A])
  })

  it.each([
    ['nxdomain', 'hold', 'stale'],
    ['nodata', 0, 'fresh'],
    ['servfail', 0, 'fresh'],
    ['refused', 5_000, 'fresh'],
    ['timeout', 'hold', 'stale'],
  ] as const)('%s can be told to be %s', (kind, policy, outcome) => {
    const { zone, until } = bench(srvSpec({ policies: { ...srvSpec().policies, [kind]: policy } }))
    zone[SRV] = two
    until(0)
    zone[SRV] = trouble(kind)
    expect(until(66)).toMatchObject({ kind: outcome })
    expect(members(until(66))).toEqual(outcome === 'fresh' ? [] : [A, B])
  })

  it('target "." can be told to be an outage', () => {
    const { zone, until } = bench(srvSpec({ policies: { ...srvSpec().policies, no_service: 'hold' } }))
    zone[SRV] = two
    until(0)
    zone[SRV] = records([srv('')])
    expect(until(600)).toMatchObject({ kind: 'stale', failure: { code: 'DNS_NO_SERVICE' } })
  })
})

describe('trouble with a target', () => {
  function withB(answer: Answer) {
    const all = bench(srvSpec())
    all.zone[SRV] = records([srv('a'), srv('b')], { ttl: 5_000, additionals: [address('a', '10.1.0.1', 5)] })
    all.zone['A b.example.'] = records([address('b', '10.1.0.2')], { ttl: 5_000 })
    all.until(0)
    all.zone['A b.example.'] = answer
    return all
  }

  it('keeps its last addresses and the others may not be removed', () => {
    const { zone, until, warned } = withB(trouble('timeout', 'b.example: silent'))
    expect(until(6)).toMatchObject({ kind: 'fresh', set: { trust: 'truncated' } })
    expect(members(until(6))).toEqual([A, B])
    expect(warned).toEqual([[expect.objectContaining({ path: 'b.example', problem: 'b.example: silent' })]])
    zone[SRV] = records([srv('b'), srv('c')], { ttl: 5_000, additionals: [address('c', '10.1.0.3')] })
    expect(members(until(600))).toEqual([A, B, '10.1.0.3:8080'])
    zone['A b.example.'] = records([address('b', '10.1.0.2')])
    expect(members(until(700))).toEqual([B, '10.1.0.3:8080'])
    expect(until(700)).toMatchObject({ set: { trust: 'fresh' } })
  })

  it('is an outage when no target has an address', () => {
    const { zone, until } = bench(srvSpec())
    zone[SRV] = records([srv('a'), srv('b')])
    zone['A a.example.'] = trouble('timeout', 'silent')
    zone['A b.example.'] = trouble('timeout', 'silent')
    expect(until(100)).toMatchObject({ kind: 'pending', failure: { code: 'DNS_TIMEOUT', message: 'silent' } })
  })

  it('that does not exist any more is held for 30 s and then gone; the answer is whole again', () => {
    const { until } = withB(trouble('nxdomain'))
    expect(until(30)).toMatchObject({ set: { trust: 'truncated' } })
    expect(members(until(34))).toEqual([A, B])
    expect(members(until(60))).toEqual([A])
    expect(until(60)).toMatchObject({ set: { trust: 'fresh' } })
  })
})

describe('answers that name others each time', () => {
  it('do not flap: what is missing stays for hold_obsolete, and is asked for meanwhile', () => {
    const { zone, until, times, heard } = bench(srvSpec())
    zone[SRV] = two
    until(0)
    const onlyA = records([srv('a')], { additionals: [address('a', '10.1.0.1')] })
    zone[SRV] = onlyA
    expect(members(until(69.9))).toEqual([A, B])
    expect(times(SRV)).toEqual([0, 60, 61, 62, 63, 64, 65, 66, 67, 68, 69])
    expect(members(until(70))).toEqual([A])
    expect(until(70)).toMatchObject({ kind: 'fresh', set: { trust: 'fresh' } })
    expect(heard.every(([, event]) => event.kind !== 'stale')).toBe(true)
    until(131)
    expect(times(SRV).slice(-2)).toEqual([70, 130])
  })

  it('forget that it was missing when it is back', () => {
    const { zone, until } = bench(srvSpec())
    zone[SRV] = two
    until(0)
    for (let second = 60; second < 100; second++) {
      zone[SRV] = second % 8 === 0 ? two : records([srv('a')], { ttl: 5_000, additionals: [address('a', '10.1.0.1')] })
      expect(members(until(second))).toEqual([A, B])
    }
  })

  it('ask again only for the target that lost an address', () => {
    const { zone, until, times } = bench(srvSpec())
    zone[SRV] = records([srv('a'), srv('b')])
    zone['A a.example.'] = records([address('a', '10.1.0.1')])
    zone['A b.example.'] = records([address('b', '10.1.0.2'), address('b', '10.1.0.3')])
    until(0)
    zone['A b.example.'] = records([address('b', '10.1.0.2')])
    expect(members(until(69.9))).toHaveLength(3)
    expect(members(until(70))).toEqual([A, B])
    expect(times('A b.example.').length).toBe(12)
    expect(times('A a.example.')).toEqual([0, 60])
  })

  it('let go at once where hold_obsolete is 0', () => {
    const { zone, until } = bench(srvSpec({ holdObsolete: 0 }))
    zone[SRV] = two
    until(0)
    zone[SRV] = records([srv('a')], { additionals: [address('a', '10.1.0.1')] })
    expect(members(until(60))).toEqual([A])
  })

  it('remove nothing while they may lack records', () => {
    const { zone, until, warned } = bench(srvSpec())
    zone[SRV] = two
    until(0)
    zone[SRV] = records([srv('c')], { complete: false, additionals: [address('c', '10.1.0.3')] })
    expect(until(500)).toMatchObject({ kind: 'fresh', set: { trust: 'truncated' } })
    expect(members(until(500))).toEqual([A, B, '10.1.0.3:8080'])
    expect(warned.flat()).toContainEqual(expect.objectContaining({ problem: expect.stringContaining('records may be missing') }))
  })
})

describe('servers that do not answer', () => {
  it.each(['timeout', 'servfail', 'refused', 'nxdomain'] as const)(
    '(%s) are asked four times a second, so that what they say is known soon',
    (kind) => {
      const { zone, until, times } = bench(srvSpec(), { recovers: true })
      zone[SRV] = two
      until(50)
      zone[SRV] = trouble(kind)
      expect(until(80)).toMatchObject({ kind: 'stale' })
      const asked = times(SRV).filter((at) => at >= 70 && at < 80)
      expect(asked.length).toBeGreaterThanOrEqual(40)
      expect(asked.length).toBeLessThan(43)
      zone[SRV] = records([srv('a')], { additionals: [address('a', '10.1.0.1')] })
      expect(until(80.5)).toMatchObject({ kind: 'fresh' })
    },
  )

  it('are left in peace once a name that is not there counts as empty', () => {
    const { until, times } = bench(srvSpec(), { recovers: true })
    until(600)
    expect(times(SRV).filter((at) => at >= 300).length).toBeLessThan(12)
  })
})
