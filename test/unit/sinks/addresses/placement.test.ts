import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { InterfaceAddress, NetworkLink } from '../../../../src/kernel/for-sinks.ts'
import type { IpAddress } from '../../../../src/model/address.ts'
import { addressLabel, onLinkPrefixes, ownLinkName, placeAddress } from '../../../../src/sinks/addresses/placement.ts'
import { interfaceAddress, ip, LO, networkLink } from '../../../support/fake-route-kernel.ts'

const LINKS = [LO, networkLink('eth0', 2), networkLink('eth1', 3)]

function placed(address: IpAddress, addresses: InterfaceAddress[], configured?: string, current?: number): string {
  const links = new Map<number, NetworkLink>(LINKS.map((link) => [link.index, link]))
  const placement = placeAddress(address, configured, links, onLinkPrefixes(LINKS, addresses), current)
  return placement.kind === 'link' ? placement.link.name : placement.kind
}

describe('an address goes', () => {
  const lan = [interfaceAddress(2, '10.0.0.1/24'), interfaceAddress(3, '10.0.0.1/25'), interfaceAddress(2, '2001:db8::1/64')]

  it('to the interface whose network has it, the smallest network first', () => {
    expect(placed(ip('10.0.0.200'), lan)).toBe('eth0')
    expect(placed(ip('10.0.0.100'), lan)).toBe('eth1')
    expect(placed(ip('2001:db8::ffff'), lan)).toBe('eth0')
    expect(placed(ip('2001:db8:0:1::1'), lan)).toBe('own')
  })

  it('to the first of two interfaces on the same network', () => {
    const both = [interfaceAddress(3, '10.0.0.2/24'), interfaceAddress(2, '10.0.0.1/24')]
    expect(placed(ip('10.0.0.9'), both)).toBe('eth0')
  })

  it('to none for the network of the loopback, of link-local addresses, of one host or of everything', () => {
    const others = ['fe80::1/64', '10.0.0.7/32', '2001:db8::7/128', '0.0.0.0/0'].map((text) => interfaceAddress(2, text))
    const all = [...others, interfaceAddress(1, '127.0.0.1/8')]
    for (const text of ['127.0.0.9', 'fe80::9', '10.0.0.7', '2001:db8::7']) expect(placed(ip(text), all)).toBe('own')
  })

  it('by the other end of a point-to-point link', () => {
    expect(placed(ip('10.9.0.9'), [interfaceAddress(3, '10.8.0.1/24', { peer: ip('10.9.0.1') })])).toBe('eth1')
  })

  it('where the configuration says, before all else', () => {
    expect(placed(ip('10.0.0.200'), lan, 'eth1', 2)).toBe('eth1')
    expect(placed(ip('10.0.0.200'), lan, 'eth9', 2)).toBe('missing')
  })

  it('where it is, while no network has it', () => {
    expect(placed(ip('192.0.2.1'), lan, undefined, 3)).toBe('eth1')
    expect(placed(ip('192.0.2.1'), lan, undefined, 77)).toBe('own')
    expect(placed(ip('10.0.0.200'), lan, undefined, 3)).toBe('eth0')
  })

  it('to an interface with its first bits, whatever the length', () => {
    const bits = fc.integer({ min: 0, max: 0xffffffff })
    fc.assert(
      fc.property(bits, bits, fc.integer({ min: 1, max: 31 }), (host, vip, length) => {
        const text = (value: number) => ip([24, 16, 8, 0].map((shift) => (value >>> shift) & 255).join('.'))
        const same = host >>> (32 - length) === vip >>> (32 - length)
        expect(placed(text(vip), [interfaceAddress(2, `${text(host)}/${length}`)])).toBe(same ? 'eth0' : 'own')
      }),
    )
  })
})

it('labels begin with the name of the interface and have room in it', () => {
  expect(addressLabel(ip('10.0.0.1'), 'eth0')).toBe('eth0:pm')
  expect(addressLabel(ip('10.0.0.1'), 'enp129s0f0n')).toBe('enp129s0f0n:pm')
  expect(addressLabel(ip('10.0.0.1'), 'enp129s0f0np')).toBe('enp129s0f0np:pm')
  expect(addressLabel(ip('10.0.0.1'), 'enp129s0f0np1')).toBeUndefined()
  expect(addressLabel(ip('2001:db8::1'), 'eth0')).toBeUndefined()
})

it('the link of our own has the name of the instance where that can be one', () => {
  expect(ownLinkName('pointsman')).toBe('pointsman')
  expect(ownLinkName('edge.2_a-b')).toBe('edge.2_a-b')
  for (const instance of ['', '.', '..', 'a/b', 'a b', 'über', 'a-very-long-instance', 'a:b']) {
    const name = ownLinkName(instance)
    expect(name).toMatch(/^[\w.-]{9,15}$/)
    expect(name).not.toBe(ownLinkName(`${instance}x`))
  }
})
