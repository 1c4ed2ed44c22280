import type { PolicySpec } from '../../model/policy-spec.ts'

/** Milliseconds before the panic within which a member must have been up to be served first. */
const RECENT = 60_000

/** A pool as the panic rule sees it: the members that may serve and of which something is known. */
export interface PanicMeasure {
  readonly pool: number
  readonly up: number
  /** Members that are or were up. */
  readonly everUp: number
  /** Somebody else answers when nobody is up. */
  readonly hasSorryServer: boolean
}

/**
 * Since when a pool is in panic; undefined: it is not. It begins when too few are up, the last one by default, and ends when
 * two are (or all of a smaller pool). A pool that was never up has nobody to fall back on.
 */
export function panicSince(
  before: number | undefined,
  { pool, up, everUp, hasSorryServer }: PanicMeasure,
  panic: PolicySpec['panic'],
  now: number,
): number | undefined {
  if (panic === 'off' || everUp === 0 || (up === 0 && hasSorryServer)) return undefined
  const tooFew = areTooFew({ pool, up }, panic)
  if (before === undefined) return tooFew ? now : undefined
  return tooFew || up < Math.min(2, pool) ? before : undefined
}

/** Whether so few are up that a panic begins; one that is under way goes on for a while longer. */
export function areTooFew({ pool, up }: Pick<PanicMeasure, 'pool' | 'up'>, panic: PolicySpec['panic']): boolean {
  return panic !== 'off' && (up === 0 || up * 100 < panic.percent * pool)
}

/** A member that is not up, and until when it was; infinite: until now. */
export interface Fallen {
  readonly upUntil: number | undefined
}

/**
 * Whom a panic that began at `since` serves besides those that are up: who was up within a minute, else, while too few are up,
 * who ever was. A panic that only waits for its end takes nobody up who has long been down.
 */
export function servedInPanic<T extends Fallen>(fallen: readonly T[], since: number, tooFew: boolean): readonly T[] {
  const everUp = fallen.filter(({ upUntil }) => upUntil !== undefined)
  const recent = everUp.filter(({ upUntil = Number.NEGATIVE_INFINITY }) => upUntil >= since - RECENT)
  return recent.length > 0 || !tooFew ? recent : everUp
}
