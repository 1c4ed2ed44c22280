import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { DnsSourceSpec, DnsSrvSourceSpec, NameServer } from '../../src/model/dns-source-spec.ts'
import type { SourceEvent } from '../../src/model/source-event.ts'
import { openSourceWith } from '../../src/sources/registry.ts'
import { type ConsulAgent, startConsul } from '../peers/consul.ts'
import { type DnsFault, startDnsFaultProxy } from '../peers/dns-fault-proxy.ts'
import { type KnotServer, srvRecords, startKnot } from '../peers/knot.ts'
import { spec as service } from '../unit/pipeline/makers.ts'
import * as scripted from '../unit/sources/dns/scripted-server.ts'
import { plainSpec, srvSpec } from '../unit/sources/dns/support.ts'
import { Listener, pause } from './scratch.ts'

const SRV = 33

/** Quick, so that no test waits: the bounds are those of the tests, the rules are the program's. What follows trouble is as configured by default. */
const quick = {
  timeout: 400,
  refresh: { min: 200, max: 1_000 },
  retry: { min: 1_000, max: 30_000 },
  holdObsolete: 0,
}

function at(...servers: readonly { readonly address: string; readonly port: number }[]): { servers: NameServer[] } {
  return { servers: servers.map(({ address, port }) => ({ address, port })) }
}

const srv = (more: Partial<DnsSrvSourceSpec>) => srvSpec({ ...quick, ...more })

function watching(source: DnsSrvSourceSpec | DnsSourceSpec, open = openSourceWith()) {
  const listener = new Listener(open(source, service()))
  const members = () => membersOf(listener.last)
  const says = (kind: SourceEvent['kind'], wanted: readonly string[], patience?: number) =>
    listener.until(
      (last) => last.kind === kind && membersOf(last).join() === [...wanted].sort().join(),
      `${kind} with ${wanted.length > 5 ? `${wanted.length} members` : wanted.join()}`,
      patience,
    )
  const fails = (kind: SourceEvent['kind'], code: string) =>
    listener.until((last) => last.kind !== 'fresh' && last.kind === kind && last.failure?.code === code, `${kind}, ${code}`)
  return { listener, members, says, fails }
}

function membersOf(event: SourceEvent | undefined): string[] {
  return event === undefined || event.kind === 'pending' ? [] : [...event.set.backends.keys()].sort()
}

const zone = (...numbers: number[]) =>
  numbers.map((number) => `_http._tcp 1 SRV 0 ${number} 8080 t${number}\nt${number} 1 A 10.1.0.${number}`).join('\n')
const keys = (...numbers: number[]) => numbers.map((number) => `10.1.0.${number}:8080`)

describe('a DNS source and an authoritative server', () => {
  it('follows the zone: members come, go and change their weight, and the answer that says the same confirms', async () => {
    await using knot = await startKnot({ zones: { 'web.example': zone(1, 2) } })
    const { says, listener } = watching(srv(at(knot)))
    const first = await says('fresh', keys(1, 2))
    expect(first.kind === 'fresh' && [...first.set.backends.values()].map(({ weight, priority }) => [weight, priority])).toEqual([
      [2, 0],
      [1, 0],
    ])
    await listener.until((last) => last !== first, 'confirmation')
    expect(listener.last).toMatchObject({ kind: 'fresh', set: { backends: first.kind === 'fresh' && first.set.backends } })
    await knot.zone('web.example', zone(2, 3))
    await says('fresh', keys(2, 3))
    await knot.zone('web.example', '_http._tcp 1 SRV 7 0 8080 t2\nt2 1 A 10.1.0.2')
    const last = await says('fresh', keys(2))
    expect(last.kind === 'fresh' && [...last.set.backends.values()]).toEqual([
      { address: '10.1.0.2', port: 8080, weight: 1, priority: 7 },
    ])
  })

  it('follows a plain name, through an alias into another zone', async () => {
    await using knot = await startKnot({
      zones: { 'web.example': 'www 1 CNAME pool.other.example.', 'other.example': 'pool 1 A 10.1.0.1\npool 1 A 10.1.0.2' },
    })
    const { says } = watching(plainSpec({ ...quick, ...at(knot), name: 'www.web.example' }))
    await says('fresh', keys(1, 2))
    await knot.zone('other.example', 'pool 1 A 10.1.0.2')
    await says('fresh', keys(2))
  })

  it('resolves targets in zones whose addresses do not come along', async () => {
    await using knot = await startKnot({
      zones: { 'web.example': '_http._tcp 1 SRV 0 1 8080 t1.hosts.example.', 'hosts.example': 't1 1 A 10.1.0.1' },
    })
    await using proxy = await startDnsFaultProxy({ to: knot })
    const { says } = watching(srv(at(proxy)))
    await says('fresh', keys(1))
    await knot.zone('hosts.example', 't1 1 A 10.1.0.9')
    await says('fresh', keys(9))
  })

  it('asks an IPv6 server', async () => {
    await using knot = await startKnot({ zones: { 'web.example': zone(1) }, address: '::1', port: 5391 })
    const { says } = watching(srv(at(knot)))
    await says('fresh', keys(1))
  })

  it('has all of 300 records, which do not fit into a datagram', async () => {
    await using knot = await startKnot({ zones: { 'web.example': srvRecords('_http._tcp', 300, 1) } })
    await using proxy = await startDnsFaultProxy({ to: knot })
    const { listener, members } = watching(srv(at(proxy)))
    await listener.until(({ kind }) => kind === 'fresh', 'the records')
    expect(members()).toHaveLength(300)
    expect(listener.last).toMatchObject({ set: { trust: 'fresh' } })
    const asked = proxy.queries.filter(({ type }) => type === SRV).map(({ transport }) => transport)
    expect(asked.slice(0, 2)).toEqual(['udp', 'tcp'])
  })

  it('has them from a server that speaks TCP alone', async () => {
    await using knot = await startKnot({ zones: { 'web.example': srvRecords('_http._tcp', 300, 1) } })
    await using proxy = await startDnsFaultProxy({ to: knot })
    await proxy.set({ kind: 'refuse' }, 'udp')
    const { listener, members } = watching(srv({ ...at(proxy), transport: 'tcp' }))
    await listener.until(({ kind }) => kind === 'fresh', 'the records')
    expect(members()).toHaveLength(300)
    expect(proxy.queries.every(({ transport }) => transport === 'tcp')).toBe(true)
  })

  it('asks once for what many services want', async () => {
    await using knot = await startKnot({ zones: { 'web.example': zone(1) } })
    await using proxy = await startDnsFaultProxy({ to: knot })
    const open = openSourceWith()
    const source = srv({ ...at(proxy), refresh: { min: 60_000, max: 300_000 } })
    const many = Array.from({ length: 50 }, () => watching(source, open))
    for (const { says } of many) await says('fresh', keys(1))
    const late = watching(source, open)
    await late.says('fresh', keys(1))
    expect(proxy.queries).toHaveLength(1)
  })
})

describe('every trouble keeps the pool, and its end is seen within a second', () => {
  let knot: KnotServer
  beforeAll(async () => {
    knot = await startKnot({ zones: { 'web.example': zone(1, 2) } })
  })
  afterAll(() => knot[Symbol.asyncDispose]())

  it.each<[DnsFault, string]>([
    [{ kind: 'refuse' }, 'DNS_TIMEOUT'],
    [{ kind: 'black-hole' }, 'DNS_TIMEOUT'],
    [{ kind: 'delay', ms: 5_000 }, 'DNS_TIMEOUT'],
    [{ kind: 'answer', rcode: 'SERVFAIL' }, 'DNS_SERVFAIL'],
    [{ kind: 'answer', rcode: 'REFUSED' }, 'DNS_REFUSED'],
    [{ kind: 'answer', rcode: 'NXDOMAIN' }, 'DNS_NXDOMAIN'],
    [{ kind: 'answer', rcode: 'NOERROR' }, 'DNS_NODATA'],
    [{ kind: 'truncated' }, 'DNS_SERVFAIL'],
    [{ kind: 'cut', afterBytes: 40 }, 'DNS_TIMEOUT'],
    [{ kind: 'garbage' }, 'DNS_TIMEOUT'],
    [{ kind: 'wrong-id' }, 'DNS_TIMEOUT'],
    [{ kind: 'wrong-question' }, 'DNS_TIMEOUT'],
  ])('%j is %s', async (fault, code) => {
    await using proxy = await startDnsFaultProxy({ to: knot })
    const { says, fails, listener } = watching(srv(at(proxy)))
    await says('fresh', keys(1, 2))
    await proxy.set(fault)
    expect(membersOf(await fails('stale', code))).toEqual(keys(1, 2))
    await pause(300)
    expect(listener.last).toMatchObject({ kind: 'stale' })
    await proxy.set({ kind: 'pass' })
    await says('fresh', keys(1, 2), 1_000)
    expect(listener.heard.every((event) => event.kind === 'pending' || membersOf(event).length === 2)).toBe(true)
  })

  it.each<[DnsFault, string]>([
    [{ kind: 'black-hole' }, 'DNS_TIMEOUT'],
    [{ kind: 'refuse' }, 'DNS_TIMEOUT'],
    [{ kind: 'cut', afterBytes: 100 }, 'DNS_SERVFAIL'],
    [{ kind: 'garbage' }, 'DNS_SERVFAIL'],
    [{ kind: 'wrong-id' }, 'DNS_SERVFAIL'],
    [{ kind: 'wrong-question' }, 'DNS_SERVFAIL'],
    [{ kind: 'truncated' }, 'DNS_SERVFAIL'],
  ])('%j over TCP is %s', async (fault, code) => {
    await using proxy = await startDnsFaultProxy({ to: knot })
    const { says, fails } = watching(srv({ ...at(proxy), transport: 'tcp' }))
    await says('fresh', keys(1, 2))
    await proxy.set(fault)
    expect(membersOf(await fails('stale', code))).toEqual(keys(1, 2))
    await proxy.set({ kind: 'pass' })
    await says('fresh', keys(1, 2), 1_000)
  })

  it('a start in the middle of it is pending with the reason', async () => {
    await using proxy = await startDnsFaultProxy({ to: knot })
    await proxy.set({ kind: 'refuse' })
    const { says, fails } = watching(srv(at(proxy)))
    await fails('pending', 'DNS_TIMEOUT')
    await proxy.set({ kind: 'pass' })
    await says('fresh', keys(1, 2), 1_000)
  })
})

describe('a server that is ill', () => {
  it('fails a zone, forgets it, stops and freezes: the pool stays', async () => {
    await using knot = await startKnot({ zones: { 'web.example': zone(1, 2) } })
    const { says, fails } = watching(srv(at(knot)))
    await says('fresh', keys(1, 2))
    await knot.breakZone('web.example')
    expect(membersOf(await fails('stale', 'DNS_SERVFAIL'))).toEqual(keys(1, 2))
    await knot.dropZone('web.example')
    expect(membersOf(await fails('stale', 'DNS_REFUSED'))).toEqual(keys(1, 2))
    await knot.zone('web.example', zone(1, 3))
    await says('fresh', keys(1, 3), 1_000)
    knot.freeze()
    expect(membersOf(await fails('stale', 'DNS_TIMEOUT'))).toEqual(keys(1, 3))
    knot.thaw()
    await says('fresh', keys(1, 3))
    await knot.stop()
    expect(membersOf(await fails('stale', 'DNS_TIMEOUT'))).toEqual(keys(1, 3))
    await knot.start()
    await says('fresh', keys(1, 3))
  })

  it('is passed by when another one is well: REFUSED, a referral, silence', async () => {
    await using lame = await startKnot({ zones: { example: 'web NS ns.elsewhere.example.' } })
    await using good = await startKnot({ zones: { 'web.example': zone(1, 2) } })
    const { says, listener } = watching(srv(at(lame, good)))
    await says('fresh', keys(1, 2))
    await lame.dropZone('example')
    await pause(600)
    lame.freeze()
    await pause(600)
    expect(listener.heard.slice(1).every((event) => event.kind === 'fresh')).toBe(true)
  })

  it('hands its work over and takes it back', async () => {
    await using one = await startKnot({ zones: { 'web.example': zone(1) } })
    await using two = await startKnot({ zones: { 'web.example': zone(1) } })
    const { says, listener } = watching(srv(at(one, two)))
    await says('fresh', keys(1))
    await one.stop()
    await pause(600)
    await one.start()
    await two.stop()
    await pause(600)
    expect(listener.heard.slice(1).every((event) => event.kind === 'fresh')).toBe(true)
  })
})

describe('what a zone says of absence', () => {
  const policies = { ...srvSpec().policies, nxdomain: 800, nodata: 800 }

  it.each([
    ['NXDOMAIN', 'other 1 A 10.1.0.1', 'DNS_NXDOMAIN'],
    ['no data', '_http._tcp 1 TXT nothing', 'DNS_NODATA'],
  ])('%s is held, and is then an empty answer', async (_, records, code) => {
    await using knot = await startKnot({ zones: { 'web.example': zone(1) } })
    const { says, fails } = watching(srv({ ...at(knot), policies, retry: { min: 100, max: 300 } }))
    await says('fresh', keys(1))
    await knot.zone('web.example', records)
    expect(membersOf(await fails('stale', code))).toEqual(keys(1))
    const begun = Date.now()
    await says('fresh', [])
    expect(Date.now() - begun).toBeGreaterThan(600)
    await knot.zone('web.example', zone(2))
    await says('fresh', keys(2), 1_000)
  })

  it('target "." is an empty answer at once', async () => {
    await using knot = await startKnot({ zones: { 'web.example': zone(1) } })
    const { says, listener } = watching(srv(at(knot)))
    await says('fresh', keys(1))
    await knot.zone('web.example', '_http._tcp 1 SRV 0 0 0 .')
    await says('fresh', [])
    expect(listener.heard.some(({ kind }) => kind === 'stale')).toBe(false)
  })

  it('a target without an address keeps its members for a while, and the others stay', async () => {
    await using knot = await startKnot({ zones: { 'web.example': zone(1, 2) } })
    const { says, listener } = watching(srv({ ...at(knot), policies }))
    await says('fresh', keys(1, 2))
    await knot.zone('web.example', `${zone(1)}\n_http._tcp 1 SRV 0 2 8080 t2`)
    await listener.until((last) => last.kind === 'fresh' && last.set.trust === 'truncated', 'an answer that is not whole')
    expect(membersOf(listener.last)).toEqual(keys(1, 2))
    const event = await says('fresh', keys(1))
    expect(event).toMatchObject({ set: { trust: 'fresh' } })
  })
})

it('answers that give a third of the records, others each time, do not flap', async () => {
  let turn = 0
  const server = await scripted.scriptedServer(({ packet }) => {
    const hosts = Array.from({ length: 4 }, (_, index) => ((turn + index) % 12) + 1)
    turn += 4
    const name = '_http._tcp.web.example'
    return [
      scripted.reply(packet, {
        answers: hosts.map((host) => scripted.srv(name, `t${host}.web.example`, { port: 8080, ttl: 0 })),
        additionals: hosts.map((host) => scripted.a(`t${host}.web.example`, `10.1.0.${host}`)),
      }),
    ]
  })
  const { says, listener } = watching(srv({ ...at(server), holdObsolete: 3_000 }))
  const all = keys(...Array.from({ length: 12 }, (_, index) => index + 1))
  await says('fresh', all)
  const from = listener.heard.length
  await pause(4_000)
  expect(listener.heard.length - from).toBeGreaterThan(5)
  expect(listener.heard.slice(from).every((event) => membersOf(event).length === 12)).toBe(true)
})

describe("Consul's DNS", () => {
  let agent: ConsulAgent
  beforeAll(async () => {
    agent = await startConsul({ config: { dns_config: { service_ttl: { '*': '1s' } } } })
  })
  afterAll(() => agent[Symbol.asyncDispose]())

  it('is asked over TCP, and has all of 60 instances, each time', async () => {
    for (let number = 1; number <= 60; number++) {
      await agent.register({ name: 'web', id: `web-${number}`, address: `10.1.0.${number}`, port: 8080 })
      await agent.setCheck(`web-${number}`, 'passing')
    }
    await using proxy = await startDnsFaultProxy({ to: { address: agent.address, port: agent.dnsPort } })
    const wanted = keys(...Array.from({ length: 60 }, (_, index) => index + 1))
    const { says, listener } = watching(srv({ ...at(proxy), name: 'web.service.consul' }))
    await says('fresh', wanted)
    await pause(2_500)
    expect(listener.heard.length).toBeGreaterThan(3)
    expect(new Set(listener.heard.slice(1).map((event) => membersOf(event).length))).toEqual(new Set([60]))
    expect(new Set(proxy.queries.map(({ transport }) => transport))).toEqual(new Set(['tcp']))
    await agent.deregister('web-60')
    await says(
      'fresh',
      wanted.filter((key) => key !== '10.1.0.60:8080'),
    )
  })

  it('never takes what Consul trims to 64 KiB in silence for the whole: members add up, and none leaves', async () => {
    const COUNT = 1_060
    for (let number = 1; number <= COUNT; number++) {
      const nodeAddress = `10.1.${number >> 8}.${number & 0xff}`
      await agent.registerInCatalog({ name: 'many', id: 'many', node: `n${number}`, nodeAddress, port: 8080 })
    }
    const { listener } = watching(srv({ ...at({ address: agent.address, port: agent.dnsPort }), name: 'many.service.consul' }))
    const all = await listener.until((event) => membersOf(event).length === COUNT, 'all', 30_000)
    expect(all).toMatchObject({ kind: 'fresh', set: { trust: 'truncated' } })
    const sizes = listener.heard.map((event) => membersOf(event).length)
    expect(sizes).toEqual(sizes.toSorted((one, other) => one - other))
    expect(sizes[1]).toBe(1_024)
  })

  it('holds a service that is gone', async () => {
    const policies = { ...srvSpec().policies, nxdomain: 800 }
    await agent.register({ name: 'gone', id: 'gone-1', address: '10.1.0.1', port: 8080 })
    await agent.setCheck('gone-1', 'passing')
    const { says, fails } = watching(
      srv({ ...at({ address: agent.address, port: agent.dnsPort }), name: 'gone.service.consul', policies }),
    )
    await says('fresh', keys(1))
    await agent.deregister('gone-1')
    expect(membersOf(await fails('stale', 'DNS_NXDOMAIN'))).toEqual(keys(1))
    await says('fresh', [])
  })

  it('is an outage while the agent is dead', async () => {
    await agent.register({ name: 'one', id: 'one-1', address: '10.1.0.1', port: 8080 })
    await agent.setCheck('one-1', 'passing')
    const { says, fails } = watching(srv({ ...at({ address: agent.address, port: agent.dnsPort }), name: 'one.service.consul' }))
    await says('fresh', keys(1))
    await agent.kill()
    expect(membersOf(await fails('stale', 'DNS_TIMEOUT'))).toEqual(keys(1))
    await agent.restart()
    await says('fresh', keys(1), 20_000)
  })
})
