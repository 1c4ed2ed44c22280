import { addressBytes, type IpAddress } from '../../model/address.ts'
import type { Condition, Field, FilterChain, FilterRule, FilterTable, Span } from './filter.ts'
import { type Opening, openingFamily, PROTOCOL_NUMBERS } from './opening.ts'

/** What is known of the first packet that passes; what is left out may be anything. */
export type Packet = Readonly<Partial<Record<Field, bigint | string>>>

/**
 * `passes` and `drops` are certain, whatever the rest of the packet is. `may drop`: some packets are dropped and others not, or a rule looks at something
 * that is not known here.
 */
export interface Judgement {
  readonly verdict: 'passes' | 'drops' | 'may drop'
  /** What becomes of a packet that no doubtful rule meets. */
  readonly otherwise: 'accept' | 'drop'
  /** Where that is decided: the place of the rule in the base chain; the number of its rules where its policy decides. */
  readonly at: number
}

type Answer = 'yes' | 'no' | 'maybe'
type End = 'accept' | 'drop'

/** An interface of which no more is known than who is behind it. */
const TO_CLIENT = '?client'
const TO_BACKEND = '?backend'

/** Interfaces of containers and virtual machines on this host: clients come from elsewhere. */
const CONTAINERS = /^(docker\d+|docker_gwbridge|br-[\da-f]{12}|podman\d+|cni\d+|cni-podman\d+|virbr\d+|lxcbr\d+|lxdbr\d+|veth.*)$/

/** Rules through which one packet is followed at most: whoever has more, in chains that lead to each other, is not judged. */
const MOST_STEPS = 100_000

/**
 * The packet that an opening is for. `tracked`: IPVS leaves its connections to connection tracking (net.ipv4.vs.conntrack); without that a reply of TCP is of no
 * connection that is known.
 */
export function packetOf(opening: Opening, tracked: boolean): Packet {
  const family = openingFamily(opening) === 'ipv4' ? 4n : 6n
  const sent = {
    family,
    ...(opening.hook === 'input' ? { iif: TO_CLIENT } : { oif: TO_BACKEND }),
    state: opening.hook === 'output' && !tracked ? 'untracked' : 'new',
  }
  if (opening.kind === 'mark') return { ...sent, mark: BigInt(opening.mark) }
  const { hook, protocol: name, address, port } = opening
  const protocol = BigInt(PROTOCOL_NUMBERS[name])
  const there = addressNumber(address)
  if (hook === 'forward') {
    const state = tracked ? 'established' : name === 'tcp' ? 'invalid' : 'new'
    return { family, iif: TO_BACKEND, oif: TO_CLIENT, protocol, state, saddr: there, ...(port !== 0 && { sport: BigInt(port) }) }
  }
  const isTunnel = hook === 'output' && (name === 'ipip' || name === 'ipv6' || name === 'gre')
  return { ...sent, ...(isTunnel && { state: 'new' }), protocol, daddr: there, ...(port !== 0 && { dport: BigInt(port) }) }
}

export function addressNumber(address: IpAddress): bigint {
  return addressBytes(address).reduce((number, byte) => number * 256n + BigInt(byte), 0n)
}

/** What becomes of a packet in a base chain, without the rules that `passOver` likes. Pure. */
export function judge(
  { chains }: Pick<FilterTable, 'chains'>,
  base: FilterChain,
  packet: Packet,
  passOver: (rule: FilterRule) => boolean = () => false,
): Judgement {
  const policy = base.base?.policy ?? 'accept'
  const walk = new Walk(chains, packet, passOver)
  const { end, at, mayGoOn } = walk.chain(base)
  if (end !== undefined && mayGoOn) walk.others.add(policy)
  const otherwise = end ?? policy
  const verdict = walk.others.has(otherwise === 'accept' ? 'drop' : 'accept')
    ? 'may drop'
    : otherwise === 'accept'
      ? 'passes'
      : 'drops'
  return { verdict, otherwise, at }
}

/** How a chain ends for a packet that no doubtful rule meets; `end` undefined: it comes to the end of it. */
interface Walked {
  readonly end: End | undefined
  readonly at: number
  /** Whether another packet may come to the end of the chain. */
  readonly mayGoOn: boolean
}

class Walk {
  /** Where packets may end that a doubtful rule meets. */
  readonly others = new Set<End>()
  readonly #chains: FilterTable['chains']
  readonly #packet: Packet
  readonly #passOver: (rule: FilterRule) => boolean
  #steps = 0

  constructor(chains: FilterTable['chains'], packet: Packet, passOver: (rule: FilterRule) => boolean) {
    this.#chains = chains
    this.#packet = packet
    this.#passOver = passOver
  }

  chain({ rules }: FilterChain): Walked {
    let decided: { readonly end: End; readonly at: number } | undefined
    let mayGoOn = false
    const ended = () => ({ end: decided?.end, at: decided?.at ?? rules.length, mayGoOn })
    for (const [at, rule] of rules.entries()) {
      const met = this.#met(rule)
      if (met === 'no') continue
      const { end, leaves, goesOn } = this.#follow(rule)
      if (leaves) mayGoOn = true
      if (end === undefined) {
        if (leaves && met === 'yes') return ended()
        continue
      }
      if (met === 'yes' && decided === undefined) decided = { end, at }
      else this.others.add(end)
      if (met === 'yes' && !goesOn) return ended()
    }
    mayGoOn = true
    return ended()
  }

  #met(rule: FilterRule): Answer {
    this.#steps += 1
    if (this.#steps === MOST_STEPS) this.#doubt()
    return this.#steps >= MOST_STEPS || this.#passOver(rule) ? 'no' : meets(rule, this.#packet)
  }

  /** `leaves`: the chain of the rule may be left; `goesOn`: the rule behind it may be come to. */
  #follow({ verdict }: FilterRule): { readonly end: End | undefined; readonly leaves: boolean; readonly goesOn: boolean } {
    switch (verdict.kind) {
      case 'accept':
      case 'drop':
        return { end: verdict.kind, leaves: false, goesOn: false }
      case 'return':
        return { end: undefined, leaves: true, goesOn: false }
      case 'unknown':
        this.#doubt()
        return { end: undefined, leaves: false, goesOn: true }
      case 'none':
        return { end: undefined, leaves: false, goesOn: true }
      case 'jump':
      case 'goto': {
        const target = this.#chains.get(verdict.target)
        if (target === undefined) return { end: undefined, leaves: false, goesOn: true }
        const { end, mayGoOn } = this.chain(target)
        const isGoto = verdict.kind === 'goto'
        return { end, leaves: isGoto && mayGoOn, goesOn: !isGoto && mayGoOn }
      }
    }
  }

  #doubt(): void {
    this.others.add('accept')
    this.others.add('drop')
  }
}

function meets({ conditions }: FilterRule, packet: Packet): Answer {
  let answer: Answer = 'yes'
  for (const condition of conditions) {
    const one = holds(condition, packet)
    if (one === 'no') return 'no'
    if (one === 'maybe') answer = 'maybe'
  }
  return answer
}

function holds(condition: Condition, packet: Packet): Answer {
  if (condition.kind === 'unknown') return 'maybe'
  const { fields, tuples, negated } = condition
  let answer: Answer = 'no'
  for (const tuple of tuples) {
    const one = hasAll(fields, tuple, packet)
    if (one === 'yes') return negated ? 'no' : 'yes'
    if (one === 'maybe') answer = 'maybe'
  }
  if (!negated || answer === 'maybe') return answer
  return 'yes'
}

function hasAll(fields: readonly Field[], tuple: readonly Span[], packet: Packet): Answer {
  let answer: Answer = 'yes'
  for (const [index, field] of fields.entries()) {
    const one = has(field, tuple[index], packet)
    if (one === 'no') return 'no'
    if (one === 'maybe') answer = 'maybe'
  }
  return answer
}

function has(field: Field, span: Span | undefined, packet: Packet): Answer {
  if (span === undefined) return 'maybe'
  const value = packet[field]
  if (value === undefined) return 'maybe'
  if (value === TO_CLIENT || value === TO_BACKEND) {
    // Clients and backends are on other machines.
    return span === 'lo' || (value === TO_CLIENT && CONTAINERS.test(String(span))) ? 'no' : 'maybe'
  }
  if (typeof span === 'string' || typeof value === 'string') return value === span ? 'yes' : 'no'
  return value >= span[0] && value <= span[1] ? 'yes' : 'no'
}
