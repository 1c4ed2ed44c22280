import { describe, expect, it } from 'vitest'
import { addressesOf, addressRange, formatAddressRange } from '../../../../src/document/values/address-range.ts'

describe('a range of addresses', () => {
  it.each([
    ['10.0.0.9', '10.0.0.9', '10.0.0.9'],
    ['10.0.0.9-10.0.0.12', '10.0.0.9', '10.0.0.12'],
    ['10.0.0.9 - 10.0.0.9', '10.0.0.9', '10.0.0.9'],
    ['10.0.0.200-10.0.1.199', '10.0.0.200', '10.0.1.199'],
    ['2001:DB8::9-2001:db8:0::ff', '2001:db8::9', '2001:db8::ff'],
  ])('%s', (text, first, last) => {
    expect(addressRange.read(text)).toEqual({ ok: true, value: { first, last } })
  })

  it.each([
    [9, '9 is not an IP address'],
    ['10.0.0.9-', '"10.0.0.9-" has one end only'],
    ['10.0.0.9-12', '"12" is not an IPv4 address'],
    ['10.0.0.9-10.0.0.10-10.0.0.11', '"10.0.0.9-10.0.0.10-10.0.0.11" is a name where an address is due'],
    ['10.0.0.9-2001:db8::1', '10.0.0.9 and 2001:db8::1 are of two families'],
    ['10.0.0.9-10.0.0.8', 'the range 10.0.0.9-10.0.0.8 ends before it begins'],
    ['10.0.0.0-10.0.1.0', 'the range 10.0.0.0-10.0.1.0 has 257 addresses'],
    ['2001:db8::-2001:db8::1:0', 'the range 2001:db8::-2001:db8::1:0 has 65537 addresses'],
  ])('is not %j', (raw, problem) => {
    const reading = addressRange.read(raw)
    expect(reading.ok ? reading : reading.problem).toBe(problem)
  })

  it('has all its addresses', () => {
    const range = (first: string, last = first) => addressesOf({ first, last } as never)
    expect(range('10.0.0.9')).toEqual(['10.0.0.9'])
    expect(range('10.0.0.254', '10.0.1.1')).toEqual(['10.0.0.254', '10.0.0.255', '10.0.1.0', '10.0.1.1'])
    expect(range('0.0.0.1', '0.0.0.2')).toEqual(['0.0.0.1', '0.0.0.2'])
    expect(range('2001:db8::fffe', '2001:db8::1:0')).toEqual(['2001:db8::fffe', '2001:db8::ffff', '2001:db8::1:0'])
  })

  it('is written as it was read', () => {
    for (const text of ['10.0.0.9', '10.0.0.9-10.0.0.12']) {
      const reading = addressRange.read(text)
      expect(reading.ok && formatAddressRange(reading.value)).toBe(text)
    }
  })
})
