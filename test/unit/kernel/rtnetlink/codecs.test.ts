import { describe, expect, it } from 'vitest'
import { MessageCursor } from '../../../../src/kernel/netlink/message-cursor.ts'
import {
  addressAddition,
  addressDeletion,
  addressDeprecation,
  addressDump,
  readInterfaceAddress,
} from '../../../../src/kernel/rtnetlink/address-codec.ts'
import { dummyRequest, linkDeletion, linkDump, readLink, switchOnRequest } from '../../../../src/kernel/rtnetlink/link-codec.ts'
import { readEvents } from '../../../../src/kernel/rtnetlink/route-events.ts'
import { ip } from '../../../support/fake-route-kernel.ts'
import { attribute, bytes32, message, text } from './by-hand.ts'

const REQUEST_ACK = 0x05
const V6 = [0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x50]

function cursorOn(...bytes: number[]): MessageCursor {
  const cursor = new MessageCursor(Uint8Array.from(bytes))
  expect(cursor.next()).toBe(true)
  return cursor
}

describe('requests', () => {
  const requestOf = (bytes: Uint8Array) => [...bytes]

  it('an IPv4 address is /32 with its label', () => {
    expect(requestOf(addressAddition({ link: 3, address: ip('10.0.0.50'), label: 'eth0:pm' }))).toEqual(
      message(20, REQUEST_ACK | 0x600, [
        ...[2, 32, 0, 0, ...bytes32(3)],
        ...attribute(2, [10, 0, 0, 50]),
        ...attribute(1, [10, 0, 0, 50]),
        ...attribute(3, text('eth0:pm')),
      ]),
    )
  })

  it('an IPv6 address is /128, nodad, preferred for no time and valid for ever, and has no label', () => {
    const body = [
      ...[10, 128, 0, 0, ...bytes32(3)],
      ...attribute(2, V6),
      ...attribute(1, V6),
      ...attribute(8, bytes32(0x02)),
      ...attribute(6, [...bytes32(0), ...bytes32(0xffffffff), ...bytes32(0), ...bytes32(0)]),
    ]
    const at = { link: 3, address: ip('2001:db8::50') }
    expect(requestOf(addressAddition({ ...at, label: 'eth0:pm' }))).toEqual(message(20, REQUEST_ACK | 0x600, body))
    expect(requestOf(addressDeprecation(at))).toEqual(message(20, REQUEST_ACK | 0x100, body))
  })

  it('an address is deleted from its link, an IPv4 address with its label', () => {
    const body = [...[2, 32, 0, 0, ...bytes32(7)], ...attribute(2, [10, 0, 0, 50]), ...attribute(1, [10, 0, 0, 50])]
    const at = { link: 7, address: ip('10.0.0.50') }
    expect(requestOf(addressDeletion(at))).toEqual(message(21, REQUEST_ACK, body))
    const labelled = [...body, ...attribute(3, text('eth0:pm'))]
    expect(requestOf(addressDeletion({ ...at, label: 'eth0:pm' }))).toEqual(message(21, REQUEST_ACK, labelled))
    const body6 = [...[10, 128, 0, 0, ...bytes32(7)], ...attribute(2, V6), ...attribute(1, V6)]
    const at6 = { link: 7, address: ip('2001:db8::50'), label: 'eth0:pm' }
    expect(requestOf(addressDeletion(at6))).toEqual(message(21, REQUEST_ACK, body6))
  })

  it('a dummy is made and switched on in one step', () => {
    expect(requestOf(dummyRequest('pointsman'))).toEqual(
      message(16, REQUEST_ACK | 0x600, [
        ...[0, 0, 0, 0, ...bytes32(0), ...bytes32(1), ...bytes32(1)],
        ...attribute(3, text('pointsman')),
        ...attribute(18, attribute(1, text('dummy'))),
      ]),
    )
  })

  it('links are switched on, deleted and listed, and addresses of every family listed', () => {
    const link = (index: number, flags: number) => [0, 0, 0, 0, ...bytes32(index), ...bytes32(flags), ...bytes32(flags)]
    expect(requestOf(switchOnRequest(9))).toEqual(message(16, REQUEST_ACK, link(9, 1)))
    expect(requestOf(linkDeletion(9))).toEqual(message(17, REQUEST_ACK, link(9, 0)))
    expect(requestOf(linkDump())).toEqual(message(18, REQUEST_ACK | 0x300, [...link(0, 0), ...attribute(29, bytes32(8))]))
    expect(requestOf(addressDump())).toEqual(message(22, REQUEST_ACK | 0x300, Array<number>(8).fill(0)))
  })
})

/** `struct ifinfomsg`: family, padding, hardware, index, flags, change. */
const linkHeader = (hardware: number, index: number, flags: number) => [
  ...[0, 0, hardware & 255, hardware >> 8],
  ...bytes32(index),
  ...bytes32(flags),
  ...bytes32(0),
]
const MAC = [2, 0, 0, 0, 0, 0x1f]

describe('links', () => {
  it('of Ethernet have neighbours', () => {
    const veth = attribute(18, [...attribute(1, text('veth')), ...attribute(2, [1, 2, 3])])
    const body = [
      ...linkHeader(1, 5, 0x11043),
      ...attribute(3, text('eth0')),
      ...attribute(4, bytes32(1500)),
      ...attribute(1, MAC),
      ...veth,
    ]
    expect(readLink(cursorOn(...message(16, 0, body)))).toEqual({
      name: 'eth0',
      index: 5,
      up: true,
      carrier: true,
      loopback: false,
      mtu: 1500,
      kind: 'veth',
      neighbourAddress: '02:00:00:00:00:1f',
    })
  })

  it.each([
    ['a dummy, which has no ARP', 1, 0x100c3, MAC],
    ['the loopback', 772, 0x10049, [0, 0, 0, 0, 0, 0]],
    ['a tunnel', 768, 0x10091, [192, 0, 2, 1]],
  ])('%s has none', (_, hardware, flags, address) => {
    const body = [...linkHeader(hardware, 2, flags), ...attribute(3, text('x')), ...attribute(1, address)]
    expect(readLink(cursorOn(...message(16, 0, body)))).not.toHaveProperty('neighbourAddress')
  })

  it('are down without IFF_UP, and have no carrier without IFF_LOWER_UP', () => {
    const read = (flags: number) =>
      readLink(cursorOn(...message(16, 0, [...linkHeader(1, 2, flags), ...attribute(3, text('x'))])))
    expect(read(0x1002)).toMatchObject({ up: false, carrier: false })
    expect(read(0x1003)).toMatchObject({ up: true, carrier: false })
  })

  it('that are cut short are refused', () => {
    expect(() => readLink(cursorOn(...message(16, 0, [0, 0, 0, 0])))).toThrow('a link is cut short')
  })
})

/** `struct ifaddrmsg`: family, prefix length, flags, scope, index. */
const addressHeader = (family: number, length: number, flags: number, index: number) => [
  family,
  length,
  flags,
  0,
  ...bytes32(index),
]

describe('addresses', () => {
  const read = (...body: number[]) => readInterfaceAddress(cursorOn(...message(20, 0, body)))

  it('of a broadcast link', () => {
    const attributes = [...attribute(1, [10, 0, 0, 1]), ...attribute(2, [10, 0, 0, 1]), ...attribute(3, text('eth0'))]
    expect(read(...addressHeader(2, 24, 0x80, 5), ...attributes)).toEqual({
      link: 5,
      address: '10.0.0.1',
      prefixLength: 24,
      deprecated: false,
      label: 'eth0',
    })
  })

  it('of a point-to-point link have their own address and the other end', () => {
    const attributes = [...attribute(1, [10, 9, 0, 2]), ...attribute(2, [10, 9, 0, 1])]
    expect(read(...addressHeader(2, 32, 0x80, 5), ...attributes)).toMatchObject({ address: '10.9.0.1', peer: '10.9.0.2' })
  })

  it('of IPv6 are deprecated by the long flags', () => {
    const attributes = [...attribute(1, V6), ...attribute(8, bytes32(0xa2))]
    expect(read(...addressHeader(10, 128, 0x82, 5), ...attributes)).toEqual({
      link: 5,
      address: '2001:db8::50',
      prefixLength: 128,
      deprecated: true,
    })
  })

  it('of other families are passed over', () => {
    expect(read(...addressHeader(28, 24, 0, 5))).toBeUndefined()
  })

  it('without an address, or cut short, are refused', () => {
    expect(() => read(...addressHeader(2, 24, 0, 5))).toThrow('has no address')
    expect(() => read(2, 24, 0, 0)).toThrow('cut short')
    expect(() => read(...addressHeader(2, 24, 0, 5), ...attribute(2, [10, 0]))).toThrow('2 bytes where 4 are needed')
  })
})

it('events tell of addresses that went and of links that changed or went', () => {
  const link = (type: number) => message(type, 0, [...linkHeader(1, 5, 0x1003), ...attribute(3, text('eth0'))])
  const address = (type: number) => message(type, 0, [...addressHeader(2, 32, 0x80, 5), ...attribute(2, [10, 0, 0, 50])])
  expect(readEvents(Uint8Array.from([...address(20), ...address(21), ...link(16), ...link(17)]))).toEqual([
    { kind: 'address-gone', link: 5, address: '10.0.0.50' },
    { kind: 'link', index: 5, name: 'eth0', up: true, carrier: false },
    { kind: 'link-gone', index: 5, name: 'eth0' },
  ])
})
