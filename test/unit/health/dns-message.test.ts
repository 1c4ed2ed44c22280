import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { comparable } from '../../../src/health/dns-data.ts'
import { type DnsQuestion, decodeAnswer, encodeQuery, TYPE_CODES } from '../../../src/health/dns-message.ts'
import { DNS_PROBE_TYPES } from '../../../src/model/probe-spec.ts'

const hex = (text: string) => Buffer.from(text.replaceAll(/\s/g, ''), 'hex')
const QUESTION: DnsQuestion = { name: 'a.b', type: 'A' }
const ASKED = '01 61 01 62 00 0001 0001'
const ID = 0xbeef

/** An answer to `QUESTION` with these flags and, behind the question, these records. */
function answer(records: string, { flags = '8180', count = 1, asked = ASKED } = {}): Buffer {
  return hex(`beef ${flags} 0001 ${count.toString(16).padStart(4, '0')} 0000 0000 ${asked} ${records}`)
}

const read = (message: Buffer, question = QUESTION) => decodeAnswer(message, question, ID)
const RECORD = 'c00c 0001 0001 0000003c 0004 c0000201'

describe('a question', () => {
  it('is the bytes that it is on the wire', () => {
    expect(encodeQuery(QUESTION, ID)).toEqual(hex(`beef 0100 0001 0000 0000 0000 ${ASKED}`))
    expect(encodeQuery({ name: '', type: 'CAA' }, 1)).toEqual(hex('0001 0100 0001 0000 0000 0000 00 0101 0001'))
  })
})

describe('an answer', () => {
  it('is read, with a name that points to another one', () => {
    expect(read(answer(RECORD))).toEqual({ truncated: false, rcode: 0, data: ['192.0.2.1'] })
    expect(read(answer('', { count: 0, flags: '8183' }))).toEqual({ truncated: false, rcode: 3, data: [] })
    expect(read(answer('', { count: 9, flags: '8380' }))).toEqual({ truncated: true, rcode: 0, data: [] })
  })

  it('has only data of the type and class that were asked for', () => {
    const others = 'c00c 0010 0001 0000003c 0002 0178 c00c 0001 0003 0000003c 0004 c0000202'
    expect(read(answer(`${others} ${RECORD}`, { count: 3 }))?.data).toEqual(['192.0.2.1'])
  })

  it('prints strange names as zone files have them', () => {
    const asked = { name: 'a.b', type: 'PTR' } as const
    const message = answer('c00c 000c 0001 0000003c 0008 05 61 2e 20 ff 22 c00e', { asked: '01 61 01 62 00 000c 0001' })
    expect(read(message, asked)?.data).toEqual(['a\\.\\032\\255\\".b.'])
  })

  it('has the bytes of types that are not read', () => {
    const asked = { name: 'a.b', type: 'DS' } as const
    const message = answer('c00c 002b 0001 0000003c 0006 beef 08 02 abcd', { asked: '01 61 01 62 00 002b 0001' })
    expect(read(message, asked)?.data).toEqual(['\\# 6 BEEF0802ABCD'])
  })

  it.each([
    ['another id', hex(`dead 8180 0001 0000 0000 0000 ${ASKED}`)],
    ['a query', answer('', { flags: '0100', count: 0 })],
    ['another operation', answer('', { flags: 'a180', count: 0 })],
    ['another name', answer('', { count: 0, asked: '01 61 01 63 00 0001 0001' })],
    ['another type', answer('', { count: 0, asked: '01 61 01 62 00 001c 0001' })],
    ['another class', answer('', { count: 0, asked: '01 61 01 62 00 0001 0003' })],
    ['no question', hex('beef 8180 0000 0000 0000 0000')],
    ['nothing', Buffer.alloc(0)],
    ['a record less than it says', answer(RECORD, { count: 2 })],
    ['an address of three bytes', answer('c00c 0001 0001 0000003c 0003 c00002')],
    ['data behind its end', answer('c00c 0001 0001 0000003c 00ff c0000201')],
    ['a name that points to itself', answer('', { count: 0, asked: 'c00c 0001 0001' })],
    ['a name that points forward', answer('', { count: 0, asked: 'c0ff 0001 0001' })],
  ])('with %s is none', (_, message) => {
    expect(read(message)).toBeUndefined()
  })

  it('that was made to take long does not: names that point through a long chain', () => {
    const asked = { name: 'a.b', type: 'NS' } as const
    const chained = (length: number) => {
      // The chain lies in the data of a first record, which begin at 33.
      const chain = [0xc00c, ...Array.from({ length: length - 1 }, (_, index) => 0xc000 + 33 + index * 2)]
      const text = `c00c 0010 0001 00000000 ${(length * 2).toString(16).padStart(4, '0')} ${chain.map((one) => one.toString(16)).join('')}`
      const last = (0xc000 + 33 + (length - 1) * 2).toString(16)
      const records = `c00c 0002 0001 00000000 0002 ${last}`.repeat(4_000)
      return answer(`${text} ${records}`, { count: 4_001, asked: '01 61 01 62 00 0002 0001' })
    }
    const begun = performance.now()
    expect(read(chained(60), asked)?.data).toHaveLength(4_000)
    expect(read(chained(6_000), asked)).toBeUndefined()
    expect(performance.now() - begun).toBeLessThan(1_000)
  })

  it('of whatever bytes is an answer or none, and never a fault', () => {
    const types = fc.constantFrom(...DNS_PROBE_TYPES)
    fc.assert(
      fc.property(types, fc.uint8Array({ maxLength: 80 }), fc.nat({ max: 5 }), (type, bytes, count) => {
        const code = TYPE_CODES[type].toString(16).padStart(4, '0')
        const asked = `01 61 01 62 00 ${code} 0001`
        const head = `c00c ${code} 0001 00000000 ${bytes.length.toString(16).padStart(4, '0')}`
        const message = answer(`${head} ${Buffer.from(bytes).toString('hex')}`, { asked, count })
        const answered = read(message, { name: 'a.b', type })
        expect(answered === undefined || answered.rcode === 0).toBe(true)
      }),
      { numRuns: 3_000 },
    )
  })
})

describe('data are the same', () => {
  it.each([
    ['MX', '10 mail.example.', ' 10  Mail.Example ', true],
    ['MX', '10 mail.example.', '20 mail.example.', false],
    ['NS', '.', '.', true],
    ['TXT', '"v=spf1 -all"', 'v=spf1 -all', true],
    ['TXT', '"a" "b"', 'a b', false],
    ['TXT', '"A"', '"a"', false],
    ['HTTPS', '\\# 6 BEEF0802ABCD', '\\# 6 beef 0802abcd ', true],
    ['HTTPS', '\\# 6 BEEF0802ABCD', '\\# 6 BEEF0802ABCE', false],
    ['CAA', '0 issue "Ca.example"', '0 issue "ca.example"', false],
  ] as const)('%s %s and %s: %s', (type, one, other, same) => {
    expect(comparable(one, type) === comparable(other, type)).toBe(same)
  })
})
