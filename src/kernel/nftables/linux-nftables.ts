import { PointsmanError } from '../../errors.ts'
import { Turns } from '../../turns.ts'
import { LARGEST_DATAGRAM } from '../netlink/exchange.ts'
import type { NetlinkTransport } from '../netlink/transport.ts'
import type { NftablesKernel, NftChange, NftCommand, NftObject } from '../nftables-kernel.ts'
import { askGeneration } from './generation.ts'
import { readAnswer } from './read-answer.ts'
import type { RulesetWatch } from './ruleset-watch.ts'
import type { NftAnswer, NftRunner } from './runner.ts'
import { errnoOf, nftNotAsked, nftRefused, nftStuck, nftUnreadable, reasonIn } from './words.ts'

/** What nftables is reached by; tests put their own here. */
export interface NftablesParts {
  readonly runner: NftRunner
  /** For questions about the generation; it is closed with the rest. */
  readonly transport: NetlinkTransport
  readonly watch: (listener: (change: NftChange) => void) => Pick<RulesetWatch, 'hold' | 'release'> & Disposable
  /** Milliseconds. */
  readonly deadlineMs: number
}

export class LinuxNftables implements NftablesKernel {
  readonly #parts: NftablesParts
  readonly #buffer = Buffer.allocUnsafe(LARGEST_DATAGRAM)
  readonly #listeners = new Set<(change: NftChange) => void>()
  #watch: ReturnType<NftablesParts['watch']> | undefined
  readonly #turns = new Turns()
  /** Why nothing can be asked: the connection is closed, or a call has passed its deadline and has not come back. */
  #barred: PointsmanError | undefined
  #abandon: (() => void) | undefined

  constructor(parts: NftablesParts) {
    this.#parts = parts
  }

  get by(): string {
    return this.#parts.runner.by
  }

  apply(commands: readonly NftCommand[]): Promise<void> {
    if (commands.length === 0) return Promise.resolve()
    return this.#inTurn(async () => {
      const before = this.#generation()
      this.#watch?.hold()
      let own: number | undefined
      try {
        const answer = await this.#ask(JSON.stringify({ nftables: commands }))
        if (!answer.done) throw nftRefused(answer.words)
        // One step is ours alone; where there were more, others wrote at the same time.
        const after = this.#generation()
        own = before !== undefined && after === before + 1 ? after : undefined
      } finally {
        this.#watch?.release(own)
      }
    })
  }

  readTable(family: 'inet' | 'ip' | 'ip6', name: string): Promise<readonly NftObject[] | undefined> {
    return this.#inTurn(() => this.#list({ table: { family, name } }))
  }

  readFilters(): Promise<readonly NftObject[]> {
    return this.#inTurn(async () => {
      const objects: NftObject[] = []
      for (const table of filterTables((await this.#list({ chains: null })) ?? []))
        objects.push(...((await this.#list({ table })) ?? []))
      return objects
    })
  }

  onChange(listener: (change: NftChange) => void): () => void {
    this.#listeners.add(listener)
    this.#watch ??= this.#parts.watch((change) => {
      for (const each of this.#listeners) each(change)
    })
    return () => {
      this.#listeners.delete(listener)
      if (this.#listeners.size > 0) return
      this.#watch?.[Symbol.dispose]()
      this.#watch = undefined
    }
  }

  /** A program is ended; libnftables cannot be, and is waited for unless it is past its deadline. */
  async [Symbol.asyncDispose](): Promise<void> {
    const stuck = this.#barred?.code === 'KERNEL_STUCK'
    this.#barred = new PointsmanError('INTERNAL', 'The connection to nftables is closed already: open a new one.')
    this.#abandon?.()
    if (!stuck) await this.#turns.over()
    this.#listeners.clear()
    this.#watch?.[Symbol.dispose]()
    this.#watch = undefined
    this.#parts.transport[Symbol.dispose]()
  }

  #inTurn<T>(job: () => Promise<T>): Promise<T> {
    return this.#turns.take(() => {
      if (this.#barred !== undefined) throw this.#barred
      return job()
    })
  }

  /** Undefined where that is not there, or no longer. */
  async #list(what: NftObject): Promise<readonly NftObject[] | undefined> {
    const answer = await this.#ask(JSON.stringify({ nftables: [{ list: what }] }))
    if (answer.done) return readObjects(answer.output)
    if (errnoOf(reasonIn(answer.words)) === 'ENOENT') return undefined
    throw nftRefused(answer.words)
  }

  /** Rejects with KERNEL_STUCK past the deadline; what was asked is ended if it can be. */
  async #ask(text: string): Promise<NftAnswer> {
    const { answer, abandon } = this.#parts.runner.run(text)
    const overdue = Promise.withResolvers<never>()
    const timer = setTimeout(() => {
      this.#bar(answer)
      abandon()
      overdue.reject(nftStuck(this.#parts.deadlineMs))
    }, this.#parts.deadlineMs)
    this.#abandon = abandon
    try {
      return await Promise.race([answer, overdue.promise])
    } catch (error) {
      throw error instanceof PointsmanError ? error : nftNotAsked(error)
    } finally {
      clearTimeout(timer)
      this.#abandon = undefined
    }
  }

  /** Nothing is asked before the answer that is overdue has come after all. */
  #bar(answer: Promise<unknown>): void {
    const stuck = nftStuck(this.#parts.deadlineMs)
    this.#barred = stuck
    const back = () => {
      if (this.#barred === stuck) this.#barred = undefined
    }
    answer.then(back, back)
  }

  /** Undefined where nobody needs it or it cannot be had. */
  #generation(): number | undefined {
    if (this.#watch === undefined) return undefined
    try {
      const answer = askGeneration(this.#parts.transport, this.#buffer)
      return typeof answer === 'number' ? answer : undefined
    } catch {
      return undefined
    }
  }
}

const FILTERS: readonly unknown[] = ['filter', 'route']
const HOOKS: readonly unknown[] = ['input', 'forward', 'output']
const FAMILIES: readonly unknown[] = ['inet', 'ip', 'ip6']

/** The tables, each once, of the chains that filter packets at the hooks of IP. */
function filterTables(chains: readonly NftObject[]): { readonly family: unknown; readonly name: unknown }[] {
  const tables = new Map<string, { readonly family: unknown; readonly name: unknown }>()
  for (const object of chains) {
    const { family, table, type, hook } = (object['chain'] ?? {}) as Readonly<Record<string, unknown>>
    if (FAMILIES.includes(family) && FILTERS.includes(type) && HOOKS.includes(hook))
      tables.set(`${family} ${table}`, { family, name: table })
  }
  return [...tables.values()]
}

async function readObjects(output: string): Promise<readonly NftObject[]> {
  try {
    return await readAnswer(output)
  } catch (cause) {
    throw nftUnreadable(cause)
  }
}
