import type { NftCommand } from '../../kernel/for-sinks.ts'
import type { PortRange } from '../../model/source-nat.ts'
import { samePorts } from './port-range.ts'
import { BASE_CHAIN, type ChainShape, chainOf, fixedChains, MAPS, mapOf, PRIORITY, rangeChain, ruleComment } from './ruleset.ts'
import type { TableImage } from './table-image.ts'
import { type Match, type MatchKey, matchKey, rangeOf, type Target, type Translation } from './translation.ts'
import { heldAfter, type TableEdit } from './translation-table.ts'

const FAMILY = 'inet'

/** One transaction that brings a table from what it holds to what it is to hold. Empty: nothing is to be done. */
export function commandsFor(table: string, image: TableImage, edit: TableEdit, ranges: ReadonlySet<Target>): NftCommand[] {
  if (image.state === 'absent' || image.state === 'damaged')
    return wholeTable(table, [...heldAfter(image, edit).values()], edit.ports)
  const rulesAreRight = image.state === 'sound' && samePorts(image.ports, edit.ports)
  const leaving = [...image.ranges].filter((range) => !ranges.has(range))
  const coming = [...ranges].filter((range) => !rulesAreRight || !image.ranges.has(range))
  return [
    ...(rulesAreRight ? [] : fixedChains(edit.ports).flatMap((chain) => writeChain(table, chain))),
    ...coming.flatMap((range) => writeChain(table, rangeChain(range, edit.ports))),
    ...deleteElements(table, replaced(image, edit)),
    ...addElements(table, lastOfEach(edit.put)),
    ...leaving.flatMap((range) => deleteChain(table, chainOf(range) as string)),
  ]
}

/** The ranges of addresses that are in use after an edit. Looks at all that is held only where there are any. */
export function rangesAfter(image: TableImage, edit: TableEdit): ReadonlySet<Target> {
  const none = image.ranges.size === 0 && image.state !== 'damaged'
  return rangesOf(none ? edit.put : heldAfter(image, edit).values())
}

export function deleteTable(table: string): NftCommand[] {
  return [{ delete: { table: { family: FAMILY, name: table } } }]
}

/** The first `add` makes the deletion succeed where there is no table; nobody sees a moment without one. */
function wholeTable(table: string, translations: readonly Translation[], ports: PortRange): NftCommand[] {
  const add = { add: { table: { family: FAMILY, name: table } } }
  const maps = MAPS.map(({ name, type, value, family }) => {
    const data = value === 'verdict' ? 'verdict' : family === 'ipv4' ? 'ipv4_addr' : 'ipv6_addr'
    return { add: { map: { family: FAMILY, table, name, type, map: data, stmt: [{ counter: null }] } } }
  })
  const chains = [...[...rangesOf(translations)].map((range) => rangeChain(range, ports)), ...fixedChains(ports)]
  return [
    add,
    ...deleteTable(table),
    add,
    ...maps,
    ...chains.flatMap((chain) => writeChain(table, chain)),
    ...addElements(table, translations),
  ]
}

/** Makes a chain, or makes the rules of one anew. */
function writeChain(table: string, { name, base, rules }: ChainShape): NftCommand[] {
  const hook = base ? { type: 'nat', hook: BASE_CHAIN, prio: PRIORITY, policy: 'accept' } : {}
  return [
    { add: { chain: { family: FAMILY, table, name, ...hook } } },
    { flush: { chain: { family: FAMILY, table, name } } },
    ...rules.map((expr) => ({ add: { rule: { family: FAMILY, table, chain: name, comment: ruleComment(expr), expr } } })),
  ]
}

function deleteChain(table: string, name: string): NftCommand[] {
  const chain = { family: FAMILY, table, name }
  return [{ flush: { chain } }, { delete: { chain } }]
}

function rangesOf(translations: Iterable<Translation>): Set<Target> {
  const ranges = new Set<Target>()
  for (const { target } of translations) if (rangeOf(target) !== undefined) ranges.add(target)
  return ranges
}

function replaced(image: TableImage, edit: TableEdit): Translation[] {
  const keys = new Set<MatchKey>([...edit.drop, ...edit.put.map(({ match }) => matchKey(match))])
  return [...keys].map((key) => image.held.get(key)).filter((held) => held !== undefined)
}

function lastOfEach(translations: readonly Translation[]): Iterable<Translation> {
  return new Map(translations.map((translation) => [matchKey(translation.match), translation])).values()
}

function addElements(table: string, translations: Iterable<Translation>): NftCommand[] {
  return [...byMap(translations)].map(([name, all]) => {
    const elem = all.map(({ match, target }) => {
      const chain = chainOf(target)
      return [elementKey(match), chain === undefined ? target : { goto: { target: chain } }]
    })
    return { add: { element: { family: FAMILY, table, name, elem } } }
  })
}

function deleteElements(table: string, translations: Iterable<Translation>): NftCommand[] {
  return [...byMap(translations)].map(([name, all]) => {
    return { delete: { element: { family: FAMILY, table, name, elem: all.map(({ match }) => elementKey(match)) } } }
  })
}

function byMap(translations: Iterable<Translation>): Map<string, Translation[]> {
  return Map.groupBy(translations, ({ match, target }) => mapOf(match, target).name)
}

function elementKey(match: Match) {
  const port = match.port === 0 ? [] : [match.port]
  return { concat: [match.kind === 'vip' ? match.protocol : match.fwmark, match.address, ...port] }
}
