import { PointsmanError } from '../../src/errors.ts'
import type { FirewallKernel, NftChange, NftCommand, NftObject } from '../../src/kernel/for-sinks.ts'
import type { AddressFamily } from '../../src/model/address.ts'

type Body = Record<string, unknown>

/**
 * Filters in memory: tables of nftables with sets, chains and rules, and the filter tables of iptables as lines of iptables-save. What cannot be done is
 * refused, and then nothing is.
 */
export class FakeFirewall implements FirewallKernel {
  /** As `nft -j list ruleset` gives them. */
  objects: NftObject[] = []
  readonly legacy = new Map<AddressFamily, string[]>()
  /** What iptables-nft-save gives of a table among the objects: its lines, why it gives none, or nothing where it cannot read that table. */
  readonly kept = new Map<AddressFamily, string[] | PointsmanError>()
  readonly transactions: (readonly NftCommand[])[] = []
  readonly restored: (readonly string[])[] = []
  failure: PointsmanError | undefined
  #handle = 100
  readonly #listeners = new Set<(change: NftChange) => void>()

  readonly nftables = {
    readFilters: async () => {
      if (this.failure) throw this.failure
      return structuredClone(this.objects)
    },
    apply: async (commands: readonly NftCommand[]) => {
      if (this.failure) throw this.failure
      this.#transact(commands)
      this.transactions.push(structuredClone(commands))
    },
    onChange: (listener: (change: NftChange) => void) => {
      this.#listeners.add(listener)
      return () => void this.#listeners.delete(listener)
    },
  }

  readonly iptables = {
    save: async (variant: 'nft' | 'legacy', family: AddressFamily) => {
      const saved = (variant === 'legacy' ? this.legacy : this.kept).get(family)
      if (saved instanceof PointsmanError) throw saved
      return saved
    },
    restore: async (variant: 'nft' | 'legacy', family: AddressFamily, lines: readonly string[]) => {
      const tables = variant === 'legacy' ? this.legacy : this.kept
      const before = tables.get(family) ?? []
      if (before instanceof PointsmanError) throw before
      const saved = [...before]
      for (const line of lines) restore(saved, line)
      tables.set(family, saved)
      this.restored.push(lines)
    },
  }

  async [Symbol.asyncDispose](): Promise<void> {}

  /** What another program does. */
  byOthers(change: (objects: NftObject[]) => NftObject[]): void {
    this.objects = change(this.objects)
    for (const listener of this.#listeners) listener({ tables: undefined })
  }

  table(family: string, name: string): void {
    this.objects.push({ table: { family, name } })
  }

  chain(table: string, name: string, base?: { hook: string; policy: string; prio?: number }): void {
    const [family, of] = table.split(' ')
    this.objects.push({ chain: { family, table: of, name, ...(base && { type: 'filter', prio: 0, ...base }) } })
  }

  rule(table: string, chain: string, expr: readonly unknown[], comment?: string): number {
    const [family, of] = table.split(' ')
    const handle = ++this.#handle
    this.objects.push({ rule: { family, table: of, chain, handle, ...(comment !== undefined && { comment }), expr } })
    return handle
  }

  /** The rules of a chain in short: comments, or verdicts. */
  rules(chain: string): string[] {
    return this.#all('rule')
      .filter((rule) => rule['chain'] === chain)
      .map(({ comment, expr }) => String(comment ?? Object.keys((expr as Body[]).at(-1) ?? {})[0]))
  }

  elements(set: string): unknown[] {
    return (this.#all('set').find(({ name }) => name === set)?.['elem'] ?? []) as unknown[]
  }

  #all(kind: string): Body[] {
    return this.objects.flatMap((object) => (kind in object ? [object[kind] as Body] : []))
  }

  #transact(commands: readonly NftCommand[]): void {
    const before = structuredClone(this.objects)
    try {
      for (const command of commands) {
        const [verb, what] = Object.entries(command)[0] as [string, Body]
        const [kind, body] = Object.entries(what)[0] as [string, Body]
        this.#one(verb, kind, body)
      }
    } catch (error) {
      this.objects = before
      throw error
    }
  }

  #one(verb: string, kind: string, body: Body): void {
    const same = (other: Body) => other['family'] === body['family'] && other['table'] === body['table']
    const named = (other: Body) => same(other) && other['name'] === body['name']
    if (kind === 'element') {
      const set = this.#all('set').find(named) ?? refuse('ENOENT')
      const elements = (set['elem'] as unknown[] | undefined) ?? []
      const texts = new Set((body['elem'] as unknown[]).map((each) => JSON.stringify(each)))
      const rest = elements.filter((each) => !texts.has(JSON.stringify(each)))
      if (verb === 'delete' && rest.length !== elements.length - texts.size) refuse('ENOENT')
      set['elem'] = verb === 'delete' ? rest : [...rest, ...(body['elem'] as unknown[])]
    } else if (kind === 'rule') {
      const at = this.objects.findIndex(
        ({ rule }) => rule !== undefined && same(rule as Body) && (rule as Body)['handle'] === body['handle'],
      )
      if (verb !== 'add' && at < 0) refuse('ENOENT')
      if (verb === 'delete') this.objects.splice(at, 1)
      else {
        if (!this.#all('chain').some((chain) => same(chain) && chain['name'] === body['chain'])) refuse('ENOENT')
        const rule = { rule: { ...body, handle: ++this.#handle } }
        if (verb === 'insert') this.objects.splice(at, 0, rule)
        else this.objects.push(rule)
      }
    } else if (verb === 'flush') {
      this.objects = this.objects.filter(
        ({ rule }) => rule === undefined || !same(rule as Body) || (rule as Body)['chain'] !== body['name'],
      )
    } else if (verb === 'delete') {
      const used = this.#all('rule').some(
        (rule) => same(rule) && JSON.stringify(rule['expr']).includes(`${kind === 'set' ? '@' : '"target":"'}${body['name']}"`),
      )
      if (used) refuse('EBUSY')
      const before = this.objects.length
      this.objects = this.objects.filter((object) => object[kind] === undefined || !named(object[kind] as Body))
      if (this.objects.length === before) refuse('ENOENT')
    } else if (!this.#all(kind).some(named)) this.objects.push({ [kind]: structuredClone(body) })
  }
}

/** One line for iptables-restore, on lines of iptables-save. */
function restore(saved: string[], line: string): void {
  const chain = /^:(\S+)/.exec(line)?.[1]
  const [verb, name, ...words] = line.split(' ')
  if (chain !== undefined) {
    const rest = saved.filter((each) => !each.startsWith(`-A ${chain} `) && !each.startsWith(`:${chain} `))
    saved.splice(0, saved.length, line, ...rest)
  } else if (verb === '-A') saved.push(line)
  else if (verb === '-I') {
    const places = saved.flatMap((each, at) => (each.startsWith(`-A ${name} `) ? [at] : []))
    const number = Number(words[0])
    saved.splice(places[number - 1] ?? refuse('EINVAL'), 0, ['-A', name, ...words.slice(1)].join(' '))
  } else if (verb === '-F') saved.splice(0, saved.length, ...saved.filter((each) => !each.startsWith(`-A ${name} `)))
  else if (verb === '-X') saved.splice(0, saved.length, ...saved.filter((each) => !each.startsWith(`:${name} `)))
  else {
    const at = saved.indexOf(['-A', name, ...words].join(' '))
    if (at < 0) refuse('ENOENT')
    saved.splice(at, 1)
  }
}

function refuse(errno: string): never {
  throw new PointsmanError('KERNEL_REFUSED', `nftables refused: ${errno}.`, { detail: { errno } })
}
