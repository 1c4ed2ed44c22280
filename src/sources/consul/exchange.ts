import type { IncomingHttpHeaders } from 'node:http'
import * as http from 'node:http'
import * as https from 'node:https'
import type { Readable } from 'node:stream'
import type { ConsulAgent } from './agents.ts'

/** One question, ready to be sent. */
export interface Question {
  /** Path and query. */
  readonly target: string
  readonly headers: Readonly<Record<string, string>>
  /** Whether it waits for an index. */
  readonly blocking: boolean
}

/** An answer whose body is still to come. */
export interface AnswerHead {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: Readable
  /** Nobody wants the body. */
  giveUp(): void
}

/** Asks by HTTP/2 where the agent speaks it, else by HTTP/1.1. */
export async function exchange(agent: ConsulAgent, question: Question, signal: AbortSignal): Promise<AnswerHead> {
  const streamed = await agent.streams?.send(question.target, question.headers, signal)
  return streamed ?? (await send(agent, question, signal))
}

/**
 * A kept connection that the agent has closed meanwhile is replaced, but not for a question that waits: the agent may have
 * restarted and lost its state, and would not answer to the old index.
 */
async function send(agent: ConsulAgent, { target, headers, blocking }: Question, signal: AbortSignal): Promise<AnswerHead> {
  for (;;) {
    const { secure, pool } = agent
    const sent = (secure ? https : http).request({ ...agent.target, method: 'GET', path: target, agent: pool, headers, signal })
    try {
      const response = await head(sent)
      return {
        status: response.statusCode ?? 0,
        headers: response.headers,
        body: response,
        giveUp: () => response.destroy(),
      }
    } catch (error) {
      const closedBefore = sent.reusedSocket && ['ECONNRESET', 'EPIPE'].includes((error as NodeJS.ErrnoException).code ?? '')
      if (!closedBefore || blocking || signal.aborted) throw error
    }
  }
}

function head(sent: http.ClientRequest): Promise<http.IncomingMessage> {
  return new Promise((resolve, reject) => {
    sent.once('response', resolve)
    // It stays: a request that is aborted after its answer began fails once more.
    sent.on('error', reject)
    sent.end()
  })
}
