import { describe, expect, it } from 'vitest'
import type { DnsNetwork } from '../../../../src/model/dns-source-spec.ts'
import type { Exchange, Exchanged } from '../../../../src/sources/dns/exchange.ts'
import type { DnsMessage, DnsRecord } from '../../../../src/sources/dns/message.ts'
import { Resolver } from '../../../../src/sources/dns/resolver.ts'
import { ip } from './support.ts'

const network: DnsNetwork = {
  servers: [
    { address: '10.0.0.1', port: 53 },
    { address: '10.0.0.2', port: 53 },
  ],
  transport: 'auto',
  timeout: 2_000,
}

const message = (more: Partial<DnsMessage> = {}): Exchanged => ({
  ok: true,
  partial: false,
  message: {
    id: 1,
    isResponse: true,
    authoritative: true,
    truncated: false,
    recursive: false,
    rcode: 0,
    answers: [],
    authorities: [],
    additionals: [],
    ...more,
  },
})
const found = (name: string, ttl = 60): Exchanged => message({ answers: [{ name, type: 'A', ttl, address: ip('10.1.0.1') }] })
const silence: Exchanged = { ok: false, trouble: 'timeout', silent: true, what: 'gives no answer within 2000 ms' }
const closed: Exchanged = { ok: false, trouble: 'timeout', silent: false, what: 'cannot be reached (ECONNREFUSED)' }

/** A resolver whose servers say what `script` says; `asked` are the questions, `10.0.0.1 web.example`. */
function bench(script: (server: string, name: string) => Exchanged, conf = { servers: [], search: [] as string[], ndots: 1 }) {
  const asked: string[] = []
  const exchange: Exchange = async ({ address }, { name }, { tcpOnly }) => {
    asked.push(`${address} ${name}${tcpOnly ? ' tcp' : ''}`)
    return script(address, name)
  }
  const resolver = new Resolver({ exchange, resolvConf: { read: async () => conf }, now: () => 7 })
  const ask = (name: string, more: Partial<DnsNetwork> = {}, signal = new AbortController().signal) =>
    resolver.resolve({ name, type: 'A' }, { ...network, ...more }, signal)
  return { ask, asked }
}

describe('several servers', () => {
  it('are asked until one answers, which is asked first from then on', async () => {
    const { ask, asked } = bench((server, name) => (server === '10.0.0.1' ? message({ rcode: 2 }) : found(name)))
    expect(await ask('a.example')).toMatchObject({
      ok: true,
      ttl: 60_000,
      complete: true,
      at: 7,
      records: [{ address: '10.1.0.1' }],
    })
    expect(await ask('b.example')).toMatchObject({ ok: true })
    expect(asked).toEqual(['10.0.0.1 a.example', '10.0.0.2 a.example', '10.0.0.2 b.example'])
  })

  it.each([
    ['REFUSED', message({ rcode: 5 })],
    ['is lame', message({ authoritative: false, authorities: [{ name: 'example', type: 'NS', ttl: 60 }] })],
    ['is closed', closed],
    ['is silent', silence],
  ])('the next one is asked when one %s', async (_, said) => {
    const { ask } = bench((server, name) => (server === '10.0.0.1' ? said : found(name)))
    expect(await ask('a.example')).toMatchObject({ ok: true })
  })

  it('that are silent are asked once more, the others are not', async () => {
    const { ask, asked } = bench((server) => (server === '10.0.0.1' ? message({ rcode: 5 }) : silence))
    expect(await ask('a.example')).toEqual({
      ok: false,
      trouble: 'refused',
      message: 'a.example: 10.0.0.1 answers REFUSED; 10.0.0.2 gives no answer within 2000 ms',
      at: 7,
    })
    expect(asked.map((one) => one.slice(0, 8))).toEqual(['10.0.0.1', '10.0.0.2', '10.0.0.2'])
  })

  it('have one trouble between them: a word before silence, SERVFAIL before REFUSED', async () => {
    const trouble = async (first: Exchanged, second: Exchanged) => {
      const answer = await bench((server) => (server === '10.0.0.1' ? first : second)).ask('a.example')
      return !answer.ok && answer.trouble
    }
    expect(await trouble(silence, closed)).toBe('timeout')
    expect(await trouble(silence, message({ rcode: 5 }))).toBe('refused')
    expect(await trouble(message({ rcode: 5 }), message({ rcode: 2 }))).toBe('servfail')
  })

  it('are not asked any more when nobody wants the answer', async () => {
    const abort = new AbortController()
    const { ask, asked } = bench(() => {
      abort.abort()
      return silence
    })
    await ask('a.example', {}, abort.signal)
    expect(asked).toHaveLength(1)
  })

  it('are missing altogether', async () => {
    expect(await bench(() => silence).ask('a.example', { servers: [] })).toMatchObject({
      ok: false,
      trouble: 'servfail',
      message: expect.stringContaining('there is no name server; write servers:'),
    })
  })
})

describe('Consul is asked over TCP', () => {
  it.each([
    ['at port 8600', 'web.example', { servers: [{ address: '10.0.0.9', port: 8600 }] }, '10.0.0.9 web.example tcp'],
    ['by its domain', 'Web.service.consul', {}, '10.0.0.1 web.service.consul tcp'],
    ['and anybody where it is wanted', 'web.example', { transport: 'tcp' as const }, '10.0.0.1 web.example tcp'],
    ['but not who is called alike', 'web.notconsul', {}, '10.0.0.1 web.notconsul'],
  ])('%s', async (_, name, more, wanted) => {
    const { ask, asked } = bench((_server, asked) => found(asked))
    await ask(name, more)
    expect(asked).toEqual([wanted])
  })
})

describe('aliases', () => {
  const alias = (name: string, target: string, ttl: number): DnsRecord => ({ name, type: 'CNAME', ttl, target })

  it('are followed over several answers; the lowest time to live counts', async () => {
    const { ask } = bench((_, name) =>
      name === 'c.example' ? found(name, 90) : message({ answers: [alias('a.example', 'c.example', 20)] }),
    )
    expect(await ask('a.example')).toMatchObject({ ok: true, ttl: 20_000, records: [{ name: 'c.example' }] })
  })

  it('without end are given up', async () => {
    const { ask, asked } = bench((_, name) => message({ answers: [alias(name, `x${name}`, 60)] }))
    expect(await ask('a.example')).toMatchObject({
      trouble: 'servfail',
      message: 'a.example: leads through more than 8 other names',
    })
    expect(asked).toHaveLength(9)
  })
})

describe('the search list', () => {
  const conf = { servers: [{ address: '10.0.0.5', port: 53 }], search: ['corp.example'], ndots: 1 }
  const ours = { servers: undefined } as unknown as Partial<DnsNetwork>

  it('of resolv.conf is walked with its servers', async () => {
    const { ask, asked } = bench(
      (_, name) => (name === 'web.shop.corp.example' ? found(name) : message({ rcode: 3 })),
      conf as never,
    )
    expect(await ask('web.shop', ours)).toMatchObject({ ok: true })
    expect(asked).toEqual(['10.0.0.5 web.shop', '10.0.0.5 web.shop.corp.example'])
  })

  it('is not for the servers of the configuration, unless one is written', async () => {
    const nowhere = bench(() => message({ rcode: 3 }), conf as never)
    expect(await nowhere.ask('web')).toMatchObject({ trouble: 'nxdomain' })
    expect(nowhere.asked).toEqual(['10.0.0.1 web'])
    await nowhere.ask('web', { search: ['own.example'] })
    expect(nowhere.asked.slice(1)).toEqual(['10.0.0.1 web.own.example', '10.0.0.1 web'])
  })

  it('ends with trouble: records of another domain must not stand in', async () => {
    const { ask, asked } = bench((_, name) => (name === 'web.shop' ? message({ rcode: 2 }) : found(name)), conf as never)
    expect(await ask('web.shop', ours)).toMatchObject({ ok: false, trouble: 'servfail' })
    expect(asked).toEqual(['10.0.0.5 web.shop'])
  })

  it('says nodata where one of the names exists', async () => {
    const { ask } = bench((_, name) => message(name === 'web.shop' ? {} : { rcode: 3 }), conf as never)
    expect(await ask('web.shop', ours)).toMatchObject({ trouble: 'nodata', message: 'web.shop: the name has no A records' })
  })
})

it('never rejects', async () => {
  const { ask } = bench(() => {
    throw new Error('no more sockets')
  })
  expect(await ask('a.example')).toMatchObject({
    ok: false,
    trouble: 'servfail',
    message: expect.stringContaining('no more sockets'),
  })
})
