import type { ProbeResult } from '../model/probe-result.ts'

/**
 * As much of an AbortSignal as probes need, which is one. Whoever runs thousands of probes a second has a lighter one: each real one has two Maps, and
 * what its listeners leave behind outlives collections of garbage.
 */
export interface EndSignal {
  readonly aborted: boolean
  addEventListener(type: 'abort', listener: () => void, options?: { readonly once?: boolean }): void
  removeEventListener(type: 'abort', listener: () => void): void
  /**
   * For a probe that has somebody else ask: from now on that one keeps the deadline, and the probe settles however late its answer comes back. It is
   * aborted only when nobody wants the answer any more.
   */
  handOver?(): Errand
}

/** What goes with a question that somebody else asks, and what comes back beside the answer. */
export interface Errand {
  /** Milliseconds until the deadline. */
  readonly left: number
  /** Tells, before the answer, how many milliseconds passed until the backend was asked, and how many from then to its answer. */
  asked(waited: number, took: number): void
}

/**
 * Asks a backend once. A kind of probe is a function that makes one of these from what it is to ask; whoever runs it keeps
 * the time (under-way.ts). When `signal` aborts, because the deadline has come or nobody wants the answer any more, it frees
 * all that it holds and settles at once. It has no reason to reject: that is a defect, and tells nothing about the backend.
 */
export type Probe = (signal: EndSignal) => Promise<ProbeResult>
