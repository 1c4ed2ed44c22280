import type { NftablesKernel, NftCommand, NftObject } from '../../kernel/for-sinks.ts'
import type { PortRange } from '../../model/source-nat.ts'
import { commandsFor, deleteTable, rangesAfter } from './nft-commands.ts'
import {
  BASE_CHAIN,
  type ChainShape,
  fixedChains,
  isOtherVersion,
  isOurComment,
  MAPS,
  mapNamed,
  PRIORITY,
  rangeChain,
  ruleComment,
  targetOfChain,
} from './ruleset.ts'
import { hold, NO_TABLE, property, readElements, type TableImage } from './table-image.ts'
import { type HeldTranslation, type MatchKey, rangeOf, type Target } from './translation.ts'
import { holdAfter, notOurs, type TableEdit, type TranslationTable } from './translation-table.ts'

/** Rules of one chain as they were read. */
interface ReadRules {
  readonly comments: string[]
  readonly printed: string[]
}

/** Translations in an `inet` table of nftables that is all ours. */
export class NftTable implements TranslationTable {
  readonly name: string
  readonly #kernel: NftablesKernel
  readonly #table: string
  /** How nft prints each rule that we wrote, once seen: a comment alone would not tell that somebody has changed the rest. */
  readonly #printed = new Map<string, string>()

  constructor(kernel: NftablesKernel, table: string) {
    this.#kernel = kernel
    this.#table = table
    this.name = `nftables table inet ${table}`
  }

  async read(ports: PortRange): Promise<TableImage> {
    const objects = await this.#objects()
    if (objects === undefined) return NO_TABLE
    const held = new Map<MatchKey, HeldTranslation>()
    let readable = true
    for (const map of bodies(objects, 'map')) {
      for (const translation of readElements(map)) {
        if (translation === undefined || !hold(held, translation)) readable = false
      }
    }
    const ranges = new Set<Target>()
    for (const { name } of bodies(objects, 'chain') as Iterable<{ name?: unknown }>) {
      const target = targetOfChain(String(name))
      if (target !== undefined && rangeOf(target) !== undefined) ranges.add(target)
    }
    return { state: readable ? this.#judge(objects, ranges, ports) : 'damaged', held, ranges, ports }
  }

  async write(image: TableImage, edit: TableEdit): Promise<TableImage> {
    const ranges = rangesAfter(image, edit)
    const commands = commandsFor(this.#table, image, edit, ranges)
    if (commands.length > 0) await this.#kernel.apply(commands)
    if (commands.some(writesRule)) this.#printed.clear()
    return { state: 'sound', held: holdAfter(image, edit), ranges, ports: edit.ports }
  }

  async remove(): Promise<void> {
    if ((await this.#objects()) !== undefined) await this.#kernel.apply(deleteTable(this.#table))
  }

  /** Rejects where the table is somebody else's, who has given it the same name. */
  async #objects(): Promise<readonly NftObject[] | undefined> {
    const objects = await this.#kernel.readTable('inet', this.#table)
    if (objects === undefined || mayBeOurs(objects)) return objects
    throw notOurs(this.name)
  }

  onChange(listener: (certainty: 'changed' | 'perhaps') => void): () => void {
    return this.#kernel.onChange(({ tables }) => {
      if (tables === undefined) listener('perhaps')
      else if (tables.has(`inet ${this.#table}`)) listener('changed')
    })
  }

  #judge(objects: readonly NftObject[], ranges: ReadonlySet<Target>, ports: PortRange): TableImage['state'] {
    const wanted = [...fixedChains(ports), ...[...ranges].map((range) => rangeChain(range, ports))]
    if (!tableIsOurs(objects) || !mapsAreOurs(objects) || !chainsAreOurs(objects, wanted)) return 'damaged'
    const rules = readRules(objects)
    if ([...rules.values()].some(({ comments }) => comments.some(isOtherVersion))) return 'damaged'
    const asWritten = wanted.every(({ name, rules: shapes }) => {
      const found = rules.get(name)?.comments ?? []
      return found.length === shapes.length && shapes.every((shape, index) => found[index] === ruleComment(shape))
    })
    return asWritten && this.#printedAsBefore(rules) ? 'sound' : 'rules'
  }

  #printedAsBefore(rules: ReadonlyMap<string, ReadRules>): boolean {
    let same = true
    for (const [chain, { comments, printed }] of rules) {
      for (const [index, text] of printed.entries()) {
        const rule = `${chain} ${comments[index]}`
        const before = this.#printed.get(rule)
        if (before === undefined) this.#printed.set(rule, text)
        else if (before !== text) same = false
      }
    }
    return same
  }
}

function* bodies(objects: readonly NftObject[], kind: string): Iterable<NftObject> {
  for (const object of objects) {
    const body = object[kind]
    if (typeof body === 'object' && body !== null) yield body as NftObject
  }
}

/** One that is empty is, and so is one with any map or rule as we make them. */
function mayBeOurs(objects: readonly NftObject[]): boolean {
  const inIt = ['map', 'set', 'chain', 'rule'].flatMap((kind) => [...bodies(objects, kind)])
  const isKnown = ({ name, comment }: NftObject) => mapNamed(String(name)) !== undefined || isOurComment(String(comment))
  return inIt.length === 0 || inIt.some(isKnown)
}

/** We set no flags: while a table is `dormant` nothing in it is in force. */
function tableIsOurs(objects: readonly NftObject[]): boolean {
  return [...bodies(objects, 'table')].every(({ flags }) => flags === undefined)
}

function mapsAreOurs(objects: readonly NftObject[]): boolean {
  const found = new Map([...bodies(objects, 'map')].map((map) => [map['name'], map]))
  if ([...bodies(objects, 'set')].length > 0 || found.size !== MAPS.length) return false
  return MAPS.every(({ name, type, value }) => {
    const map = found.get(name)
    return (
      map !== undefined &&
      JSON.stringify(map['type']) === JSON.stringify(type) &&
      (map['map'] === 'verdict') === (value === 'verdict')
    )
  })
}

function chainsAreOurs(objects: readonly NftObject[], wanted: readonly ChainShape[]): boolean {
  const found = new Map([...bodies(objects, 'chain')].map((chain) => [chain['name'], chain]))
  if (found.size !== wanted.length) return false
  return wanted.every(({ name, base }) => {
    const chain = found.get(name)
    if (chain === undefined || !base) return chain !== undefined && chain['hook'] === undefined
    return chain['type'] === 'nat' && chain['hook'] === BASE_CHAIN && chain['prio'] === PRIORITY && chain['policy'] === 'accept'
  })
}

function readRules(objects: readonly NftObject[]): Map<string, ReadRules> {
  const chains = new Map<string, ReadRules>()
  for (const rule of bodies(objects, 'rule')) {
    const chain = String(rule['chain'])
    const rules = chains.get(chain) ?? { comments: [], printed: [] }
    rules.comments.push(String(rule['comment']))
    rules.printed.push(JSON.stringify(rule['expr']))
    chains.set(chain, rules)
  }
  return chains
}

function writesRule(command: NftCommand): boolean {
  return property(command['add'], 'rule') !== undefined
}
