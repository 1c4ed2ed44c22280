import { setTimeout as sleep } from 'node:timers/promises'
import type { ProbeResult } from '../../model/probe-result.ts'
import type { ProbeKind } from '../../model/probe-spec.ts'
import type { EndSignal, Probe } from '../probe.ts'
import { type ProbeTarget, targetName } from '../target.ts'
import type { AnsweringOptions } from './answering.ts'
import { KindNumbers } from './kind-numbers.ts'
import { ProbeThread, type StartThread } from './probe-thread.ts'
import { Query } from './query.ts'
import { sharedNow } from './shared-now.ts'
import { startHere } from './start-thread.ts'

/** What became of a thread that ended unasked. */
export interface ThreadEnd {
  /** A few words that follow "ended by". */
  readonly why: string
  /** It never came to ask anybody: until another one does, this thread asks. */
  readonly cannotStart: boolean
  /** Questions that it had, which are asked again. */
  readonly again: number
}

export interface ProbeThreadsOptions {
  /** Threads that ask; 0: the one that this runs in. */
  readonly count: number
  readonly start: StartThread
  /** What this thread asks with. */
  readonly probeFor: AnsweringOptions['probeFor']
  /** Told how many threads there are to ask. */
  readonly onCount: (ready: number) => void
  readonly onEnd: (end: ThreadEnd) => void
}

/** Milliseconds. */
const TIMES = {
  /** One that has lived for so long is replaced at once; else so much later. */
  young: 1_000,
  /** Until it is tried again where none can be started. */
  again: 30_000,
  /** Between two looks at whether all of them still answer, and how late an answer may be. */
  look: 5_000,
  /** That the end of all of them may take. */
  end: 2_000,
}

/** Deaths of threads after which a question is not asked again: it may be what they die of. */
const MOST_DEATHS = 2

/**
 * Has probes asked by threads of their own, each question by the one that has the fewest. What a thread has not answered when it dies is asked again
 * by another one, and never counts as a failure. Programs (`exec`) stay with this thread: one that dies would leave them behind, with
 * nobody to end them.
 */
export class ProbeThreads implements AsyncDisposable {
  readonly #options: ProbeThreadsOptions
  readonly #kinds = new KindNumbers()
  /** Without those that are leaving. */
  #threads: readonly ProbeThread[] = []
  readonly #leaving = new Set<ProbeThread>()
  #wanted = 0
  /** Questions that wait for the next thread. */
  #waiting: Query[] = []
  /** The last one that was to be started never came. */
  #cannotStart = false
  /** One of them has been ready since there are to be any: this thread asks nobody any more whose question may kill it. */
  #haveBegun = false
  #here: ProbeThread | undefined
  #next: NodeJS.Timeout | undefined
  #looking: NodeJS.Timeout | undefined
  #isOver = false

  constructor(options: ProbeThreadsOptions) {
    this.#options = options
    this.resize(options.count)
  }

  /** So many from now on. Those that are too many answer what they were asked, and end. */
  resize(count: number): void {
    if (this.#isOver) return
    this.#wanted = count
    if (count === 0) this.#haveBegun = false
    for (const thread of this.#threads.slice(count)) this.#dismiss(thread)
    this.#threads = this.#threads.slice(0, count)
    this.#fill()
    this.#tellCount()
    if (count > 0) this.#looking ??= setInterval(() => this.#lookAtAll(), TIMES.look).unref()
    else this.#askWaiting()
  }

  probeFor(kind: ProbeKind, target: ProbeTarget): Probe {
    const { probeFor } = this.#options
    if (kind.kind === 'exec') return probeFor(kind, target)
    let here: Probe | undefined
    return (signal) => {
      if (this.#wanted > 0 && !signal.aborted) return this.#ask(kind, target, signal)
      here ??= probeFor(kind, target)
      return here(signal)
    }
  }

  /** Ends all of them. What is under way then has no answer. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isOver = true
    clearTimeout(this.#next)
    clearInterval(this.#looking)
    const all = [...this.#threads, ...this.#leaving]
    this.#threads = []
    for (const query of [...this.#waiting.splice(0), ...all.flatMap((thread) => thread.leftBehind())])
      query.settle(unknown('nobody waits for the answer any more'))
    for (const thread of all) thread.leave()
    const gone = Promise.all(all.map((thread) => thread.gone))
    const limit = new AbortController()
    await Promise.race([gone, sleep(TIMES.end, undefined, { signal: limit.signal }).catch(() => {})])
    limit.abort()
    for (const thread of all) thread.kill('the end of all')
  }

  #ask(kind: ProbeKind, target: ProbeTarget, signal: EndSignal): Promise<ProbeResult> {
    return new Promise((resolve) => this.#assign(new Query(kind, target, signal, resolve)))
  }

  #assign(query: Query): void {
    const thread = this.#leastBusy()
    if (query.isEnded) query.settle(unknown('nobody waits for the answer any more'))
    else if (thread !== undefined && (thread.isReady || this.#haveBegun)) thread.take(query)
    else if (thread !== undefined || this.#cannotStart || this.#wanted === 0) this.#takeHere(query)
    else this.#waiting.push(query)
  }

  /** One that is still to be ready has questions only where there is no other, and none before one of them has been. */
  #leastBusy(): ProbeThread | undefined {
    let least: ProbeThread | undefined
    for (const thread of this.#threads) {
      if (least === undefined || (thread.isReady && !least.isReady)) least = thread
      else if (thread.isReady === least.isReady && thread.busy < least.busy) least = thread
    }
    return least
  }

  #takeHere(query: Query): void {
    const here = this.#here ?? this.#beginHere()
    here.take(query)
    this.#dismiss(here)
  }

  /** Until nothing is under way here any more. */
  #beginHere(): ProbeThread {
    const here = new ProbeThread(this.#kinds)
    const ended = () => {
      this.#leaving.delete(here)
      if (this.#here === here) this.#here = undefined
    }
    here.start((listener) => startHere(this.#options.probeFor, listener), { ready: () => {}, ended })
    this.#here = here
    return here
  }

  #askWaiting(): void {
    for (const query of this.#waiting.splice(0)) this.#assign(query)
  }

  #fill(): void {
    clearTimeout(this.#next)
    this.#cannotStart = false
    while (!this.#cannotStart && this.#threads.length < this.#wanted) this.#start()
    this.#askWaiting()
  }

  #start(): void {
    const thread = new ProbeThread(this.#kinds)
    this.#threads = [...this.#threads, thread]
    thread.start(this.#options.start, { ready: () => this.#ready(thread), ended: (why) => this.#ended(thread, why) })
  }

  #ready(thread: ProbeThread): void {
    if (!this.#threads.includes(thread)) return
    this.#cannotStart = false
    this.#haveBegun = true
    this.#tellCount()
  }

  #ended(thread: ProbeThread, why: string): void {
    const left = thread.leftBehind()
    this.#threads = this.#threads.filter((other) => other !== thread)
    this.#leaving.delete(thread)
    if (this.#isOver) return
    if (!thread.isLeaving || left.length > 0) {
      this.#cannotStart = !thread.isReady
      this.#options.onEnd({ why, cannotStart: !thread.isReady, again: left.length })
      this.#tellCount()
      this.#replace(thread)
    }
    for (const query of left) this.#askAgain(query, thread)
  }

  #replace(thread: ProbeThread): void {
    clearTimeout(this.#next)
    const later = !thread.isReady ? TIMES.again : sharedNow() - thread.startedAt < TIMES.young ? TIMES.young : 0
    if (later === 0) this.#fill()
    else this.#next = setTimeout(() => this.#fill(), later).unref()
    if (this.#cannotStart) this.#askWaiting()
  }

  #askAgain(query: Query, { isReady }: ProbeThread): void {
    if (isReady) query.deaths += 1
    if (query.deaths < MOST_DEATHS) this.#assign(query)
    else query.settle(unknown(`${MOST_DEATHS} threads have ended while they asked ${targetName(query.target)}; report it`))
  }

  #dismiss(thread: ProbeThread): void {
    this.#leaving.add(thread)
    thread.dismiss()
  }

  #lookAtAll(): void {
    for (const thread of [...this.#threads, ...this.#leaving])
      if (thread.isSilent(TIMES.look)) thread.kill('us, because it answered nothing any more')
  }

  #tellCount(): void {
    this.#options.onCount(this.#threads.filter(({ isReady }) => isReady).length)
  }
}

function unknown(message: string): ProbeResult {
  return { outcome: 'unknown', message }
}
