/** The decisions of a loop of blocking queries (https://developer.hashicorp.com/consul/api-docs/features/blocking), without input, output or clock. */

/** What the next question depends on. Times are milliseconds. */
export interface Asking {
  /** Held index; 0 asks without waiting, which is never sent as an index. */
  readonly index: bigint
  /** Failures in a row. */
  readonly failures: number
  /** Answers in a row that could not be believed. */
  readonly doubts: number
  /** When the answers so far will have been paid for, each with a GAP. */
  readonly paidAt: number
}

export type Outcome =
  | { readonly kind: 'answered'; readonly index: bigint | undefined; readonly believed: boolean }
  | { readonly kind: 'failed' }

/** The state after an outcome, and how long to wait before the next question. */
export interface NextQuestion {
  readonly asking: Asking
  readonly delay: number
}

export const NOT_ASKED: Asking = { index: 0n, failures: 0, doubts: 0, paidAt: Number.NEGATIVE_INFINITY }

/** Whether the last answer could be believed. */
export function isSettled({ failures, doubts }: Asking): boolean {
  return failures === 0 && doubts === 0
}

/** Milliseconds per answer in the long run: a service that always changes is read ten times a second. */
const GAP = 100

/** Answers that may come without a pause after a quiet time: a registration is some three changes within milliseconds. */
const BURST = 10

const FIRST_BACKOFF = 200
const LONGEST_BACKOFF = 30_000

/** Milliseconds between two questions while answers cannot be believed, at first and at most. */
const FIRST_DOUBT = 500
const LONGEST_DOUBT = 10_000

/**
 * Decides the next question. An index that falls (a restored snapshot, another server) starts over; one that is missing or
 * not positive counts as 1, because an index of 0 does not wait; after a failure it is forgotten, because an agent that
 * lost its state would make a higher one wait for nothing. `agents` in a row may fail before anybody waits. There is no
 * last attempt.
 */
export function nextQuestion(
  asking: Asking,
  outcome: Outcome,
  now: number,
  { agents, random }: { readonly agents: number; readonly random: number },
): NextQuestion {
  if (outcome.kind === 'failed') {
    const failures = asking.failures + 1
    const delay = failures % agents === 0 ? backOff(failures / agents - 1, random) : 0
    return { asking: { ...asking, index: 0n, failures }, delay }
  }
  const paidAt = Math.max(asking.paidAt, now - BURST * GAP) + GAP
  const pause = Math.max(0, paidAt - now)
  if (!outcome.believed) {
    const doubts = asking.doubts + 1
    return { asking: { index: 0n, failures: 0, doubts, paidAt }, delay: Math.max(pause, doubt(asking.doubts, random)) }
  }
  return { asking: { index: heldIndex(asking.index, outcome.index), failures: 0, doubts: 0, paidAt }, delay: pause }
}

/**
 * Milliseconds of the first wait after a question that did not wait: anything from a quarter of `wait` on. What is asked at the start, or after
 * an outage, is asked by all services at once, and would come back at once for ever: the agent's own sixteenth is too little to part them.
 */
export function firstWait(wait: number, random: number): number {
  return Math.round(wait * (0.25 + 0.75 * random))
}

function heldIndex(held: bigint, given: bigint | undefined): bigint {
  const index = given === undefined || given <= 0n ? 1n : given
  return index < held ? 0n : index
}

/** Full jitter: anything up to a ceiling that doubles, but never nothing. */
function backOff(round: number, random: number): number {
  const ceiling = Math.min(LONGEST_BACKOFF, FIRST_BACKOFF * 2 ** Math.min(round, 20))
  return Math.max(GAP, Math.round(random * ceiling))
}

/** The first doubt is cleared at once: it may be the kind of answer and not the state of the cluster. */
function doubt(doubts: number, random: number): number {
  if (doubts === 0) return 0
  return Math.round(Math.min(LONGEST_DOUBT, FIRST_DOUBT * 2 ** Math.min(doubts - 1, 20)) * (0.5 + random / 2))
}
