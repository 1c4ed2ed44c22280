import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { encodeCommand } from '../../../src/kernel/ipvs/command-codec.ts'
import { ATTR, DEST } from '../../../src/kernel/ipvs/constants.ts'
import {
  destinationOf,
  emptyRawDestination,
  encodeDestination,
  readDestination,
} from '../../../src/kernel/ipvs/destination-codec.ts'
import { decodeService, encodeService } from '../../../src/kernel/ipvs/service-codec.ts'
import { decodeInfo, decodeTimeouts, encodeTimeouts } from '../../../src/kernel/ipvs/settings-codec.ts'
import { decodeSyncDaemon, encodeSyncDaemon } from '../../../src/kernel/ipvs/sync-daemon-codec.ts'
import type { AnyIpvsCommand } from '../../../src/kernel/ipvs-kernel.ts'
import { AttributeCursor } from '../../../src/kernel/netlink/attribute-cursor.ts'
import { MessageWriter } from '../../../src/kernel/netlink/message-writer.ts'
import type { SyncDaemon } from '../../../src/model/ipvs-table.ts'
import * as arbitrary from './support/arbitraries.ts'
import { destination, ip, tcp, virtualService } from './support/objects.ts'

/** The attributes inside the one nest that `write` writes. */
function nest(write: (writer: MessageWriter) => void): Uint8Array {
  const writer = new MessageWriter(new Uint8Array(512).fill(0xaa))
  write(writer)
  return writer.bytes.slice(4, writer.position)
}

function commandHex(command: AnyIpvsCommand): string {
  const writer = new MessageWriter(new Uint8Array(512).fill(0xaa))
  encodeCommand(writer, command, 0x25, 1)
  return Buffer.from(writer.bytes.subarray(0, writer.position)).toString('hex')
}

const zeros = (count: number) => '00'.repeat(count)

describe('commands, byte for byte', () => {
  const web = tcp('10.0.0.1', 80)
  const name = `06000100020000000600020006000000140003000a000001${zeros(12)}0600040000500000`

  test('a service goes out with all four attributes that the kernel wants and the mask of what is ours', () => {
    const service = virtualService(web, { persistence: { timeout: 300, mask: 0xffffff00 } })
    expect(commandHex({ kind: 'add-service', service })).toBe(
      `${'68000000250001000100000000000000' + '01010000'}${'54000100'}${name}${'0800060077727200'}${'0c000700010000003d000000'}${'080008002c010000'}${'08000900ffffff00'}`,
    )
  })

  test('IPv6 takes a prefix length in the order of the host where IPv4 takes a netmask', () => {
    const identity = { kind: 'fwmark', fwmark: 7, family: 'ipv6' } as const
    const text = commandHex({ kind: 'edit-service', service: virtualService(identity, { scheduler: 'sh' }) })
    expect(text).toBe(
      `${'4c000000250001000100000000000000' + '02010000'}${'38000100'}${'060001000a000000'}${'0800050007000000'}${'0700060073680000'}${'0c000700000000003d000000'}${'0800080000000000'}${'0800090080000000'}`,
    )
  })

  test('a destination goes out whole, also when it is edited', () => {
    const whole = destination('10.1.0.1', 8080, {
      weight: 5,
      upperThreshold: 100,
      lowerThreshold: 50,
      forwarding: { method: 'tunnel', tunnel: { type: 'gue', port: 6080, checksum: 'remote-checksum' } },
    })
    const text = commandHex({ kind: 'edit-destination', service: web, destination: whole })
    expect(text).toContain(`${'30000100'}${name}`)
    expect(text.slice(text.indexOf(name) + name.length)).toBe(
      `${'60000200'}140001000a010001${zeros(12)}060002001f900000${'06000b0002000000'}${'0800030002000000'}${'0800040005000000'}${'0800050064000000'}${'0800060032000000'}${'05000d0001000000'}${'06000e0017c00000'}${'06000f0002000000'}`,
    )
  })

  test('a deletion carries names alone', () => {
    const text = commandHex({ kind: 'delete-destination', service: web, destination: { address: ip('fd00::2'), port: 0 } })
    expect(text.slice(text.indexOf(name) + name.length)).toBe(
      `${'28000200'}14000100fd00${zeros(13)}02${'0600020000000000'}${'06000b000a000000'}`,
    )
  })

  test('timeouts that are not given are not sent', () => {
    expect(commandHex({ kind: 'set-timeouts', timeouts: { udp: 33 } })).toBe(
      '1c000000250001000100000000000000' + '0c010000' + '0800060021000000',
    )
  })

  test('zero and flush', () => {
    expect(commandHex({ kind: 'zero' })).toBe('14000000250001000100000000000000' + '10010000')
    expect(commandHex({ kind: 'flush' })).toBe('14000000250001000100000000000000' + '11010000')
    expect(commandHex({ kind: 'zero', service: web })).toContain(`${'30000100'}${name}`)
  })
})

describe('round trips', () => {
  test('a service', () => {
    fc.assert(
      fc.property(arbitrary.service, (service) => {
        const bytes = nest((writer) => encodeService(writer, service))
        expect(decodeService(bytes, 0, bytes.length, false)?.service).toEqual(service)
      }),
    )
  })

  test('a destination', () => {
    fc.assert(
      fc.property(arbitrary.destination, arbitrary.service, (value, service) => {
        const bytes = withConnections(nest((writer) => encodeDestination(writer, value)))
        const raw = emptyRawDestination()
        const serviceFamily = service.identity.kind === 'fwmark' ? service.identity.family : 'ipv4'
        readDestination(new AttributeCursor(bytes), 0, bytes.length, raw, { serviceFamily, statistics: false })
        expect(destinationOf(bytes, raw)).toEqual(value)
        expect([raw.active, raw.inactive, raw.persistent]).toEqual([7, 8, 9])
      }),
    )
  })

  test('a sync daemon', () => {
    const daemon: fc.Arbitrary<SyncDaemon> = fc.record(
      {
        role: fc.constantFrom('master' as const, 'backup' as const),
        interface: fc.stringMatching(/^[a-z][a-z0-9]{0,14}$/),
        id: fc.integer({ min: 0, max: 255 }),
        maximumLength: fc.integer({ min: 1, max: 65535 }),
        group: arbitrary.address,
        port: fc.integer({ min: 1, max: 65535 }),
        ttl: fc.integer({ min: 1, max: 255 }),
      },
      { requiredKeys: ['role', 'interface', 'id'] },
    )
    fc.assert(
      fc.property(daemon, (value) => {
        const bytes = nest((writer) => encodeSyncDaemon(writer, value))
        expect(decodeSyncDaemon(bytes, 0, bytes.length)).toEqual(value)
      }),
    )
  })

  test('timeouts', () => {
    const seconds = fc.integer({ min: 0, max: 0x7fffffff })
    fc.assert(
      fc.property(fc.record({ tcp: seconds, tcpFin: seconds, udp: seconds }), (timeouts) => {
        const writer = new MessageWriter(new Uint8Array(64))
        encodeTimeouts(writer, timeouts)
        expect(decodeTimeouts(writer.bytes, 0, writer.position)).toEqual(timeouts)
      }),
    )
  })
})

describe('decoding', () => {
  const service = nest((writer) => encodeService(writer, virtualService(tcp('10.0.0.1'))))
  const server = withConnections(nest((writer) => encodeDestination(writer, destination('10.1.0.1'))))

  function decodedDestination(bytes: Uint8Array) {
    const raw = emptyRawDestination()
    readDestination(new AttributeCursor(bytes), 0, bytes.length, raw, { serviceFamily: 'ipv4', statistics: true })
    return { raw, value: destinationOf(bytes, raw) }
  }

  test('unknown attributes are skipped', () => {
    const unknown = (writer: MessageWriter) => writer.text(99, 'later kernels')
    const more = Buffer.concat([attributes(unknown), service, attributes(unknown)])
    expect(decodeService(more, 0, more.length, false)?.service.scheduler).toBe('wrr')
    const moreServer = Buffer.concat([attributes(unknown), server, attributes(unknown)])
    expect(decodedDestination(moreServer).value).toEqual(destination('10.1.0.1'))
  })

  test('flags that are not ours are not taken for ours', () => {
    const bytes = replaceAttribute(service, (writer) => writer.flags(7, 0xffff_ffc2, 0xffff_ffff))
    expect(decodeService(bytes, 0, bytes.length, false)?.service).toEqual(virtualService(tcp('10.0.0.1')))
  })

  test('a transport protocol without a word in the model is no service of the model', () => {
    const bytes = replaceAttribute(service, (writer) => writer.uint16(2, 50))
    expect(decodeService(bytes, 0, bytes.length, false)).toBeUndefined()
  })

  test('a destination without its own family (Linux before 3.18) has that of its service', () => {
    const bytes = removeAttribute(server, DEST.family)
    expect(decodedDestination(bytes).value.address).toBe('10.1.0.1')
  })

  test.each([1, 2, 3, 4, 6, 7, 8, 9])('a service that lacks attribute %i is a typed error', (type) => {
    const bytes = removeAttribute(service, type)
    expect(() => decodeService(bytes, 0, bytes.length, false)).toThrow(expect.objectContaining({ code: 'NETLINK_PROTOCOL' }))
  })

  test.each([1, 2, 3, 4, 5, 6, 7, 8, 9])('a destination that lacks attribute %i is a typed error', (type) => {
    expect(() => decodedDestination(removeAttribute(server, type))).toThrow(expect.objectContaining({ code: 'NETLINK_PROTOCOL' }))
  })

  test.each([
    ['forwarding', 3, 4],
    ['tunnel type', 13, 3],
  ])('an unknown %s is read, and written back as it was', (_, type, value) => {
    const tunnel = withConnections(
      nest((writer) =>
        encodeDestination(writer, destination('10.1.0.1', 80, { forwarding: { method: 'tunnel', tunnel: { type: 'ipip' } } })),
      ),
    )
    const bytes = replaceAttribute(tunnel, (writer) => (type === 13 ? writer.uint8(type, value) : writer.uint32(type, value)))
    const { value: read } = decodedDestination(bytes)
    expect(read.forwarding).toMatchObject({ method: 'unknown', ...(type === 13 ? { tunnelType: value } : { code: value }) })
    const again = withConnections(nest((writer) => encodeDestination(writer, read)))
    expect(decodedDestination(again).value).toEqual(read)
  })

  test('cut anywhere, an object is a typed error and never half of one', () => {
    for (let end = 0; end < server.length; end++) {
      const cut = server.slice(0, end)
      expect(() => decodedDestination(cut)).toThrow(expect.objectContaining({ code: 'NETLINK_PROTOCOL' }))
    }
  })

  test('64-bit counters are read whole', () => {
    const totals = attributes((writer) => {
      const start = writer.beginNest(DEST.stats64)
      for (let type = 1; type <= 10; type++) writer.raw(uint64Attribute(type, (1n << 40n) + BigInt(type)))
      writer.endNest(start)
    })
    expect(decodedDestination(Buffer.concat([server, totals])).raw.counters).toEqual({
      connections: (1n << 40n) + 1n,
      packetsIn: (1n << 40n) + 2n,
      packetsOut: (1n << 40n) + 3n,
      bytesIn: (1n << 40n) + 4n,
      bytesOut: (1n << 40n) + 5n,
    })
  })

  test('the version is three numbers', () => {
    const bytes = attributes((writer) => {
      writer.uint32(1, 0x010201)
      writer.uint32(2, 4096)
    })
    expect(decodeInfo(bytes, 0, bytes.length)).toEqual({ version: '1.2.1', connectionTableSize: 4096 })
  })

  test('an answer without the numbers that were asked for is a typed error', () => {
    expect(() => decodeInfo(new Uint8Array(), 0, 0)).toThrow(expect.objectContaining({ code: 'NETLINK_PROTOCOL' }))
    expect(() => decodeTimeouts(new Uint8Array(), 0, 0)).toThrow(expect.objectContaining({ code: 'NETLINK_PROTOCOL' }))
  })
})

function attributes(write: (writer: MessageWriter) => void): Uint8Array {
  const writer = new MessageWriter(new Uint8Array(512).fill(0xaa))
  write(writer)
  return writer.bytes.slice(0, writer.position)
}

function uint64Attribute(type: number, value: bigint): Uint8Array {
  const bytes = Buffer.alloc(12)
  bytes.writeUInt16LE(12, 0)
  bytes.writeUInt16LE(type, 2)
  bytes.writeBigUInt64LE(value, 4)
  return bytes
}

/** The kernel says how many connections there are; commands do not. */
function withConnections(bytes: Uint8Array): Uint8Array {
  const counts = attributes((writer) => {
    writer.uint32(DEST.active, 7)
    writer.uint32(DEST.inactive, 8)
    writer.uint32(DEST.persistent, 9)
  })
  return Buffer.concat([bytes, counts])
}

function splitAttributes(bytes: Uint8Array): { type: number; bytes: Uint8Array }[] {
  const cursor = new AttributeCursor(bytes)
  const parts: { type: number; bytes: Uint8Array }[] = []
  cursor.over(0, bytes.length)
  while (cursor.next()) parts.push({ type: cursor.type, bytes: bytes.slice(cursor.start - 4, cursor.padded) })
  return parts
}

function removeAttribute(bytes: Uint8Array, type: number): Uint8Array {
  return Buffer.concat(
    splitAttributes(bytes)
      .filter((part) => part.type !== type)
      .map((part) => part.bytes),
  )
}

function replaceAttribute(bytes: Uint8Array, write: (writer: MessageWriter) => void): Uint8Array {
  const replacement = attributes(write)
  const type = new DataView(replacement.buffer, replacement.byteOffset).getUint16(2, true)
  return Buffer.concat(splitAttributes(bytes).map((part) => (part.type === type ? replacement : part.bytes)))
}

// The numbers of the header are the ones that the literals above are written with.
test('the nests have the numbers of linux/ip_vs.h', () => {
  expect([ATTR.service, ATTR.dest, ATTR.daemon]).toEqual([1, 2, 3])
})
