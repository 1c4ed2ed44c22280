import type { DesiredState } from '../model/desired-state.ts'
import type { StepResult, Wake } from './step.ts'

/** `changes`: only what differs from the last desired state; `full`: read everything, repair and count drift. */
export type PassScope = 'changes' | 'full'

/** Milliseconds. */
export interface PassTimes {
  /** From the end of one full pass to the start of the next. */
  readonly resyncInterval: number
  /** From the start of one pass to the start of the next at the least: a sink that asks for the past cannot spin. */
  readonly spacing: number
  /** Before the first try after a pass that could do nothing; doubled with each further one, never above `resyncInterval`. */
  readonly firstRetry: number
}

/** A state to be written and the time of the oldest event that it is the first to hold. */
export interface DesiredAt {
  readonly desired: DesiredState
  /** Milliseconds since the epoch. */
  readonly eventAt: number
}

export interface SinkWake {
  /** Milliseconds since the epoch. */
  readonly at: number
  readonly scope: PassScope
}

export type PassEvent =
  | ({ readonly kind: 'desired' } & DesiredAt)
  /** A full pass is wanted now. */
  | { readonly kind: 'resync' }
  /** The pass ended. `wake`: when the sink wants the next one although nothing changes, and which. */
  | { readonly kind: 'done'; readonly wake: SinkWake | undefined }
  /** The pass gave way before it had written anything. */
  | { readonly kind: 'gave-way' }
  /** The pass could do nothing at all. */
  | { readonly kind: 'rejected' }
  /** Whether no pass may begin until the opposite is said; one that runs goes on to its end. */
  | { readonly kind: 'pause'; readonly paused: boolean }
  /** Nothing more will come: what is unwritten is tried once more, then it is over. */
  | { readonly kind: 'closing' }

/** The order to begin a pass. */
export interface PassStart {
  readonly kind: 'start'
  readonly desired: DesiredState
  readonly scope: PassScope
  readonly startedAt: number
  /** Oldest event that this pass brings to the kernel; absent where nothing new is written. */
  readonly eventAt?: number
}

/** `give-way`: the pass that runs is to end soon if it has not written anything. */
export type PassOrder = PassStart | { readonly kind: 'finish' | 'give-way' }

export interface PassState {
  readonly desired: DesiredState | undefined
  /** A desired state came that no pass has tried to write. */
  readonly news: boolean
  /** Oldest event that is not in the kernel and that no running pass has taken up. */
  readonly eventAt: number | undefined
  readonly running: PassStart | undefined
  /** When the full pass that runs, or the one that is due, was first asked to give way. */
  readonly gaveWayAt: number | undefined
  /** Whether the pass that runs was asked to. */
  readonly askedToGiveWay: boolean
  readonly startedAt: number
  /** When a full pass is due; never while one runs, unless asked for meanwhile. */
  readonly fullAt: number
  readonly wake: SinkWake | undefined
  /** Passes in a row that could do nothing. */
  readonly rejections: number
  readonly paused: boolean
  readonly closing: boolean
}

/** The first pass is a full one: nobody knows yet what the kernel holds. */
export const NO_PASS_YET: PassState = {
  desired: undefined,
  news: false,
  eventAt: undefined,
  running: undefined,
  gaveWayAt: undefined,
  askedToGiveWay: false,
  startedAt: Number.NEGATIVE_INFINITY,
  fullAt: Number.NEGATIVE_INFINITY,
  wake: undefined,
  rejections: 0,
  paused: false,
  closing: false,
}

const NEVER = Number.POSITIVE_INFINITY
/** Milliseconds: later than now. */
const SOON = 1
/** Milliseconds for which a full pass gives way, however many changes come; what it has read is kept for longer. */
const GIVING_WAY = 1_000

/**
 * One pass at a time, the newest state wins; what comes while a pass runs is written by one more. A full pass that still reads gives way to
 * it, for a second at most.
 */
export function conflateStep(times: PassTimes) {
  return (state: PassState, event: PassEvent | Wake, now: number): StepResult<PassState, PassOrder> =>
    startIfDue(learn(state, event, now, times), now, times)
}

function learn(state: PassState, event: PassEvent | Wake, now: number, times: PassTimes): PassState {
  switch (event.kind) {
    case 'desired':
      return { ...state, desired: event.desired, news: true, eventAt: older(state.eventAt, event.eventAt) }
    case 'resync':
      return { ...state, fullAt: now }
    case 'done':
      return {
        ...state,
        running: undefined,
        rejections: 0,
        gaveWayAt: state.running?.scope === 'full' ? undefined : state.gaveWayAt,
        fullAt: state.fullAt === NEVER ? now + times.resyncInterval : state.fullAt,
        wake: event.wake,
      }
    case 'gave-way':
      return afterGivingWay(state, now)
    case 'rejected':
      return afterRejection(state, now, times)
    case 'pause':
      if (event.paused === state.paused) return state
      if (event.paused) return { ...state, paused: true }
      // Others may have changed anything meanwhile; and how long it took is no measure of anything.
      return { ...state, paused: false, fullAt: now, eventAt: undefined }
    case 'closing':
      return { ...state, closing: true }
    case 'wake':
      return state
  }
}

/** What waits is written first and at once, then the full pass is made. */
function afterGivingWay(state: PassState, now: number): PassState {
  return {
    ...state,
    eventAt: older(state.eventAt, state.running?.eventAt),
    running: undefined,
    startedAt: Number.NEGATIVE_INFINITY,
    fullAt: now + SOON,
  }
}

/** What the pass was to write is still unwritten, so its event stays the oldest one. */
function afterRejection(state: PassState, now: number, times: PassTimes): PassState {
  const delay = Math.min(times.firstRetry * 2 ** Math.min(state.rejections, 30), times.resyncInterval)
  return {
    ...state,
    eventAt: older(state.eventAt, state.running?.eventAt),
    running: undefined,
    rejections: state.rejections + 1,
    fullAt: now + delay,
  }
}

function older(a: number | undefined, b: number | undefined): number | undefined {
  if (a === undefined || b === undefined) return a ?? b
  return Math.min(a, b)
}

function startIfDue(state: PassState, now: number, times: PassTimes): StepResult<PassState, PassOrder> {
  if (state.running !== undefined) {
    if (!shouldGiveWay(state, now)) return { state }
    return { state: { ...state, askedToGiveWay: true, gaveWayAt: state.gaveWayAt ?? now }, emit: GIVE_WAY }
  }
  if (state.closing && (state.paused || !state.news)) return { state, emit: { kind: 'finish' } }
  if (state.desired === undefined || state.paused) return { state }
  const dueAt = state.closing ? now : Math.max(nextDue(state), state.startedAt + times.spacing)
  if (now < dueAt) return { state, wakeAt: dueAt }
  const start: PassStart = {
    kind: 'start',
    desired: state.desired,
    scope: scopeOf(state, now),
    startedAt: now,
    ...(state.eventAt !== undefined && { eventAt: state.eventAt }),
  }
  return {
    state: {
      ...state,
      running: start,
      askedToGiveWay: false,
      startedAt: now,
      news: false,
      eventAt: undefined,
      wake: undefined,
      fullAt: start.scope === 'full' ? NEVER : state.fullAt,
    },
    emit: start,
  }
}

/** A change does not wait until everything has been read, unless changes have kept everything from being read for too long. */
function shouldGiveWay({ running, news, askedToGiveWay, gaveWayAt, rejections, paused }: PassState, now: number): boolean {
  if (running?.scope !== 'full' || !news || askedToGiveWay || rejections > 0 || paused) return false
  return gaveWayAt === undefined || now - gaveWayAt < GIVING_WAY
}

const GIVE_WAY: PassOrder = { kind: 'give-way' }

function nextDue(state: PassState): number {
  if (state.news) return Number.NEGATIVE_INFINITY
  return Math.min(state.fullAt, state.wake?.at ?? NEVER)
}

/** After a pass that could do nothing, nobody knows what the kernel holds. */
function scopeOf(state: PassState, now: number): PassScope {
  if (now >= state.fullAt || state.rejections > 0) return 'full'
  const woken = state.wake !== undefined && now >= state.wake.at
  return woken && !state.news ? state.wake.scope : 'changes'
}
