import { Subscription } from 'rxjs'
import type { ConsulAccess } from '../../model/consul-source-spec.ts'
import { type ChangedChecks, changedChecks, readCheckList } from './check-list.ts'
import { follow } from './follow.ts'
import { Locator } from './locator.ts'
import { scopedQuery } from './query.ts'
import { type Heard, QueryReader, UNSETTLED_WAIT } from './query-reader.ts'
import { ReadQueue } from './read-queue.ts'
import type { ConsulToken } from './token.ts'
import type { ConsulTransport } from './transport.ts'
import type { Watch } from './watch.ts'

/** Milliseconds between two rounds where not even the triggers may block. */
const POLL = 5_000

export interface SharedParts {
  readonly access: ConsulAccess
  readonly token: ConsulToken
  readonly transport: ConsulTransport
}

/**
 * Watches many services of one scope (datacenter, namespace, partition, token, consistency) over a few connections. Four
 * blocking queries tell that something changed: the critical and the warning checks, which name the service; the names of
 * all services, whose index moves with every registration and tells nothing more; and the nodes, likewise. After a
 * registration the passing checks are compared with those before, and then every service is asked for its index, which
 * finds the rest. Once in `wait` that is done anyway, and more often while something has changed lately.
 */
export class SharedWatches {
  readonly #watches = new Set<Watch>()
  readonly #queue: ReadQueue = new ReadQueue(this.#watches)
  readonly #parts: SharedParts
  #rounds: NodeJS.Timeout | undefined
  #triggers: Subscription | undefined
  #locator: Locator | undefined
  /** Triggers that have not answered since they were started or failed. */
  readonly #silent = new Set<string>()

  constructor(parts: SharedParts) {
    this.#parts = parts
  }

  /** Keeps to the services given, this many questions at a time, with or without triggers. */
  follow(watches: readonly Watch[], readers: number, triggered: boolean): void {
    const wanted = new Set(watches)
    this.#queue.readers = readers
    for (const watch of this.#watches) if (!wanted.has(watch)) this.#forget(watch)
    const added = watches.filter((watch) => !this.#watches.has(watch))
    for (const watch of added) this.#watches.add(watch)
    this.#queue.read(added)
    if (this.#rounds !== undefined && triggered === (this.#triggers !== undefined)) return
    clearInterval(this.#rounds)
    this.#rounds = triggered ? this.#confirmations() : setInterval(() => this.#round(), POLL)
    if (triggered) this.#triggers = this.#startTriggers()
    else this.#stopTriggers()
  }

  #confirmations(): NodeJS.Timeout {
    const { wait } = this.#parts.access
    const step = Math.min(wait, UNSETTLED_WAIT)
    let last = performance.now()
    return setInterval(() => {
      const due = performance.now() - last >= wait - step / 2
      if (!due && ![...this.#watches].some(({ reader }) => reader.unsettled)) return
      last = performance.now()
      this.#round()
    }, step)
  }

  close(): void {
    clearInterval(this.#rounds)
    this.#stopTriggers()
    this.#queue.close()
  }

  #forget(watch: Watch): void {
    this.#watches.delete(watch)
    this.#queue.forget(watch)
  }

  #round(): void {
    if (this.#silent.size === 0) this.#queue.sweep()
  }

  #startTriggers(): Subscription {
    const triggers = new Subscription()
    for (const state of ['critical', 'warning'] as const) {
      const reader = this.#reader(`/v1/health/state/${state}`, readCheckList)
      triggers.add(this.#trigger(state, reader, (before, after) => this.#checksChanged(changedChecks(before, after))))
    }
    const locator = new Locator(this.#reader('/v1/health/state/passing', readCheckList), (changed) => {
      if (changed !== undefined) this.#checksChanged(changed)
      this.#round()
    })
    triggers.add(() => locator.close())
    this.#locator = locator
    const names = this.#reader('/v1/catalog/services', (json) => (isObject(json) ? json : undefined))
    triggers.add(this.#trigger('services', names, () => locator.look()))
    const nodes = this.#reader('/v1/catalog/nodes', (json) => (Array.isArray(json) ? json : undefined), 'Node == ""')
    triggers.add(this.#trigger('nodes', nodes, () => this.#round()))
    return triggers
  }

  #stopTriggers(): void {
    this.#triggers?.unsubscribe()
    this.#triggers = undefined
    this.#locator = undefined
    this.#silent.clear()
    this.#queue.resume()
  }

  #reader<Content extends object>(
    path: string,
    parse: (json: unknown) => Content | undefined,
    filter?: string,
  ): QueryReader<Content> {
    const { access, token, transport } = this.#parts
    return new QueryReader({ query: scopedQuery(path, access, filter), access, token }, transport, parse)
  }

  #trigger<Content extends object>(
    name: string,
    reader: QueryReader<Content>,
    changed: (before: Content, after: Content) => void,
  ): Subscription {
    let last: { readonly content: Content; readonly index: bigint | undefined } | undefined
    this.#silent.add(name)
    return follow(reader).subscribe((heard) => {
      if (heard.kind === 'fault') {
        last = undefined
        this.#failed(name, heard)
        return
      }
      const { content, index } = heard.reading
      const before = last
      last = { content, index }
      if (before === undefined) this.#answered(name)
      else if (before.index !== index || before.content !== content) changed(before.content, content)
    })
  }

  /** What happened before a trigger answered is unknown: all is asked once the last of them has. */
  #answered(name: string): void {
    this.#silent.delete(name)
    if (this.#silent.size > 0) return
    this.#queue.resume()
    this.#locator?.look()
  }

  #failed(name: string, fault: Heard<never> & { kind: 'fault' }): void {
    this.#silent.add(name)
    this.#queue.pause()
    this.#locator?.giveUp()
    for (const watch of this.#watches) watch.hear(fault)
  }

  #checksChanged({ services, nodes }: ChangedChecks): void {
    const concerned = (watch: Watch) => services.has(watch.service) || [...nodes].some((node) => watch.isOn(node))
    this.#queue.read([...this.#watches].filter(concerned))
    // The server that told may be ahead of the one that is asked next.
    if (this.#parts.access.consistency === 'stale') this.#round()
  }
}

function isObject(json: unknown): json is object {
  return typeof json === 'object' && json !== null && !Array.isArray(json)
}
