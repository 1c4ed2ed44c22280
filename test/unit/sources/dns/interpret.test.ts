import { describe, expect, it } from 'vitest'
import { parseAddress } from '../../../../src/model/address.ts'
import { interpret } from '../../../../src/sources/dns/interpret.ts'
import type { DnsMessage, DnsRecord } from '../../../../src/sources/dns/message.ts'

const question = { name: 'web.example', type: 'A' } as const

function message(more: Partial<DnsMessage> = {}): DnsMessage {
  return {
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
  }
}

function address(name: string, ttl = 60): DnsRecord {
  const parsed = parseAddress('10.1.0.1')
  if (parsed === undefined) throw new Error('not an address')
  return { name, type: 'A', ttl, address: parsed }
}

const alias = (name: string, target: string, ttl = 60): DnsRecord => ({ name, type: 'CNAME', ttl, target })
const soa: DnsRecord = { name: 'example', type: 'SOA', ttl: 60 }
const ns: DnsRecord = { name: 'example', type: 'NS', ttl: 60 }
const verdict = (more: Partial<DnsMessage>) => interpret(message(more), question)

describe('what an answer means', () => {
  it('records of the name, with the lowest time to live', () => {
    expect(
      verdict({ answers: [address('web.example', 90), address('web.example', 30), address('other.example', 5)] }),
    ).toMatchObject({
      kind: 'records',
      records: [{ ttl: 90 }, { ttl: 30 }],
      ttl: 30,
    })
  })

  it('records of the name at the end of a chain, in whatever order', () => {
    const answers = [address('c.example'), alias('b.example', 'c.example', 20), alias('web.example', 'b.example', 40)]
    expect(verdict({ answers })).toMatchObject({ kind: 'records', records: [{ name: 'c.example' }], ttl: 20 })
  })

  it('an alias whose records are elsewhere is followed; one without records is not', () => {
    const answers = [alias('web.example', 'cdn.other', 40)]
    expect(verdict({ answers })).toEqual({ kind: 'alias', name: 'cdn.other', ttl: 40 })
    expect(verdict({ answers, authorities: [soa] })).toEqual({ kind: 'nodata' })
    expect(verdict({ answers, rcode: 3 })).toEqual({ kind: 'nxdomain' })
  })

  it('a circle of aliases is of no use', () => {
    expect(verdict({ answers: [alias('web.example', 'b'), alias('b', 'web.example')] })).toMatchObject({
      kind: 'elsewhere',
      trouble: 'servfail',
    })
  })

  it.each([
    [2, 'servfail', 'answers SERVFAIL'],
    [5, 'refused', 'answers REFUSED'],
    [4, 'servfail', 'answers NOTIMP'],
    [9, 'servfail', 'answers NOTAUTH'],
    [23, 'servfail', 'answers response code 23'],
  ])('code %d sends us to the next server', (rcode, trouble, what) => {
    expect(verdict({ rcode })).toEqual({ kind: 'elsewhere', trouble, what })
  })

  it('no is believed of whoever says it', () => {
    expect(verdict({ rcode: 3 })).toEqual({ kind: 'nxdomain' })
    expect(verdict({ authoritative: false, rcode: 3 })).toEqual({ kind: 'nxdomain' })
    expect(verdict({})).toEqual({ kind: 'nodata' })
    expect(verdict({ authoritative: false, recursive: true })).toEqual({ kind: 'nodata' })
    expect(verdict({ authoritative: false, authorities: [soa, ns] })).toEqual({ kind: 'nodata' })
    expect(verdict({ authorities: [ns] })).toEqual({ kind: 'nodata' })
  })

  it('a referral says nothing about the name', () => {
    const lame = { kind: 'elsewhere', trouble: 'servfail', what: 'does not know the zone' }
    expect(verdict({ authoritative: false, authorities: [ns] })).toEqual(lame)
    expect(verdict({ authoritative: false, recursive: true, authorities: [ns] })).toEqual(lame)
  })

  it('nor does an empty answer of a server that neither holds the zone nor asks others', () => {
    const lame = { kind: 'elsewhere', trouble: 'servfail', what: 'does not know the zone' }
    expect(verdict({ authoritative: false })).toEqual(lame)
    expect(verdict({ authoritative: false, answers: [address('other.example')] })).toEqual(lame)
  })
})
