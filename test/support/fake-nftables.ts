import { PointsmanError } from '../../src/errors.ts'
import type { NftablesKernel, NftChange, NftCommand, NftObject } from '../../src/kernel/for-sinks.ts'
import { familyOf, parseAddress } from '../../src/model/address.ts'

type Body = Record<string, unknown>

interface Element {
  readonly key: unknown
  readonly value: unknown
  readonly packets: number
}

interface Table {
  readonly maps: Map<string, { readonly body: Body; readonly elements: Map<string, Element> }>
  readonly chains: Map<string, { readonly body: Body; readonly rules: readonly Body[] }>
}

/**
 * nftables in memory, as far as tables with maps and chains go: transactions are all or nothing, what exists with another value or is used is
 * refused, and what is read looks as nft 1.0.6 prints it. Held to the same contract as the real one.
 */
export class FakeNftables implements NftablesKernel {
  readonly by = 'memory'
  /** Every transaction that was taken, by the sink. */
  readonly transactions: (readonly NftCommand[])[] = []
  reads = 0
  /** Fails the next calls, or for `refuse` those transactions that have such a command in them. */
  failure: PointsmanError | undefined
  refuse: ((command: NftCommand) => boolean) | undefined
  #tables = new Map<string, Table>()
  readonly #listeners = new Set<(change: NftChange) => void>()

  async apply(commands: readonly NftCommand[]): Promise<void> {
    if (this.failure) throw this.failure
    if (this.refuse && commands.some(this.refuse)) refused('EINVAL')
    this.#transact(commands)
    this.transactions.push(structuredClone(commands))
  }

  async readTable(family: 'inet' | 'ip' | 'ip6', name: string): Promise<readonly NftObject[] | undefined> {
    this.reads += 1
    if (this.failure) throw this.failure
    const table = this.#tables.get(`${family} ${name}`)
    return table === undefined ? undefined : structuredClone(printed(family, name, table))
  }

  async readFilters(): Promise<readonly NftObject[]> {
    this.reads += 1
    if (this.failure) throw this.failure
    return [...this.#tables].flatMap(([name, table]) => {
      const [family = '', ...words] = name.split(' ')
      return structuredClone(printed(family, words.join(' '), table))
    })
  }

  onChange(listener: (change: NftChange) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** What another program does. */
  byOthers(commands: readonly NftCommand[]): void {
    this.#transact(commands)
    this.tell({ tables: new Set(commands.map(tableOf)) })
  }

  flushRuleset(): void {
    const tables = new Set(this.#tables.keys())
    this.#tables.clear()
    this.tell({ tables })
  }

  tell(change: NftChange): void {
    for (const listener of this.#listeners) listener(change)
  }

  get watched(): boolean {
    return this.#listeners.size > 0
  }

  /** Connections that meet an element. */
  count(table: string, map: string, key: readonly unknown[], packets: number): void {
    const elements = this.#tables.get(table)?.maps.get(map)?.elements
    const text = JSON.stringify({ concat: key })
    const element = elements?.get(text)
    if (elements === undefined || element === undefined) throw new Error(`${table} ${map} has no ${text}`)
    elements.set(text, { ...element, packets: element.packets + packets })
  }

  /** `tcp 10.0.0.1 80 => snat_masquerade`, sorted, of all maps of a table; undefined where there is none. */
  elements(table: string): string[] | undefined {
    const [family = '', name = ''] = table.split(' ')
    const there = this.#tables.get(table)
    return there === undefined ? undefined : elementsIn(printed(family, name, there))
  }

  tables(): string[] {
    return [...this.#tables.keys()]
  }

  ruleCount(table: string): number {
    return [...(this.#tables.get(table)?.chains.values() ?? [])].reduce((sum, { rules }) => sum + rules.length, 0)
  }

  async [Symbol.asyncDispose](): Promise<void> {}

  #transact(commands: readonly NftCommand[]): void {
    const tables = new Map<string, Table>()
    for (const [name, table] of this.#tables)
      tables.set(name, commands.some((one) => tableOf(one) === name) ? copy(table) : table)
    for (const command of structuredClone(commands)) perform(tables, command)
    this.#tables = tables
  }
}

function copy({ maps, chains }: Table): Table {
  return {
    maps: new Map([...maps].map(([name, { body, elements }]) => [name, { body, elements: new Map(elements) }])),
    chains: new Map(chains),
  }
}

function refused(errno: string): never {
  throw new PointsmanError('KERNEL_REFUSED', `nftables refused a transaction: ${errno}.`, { detail: { errno } })
}

function parts(command: NftCommand): { readonly verb: string; readonly kind: string; readonly body: Body } {
  const [[verb, object] = ['', {}]] = Object.entries(command)
  const [[kind, body] = ['', {}]] = Object.entries(object as Body)
  return { verb, kind, body: body as Body }
}

function tableOf(command: NftCommand): string {
  const { kind, body } = parts(command)
  return `${body['family']} ${body[kind === 'table' ? 'name' : 'table']}`
}

function perform(tables: Map<string, Table>, command: NftCommand): void {
  const { verb, kind, body } = parts(command)
  const name = tableOf(command)
  if (kind === 'table') {
    if (verb === 'add' && !tables.has(name)) tables.set(name, { maps: new Map(), chains: new Map() })
    if (verb === 'delete' && !tables.delete(name)) refused('ENOENT')
    return
  }
  const table = tables.get(name) ?? refused('ENOENT')
  const perform = PERFORMERS[`${verb} ${kind}`]
  if (perform === undefined) throw new Error(`the nftables in memory do not know ${verb} ${kind}`)
  perform(table, body)
}

const PERFORMERS: Readonly<Record<string, (table: Table, body: Body) => void>> = {
  'add map': ({ maps }, { elem: _, ...body }) => {
    if (!maps.has(nameOf(body))) maps.set(nameOf(body), { body, elements: new Map() })
  },
  'delete map': ({ maps }, body) => {
    if (!maps.delete(nameOf(body))) refused('ENOENT')
  },
  'add chain': ({ chains }, body) => {
    if (!chains.has(nameOf(body))) chains.set(nameOf(body), { body, rules: [] })
  },
  'flush chain': ({ chains }, body) => {
    const chain = chains.get(nameOf(body)) ?? refused('ENOENT')
    chains.set(nameOf(body), { ...chain, rules: [] })
  },
  'delete chain': (table, body) => {
    if (isUsed(table, nameOf(body))) refused('EBUSY')
    if (!table.chains.delete(nameOf(body))) refused('ENOENT')
  },
  'add rule': (table, body) => {
    const chain = table.chains.get(String(body['chain'])) ?? refused('ENOENT')
    for (const name of mentioned(body['expr'])) if (!table.maps.has(name.slice(1))) refused('ENOENT')
    for (const name of targets(body['expr'])) if (!table.chains.has(name)) refused('ENOENT')
    table.chains.set(String(body['chain']), { ...chain, rules: [...chain.rules, body] })
  },
  'add element': (table, body) => {
    const { elements, body: map } = table.maps.get(nameOf(body)) ?? refused('ENOENT')
    for (const element of body['elem'] as unknown[]) {
      const [key, value] = element as [unknown, unknown]
      check(table, map, key, value)
      const held = elements.get(JSON.stringify(key))
      if (held !== undefined && JSON.stringify(held.value) !== JSON.stringify(value)) refused('EEXIST')
      if (held === undefined) elements.set(JSON.stringify(key), { key, value, packets: 0 })
    }
  },
  'delete element': ({ maps }, body) => {
    const { elements } = maps.get(nameOf(body)) ?? refused('ENOENT')
    for (const key of body['elem'] as unknown[]) if (!elements.delete(JSON.stringify(key))) refused('ENOENT')
  },
}

function nameOf(body: Body): string {
  return String(body['name'])
}

function check(table: Table, map: Body, key: unknown, value: unknown): void {
  const values = (key as { concat: unknown[] }).concat
  const types = map['type'] as string[]
  if (values.length !== types.length) refused('EINVAL')
  for (const [index, type] of types.entries()) if (!hasType(values[index], type)) refused('EINVAL')
  if (map['map'] !== 'verdict' && !hasType(value, String(map['map']))) refused('EINVAL')
  for (const chain of targets(value)) if (!table.chains.has(chain)) refused('ENOENT')
}

function hasType(value: unknown, type: string): boolean {
  if (type === 'inet_proto') return ['tcp', 'udp', 'sctp'].includes(String(value))
  if (type === 'mark' || type === 'inet_service') return typeof value === 'number'
  const address = typeof value === 'string' ? parseAddress(value) : undefined
  return address !== undefined && familyOf(address) === type.replace('_addr', '')
}

function isUsed({ maps, chains }: Table, name: string): boolean {
  const values = [...maps.values()].flatMap(({ elements }) => [...elements.values()].map(({ value }) => value))
  const rules = [...chains.values()].flatMap(({ rules }) => rules.map(({ expr }) => expr))
  return [...values, ...rules].some((value) => targets(value).includes(name))
}

function targets(value: unknown): string[] {
  return [...JSON.stringify(value).matchAll(/"target":"([^"]+)"/g)].map((match) => match[1] as string)
}

function mentioned(value: unknown): string[] {
  return [...JSON.stringify(value).matchAll(/"(@[^"]+)"/g)].map((match) => match[1] as string)
}

function printed(family: string, name: string, { maps, chains }: Table): NftObject[] {
  let handle = 0
  return [
    { metainfo: { version: '1.0.6', release_name: 'Lester Gooch #5', json_schema_version: 1 } },
    { table: { family, name, handle: ++handle } },
    ...[...maps.values()].map(({ body, elements }) => {
      const elem = [...elements.values()].map(({ key, value, packets }) => [
        { elem: { val: key, counter: { packets, bytes: packets * 60 } } },
        value,
      ])
      return { map: { ...body, handle: ++handle, ...(elem.length === 0 ? {} : { elem }) } }
    }),
    ...[...chains.values()].map(({ body }) => ({ chain: { ...body, handle: ++handle } })),
    ...[...chains.values()].flatMap(({ rules }) => rules.map((rule) => ({ rule: { ...rule, handle: ++handle } }))),
  ]
}

/** The elements of a table as it was read, from memory or from a kernel: `vip4 tcp 10.0.0.1 80 => snat_masquerade`, sorted. */
export function elementsIn(objects: readonly NftObject[]): string[] {
  const maps = objects.flatMap(({ map }) => (map === undefined ? [] : [map as Body]))
  return maps
    .flatMap(({ name, elem = [] }) =>
      (elem as [{ elem: { val: unknown } }, unknown][]).map(
        ([key, value]) => `${name} ${keyText(key.elem.val)} => ${valueText(value)}`,
      ),
    )
    .sort()
}

function keyText(key: unknown): string {
  return (key as { concat: unknown[] }).concat.join(' ')
}

function valueText(value: unknown): string {
  return typeof value === 'string' ? value : (targets(value)[0] ?? JSON.stringify(value))
}
