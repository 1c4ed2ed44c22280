import type { AddressFamily } from '../../model/address.ts'
import { parseAddress } from '../../model/address.ts'
import {
  ALWAYS,
  type Condition,
  type FilterChain,
  type FilterRule,
  type FilterTable,
  isOneOf,
  NEVER,
  type Span,
  UNKNOWN,
  type Verdict,
} from './filter.ts'
import { addressNumber } from './judge.ts'
import type { FirewallHook } from './opening.ts'
import { protocolNumber } from './protocols.ts'

const HOOK_OF: Readonly<Record<string, FirewallHook>> = { INPUT: 'input', OUTPUT: 'output', FORWARD: 'forward' }

/** Targets after which the next rule is come to. */
const GO_ON = new Set([
  'LOG',
  'NFLOG',
  'ULOG',
  'MARK',
  'CONNMARK',
  'TRACE',
  'AUDIT',
  'CLASSIFY',
  'DSCP',
  'TOS',
  'SET',
  'SECMARK',
  'TCPMSS',
  'HL',
  'TTL',
])

/** The filter table as iptables-save(8) prints it. */
export function readIptablesFilter(lines: readonly string[], variant: 'nft' | 'legacy', family: AddressFamily): FilterTable {
  const rules = new Map<string, FilterRule[]>()
  const bases = new Map<string, NonNullable<FilterChain['base']>>()
  for (const line of lines) {
    const chain = /^:(\S+) (\S+)/.exec(line)
    if (chain !== null) {
      const [, name = '', policy] = chain
      rules.set(name, [])
      const hook = HOOK_OF[name]
      if (hook !== undefined && policy !== '-')
        bases.set(name, { hook, priority: 0, policy: policy === 'DROP' ? 'drop' : 'accept' })
    }
  }
  for (const line of lines) {
    const words = wordsOf(line)
    if (words[0] === '-A') rules.get(words[1] ?? '')?.push(readRule(words.slice(2), family, rules))
  }
  const chains = new Map<string, FilterChain>()
  for (const [name, read] of rules) {
    const base = bases.get(name)
    chains.set(name, { name, ...(base !== undefined && { base }), rules: read })
  }
  return { place: { kind: 'iptables', variant, family }, chains, sets: new Map() }
}

/** Words of a line, those in quotes as one. */
function wordsOf(line: string): string[] {
  return [...line.matchAll(/"((?:[^"\\]|\\.)*)"|(\S+)/g)].map(
    ([, quoted, plain]) => quoted?.replace(/\\(.)/g, '$1') ?? plain ?? '',
  )
}

function readRule(words: readonly string[], family: AddressFamily, chains: ReadonlyMap<string, unknown>): FilterRule {
  const conditions: Condition[] = []
  let verdict: Verdict = { kind: 'none' }
  let comment: string | undefined
  let negated = false
  for (let at = 0; at < words.length; at++) {
    const word = words[at] as string
    const value = words[at + 1] ?? ''
    if (word === '!') {
      negated = true
      continue
    }
    if (word === '-j' || word === '-g') {
      verdict = verdictOf(word, value, chains)
      break
    }
    if (word === '-m') at += 1
    else if (word === '--comment') {
      comment = value
      at += 1
    } else {
      const read = readCondition(word, value, negated, family)
      if (read !== undefined) {
        conditions.push(...read)
        at += 1
      } else if (word.startsWith('-')) conditions.push(UNKNOWN)
    }
    negated = false
  }
  return { conditions, verdict, ...(comment !== undefined && { comment }) }
}

function verdictOf(word: string, target: string, chains: ReadonlyMap<string, unknown>): Verdict {
  if (chains.has(target)) return { kind: word === '-g' ? 'goto' : 'jump', target }
  switch (target) {
    case 'ACCEPT':
      return { kind: 'accept' }
    case 'DROP':
    case 'REJECT':
      return { kind: 'drop' }
    case 'RETURN':
      return { kind: 'return' }
    default:
      return { kind: GO_ON.has(target) ? 'none' : 'unknown' }
  }
}

/** Undefined: an option that is not known here, with words that may or may not belong to it. */
function readCondition(option: string, value: string, negated: boolean, family: AddressFamily): Condition[] | undefined {
  const one = (field: Parameters<typeof isOneOf>[0], spans: readonly (Span | undefined)[]) =>
    spans.some((span) => span === undefined) ? [UNKNOWN] : [isOneOf(field, spans as readonly Span[], negated)]
  switch (option) {
    case '-s':
      return one('saddr', [prefixSpan(value, family)])
    case '-d':
      return one('daddr', [prefixSpan(value, family)])
    case '-p':
      return value === 'all' ? [] : one('protocol', [numberSpan(protocolNumber(value))])
    case '-i':
    case '-o':
      return one(option === '-i' ? 'iif' : 'oif', [value.endsWith('+') ? undefined : value])
    case '--dport':
    case '--dports':
      return one('dport', value.split(',').map(portSpan))
    case '--sport':
    case '--sports':
      return one('sport', value.split(',').map(portSpan))
    case '--ctstate':
    case '--state':
      return one('state', value.toLowerCase().split(','))
    case '--ctdir':
      return one('direction', [value.toLowerCase()])
    case '--ctstatus':
      return one('status', value.toLowerCase().split(','))
    case '--dst-type':
      return one('daddrtype', value.toLowerCase().split(','))
    case '--rt-type':
      // No client sends a routing header.
      return [negated ? ALWAYS : NEVER]
    case '--mark':
      return value.includes('/') ? [UNKNOWN] : one('mark', [numberSpan(BigInt(value))])
    default:
      return undefined
  }
}

function numberSpan(value: bigint): Span {
  return [value, value]
}

function portSpan(text: string): Span | undefined {
  const [first = '', last = first] = text.split(':')
  return /^\d+$/.test(first) && /^\d+$/.test(last) ? [BigInt(first), BigInt(last)] : undefined
}

function prefixSpan(text: string, family: AddressFamily): Span | undefined {
  const whole = family === 'ipv4' ? 32 : 128
  const [written = '', length = String(whole)] = text.split('/')
  const address = parseAddress(written)
  if (address === undefined || !/^\d+$/.test(length)) return undefined
  const first = addressNumber(address)
  return [first, first + (1n << BigInt(whole - Number(length))) - 1n]
}
