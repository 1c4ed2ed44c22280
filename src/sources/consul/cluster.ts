import type { ConsulAccess } from '../../model/consul-source-spec.ts'
import { SCOUTS } from '../recovery.ts'
import type { ConsulAgent } from './agents.ts'
import { connectionLimit, USUAL_LIMIT } from './connection-limit.ts'
import { SharedWatches } from './shared-watches.ts'
import type { ConsulToken } from './token.ts'
import type { ConsulTransport } from './transport.ts'
import type { Watch } from './watch.ts'
import { planWatches, usableConnections } from './watch-plan.ts'

interface Open {
  readonly watch: Watch
  readonly access: ConsulAccess
  readonly token: ConsulToken
}

/** Watches up to which no agent is asked how many connections it takes. */
const FEW = 4

/** Milliseconds after which an agent that did not answer is asked again what it takes. */
const RELEARNING = 5_000

/** Milliseconds between two steps towards fewer connections, each to four fifths. */
const NARROWING = 1_000

/** Milliseconds after the last refusal when an agent is asked anew what it takes: who crowded it may be gone. */
const WIDENING = 3_600_000

/** All watches over one set of agents, and who of them has a connection of its own. */
export class ConsulCluster {
  readonly transport: ConsulTransport
  readonly #open = new Map<Watch, Open>()
  /** Blocking queries that are no watches, each of which leaves one question less to these. */
  readonly #others = new Map<object, ConsulAccess>()
  readonly #shared = new Map<string, SharedWatches>()
  readonly #limits = new Map<ConsulAgent, number>()
  /** Questions over one connection at a time, as far as that is known. */
  readonly #questions = new Map<ConsulAgent, number>()
  #learning = false
  #relearn: NodeJS.Timeout | undefined
  #planning = false
  #narrowedAt = Number.NEGATIVE_INFINITY
  readonly #widening: number
  #widen: NodeJS.Timeout | undefined

  /** `widening`: milliseconds after the last refusal for too many connections when there may be more again. */
  constructor(transport: ConsulTransport, widening = WIDENING) {
    this.transport = transport
    this.#widening = widening
    transport.onCrowded = (agent) => this.#narrow(agent)
    transport.agents.onMoved = () => this.#open.size > 0 && this.#planSoon()
  }

  get size(): number {
    return this.#open.size + this.#others.size
  }

  open(watch: Watch, access: ConsulAccess, token: ConsulToken): void {
    this.#open.set(watch, { watch, access, token })
    this.#planSoon()
  }

  close(watch: Watch): void {
    this.#open.delete(watch)
    watch.unfollow()
    this.#closed()
  }

  /** A blocking query of which nothing is planned but room for it; `question` stands for it until it is closed. */
  openOther(question: object, access: ConsulAccess): void {
    this.#others.set(question, access)
    this.#planSoon()
  }

  closeOther(question: object): void {
    this.#others.delete(question)
    this.#closed()
  }

  #closed(): void {
    if (this.size > 0) {
      this.#planSoon()
      return
    }
    clearTimeout(this.#relearn)
    clearTimeout(this.#widen)
    for (const shared of this.#shared.values()) shared.close()
    this.#shared.clear()
    this.transport[Symbol.dispose]()
  }

  /** Services that are opened in one go are planned in one go. */
  #planSoon(): void {
    if (this.#planning) return
    this.#planning = true
    queueMicrotask(() => {
      this.#planning = false
      this.#plan()
    })
  }

  #plan(): void {
    const all = [...this.#open.values()]
    if (all.length > FEW && !this.#limits.has(this.transport.agents.current)) {
      void this.#learnLimit(all)
      return
    }
    const scopes = Map.groupBy(all, ({ access }) => scopeOf(access))
    const connections = this.#connections(all)
    const others = this.#others.size
    // One more for the question how many there may be, and those that are asked beside others. Idle ones count, too. No
    // question may wait for one that does not end.
    for (const { pool } of this.transport.agents.list) pool.maxSockets = Math.max(connections, others + 1) + 1 + SCOUTS
    const questions = Math.max(1, connections * (this.#questions.get(this.transport.agents.current) ?? 1) - others)
    const { direct, triggered, readers } = planWatches({ services: all.length, scopes: scopes.size, questions })
    const shared = new Set(all.slice(direct))
    for (const open of shared) open.watch.unfollow()
    let triggers = triggered
    for (const [scope, opens] of scopes)
      this.#share(
        scope,
        opens.filter((open) => shared.has(open)),
        Math.max(1, Math.floor(readers / scopes.size)),
        triggers-- > 0,
      )
    for (const scope of this.#shared.keys()) if (!scopes.has(scope)) this.#share(scope, [], 0, false)
    for (const { watch } of all.slice(0, direct)) watch.follow()
  }

  #share(scope: string, opens: readonly Open[], readers: number, triggered: boolean): void {
    const [first] = opens
    if (first === undefined) {
      this.#shared.get(scope)?.close()
      this.#shared.delete(scope)
      return
    }
    const { transport } = this
    const shared = this.#shared.get(scope) ?? new SharedWatches({ ...first, transport })
    this.#shared.set(scope, shared)
    shared.follow(
      opens.map(({ watch }) => watch),
      readers,
      triggered,
    )
  }

  #connections(all: readonly Open[]): number {
    const accesses = [...all.map(({ access }) => access), ...this.#others.values()]
    const asked = Math.min(...accesses.map(({ maxWatches }) => maxWatches))
    const limit = this.#limits.get(this.transport.agents.current)
    return limit === undefined ? asked : usableConnections(asked, limit)
  }

  /** What the agent takes is known before more than a few are watched: it would refuse to tell as well. */
  async #learnLimit([first]: readonly Open[]): Promise<void> {
    if (first === undefined || this.#learning) return
    this.#learning = true
    const agent = this.transport.agents.current
    const token = await first.token.read().catch(() => undefined)
    const [limit, carried] = await Promise.all([
      connectionLimit(agent, token),
      agent.streams?.carried().catch(() => undefined) ?? 1,
    ])
    this.#limits.set(agent, limit ?? this.#limits.get(agent) ?? USUAL_LIMIT)
    if (carried !== undefined) this.#questions.set(agent, carried)
    this.#learning = false
    if (this.#open.size === 0) return
    if (limit === undefined || carried === undefined) this.#learnAgain()
    this.#planSoon()
  }

  /** What was assumed of an agent that was too busy to answer counts only until it does. */
  #learnAgain(): void {
    clearTimeout(this.#relearn)
    this.#relearn = setTimeout(() => void this.#learnLimit([...this.#open.values()]), RELEARNING).unref()
  }

  /** Others on this host ask the agent, too, or it has not told how many connections it takes: we make do with fewer. */
  #narrow(agent: ConsulAgent): void {
    if (this.#open.size === 0) return
    this.#widenLater()
    const now = performance.now()
    if (now - this.#narrowedAt < NARROWING) return
    this.#narrowedAt = now
    this.#limits.set(agent, Math.floor(this.#connections([...this.#open.values()])))
    this.#planSoon()
  }

  #widenLater(): void {
    clearTimeout(this.#widen)
    const widen = () => {
      this.#limits.clear()
      this.#planSoon()
    }
    this.#widen = setTimeout(widen, this.#widening).unref()
  }
}

/** Services with the same words here can share triggers. */
function scopeOf({ datacenter, namespace, partition, consistency, maxStale, token, tokenFile, wait }: ConsulAccess): string {
  return JSON.stringify([datacenter, namespace, partition, consistency, maxStale, token, tokenFile, wait])
}
