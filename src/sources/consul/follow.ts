import { setTimeout as sleep } from 'node:timers/promises'
import { Observable } from 'rxjs'
import { isSettled, NOT_ASKED, nextQuestion, type Outcome } from './blocking.ts'
import { ConsulFault } from './fault.ts'
import type { Heard, QueryReader } from './query-reader.ts'

/**
 * One blocking query after the other, for ever: every answer and every fault. Unsubscribing ends the question that is under
 * way. Never errors, never completes by itself.
 */
export function follow<Content extends object>(reader: QueryReader<Content>): Observable<Heard<Content>> {
  return new Observable((subscriber) => {
    const ended = new AbortController()
    subscriber.add(() => ended.abort())
    const { signal } = ended
    const run = async () => {
      let asking = NOT_ASKED
      while (!signal.aborted) {
        const { heard, outcome } = await askOnce(reader, asking.index, signal)
        if (signal.aborted) return
        const next = nextQuestion(asking, outcome, performance.now(), { agents: reader.agents, random: Math.random() })
        const wasSettled = isSettled(asking)
        asking = next.asking
        subscriber.next(heard)
        if (isSettled(asking) && !wasSettled) reader.recovery.wake()
        if (next.delay === 0) continue
        if (isSettled(asking)) await sleep(next.delay, undefined, { signal })
        else await reader.recovery.wait(next.delay, signal)
      }
    }
    run().catch((error) => {
      if (!signal.aborted) subscriber.error(error)
    })
  })
}

async function askOnce<Content extends object>(
  reader: QueryReader<Content>,
  index: bigint,
  signal: AbortSignal,
): Promise<{ readonly heard: Heard<Content>; readonly outcome: Outcome }> {
  try {
    const reading = await reader.ask(index, signal)
    const believed = reading.trust === 'fresh' || reading.trust === 'truncated'
    return { heard: { kind: 'answer', reading }, outcome: { kind: 'answered', index: reading.index, believed } }
  } catch (error) {
    if (!(error instanceof ConsulFault)) signal.throwIfAborted()
    return { heard: heardFault(error), outcome: { kind: 'failed' } }
  }
}

/** A fault of our own is told like one of the agent: the loop must not end by it. */
export function heardFault(error: unknown): Heard<never> {
  if (error instanceof ConsulFault) return { kind: 'fault', fault: error, at: Date.now() }
  const message = error instanceof Error ? error.message : String(error)
  return {
    kind: 'fault',
    fault: new ConsulFault('INTERNAL', `asking Consul failed by a fault of our own (${message}); report it`),
    at: Date.now(),
  }
}
