import type { ErrorCode } from '../../errors.ts'
import type { EncodedBatch } from '../ipvs/batches.ts'
import type { SequencedFailure } from '../ipvs/send-batch.ts'

/** What the main thread asks of the kernel worker, and what it gets. Everything here crosses the thread boundary. */
export interface Jobs {
  /** Opens the socket and finds the IPVS family. */
  readonly open: { readonly ask: { readonly netnsPath?: string }; readonly answer: object }
  /** One request whose answer is short: timeouts, information, sync daemons. */
  readonly ask: {
    readonly ask: { readonly request: Uint8Array; readonly dump: boolean; readonly what: string }
    /** The messages of the answer, one behind the other. */
    readonly answer: { readonly bytes: Uint8Array }
  }
  readonly 'read-table': {
    readonly ask: { readonly generation: number; readonly statistics: boolean }
    readonly answer: TableDelta | typeof GAVE_WAY
  }
  readonly 'read-services': {
    /** IPVS_CMD_ATTR_SERVICE nests, one for each service. */
    readonly ask: { readonly identities: readonly Uint8Array[] }
    readonly answer: ServiceBytes
  }
  readonly send: {
    readonly ask: { readonly window: number; readonly batches: readonly EncodedBatch[] }
    readonly answer: { readonly failures: readonly SequencedFailure[] }
  }
}

/** A reading of the whole table was broken off because somebody else waited; the memory is that of the reading before it. */
export const GAVE_WAY = 'gave-way'

export type JobKind = keyof Jobs

/** Raw messages of some services: for each four numbers in `entries` (ENTRY), pointing into `bytes`. */
export interface ServiceBytes {
  readonly entries: Int32Array
  readonly bytes: Uint8Array
}

/**
 * One entry of ServiceBytes: its number (the slot, or the position in the question), where its messages start (the service
 * first, its destinations behind it), where they end, and in how many datagrams the destinations came.
 */
export const ENTRY = { number: 0, start: 1, end: 2, datagrams: 3, length: 4 } as const

/** What differs from the table that the main thread holds. */
export interface TableDelta extends ServiceBytes {
  /** Of the worker's memory: the main thread names it in its next question. */
  readonly generation: number
  /** Everything known before is void; `entries` is the whole table. */
  readonly whole: boolean
  /** Slots of services that are no longer in the answer. */
  readonly gone: readonly number[]
}

export interface JobMessage<K extends JobKind = JobKind> {
  readonly id: number
  readonly kind: K
  readonly ask: Jobs[K]['ask']
}

export type AnswerMessage =
  | { readonly id: number; readonly family: number; readonly answer: unknown }
  | { readonly id: number; readonly error: ErrorMessage }

/** What the worker says: once that it is up, then its answers. */
export type WorkerMessage = { readonly ready: true } | AnswerMessage

export interface ErrorMessage {
  readonly code: ErrorCode
  readonly message: string
  readonly detail: Readonly<Record<string, unknown>>
}

/** What a worker of ours is started with. */
export interface WorkerData {
  readonly pointsmanWorker: 'ipvs'
  /** CONTROL */
  readonly control: Int32Array
  /** The windows into which the main thread encodes and from which the worker sends. */
  readonly windows: Uint8Array
}

/** Cells of the shared control array. */
export const CONTROL = {
  /** 1: the main thread has given up on this worker; nothing may be written any more. */
  abandoned: 0,
  /** Counts up with every exchange with the kernel that came to an end. */
  progress: 1,
  /** 1: somebody waits, so that a reading of the whole table is to be broken off. */
  giveWay: 2,
  length: 3,
} as const

/** While the worker sends from one window the main thread fills the others. */
export const WINDOWS = 4
/** Four full batches: few enough for the main thread to fill a window in a few milliseconds even on a slow machine. */
export const WINDOW_BYTES = 4 * 16 * 1024

export function windowOf(windows: Uint8Array, number: number): Uint8Array {
  return windows.subarray(number * WINDOW_BYTES, (number + 1) * WINDOW_BYTES)
}
