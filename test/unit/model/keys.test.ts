import { describe, expect, it } from 'vitest'
import { parseAddress } from '../../../src/model/address.ts'
import { destinationKey, type Forwarding, forwardingText, sameForwarding } from '../../../src/model/destination.ts'
import { serviceFamily, serviceKey, singleClientMask } from '../../../src/model/virtual-service.ts'

const address = (text: string) => parseAddress(text) ?? expect.fail(`${text} is an address`)

describe('serviceKey', () => {
  it('tells protocol, address, port and mark apart', () => {
    const v4 = { kind: 'address', protocol: 'tcp', address: address('10.0.0.1'), port: 80 } as const
    const v6 = { kind: 'address', protocol: 'udp', address: address('2001:db8::1'), port: 53 } as const
    const mark = { kind: 'fwmark', fwmark: 7, family: 'ipv6' } as const
    expect([v4, v6, mark].map(serviceKey)).toEqual(['tcp/10.0.0.1:80', 'udp/[2001:db8::1]:53', 'fwmark/7/ipv6'])
    expect([v4, v6, mark].map(serviceFamily)).toEqual(['ipv4', 'ipv6', 'ipv6'])
  })

  it('a single client is /32 and /128', () => {
    expect(singleClientMask('ipv4')).toBe(0xffffffff)
    expect(singleClientMask('ipv6')).toBe(128)
  })
})

describe('forwarding', () => {
  const cases: [Forwarding, string][] = [
    [{ method: 'nat' }, 'nat'],
    [{ method: 'direct' }, 'direct'],
    [{ method: 'local' }, 'local'],
    [{ method: 'tunnel', tunnel: { type: 'ipip' } }, 'tunnel ipip'],
    [
      { method: 'tunnel', tunnel: { type: 'gue', port: 6080, checksum: 'remote-checksum' } },
      'tunnel gue port 6080 remote-checksum',
    ],
    [{ method: 'tunnel', tunnel: { type: 'gre', checksum: 'none' } }, 'tunnel gre'],
    [{ method: 'tunnel', tunnel: { type: 'gre', checksum: 'checksum' } }, 'tunnel gre checksum'],
  ]
  it.each(cases)('%j reads %s', (forwarding, text) => {
    expect(forwardingText(forwarding)).toBe(text)
  })

  it('is the same only to itself', () => {
    for (const [a, textA] of cases) for (const [b, textB] of cases) expect(sameForwarding(a, b)).toBe(textA === textB)
  })

  it('a destination is known by address and port', () => {
    expect(destinationKey({ address: address('2001:db8::2'), port: 8080 })).toBe('[2001:db8::2]:8080')
  })
})
