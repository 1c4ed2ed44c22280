import fc from 'fast-check'
import { addressFromBytes, type IpAddress } from '../../../../src/model/address.ts'
import type { Destination, Forwarding } from '../../../../src/model/destination.ts'
import type { ServiceIdentity, VirtualService } from '../../../../src/model/virtual-service.ts'

const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length })
const port = fc.integer({ min: 0, max: 65535 })
const uint32 = fc.integer({ min: 0, max: 0xffffffff })

export const ipv4: fc.Arbitrary<IpAddress> = bytes(4).map(addressFromBytes)
/** Zero runs are what makes IPv6 text hard: whole groups are often zero. */
export const ipv6: fc.Arbitrary<IpAddress> = fc
  .array(fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 65535 })), { minLength: 8, maxLength: 8 })
  .map((groups) => addressFromBytes(Uint8Array.from(groups.flatMap((group) => [group >> 8, group & 0xff]))))
export const address: fc.Arbitrary<IpAddress> = fc.oneof(ipv4, ipv6)

const identity: fc.Arbitrary<ServiceIdentity> = fc.oneof(
  fc.record({
    kind: fc.constant('address' as const),
    protocol: fc.constantFrom('tcp' as const, 'udp' as const, 'sctp' as const),
    address,
    port,
  }),
  fc.record({
    kind: fc.constant('fwmark' as const),
    fwmark: fc.integer({ min: 1, max: 0xffffffff }),
    family: fc.constantFrom('ipv4' as const, 'ipv6' as const),
  }),
)

const name = fc.stringMatching(/^[a-z][a-z0-9_]{0,14}$/)
const persistence = fc.record(
  { timeout: fc.integer({ min: 1, max: 4294967 }), mask: fc.integer({ min: 1, max: 128 }), engine: name },
  { requiredKeys: ['timeout', 'mask'] },
)

export const service: fc.Arbitrary<VirtualService> = fc.record(
  {
    identity,
    scheduler: name,
    flags: fc.record({ flag1: fc.boolean(), flag2: fc.boolean(), flag3: fc.boolean() }),
    onePacket: fc.boolean(),
    persistence,
  },
  { requiredKeys: ['identity', 'scheduler', 'flags', 'onePacket'] },
)

const tunnel = fc.oneof(
  fc.constant({ type: 'ipip' as const }),
  fc.record({
    type: fc.constant('gue' as const),
    port,
    checksum: fc.constantFrom('none' as const, 'checksum' as const, 'remote-checksum' as const),
  }),
  fc.record({ type: fc.constant('gre' as const), checksum: fc.constantFrom('none' as const, 'checksum' as const) }),
)

const forwarding: fc.Arbitrary<Forwarding> = fc.oneof(
  fc.constantFrom({ method: 'nat' as const }, { method: 'direct' as const }, { method: 'local' as const }),
  tunnel.map((value) => ({ method: 'tunnel' as const, tunnel: value })),
)

export const destination: fc.Arbitrary<Destination> = fc.record({
  address,
  port,
  forwarding,
  weight: fc.integer({ min: 0, max: 65535 }),
  upperThreshold: uint32,
  lowerThreshold: uint32,
})
