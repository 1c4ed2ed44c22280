import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import type { DnsProbeSpec } from '../../../src/model/probe-spec.ts'
import { type DnsFault, startDnsFaultProxy } from '../../peers/dns-fault-proxy.ts'
import { type KnotServer, srvRecords, startKnot } from '../../peers/knot.ts'
import { address, deserted, nothingIsLeft } from './bad-servers.ts'
import { probeOf } from './who-asks.ts'

/** What dig prints for the records of `ZONES`. */
const ANSWERS: readonly (readonly [DnsProbeSpec['type'], string, string])[] = [
  ['A', 'www.web.example', '192.0.2.1'],
  ['A', 'WWW.Web.Example.', '192.0.2.2'],
  ['AAAA', 'www.web.example', '2001:DB8::0:1'],
  ['CNAME', 'alias.web.example', 'www.web.example.'],
  ['A', 'alias.web.example', '192.0.2.1'],
  ['MX', 'web.example', '10 mail.web.example.'],
  ['NS', 'web.example', 'ns.web.example.'],
  ['PTR', '1.2.0.192.in-addr.arpa', 'WWW.web.example'],
  ['SOA', 'web.example', 'ns.web.example. hostmaster.web.example. 1 3600 600 86400 5'],
  ['SRV', '_http._tcp.web.example', '0 10 80 www.web.example.'],
  ['TXT', 'web.example', '"v=spf1 -all"'],
  ['TXT', 'web.example', 'v=spf1 -all'],
  ['TXT', 'odd.web.example', '"two; parts" "with \\"quotes\\" and \\228"'],
  ['CAA', 'web.example', '0 issue "ca.example"'],
  ['HTTPS', 'www.web.example', '\\# 3 000100'],
  ['TLSA', '_443._tcp.web.example', '\\# 5 030101 ABCD'],
]

const ZONES = {
  'web.example': `
@ MX 10 mail
@ TXT "v=spf1 -all"
@ CAA 0 issue "ca.example"
www A 192.0.2.1
www A 192.0.2.2
www AAAA 2001:db8::1
www HTTPS 1 .
_443._tcp TLSA 3 1 1 abcd
alias CNAME www
mail A 192.0.2.25
_http._tcp SRV 0 10 80 www
odd TXT "two; parts" "with \\"quotes\\" and \\228"
${srvRecords('_many._tcp', 60)}`,
  '2.0.192.in-addr.arpa': '1 PTR www.web.example.',
}

let knot: KnotServer
beforeAll(async () => {
  knot = await startKnot({ zones: ZONES })
})
afterAll(() => knot[Symbol.asyncDispose]())

const TRANSPORTS = ['udp', 'tcp'] as const

function ask(spec: Partial<DnsProbeSpec>, target = { address: address(knot.address), port: knot.port }) {
  const probe = probeOf({ kind: 'dns', name: 'www.web.example', type: 'A', transport: 'udp', rcode: 0, ...spec }, target)
  return probe(AbortSignal.timeout(1_500))
}

describe.each(TRANSPORTS)('a question over %s', (transport) => {
  it.each(ANSWERS)('of type %s about %s is answered by %s', async (type, name, answer) => {
    expect(await ask({ transport, type, name, answer })).toEqual({ outcome: 'passed' })
    await nothingIsLeft()
  })

  it('fails by other data, and names what came in their place', async () => {
    const server = knot.server
    const wrong = (message: string) => ({ outcome: 'failed', failure: 'wrong-answer', message: `${server} ${message}` })
    expect(await ask({ transport, name: 'mail.web.example', answer: '192.0.2.1' })).toEqual(
      wrong('answers 192.0.2.25, not 192.0.2.1'),
    )
    expect(await ask({ transport, type: 'AAAA', name: 'mail.web.example', answer: '::1' })).toEqual(
      wrong('answers nothing, not ::1'),
    )
    expect(await ask({ transport, answer: '192.0.2.9' })).toMatchObject({
      message: expect.stringMatching(/answers 192\.0\.2\.[12] and 1 more, not 192\.0\.2\.9$/),
    })
  })

  it('is judged by its response code', async () => {
    expect(await ask({ transport, name: 'nobody.web.example', rcode: 3 })).toEqual({ outcome: 'passed' })
    expect(await ask({ transport, name: 'nobody.web.example' })).toMatchObject({
      failure: 'wrong-answer',
      message: `${knot.server} answers NXDOMAIN, not NOERROR`,
    })
    expect(await ask({ transport, rcode: 3 })).toMatchObject({ message: `${knot.server} answers NOERROR, not NXDOMAIN` })
    expect(await ask({ transport, name: 'elsewhere.test' })).toMatchObject({
      message: `${knot.server} answers REFUSED, not NOERROR`,
    })
    // Without an expected answer, one without data is an answer.
    expect(await ask({ transport, type: 'MX' })).toEqual({ outcome: 'passed' })
  })

  it('gets no answer from a server that hangs, in time, and none is left behind', async () => {
    knot.freeze()
    onTestFinished(() => knot.thaw())
    expect(await ask({ transport })).toMatchObject({ outcome: 'failed', failure: 'no-answer' })
    await nothingIsLeft()
  })

  it('is refused where nobody listens', async () => {
    const target = await deserted()
    expect(await ask({ transport }, target)).toEqual({
      outcome: 'failed',
      failure: 'refused',
      message: `127.0.0.1:${target.port} refuses connections`,
    })
    await nothingIsLeft()
  })
})

describe('a bad server', () => {
  const FAULTS: readonly (readonly [DnsFault, string])[] = [
    [{ kind: 'black-hole' }, 'no-answer'],
    [{ kind: 'garbage' }, 'no-answer'],
    [{ kind: 'wrong-id' }, 'no-answer'],
    [{ kind: 'wrong-question' }, 'no-answer'],
    [{ kind: 'cut', afterBytes: 20 }, 'no-answer'],
    [{ kind: 'answer', rcode: 'SERVFAIL' }, 'wrong-answer'],
    [{ kind: 'refuse' }, 'refused'],
  ]

  it.each(FAULTS)('that does $kind gives the failure %s over UDP', async (fault, failure) => {
    await using proxy = await startDnsFaultProxy({ to: knot })
    await proxy.set(fault)
    const target = { address: address(proxy.address), port: proxy.port }
    expect(await ask({ answer: '192.0.2.1' }, target)).toMatchObject({ outcome: 'failed', failure })
  })

  it('that sends rubbish over TCP is wrong', async () => {
    await using proxy = await startDnsFaultProxy({ to: knot })
    const target = { address: address(proxy.address), port: proxy.port }
    await proxy.set({ kind: 'wrong-question' })
    expect(await ask({ transport: 'tcp' }, target)).toMatchObject({ failure: 'wrong-answer' })
  })

  it('does not get an answer of another one believed', async () => {
    const silent = createSocket('udp4').bind(0, '127.0.0.1')
    await once(silent, 'listening')
    onTestFinished(() => void silent.close())
    silent.once('message', (query, { port, address: from }) => {
      const other = createSocket('udp4')
      const answer = Buffer.from(query)
      answer.writeUInt16BE(0x8180, 2)
      other.send(answer, port, from, () => other.close())
    })
    expect(await ask({}, { address: address('127.0.0.1'), port: silent.address().port })).toMatchObject({ failure: 'no-answer' })
  })
})

it('an answer that does not fit is enough for its code, and for its data over TCP only', async () => {
  const question = { type: 'SRV', name: '_many._tcp.web.example' } as const
  const answer = '0 10 8000 t60.web.example.'
  expect(await ask(question)).toEqual({ outcome: 'passed' })
  expect(await ask({ ...question, answer })).toMatchObject({ message: expect.stringContaining('write transport: tcp') })
  expect(await ask({ ...question, answer, transport: 'tcp' })).toEqual({ outcome: 'passed' })
})
