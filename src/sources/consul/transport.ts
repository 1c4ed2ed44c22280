import type { Readable } from 'node:stream'
import { HIDDEN } from '../../model/hidden.ts'
import { Recovery } from '../recovery.ts'
import type { ConsulAgent, ConsulAgents } from './agents.ts'
import { exchange } from './exchange.ts'
import { connectionFault, contentFault, lateFault, statusFault } from './fault.ts'
import { type ConsulMeta, readMeta } from './meta.ts'
import { PromptGate } from './prompt-gate.ts'

/** Bytes above which an answer is refused. */
export const BODY_LIMIT = 32 * 1024 * 1024

/** Bytes of the body of an error that are kept: Consul says why in a line. */
const ERROR_LIMIT = 2_048

/** Why a question was given up when its deadline came; what is told of it is made only then. */
const LATE = new Error('the deadline has come')

export interface ConsulRequest {
  /** Path and query. */
  readonly target: string
  readonly token: string | undefined
  /** Whether it waits for an index. */
  readonly blocking: boolean
  /** Whether one that does not wait for an index is sent at once, and not when it is its turn among the others. */
  readonly urgent?: boolean
  /** Milliseconds for everything, from the connection to the last byte; the wait for its turn comes before. */
  readonly deadline: number
  readonly signal: AbortSignal
}

export interface ConsulAnswer {
  readonly agent: ConsulAgent
  readonly meta: ConsulMeta
  readonly body: Buffer
}

/** Asks agents over HTTP: one question, one checked answer or one ConsulFault. */
export class ConsulTransport implements Disposable {
  readonly agents: ConsulAgents
  /** Of all who ask these agents. */
  readonly recovery = new Recovery()
  /** Called when an agent says that there are too many connections to it. */
  onCrowded: (agent: ConsulAgent) => void = () => {}
  readonly #bodyLimit: number
  readonly #gate = new PromptGate()

  constructor(agents: ConsulAgents, bodyLimit = BODY_LIMIT) {
    this.agents = agents
    this.#bodyLimit = bodyLimit
  }

  /**
   * JSON with status 200 from `agent`. Everything else, the deadline included, rejects with a ConsulFault, and makes room
   * for the next agent where that may do better. Rejects with the signal's reason when it is aborted.
   */
  async get(agent: ConsulAgent, request: ConsulRequest): Promise<ConsulAnswer> {
    try {
      const atOnce = request.blocking || request.urgent === true
      return await (atOnce ? this.#exchange(agent, request) : this.#inTurn(agent, request))
    } catch (error) {
      request.signal.throwIfAborted()
      const fault = connectionFault(agent.name, error)
      if (fault.crowded) this.onCrowded(agent)
      if (fault.elsewhere) this.agents.failed(agent)
      throw fault
    }
  }

  [Symbol.dispose](): void {
    this.agents[Symbol.dispose]()
  }

  async #inTurn(agent: ConsulAgent, request: ConsulRequest): Promise<ConsulAnswer> {
    try {
      await this.#gate.enter(request.deadline, LATE, request.signal)
    } catch (error) {
      throw error === LATE ? lateFault(agent.name, request.deadline) : error
    }
    let answered = false
    try {
      const answer = await this.#exchange(agent, request)
      answered = true
      return answer
    } finally {
      this.#gate.leave(answered)
    }
  }

  async #exchange(agent: ConsulAgent, request: ConsulRequest): Promise<ConsulAnswer> {
    const ended = new AbortController()
    const timer = setTimeout(() => ended.abort(LATE), request.deadline)
    const giveUp = () => ended.abort(request.signal.reason)
    request.signal.addEventListener('abort', giveUp)
    try {
      request.signal.throwIfAborted()
      const { target, blocking, token } = request
      const headers = { accept: 'application/json', ...(token !== undefined && { 'x-consul-token': token }) }
      const answer = await exchange(agent, { target, headers, blocking }, ended.signal)
      if (answer.status !== 200) throw statusFault(agent.name, target, answer.status, await errorWords(answer.body, token))
      const type = answer.headers['content-type'] ?? ''
      if (!/^application\/json\b/i.test(type)) {
        answer.giveUp()
        throw contentFault(agent.name, type === '' ? 'a body of no known type' : `${type} where JSON is due`)
      }
      return { agent, meta: readMeta(answer.headers), body: await this.#body(agent, answer.body) }
    } catch (error) {
      throw ended.signal.reason === LATE ? lateFault(agent.name, request.deadline) : error
    } finally {
      clearTimeout(timer)
      request.signal.removeEventListener('abort', giveUp)
    }
  }

  async #body(agent: ConsulAgent, body: Readable): Promise<Buffer> {
    const chunks: Buffer[] = []
    let size = 0
    for await (const chunk of body) {
      size += (chunk as Buffer).length
      if (size > this.#bodyLimit) throw contentFault(agent.name, `more than ${this.#bodyLimit} bytes`)
      chunks.push(chunk as Buffer)
    }
    return chunks.length === 1 && chunks[0] !== undefined ? chunks[0] : Buffer.concat(chunks, size)
  }
}

/** The beginning of an error's body; a body that does not come is none. What stands between may say what it was told, the token included. */
async function errorWords(body: Readable, token = ''): Promise<string> {
  let words = ''
  try {
    for await (const chunk of body) {
      words += String(chunk)
      if (words.length >= ERROR_LIMIT) break
    }
  } catch {
    // The status alone says enough.
  }
  return (token === '' ? words : words.replaceAll(token, HIDDEN)).slice(0, ERROR_LIMIT)
}
