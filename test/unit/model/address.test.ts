import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { addressBytes, addressFromBytes, familyOf, formatEndpoint, parseAddress } from '../../../src/model/address.ts'

describe('parseAddress', () => {
  it.each([
    ['10.0.0.1', '10.0.0.1'],
    ['2001:0DB8:0:0:0:0:0:1', '2001:db8::1'],
    ['2001:db8::0:1', '2001:db8::1'],
    ['2001:db8:0:1:0:0:0:1', '2001:db8:0:1::1'],
    ['2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
    ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
    ['::', '::'],
    ['::1', '::1'],
    ['fe80::', 'fe80::'],
    ['64:ff9b::192.0.2.33', '64:ff9b::c000:221'],
    ['::ffff:192.0.2.1', '192.0.2.1'],
  ])('reads %s as %s', (text, canonical) => {
    expect(parseAddress(text)).toBe(canonical)
  })

  it.each(['', 'localhost', '10.0.0', '010.0.0.1', '0x7f.1', '10.0.0.256', '1::2::3', 'fe80::1%eth0', '10.0.0.1:80', '[::1]'])(
    'refuses %s',
    (text) => {
      expect(parseAddress(text)).toBeUndefined()
    },
  )

  it('gives one text to every way of writing one IPv6 address', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 16, maxLength: 16 }), (bytes) => {
        const groups = Array.from({ length: 8 }, (_, i) => ((bytes[i * 2] ?? 0) << 8) | (bytes[i * 2 + 1] ?? 0))
        const long = groups.map((group) => group.toString(16).toUpperCase().padStart(4, '0')).join(':')
        expect(parseAddress(long)).toBe(parseAddress(addressFromBytes(bytes)))
      }),
    )
  })
})

it('bytes and text are each other’s inverse', () => {
  const v4 = fc.uint8Array({ minLength: 4, maxLength: 4 })
  const v6 = fc.uint8Array({ minLength: 16, maxLength: 16 })
  fc.assert(
    fc.property(fc.oneof(v4, v6), (bytes) => {
      const address = addressFromBytes(bytes)
      expect(familyOf(address)).toBe(bytes.length === 4 ? 'ipv4' : 'ipv6')
      expect([...addressBytes(address)]).toEqual([...bytes])
    }),
  )
})

it('puts brackets round IPv6 before a port', () => {
  expect(formatEndpoint(addressFromBytes(Uint8Array.of(10, 0, 0, 1)), 80)).toBe('10.0.0.1:80')
  expect(formatEndpoint(addressFromBytes(new Uint8Array(16)), 80)).toBe('[::]:80')
})
