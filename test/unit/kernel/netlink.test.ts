import { describe, expect, test } from 'vitest'
import { AttributeCursor } from '../../../src/kernel/netlink/attribute-cursor.ts'
import { readErrorReply } from '../../../src/kernel/netlink/error-reply.ts'
import { MessageCursor } from '../../../src/kernel/netlink/message-cursor.ts'
import { MessageWriter } from '../../../src/kernel/netlink/message-writer.ts'
import { ip } from './support/objects.ts'
import { errorBytes } from './support/scripted-kernel.ts'

const hex = (text: string) => Uint8Array.from(Buffer.from(text.replaceAll(' ', ''), 'hex'))

function written(write: (writer: MessageWriter) => void): string {
  // Whatever was in the buffer before must not show through.
  const writer = new MessageWriter(new Uint8Array(256).fill(0xaa))
  write(writer)
  return Buffer.from(writer.bytes.subarray(0, writer.position)).toString('hex')
}

describe('message writer', () => {
  test('a message has the header of netlink and of generic netlink', () => {
    const text = written((writer) => {
      const start = writer.begin(0x25, 0x305, 7, 4)
      writer.end(start)
    })
    expect(text).toBe('14000000250005030700000000000000' + '04010000')
  })

  test('numbers are in the order of the host, ports and netmasks in that of the network', () => {
    expect(written((writer) => writer.uint8(13, 2))).toBe('05000d0002000000')
    expect(written((writer) => writer.uint16(1, 10))).toBe('060001000a000000')
    expect(written((writer) => writer.port(4, 8080))).toBe('060004001f900000')
    expect(written((writer) => writer.uint32(8, 300))).toBe('080008002c010000')
    expect(written((writer) => writer.netmask(9, 0xffffff00))).toBe('08000900ffffff00')
    expect(written((writer) => writer.flags(7, 0x09, 0x3d))).toBe('0c000700090000003d000000')
  })

  test('text ends with NUL and is padded', () => {
    expect(written((writer) => writer.text(6, 'wrr'))).toBe('0800060077727200')
    expect(written((writer) => writer.text(6, 'wlc1'))).toBe('09000600776c633100000000')
  })

  test('of a name that the kernel cannot take enough is sent for it to be refused, and no more', () => {
    expect(written((writer) => writer.text(6, 'x'.repeat(5000))).length / 2).toBe(4 + 36)
  })

  test('an IPv4 address in a union has twelve zero bytes behind it', () => {
    expect(written((writer) => writer.unionAddress(3, ip('10.0.0.1')))).toBe(`140003000a000001${'00'.repeat(12)}`)
    expect(written((writer) => writer.address(5, ip('224.0.0.99'), 'ipv4'))).toBe('08000500e0000063')
  })

  test('nests carry the length of what they hold', () => {
    const text = written((writer) => {
      const nest = writer.beginNest(1)
      writer.uint16(1, 2)
      writer.endNest(nest)
    })
    expect(text).toBe('0c0001000600010002000000')
  })
})

describe('cursors', () => {
  test('messages are stepped through in place, with padding between them', () => {
    const bytes = Buffer.concat([
      hex('11000000 0300 0200 01000000 00000000 ff 000000'),
      hex('10000000 0200 0000 02000000 00000000'),
    ])
    const cursor = new MessageCursor(bytes)
    expect([cursor.next(), cursor.type, cursor.sequence, cursor.end]).toEqual([true, 3, 1, 17])
    expect([cursor.next(), cursor.type, cursor.sequence, cursor.start]).toEqual([true, 2, 2, 20])
    expect(cursor.next()).toBe(false)
  })

  test.each([
    ['a header that is cut', '10000000 0300'],
    ['a length below that of the header', '0f000000 0300 0200 01000000 00000000'],
    ['a length above what was received', '20000000 0300 0200 01000000 00000000'],
  ])('%s is a typed error', (_, text) => {
    const cursor = new MessageCursor(hex(text))
    expect(() => cursor.next()).toThrow(expect.objectContaining({ code: 'NETLINK_PROTOCOL' }))
  })

  test.each([
    ['an attribute header that is cut', '0400'],
    ['a length below that of the header', '03000100'],
    ['a length above what is left', '0c000100 00000000'],
  ])('%s is a typed error', (_, text) => {
    const bytes = hex(text)
    const cursor = new AttributeCursor(bytes)
    cursor.over(0, bytes.length)
    expect(() => cursor.next()).toThrow(expect.objectContaining({ code: 'NETLINK_PROTOCOL' }))
  })

  test('a value shorter than its type needs is a typed error, a longer one is read as far as it is known', () => {
    const bytes = hex('06000100 0a000000 0c000280 2c010000 ffffffff')
    const cursor = new AttributeCursor(bytes)
    cursor.over(0, bytes.length)
    cursor.next()
    expect(() => cursor.uint32()).toThrow(expect.objectContaining({ code: 'NETLINK_PROTOCOL' }))
    expect(cursor.uint16()).toBe(10)
    cursor.next()
    expect([cursor.type, cursor.uint32()]).toEqual([2, 300])
  })
})

describe('error reply', () => {
  function read(bytes: Uint8Array) {
    const cursor = new MessageCursor(bytes)
    cursor.next()
    return readErrorReply(cursor)
  }

  test('error 0 is an acknowledgement', () => {
    expect(read(errorBytes(2, 1, 0, new Uint8Array(16)))).toBeUndefined()
  })

  test('the errno is named and the words of the extended acknowledgement are kept', () => {
    expect(read(errorBytes(2, 1, -17, new Uint8Array(16)))).toEqual({ errno: 'EEXIST' })
    expect(read(errorBytes(2, 1, -11, new Uint8Array(16)))).toEqual({ errno: 'EAGAIN' })
    expect(read(errorBytes(2, 1, -34, new Uint8Array(16), 'integer out of range'))).toEqual({
      errno: 'ERANGE',
      message: 'integer out of range',
    })
  })

  test('the words are found behind a request that is repeated whole', () => {
    const request = hex('18000000 2500 0100 05000000 00000000 0102030405060708')
    const bytes = Buffer.from(errorBytes(2, 5, -22, request, 'no'))
    bytes.writeUInt16LE(0x200, 6)
    expect(read(bytes)).toEqual({ errno: 'EINVAL', message: 'no' })
  })

  test('an error message without the request it is about is a typed error', () => {
    expect(() => read(hex('14000000 0200 0000 01000000 00000000 efffffff'))).toThrow(
      expect.objectContaining({ code: 'NETLINK_PROTOCOL' }),
    )
  })
})
