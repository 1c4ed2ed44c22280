import { createHash } from 'node:crypto'
import { type AddressFamily, familyOf, parseAddress } from '../../model/address.ts'
import type { PortRange } from '../../model/source-nat.ts'
import type { Protocol } from '../../model/virtual-service.ts'
import { MASQUERADE, type Match, type MatchKey, matchKey, rangeOf, type Target, type Translation } from './translation.ts'

const PROTOCOLS: readonly Protocol[] = ['tcp', 'udp', 'sctp']

/** A rule of ours as it was read. */
export interface ReadRule extends Translation {
  readonly protocol: Protocol
  /** Of what we wrote: another hash is another version, or other ports. */
  readonly hash: string
  readonly connections: bigint
  /** As it was printed, without its counters. */
  readonly printed: string
}

/** Who is translated by a rule: a service by its protocol, a firewall mark by every protocol, each with a rule of its own. */
export function protocolsOf(match: Match): readonly Protocol[] {
  return match.kind === 'vip' ? [match.protocol] : PROTOCOLS
}

/** The rules of a translation, each without the chain. A port goes before every port, so the first come with `-I`. */
export function rulesOf({ match, target }: Translation, ports: PortRange): string[] {
  return protocolsOf(match).map((protocol) => {
    const found = conditions(match, protocol)
    const action = jump(target, ports)
    const comment = `${matchKey(match)} ${target} ${protocol} ${hashOf(`${found} ${action}`)}`
    return `${found} -m comment --comment "${comment}" ${action}`
  })
}

/** The hash that the rule of a translation carries. */
export function hashFor({ match, target }: Translation, protocol: Protocol, ports: PortRange): string {
  return hashOf(`${conditions(match, protocol)} ${jump(target, ports)}`)
}

/** A line of iptables-save; undefined where it is no rule of this chain, `strange` where the rule is none of ours. */
export function readRule(line: string, chain: string): ReadRule | 'strange' | undefined {
  const counted = /^\[(\d+):\d+\] (-A (\S+) .*)$/.exec(line)
  if (counted === null || counted[3] !== chain) return undefined
  const [, packets = '0', printed = ''] = counted
  const comment = /--comment "(\S+) (\S+) (tcp|udp|sctp) ([\da-f]{12})"/.exec(printed)
  const match = comment === null ? undefined : parseMatch(comment[1] as string)
  if (comment === null || match === undefined) return 'strange'
  const [, , target, protocol, hash] = comment as unknown as [string, string, Target, Protocol, string]
  return { match, target, protocol, hash, connections: BigInt(packets), printed }
}

function conditions(match: Match, protocol: Protocol): string {
  const { address, port } = match
  if (match.kind === 'vip')
    return `-p ${protocol} -m conntrack --ctorigdst ${address}${port === 0 ? '' : ` --ctorigdstport ${port}`}`
  const where = port === 0 ? '' : ` -m ${protocol} --dport ${port}`
  return `-d ${address} -p ${protocol}${where} -m mark --mark ${match.fwmark}`
}

function jump(target: Target, { first, last }: PortRange): string {
  const ports = first === last ? String(first) : `${first}-${last}`
  if (target === MASQUERADE) return `-j MASQUERADE --to-ports ${ports} --random-fully`
  const addresses = rangeOf(target)?.join('-') ?? target
  return `-j SNAT --to-source ${addresses.includes(':') ? `[${addresses}]` : addresses}:${ports} --random-fully`
}

function hashOf(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 12)
}

function parseMatch(key: string): Match | undefined {
  const parts = /^(?:(tcp|udp|sctp)|mark\/(\d+))\/\[?([\da-f.:]+?)\]?:(\d+)$/.exec(key)
  const address = parts === null ? undefined : parseAddress(parts[3] as string)
  if (parts === null || address === undefined) return undefined
  const [, protocol, fwmark, , port] = parts
  const match: Match =
    protocol === undefined
      ? { kind: 'mark', fwmark: Number(fwmark), address, port: Number(port) }
      : { kind: 'vip', protocol: protocol as Protocol, address, port: Number(port) }
  return matchKey(match) === (key as MatchKey) ? match : undefined
}

export function isOfFamily({ match }: Translation, family: AddressFamily): boolean {
  return familyOf(match.address) === family
}
