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
  /** The same through all chains: the place of the rule in each that leads to the one that decides. */
  readonly path: RulePath
  /** The last rule before that which may drop some of these packets; undefined where there is none. */
  readonly doubt: RulePath | undefined
}

/** Places of rules in chains, each of which leads to the next. */
export type RulePath = readonly number[]

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
    ...(opening.hook === 'output' && !tracked ? UNTRACKED : NEW),
  }
  if (opening.kind === 'mark') return { ...sent, mark: BigInt(opening.mark) }
  const { hook, protocol: name, address, port } = opening
  const protocol = BigInt(PROTOCOL_NUMBERS[name])
  const there = addressNumber(address)
  if (hook === 'forward') {
    const connection = tracked ? REPLY : name === 'tcp' ? INVALID : NEW
    const way = { family, iif: TO_BACKEND, oif: TO_CLIENT, ...connection }
    return { ...way, protocol, saddr: there, ...(port !== 0 && { sport: BigInt(port) }) }
  }
  const isTunnel = hook === 'output' && (name === 'ipip' || name === 'ipv6' || name === 'gre')
  // The virtual address is taken to be on this host; where it is not yet, packets do not come to this hook.
  const place = hook === 'input' ? { daddrtype: 'local' } : isTunnel ? NEW : {}
  return { ...sent, ...place, protocol, daddr: there, ...(port !== 0 && { dport: BigInt(port) }) }
}

/** What connection tracking says of packets. What became of the connection of a reply (`snat`) is not known. */
const NEW = { state: 'new', direction: 'original', status: 'none' }
const REPLY = { state: 'established', direction: 'reply' }
const INVALID = { state: 'invalid', direction: 'none', status: 'none' }
const UNTRACKED = { state: 'untracked', direction: 'none', status: 'none' }

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
  const { end, path, mayGoOn } = walk.chain(base, [], true)
  if (end !== undefined && mayGoOn) walk.others.add(policy)
  const otherwise = end ?? policy
  const verdict = walk.others.has(otherwise === 'accept' ? 'drop' : 'accept')
    ? 'may drop'
    : otherwise === 'accept'
      ? 'passes'
      : 'drops'
  return { verdict, otherwise, at: path[0] ?? base.rules.length, path, doubt: walk.doubt }
}

/** How a chain ends for a packet that no doubtful rule meets; `end` undefined: it comes to the end of it. */
interface Walked {
  readonly end: End | undefined
  readonly path: RulePath
  /** Whether another packet may come to the end of the chain. */
  readonly mayGoOn: boolean
}

/** `leaves`: the chain of the rule may be left; `goesOn`: the rule behind it may be come to. */
interface Followed {
  readonly end: End | undefined
  readonly path: RulePath
  readonly leaves: boolean
  readonly goesOn: boolean
}

class Walk {
  /** Where packets may end that a doubtful rule meets. */
  readonly others = new Set<End>()
  /** As Judgement.doubt. */
  doubt: RulePath | undefined
  #isDecided = false
  readonly #chains: FilterTable['chains']
  readonly #packet: Packet
  readonly #passOver: (rule: FilterRule) => boolean
  #steps = 0

  constructor(chains: FilterTable['chains'], packet: Packet, passOver: (rule: FilterRule) => boolean) {
    this.#chains = chains
    this.#packet = packet
    this.#passOver = passOver
  }

  /** `certain`: a packet that no doubtful rule meets comes here. */
  chain({ rules }: FilterChain, way: RulePath, certain: boolean): Walked {
    let decided: { readonly end: End; readonly path: RulePath } | undefined
    let mayGoOn = false
    const ended = () => ({ end: decided?.end, path: decided?.path ?? [...way, rules.length], mayGoOn })
    for (const [at, rule] of rules.entries()) {
      const met = this.#met(rule, way, at)
      if (met === 'no') continue
      const { end, path, leaves, goesOn } = this.#follow(rule, [...way, at], certain && met === 'yes')
      if (leaves) mayGoOn = true
      if (end === undefined) {
        if (leaves && met === 'yes') return ended()
        continue
      }
      if (met === 'yes' && decided === undefined) {
        decided = { end, path }
        if (certain) this.#isDecided = true
      } else this.#mayEnd(end, path)
      if (met === 'yes' && !goesOn) return ended()
    }
    mayGoOn = true
    return ended()
  }

  #met(rule: FilterRule, way: RulePath, at: number): Answer {
    this.#steps += 1
    if (this.#steps === MOST_STEPS) this.#mayBeAnything([...way, at])
    return this.#steps >= MOST_STEPS || this.#passOver(rule) ? 'no' : meets(rule, this.#packet)
  }

  #follow({ verdict }: FilterRule, path: RulePath, certain: boolean): Followed {
    switch (verdict.kind) {
      case 'accept':
      case 'drop':
        return { end: verdict.kind, path, leaves: false, goesOn: false }
      case 'return':
        return { end: undefined, path, leaves: true, goesOn: false }
      case 'unknown':
        this.#mayBeAnything(path)
        return { end: undefined, path, leaves: false, goesOn: true }
      case 'none':
        return { end: undefined, path, leaves: false, goesOn: true }
      case 'jump':
      case 'goto': {
        const target = this.#chains.get(verdict.target)
        if (target === undefined) return { end: undefined, path, leaves: false, goesOn: true }
        const walked = this.chain(target, path, certain)
        const isGoto = verdict.kind === 'goto'
        return { ...walked, leaves: isGoto && walked.mayGoOn, goesOn: !isGoto && walked.mayGoOn }
      }
    }
  }

  #mayEnd(end: End, path: RulePath): void {
    this.others.add(end)
    if (end === 'drop' && !this.#isDecided) this.doubt = path
  }

  #mayBeAnything(path: RulePath): void {
    this.#mayEnd('accept', path)
    this.#mayEnd('drop', path)
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
