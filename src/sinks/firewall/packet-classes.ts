import type { Condition, Field, FilterChain, FilterRule, FilterTable } from './filter.ts'
import type { Packet } from './judge.ts'

/**
 * Packets that no rule of a base chain, and of the chains that it leads to, tells apart have the same key: what becomes of one becomes of all. Rules ask
 * whether a number is between two others; what matters is between which of all of these numbers it is.
 */
export function packetClasses(
  { chains }: Pick<FilterTable, 'chains'>,
  base: FilterChain,
  passOver: (rule: FilterRule) => boolean,
): (packet: Packet) => string {
  const bounds = new Map<Field, Set<bigint>>()
  for (const rule of rulesFrom(chains, base, passOver)) for (const condition of rule.conditions) addBounds(bounds, condition)
  const inOrder = new Map(
    [...bounds].map(([field, numbers]) => [field, [...numbers].sort((a, b) => (a < b ? -1 : a > b ? 1 : 0))]),
  )
  return (packet) =>
    (Object.keys(packet) as Field[])
      .map((field) => {
        const value = packet[field]
        return `${field} ${typeof value === 'bigint' ? countUpTo(inOrder.get(field) ?? [], value) : value}`
      })
      .join()
}

/** The rules of a chain and of the chains that it leads to, each once; without those that are passed over, and where they alone lead. */
export function* rulesFrom(
  chains: FilterTable['chains'],
  chain: FilterChain,
  passOver: (rule: FilterRule) => boolean,
  seen = new Set<string>(),
): Generator<FilterRule> {
  if (seen.has(chain.name)) return
  seen.add(chain.name)
  for (const rule of chain.rules) {
    if (passOver(rule)) continue
    yield rule
    const target = 'target' in rule.verdict ? chains.get(rule.verdict.target) : undefined
    if (target !== undefined) yield* rulesFrom(chains, target, passOver, seen)
  }
}

function addBounds(bounds: Map<Field, Set<bigint>>, condition: Condition): void {
  if (condition.kind === 'unknown') return
  for (const [index, field] of condition.fields.entries())
    for (const tuple of condition.tuples) {
      const span = tuple[index]
      if (span === undefined || typeof span === 'string') continue
      const known = bounds.get(field) ?? new Set()
      bounds.set(field, known.add(span[0]).add(span[1] + 1n))
    }
}

/** How many of the numbers are not above a value. */
function countUpTo(numbers: readonly bigint[], value: bigint): number {
  let low = 0
  let high = numbers.length
  while (low < high) {
    const middle = (low + high) >> 1
    if ((numbers[middle] as bigint) <= value) low = middle + 1
    else high = middle
  }
  return low
}
