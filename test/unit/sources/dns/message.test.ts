import { randomBytes, randomInt } from 'node:crypto'
import dns2 from 'dns2'
import { describe, expect, it } from 'vitest'
import { messageCodec } from '../../../../src/sources/dns/message.ts'
import { a, aaaa, cname, reply, srv } from './scripted-server.ts'

const { Packet } = dns2
const codec = await messageCodec()
const query = Packet.parse(Buffer.from(codec.encode({ name: '_http._tcp.web.example', type: 'SRV' }, 4711, true)))

describe('a query on the wire', () => {
  it('is what RFC 1035 and RFC 6891 say', () => {
    const bytes = Buffer.from(codec.encode({ name: 'web.example', type: 'AAAA' }, 0xabcd, true))
    expect(bytes.toString('hex')).toBe(
      [
        'abcd01000001000000000001', // id, RD, one question, one additional
        '03776562076578616d706c6500', // web.example
        '001c0001', // AAAA IN
        '00002904d0000000000000', // root, OPT, 1232 bytes, no flags, no options
      ].join(''),
    )
  })
})

describe('an answer', () => {
  it('gives the records that concern us, and leaves the others out', () => {
    const message = codec.decode(
      reply(query, {
        answers: [srv('_http._tcp.web.example', 'a.web.example'), { name: 'x', type: Packet.TYPE.TXT, data: ['text'] }],
        authorities: [{ name: 'web.example', type: Packet.TYPE.NS, ns: 'ns.web.example' }],
        additionals: [a('a.web.example', '10.1.0.1'), aaaa('a.web.example', '2001:DB8::1'), cname('b', 'c')],
      }),
    )
    expect(message?.answers.map(({ type }) => type)).toEqual(['SRV'])
    expect(message?.authorities.map(({ type }) => type)).toEqual(['NS'])
    expect(message?.additionals).toEqual([
      { name: 'a.web.example', type: 'A', ttl: 60, address: '10.1.0.1' },
      { name: 'a.web.example', type: 'AAAA', ttl: 60, address: '2001:db8::1' },
      { name: 'b', type: 'CNAME', ttl: 60, target: 'c' },
    ])
  })

  it('has no data when it is truncated', () => {
    expect(codec.decode(reply(query, { header: { tc: 1 }, answers: [a('x', '10.1.0.1')] }))).toMatchObject({
      truncated: true,
      answers: [],
    })
  })

  it('has the high bits of its response code in OPT', () => {
    const bad = codec.decode(
      reply(query, { header: { rcode: 0 }, additionals: [Packet.Resource.EDNS([], { extendedRcode: 1 })] }),
    )
    expect(bad?.rcode).toBe(16)
  })

  it('of another class, or with another operation, is nothing to us', () => {
    expect(codec.decode(reply(query, { answers: [{ ...a('x', '10.1.0.1'), class: 3 }] }))?.answers).toEqual([])
    expect(codec.decode(reply(query, { header: { opcode: 4 } }))).toBeUndefined()
  })

  it('is not taken in part: cut anywhere it is nothing', () => {
    const whole = reply(query, { answers: [srv('_http._tcp.web.example', 'a.web.example'), a('a', '10.1.0.1')] })
    for (let length = 0; length < whole.length; length++) expect(codec.decode(whole.subarray(0, length))).toBeUndefined()
    expect(codec.decode(whole)?.answers).toHaveLength(2)
  })

  it('may be damaged in any way: it is a message or none, and never an exception', () => {
    const whole = reply(query, {
      answers: [srv('_http._tcp.web.example', 'a.web.example')],
      additionals: [a('a.web.example', '10.1.0.1')],
    })
    let read = 0
    for (let round = 0; round < 20_000; round++) {
      const bytes = round % 4 === 0 ? randomBytes(randomInt(200)) : Buffer.from(whole)
      for (let change = randomInt(4); change >= 0 && bytes.length > 0; change--) bytes[randomInt(bytes.length)] = randomInt(256)
      if (codec.decode(bytes) !== undefined) read++
    }
    expect(read).toBeGreaterThan(1_000)
  })

  it('that is made to be slow is given up', () => {
    const begun = performance.now()
    expect(codec.decode(endlessPointers())).toBeUndefined()
    expect(performance.now() - begun).toBeLessThan(2_000)
  })
})

/** 64 KiB in which each of 4,000 names is reached through 8,000 pointers. */
function endlessPointers(): Buffer {
  const bytes = Buffer.alloc(65_535)
  bytes.writeUInt16BE(0x8400, 2)
  const hops = 8_000
  const first = 12 + 11
  bytes.writeUInt16BE(999, 13) // a record of an unknown type, whose data are the pointers
  bytes.writeUInt16BE(1, 15)
  bytes.writeUInt16BE(1 + 2 * hops, 21)
  let at = first + 1
  for (let hop = 0; hop < hops; hop++, at += 2) bytes.writeUInt16BE(0xc000 | (hop === 0 ? first : at - 2), at)
  const last = at - 2
  let records = 1
  for (; at + 16 < bytes.length; records++, at += 16) {
    bytes.writeUInt16BE(0xc000 | last, at)
    bytes.writeUInt16BE(1, at + 2)
    bytes.writeUInt16BE(1, at + 4)
    bytes.writeUInt16BE(4, at + 10)
  }
  bytes.writeUInt16BE(records, 6)
  return bytes
}
