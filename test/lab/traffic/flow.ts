/** What the traffic generator is told and what it reports: shared by the host and the guest. */

/** One stream of traffic against one address. */
export interface Flow {
  readonly id: string
  readonly protocol: 'tcp' | 'udp' | 'sctp'
  readonly address: string
  readonly port: number
  /** Short connections (UDP: exchanges, each from a new port) open at the same time. Default 8. */
  readonly concurrency?: number
  /** Most short connections ever made. Default 100,000. */
  readonly limit?: number
  /** Connections opened at the start and held, each with an echo every `echoIntervalMs`. Default 0. */
  readonly held?: number
  /** Default 500. */
  readonly echoIntervalMs?: number
  /** A connection without its answer for this long has failed. Default 10,000: an emulated machine can be slow. */
  readonly timeoutMs?: number
  /** UDP: local port of the first lane, whose exchanges all come from it; the other lanes have those that follow. */
  readonly firstLocalPort?: number
  /** Every short connection comes from a port of its own, this one and those that follow: the kernel still knows a port that was used before, and sends it where it went then. */
  readonly freshPortsFrom?: number
  /** Pause between two short connections of the same lane, in milliseconds. Default 0: as fast as possible. */
  readonly pauseMs?: number
}

export interface GeneratorOptions {
  readonly flows: readonly Flow[]
  /** The generator ends by itself after this long. */
  readonly maxSeconds: number
}

/**
 * How an attempt failed: `refused` (ECONNREFUSED), `reset`, `unreachable`, `timeout` (no answer in time), `closed` (ended
 * before the answer), `garbled` (an answer to something else), `other`.
 */
export type FailureKind = 'refused' | 'reset' | 'unreachable' | 'timeout' | 'closed' | 'garbled' | 'other'

export interface Failure {
  readonly kind: FailureKind
  /** The error's code where there was one, such as `ECONNRESET`. */
  readonly code: string
  /** Milliseconds since the generator's start. */
  readonly at: number
  /** Short connection or one held. */
  readonly on: 'short' | 'held'
}

export interface Counts {
  readonly attempts: number
  readonly successes: number
  readonly failures: number
  /** Answers by the name of the server that gave them. */
  readonly servers: Readonly<Record<string, number>>
}

/** The stretch from one mark to the next; the first is named `start`. An attempt counts where it ends. */
export interface Phase extends Counts {
  readonly name: string
  /** Milliseconds since the generator's start. */
  readonly from: number
  readonly to: number
}

export interface FlowReport extends Counts {
  readonly id: string
  readonly phases: readonly Phase[]
  readonly failuresByKind: Readonly<Partial<Record<FailureKind, number>>>
  /** The first 50. */
  readonly firstFailures: readonly Failure[]
  /** Milliseconds from connect to answer, of short connections that succeeded. Above 1000 a packet was lost and sent again. */
  readonly latency: { readonly median: number; readonly p99: number; readonly max: number }
  readonly held: {
    readonly opened: number
    /** Answered a last echo when the generator was told to stop. */
    readonly alive: number
    /** Lost after they had been established. */
    readonly lost: number
    /** Echoes exchanged on them. */
    readonly echoes: number
    /** Those alive now, by server. */
    readonly servers: Readonly<Record<string, number>>
  }
}

export interface Report {
  readonly seconds: number
  readonly flows: readonly FlowReport[]
}

/** The generator's lines. `holding`: all held connections stand, or failed; short ones start. */
export type GeneratorLine =
  | { readonly type: 'holding' }
  | { readonly type: 'progress'; readonly at: number; readonly flows: readonly (Counts & { readonly id: string })[] }
  | { readonly type: 'marked'; readonly name: string; readonly at: number }
  | ({ readonly type: 'report' } & Report)

/** Lines on the generator's input. `stop` lets open attempts end, then reports and exits. */
export type GeneratorCommand = { readonly do: 'mark'; readonly name: string } | { readonly do: 'stop' }
