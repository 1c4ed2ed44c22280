import type { DnsInterval, DnsPolicy, DnsTrouble } from '../../model/dns-source-spec.ts'

/** What one look at one question brought. Times are milliseconds since the epoch. */
export type Reading<T> =
  | {
      readonly ok: true
      readonly values: readonly T[]
      /** Milliseconds. */
      readonly ttl: number
      /** False where values may be missing. */
      readonly complete: boolean
      readonly at: number
    }
  | { readonly ok: false; readonly trouble: DnsTrouble; readonly message: string; readonly at: number }

/** What is known of one question: the values of the last good answer, or what its policy made of a trouble. */
export interface Slot<T> {
  /** Absent: never known. */
  readonly values?: readonly T[]
  readonly complete: boolean
  readonly at: number
  /** When the answer is too old to be relied on; Infinity where there is trouble, for then the retries set the pace. */
  readonly dueAt: number
  /** An answer had fewer values than the one before. */
  readonly shrunk: boolean
  readonly trouble?: Trouble
}

export interface Trouble {
  readonly kind: DnsTrouble
  readonly message: string
  readonly since: number
  /** Until then the last values are kept; absent: it counts as an empty answer. */
  readonly heldUntil?: number
}

export interface SettleRules {
  readonly policies: Readonly<Record<DnsTrouble, DnsPolicy>>
  /** What the time to live is clamped to; milliseconds. */
  readonly refresh: DnsInterval
  /** 0 <= number < 1. */
  readonly random: () => number
}

/** What is known after one more look. A trouble counts from its beginning; any other word in between starts it anew. */
export function settle<T>(
  before: Slot<T> | undefined,
  reading: Reading<T>,
  textOf: (value: T) => string,
  rules: SettleRules,
): Slot<T> {
  const { at } = reading
  if (reading.ok) {
    const now = new Set(reading.values.map(textOf))
    const shrunk = before?.shrunk === true || (before?.values ?? []).some((value) => !now.has(textOf(value)))
    return { values: reading.values, complete: reading.complete, at, dueAt: at + refreshAfter(reading.ttl, rules), shrunk }
  }
  const { trouble: kind, message } = reading
  const since = before?.trouble?.kind === kind ? before.trouble.since : at
  const policy = rules.policies[kind]
  const heldUntil = policy === 'hold' ? Number.POSITIVE_INFINITY : since + policy
  const common = { at, dueAt: Number.POSITIVE_INFINITY, shrunk: before?.shrunk ?? false }
  if (at >= heldUntil) return { ...common, values: [], complete: true, trouble: { kind, message, since } }
  const values = before?.values
  return {
    ...common,
    ...(values && { values }),
    complete: before?.complete ?? true,
    trouble: { kind, message, since, heldUntil },
  }
}

/** Milliseconds: the time to live within its bounds, and up to a tenth more, so that many names are not asked for at once. */
function refreshAfter(ttl: number, { refresh, random }: SettleRules): number {
  const clamped = clamp(ttl, refresh)
  const part = clamped * 0.1 * random()
  return clamped + part <= refresh.max ? clamped + part : Math.max(clamped - part, refresh.min)
}

export function clamp(milliseconds: number, { min, max }: DnsInterval): number {
  return Math.min(Math.max(milliseconds, min), max)
}

/** Whether the last values are kept although the DNS has nothing for us. */
export function isHeld({ trouble }: Slot<unknown>): boolean {
  return trouble?.heldUntil !== undefined
}
