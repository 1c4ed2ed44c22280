import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { readAddress, writeAddress } from '../../../src/kernel/netlink/address-bytes.ts'
import { addressBytes } from '../../../src/model/address.ts'
import { address } from './support/arbitraries.ts'
import { ip } from './support/objects.ts'

describe('address bytes', () => {
  test.each(['0.0.0.0', '255.255.255.255', '10.0.0.1', '::', '::1', '1::', '2001:db8::1:0:0:1', '1:2:3:4:5:6:7:8', '::ffff:1:2'])(
    '%s is written as the model writes it',
    (text) => {
      const bytes = new Uint8Array(16)
      writeAddress(bytes, 0, ip(text))
      const expected = new Uint8Array(16)
      expected.set(addressBytes(ip(text)))
      expect(bytes).toEqual(expected)
    },
  )

  test('every canonical address survives the way to bytes and back, wherever it stands', () => {
    fc.assert(
      fc.property(address, fc.integer({ min: 0, max: 9 }), (text, offset) => {
        const bytes = new Uint8Array(32)
        writeAddress(bytes, offset, text)
        expect(readAddress(bytes, offset, text.includes(':') ? 16 : 4)).toBe(text)
      }),
    )
  })
})
