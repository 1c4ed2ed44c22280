import { setTimeout as sleep } from 'node:timers/promises'
import { Observable } from 'rxjs'
import { steadyScheduler } from '../../steady-scheduler.ts'
import { type Attempt, firstValue } from '../recovery.ts'
import { type Asking, isSettled, NOT_ASKED, nextQuestion, type Outcome } from './blocking.ts'
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
        const { heard, outcome } = await ask(reader, asking, signal)
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

interface Asked<Content> {
  readonly heard: Heard<Content>
  readonly outcome: Outcome
}

/** A question that has failed may fail by hanging, and be asked again beside itself meanwhile. */
async function ask<Content extends object>(
  reader: QueryReader<Content>,
  asking: Asking,
  signal: AbortSignal,
): Promise<Asked<Content>> {
  if (isSettled(asking)) return await askOnce(reader, asking.index, signal)
  const question = (attempt: Attempt) =>
    new Observable<Asked<Content>>((subscriber) => {
      const ended = new AbortController()
      subscriber.add(() => ended.abort())
      // What is asked beside others must not wait behind those that hang.
      askOnce(reader, asking.index, ended.signal, attempt === 'beside').then(
        (asked) => subscriber.next(asked),
        (error) => subscriber.error(error),
      )
    })
  return await firstValue(reader.recovery.ask(question), signal)
}

async function askOnce<Content extends object>(
  reader: QueryReader<Content>,
  index: bigint,
  signal: AbortSignal,
  urgent = false,
): Promise<Asked<Content>> {
  try {
    const reading = await reader.ask(index, signal, urgent)
    const believed = reading.trust === 'fresh' || reading.trust === 'truncated'
    return { heard: { kind: 'answer', reading }, outcome: { kind: 'answered', index: reading.index, believed } }
  } catch (error) {
    if (!(error instanceof ConsulFault)) signal.throwIfAborted()
    return { heard: heardFault(error), outcome: { kind: 'failed' } }
  }
}

/** A fault of our own is told like one of the agent: the loop must not end by it. */
export function heardFault(error: unknown): Heard<never> {
  if (error instanceof ConsulFault) return { kind: 'fault', fault: error, at: steadyScheduler.now() }
  const message = error instanceof Error ? error.message : String(error)
  return {
    kind: 'fault',
    fault: new ConsulFault('INTERNAL', `asking Consul failed by a fault of our own (${message}); report it`),
    at: steadyScheduler.now(),
  }
}
