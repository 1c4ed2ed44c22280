import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { addressFromBytes } from '../../../../src/model/address.ts'
import { chainOf, fixedChains, MAPS, mapOf, ruleComment, targetOfChain } from '../../../../src/sinks/snat/ruleset.ts'
import { type Match, matchKey, ownerOf, type Target } from '../../../../src/sinks/snat/translation.ts'
import { identity } from '../../../support/desired.ts'

const PORTS = { first: 32_768, last: 60_999 }
const v4 = fc.uint8Array({ minLength: 4, maxLength: 4 }).map(addressFromBytes)
const v6 = fc.uint8Array({ minLength: 16, maxLength: 16 }).map(addressFromBytes)

describe('the names in the table', () => {
  it('of chains tell the range of addresses, and are names that nft reads', () => {
    fc.assert(
      fc.property(fc.oneof(fc.tuple(v4, v4), fc.tuple(v6, v6)), ([first, last]) => {
        const chain = chainOf(`${first}-${last}` as Target) as string
        expect(chain).toMatch(/^[a-z][\w.-]*$/)
        expect(targetOfChain(chain)).toBe(`${first}-${last}`)
      }),
    )
    expect(['ipv4', 'postrouting', 'snat_', 'snat_1', '__proto__'].map(targetOfChain)).toEqual(Array(5).fill(undefined))
  })

  it('are none of the words of its own language, which nft prints as a name and does not read as one', () => {
    const chains = fixedChains(PORTS).map(({ name }) => name)
    const words = 'masquerade snat dnat redirect mark meta ip ip6 inet tcp udp sctp ct original'.split(' ')
    expect([...chains, ...MAPS.map(({ name }) => name)].filter((name) => words.includes(name))).toEqual([])
    expect(chains.filter((name) => targetOfChain(name) !== undefined)).toEqual([chainOf('masquerade' as Target)])
  })

  it('of maps are different for everything that is told apart', () => {
    expect(new Set(MAPS.map(({ name }) => name)).size).toBe(16)
    const match = (text: string, port: number): Match => ({ ...(identity(text) as object), kind: 'vip', port }) as never
    expect(mapOf(match('udp/[fd00::1]:53', 0), '10.0.0.9' as Target).name).toBe('vip6_any_port_address')
  })

  it('of services are the keys of what is found by their address', () => {
    const match: Match = { kind: 'vip', protocol: 'sctp', address: addressFromBytes(new Uint8Array(16)), port: 9 }
    expect([matchKey(match), ownerOf(match)]).toEqual(['sctp/[::]:9', 'sctp/[::]:9'])
  })
})

describe('the rules', () => {
  it('are 19, and each says by its comment what it is and which ports it was written for', () => {
    const comments = (ports: typeof PORTS) => fixedChains(ports).flatMap(({ rules }) => rules.map(ruleComment))
    const [before, after] = [comments(PORTS), comments({ ...PORTS, first: 40_000 })]
    expect([before.length, new Set(before).size]).toEqual([19, 19])
    // Those for one address and for masquerading; the others have no ports in them.
    expect(before.filter((comment) => !after.includes(comment))).toHaveLength(9)
  })
})
