import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { grpcCode, healthRequest, healthStatus } from '../../../src/health/grpc-message.ts'

const hex = (text: string) => Buffer.from(text.replaceAll(' ', ''), 'hex')

describe('a request for the health of a gRPC service', () => {
  it('is the bytes that protoc makes of it', () => {
    expect(healthRequest('')).toEqual(hex('00 00000000'))
    expect(healthRequest('web')).toEqual(hex('00 00000005 0a 03 776562'))
    expect(healthRequest('x'.repeat(300)).subarray(0, 8)).toEqual(hex('00 0000012f 0a ac02'))
  })
})

describe('the answer to it', () => {
  it.each([
    ['00 00000002 0801', 'SERVING'],
    ['00 00000002 0802', 'NOT_SERVING'],
    ['00 00000002 0803', 'SERVICE_UNKNOWN'],
    ['00 00000000', 'UNKNOWN'],
    ['00 00000003 088101', 'status 129'],
    // Fields that a later version may add: a varint, eight bytes, a text, four bytes.
    ['00 00000013 100a 190000000000000000 2201ff 2d00000000', 'UNKNOWN'],
    ['00 00000005 2201ff 0801', 'SERVING'],
    // The last of several counts.
    ['00 00000004 0802 0801', 'SERVING'],
  ])('%s is %s', (bytes, status) => {
    expect(healthStatus(hex(bytes))).toBe(status)
  })

  it.each([
    ['nothing', ''],
    ['cut in its prefix', '00 000000'],
    ['cut in its message', '00 00000002 08'],
    ['packed', '01 00000002 0801'],
    ['two messages', '00 00000002 0801 00 00000002 0801'],
    ['a text that is longer than the message', '00 00000002 0a05'],
    ['a number that never ends', '00 0000000c 08ffffffffffffffffffffff'],
    ['a group, which nobody makes', '00 00000001 0b'],
    ['no number behind its tag', '00 00000001 08'],
  ])('that is %s is none', (_, bytes) => {
    expect(healthStatus(hex(bytes))).toBeUndefined()
  })

  it('of whatever bytes is read to its end or is none', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        const body = Buffer.concat([Buffer.from([0, 0, 0, 0, bytes.length]), bytes])
        expect(['string', 'undefined']).toContain(typeof healthStatus(body))
      }),
      { numRuns: 2_000 },
    )
  })
})

it('codes have the names that people know', () => {
  expect([grpcCode('5'), grpcCode('12'), grpcCode('99')]).toEqual(['NOT_FOUND', 'UNIMPLEMENTED', 'status 99'])
})
