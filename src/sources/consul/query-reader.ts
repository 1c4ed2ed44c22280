import { hash } from 'node:crypto'
import type { BackendSet } from '../../model/backend.ts'
import type { ConsulAccess } from '../../model/consul-source-spec.ts'
import { steadyScheduler } from '../../steady-scheduler.ts'
import type { Recovery } from '../recovery.ts'
import type { ConsulAgent } from './agents.ts'
import { firstWait } from './blocking.ts'
import { ConsulFault, contentFault } from './fault.ts'
import { leaderIsUnknowable, trustOf } from './meta.ts'
import { type ConsulQuery, confirming, requestTarget, withoutContent } from './query.ts'
import type { ConsulToken } from './token.ts'
import type { ConsulAnswer, ConsulRequest, ConsulTransport } from './transport.ts'

/** What one answer says. The content is the same object as before where the bytes are the same. */
export interface ConsulReading<Content> {
  readonly content: Content
  readonly same: boolean
  readonly trust: BackendSet['trust']
  readonly index: bigint | undefined
  /** Milliseconds since the epoch. */
  readonly at: number
}

/** What became of one question; the fault is an outage and not an answer. */
export type Heard<Content> =
  | { readonly kind: 'answer'; readonly reading: ConsulReading<Content> }
  | { readonly kind: 'fault'; readonly fault: ConsulFault; readonly at: number }

/** Milliseconds for a question that does not wait. */
const PROMPT = 10_000

/** Milliseconds for the answer of one that does, after its wait: many may be due at a time. */
const ANSWERED = 5_000

/**
 * Milliseconds for which content that has just changed is confirmed at shorter waits, and the longest of those: what is held
 * is let go by answers that repeat it.
 */
const UNSETTLED = 180_000
export const UNSETTLED_WAIT = 60_000

interface Remembered<Content> {
  readonly digest: string
  readonly content: Content
  readonly trust: BackendSet['trust']
  readonly agent: ConsulAgent
  /** Of the last answer that could be believed. */
  readonly index: bigint
}

/** Asks one question again and again, and remembers what was answered last. */
export class QueryReader<Content extends object> {
  readonly query: ConsulQuery
  readonly access: ConsulAccess
  readonly #transport: ConsulTransport
  readonly #token: ConsulToken
  readonly #parse: (json: unknown) => Content | undefined
  #last: Remembered<Content> | undefined
  /**
   * Nobody vouches for the next answer: a server that has just been started may be elected and answer before it has read its log
   * to the end, with a known leader and half a catalog or none (seen with 1.8.7, for a tenth of a second).
   */
  #uncertain = true
  /** Milliseconds on the clock of performance.now() when the content last changed. */
  #changedAt = Number.NEGATIVE_INFINITY
  /** Whether the question before waited. */
  #waited = false

  /** `parse` gives undefined for JSON that is not the kind of answer that is due. */
  constructor(
    question: { readonly query: ConsulQuery; readonly access: ConsulAccess; readonly token: ConsulToken },
    transport: ConsulTransport,
    parse: (json: unknown) => Content | undefined,
  ) {
    this.query = question.query
    this.access = question.access
    this.#token = question.token
    this.#transport = transport
    this.#parse = parse
  }

  /** What was answered last. */
  get content(): Content | undefined {
    return this.#last?.content
  }

  /** Whether the content changed so lately that its confirmation is worth more questions. */
  get unsettled(): boolean {
    return performance.now() - this.#changedAt < UNSETTLED
  }

  get agents(): number {
    return this.#transport.agents.list.length
  }

  get recovery(): Recovery {
    return this.#transport.recovery
  }

  /**
   * Asks, and waits for an index above `index` unless it is 0 or another agent's. Rejects with a ConsulFault, or with the
   * signal's reason when it is aborted. A question that does not wait is asked when it is its turn, or at once where it is `urgent`.
   */
  async ask(index: bigint, signal: AbortSignal, urgent = false): Promise<ConsulReading<Content>> {
    const agent = this.#transport.agents.current
    const blocking = index > 0n && agent === this.#last?.agent ? { index, wait: this.#wait() } : undefined
    this.#waited = blocking !== undefined
    // The agent adds up to a sixteenth of the wait, so that not all of its clients come back at once.
    const deadline = blocking === undefined ? PROMPT : (blocking.wait * 17) / 16 + ANSWERED
    // Who takes stale answers wants some without a leader, too, which nobody can confirm.
    const confirms = blocking === undefined && this.#uncertain && this.access.consistency !== 'stale'
    const target = requestTarget(confirms ? confirming(this.query) : this.query, blocking)
    const answer = await this.#get(agent, { target, blocking: blocking !== undefined, urgent, deadline, signal })
    return this.#read(answer, confirms)
  }

  /**
   * Asks for the index alone, which costs the agent and us next to nothing: undefined when it is another one than `index` or
   * the answer cannot be believed, so that the question itself must be asked; else the last answer, confirmed.
   */
  async confirm(index: bigint, signal: AbortSignal): Promise<ConsulReading<Content> | undefined> {
    const agent = this.#transport.agents.current
    const last = this.#last
    if (last === undefined || last.agent !== agent) return undefined
    const target = requestTarget(withoutContent(this.query))
    const { meta } = await this.#get(agent, { target, blocking: false, deadline: PROMPT, signal })
    if (meta.index !== index || trustOf({ ...meta, filtered: false }, this.access) !== 'fresh') return undefined
    return { content: last.content, same: true, trust: last.trust, index, at: steadyScheduler.now() }
  }

  #wait(): number {
    const wait = this.unsettled ? Math.min(this.access.wait, UNSETTLED_WAIT) : this.access.wait
    return this.#waited ? wait : firstWait(wait, Math.random())
  }

  async #get(agent: ConsulAgent, request: Omit<ConsulRequest, 'token'>): Promise<ConsulAnswer> {
    const token = await this.#token.read()
    try {
      return await this.#transport.get(agent, { ...request, token })
    } catch (error) {
      if (error instanceof ConsulFault) this.#uncertain = true
      if (error instanceof ConsulFault && error.forbidden) this.#token.refused()
      throw error
    }
  }

  #read({ agent, meta, body }: ConsulAnswer, confirmed: boolean): ConsulReading<Content> {
    const digest = hash('sha1', body, 'base64')
    const last = this.#last
    const same = last?.digest === digest
    if (!same) this.#changedAt = performance.now()
    const content = same ? last.content : this.#parsed(agent, body)
    const believed = same && leaderIsUnknowable(meta) ? last.trust : trustOf(meta, this.access)
    this.#uncertain = this.access.consistency !== 'stale' && !confirmed && fell(meta.index, last?.index)
    const trust = this.#uncertain && believed === 'fresh' ? 'stale' : believed
    const index = trust === 'fresh' || trust === 'truncated' ? (meta.index ?? 0n) : (last?.index ?? 0n)
    this.#last = { digest, content, trust, agent, index }
    return { content, same, trust, index: meta.index, at: steadyScheduler.now() }
  }

  #parsed(agent: ConsulAgent, body: Buffer): Content {
    let json: unknown
    try {
      json = JSON.parse(body.toString('utf8'))
    } catch {
      throw contentFault(agent.name, 'broken JSON')
    }
    const content = this.#parse(json)
    if (content === undefined) throw contentFault(agent.name, 'JSON of another kind')
    return content
  }
}

/** Whether the servers know less than they did; an index that is none tells nothing. */
function fell(index: bigint | undefined, before: bigint | undefined): boolean {
  return index !== undefined && index > 0n && before !== undefined && index < before
}
