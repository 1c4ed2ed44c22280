import type { ProbeResult } from '../../model/probe-result.ts'
import type { ProbeKind } from '../../model/probe-spec.ts'
import type { ProbeTarget } from '../target.ts'

/** What is said to a thread that asks backends: all of one turn together. */
export interface Questions {
  /** Kinds that it has not heard of, by the numbers that `asked` calls them by: each is told once, and not with every question. */
  readonly kinds: readonly (readonly [kind: number, of: ProbeKind])[]
  /** Kinds of which nobody asks any more. */
  readonly forgotten: readonly number[]
  readonly asked: readonly Question[]
  /** Slots of questions whose deadline has come, or whose answer nobody wants. They are answered as well. */
  readonly ended: readonly number[]
}

/** `slot` is free again with the answer, and not before. `left`: milliseconds that the answer may take. */
export type Question = readonly [slot: number, kind: number, left: number, target: ProbeTarget]

/** Beside questions, the last word to a thread. */
export const END = 'end'

export type Order = Questions | typeof END

/** What a thread says: once that it is ready, then its answers. Moments are those of `sharedNow`, and all times milliseconds. */
export type Word = typeof READY | Answers

export const READY = 'ready'

export interface Answers {
  /** Of those that passed and said nothing else, three numbers each: slot, moment at which it was asked, time that it took. */
  readonly passed: readonly number[]
  readonly others: readonly (readonly [slot: number, begun: number, took: number, result: ProbeResult])[]
}

/** What a thread that asks backends is started with. */
export interface ProbeWorkerData {
  readonly pointsmanWorker: 'probes'
  /** Where it writes down the descriptors that it has open (kernel/for-probes.ts), for whoever outlives it. */
  readonly descriptors: Int32Array
}
