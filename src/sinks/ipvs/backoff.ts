import type { ObjectFailure } from '../sink.ts'

const FIRST_DELAY = 1_000
const LONGEST_DELAY = 60_000

/** How long to wait after the nth failure in a row: 1 s doubling to 60 s, a quarter more or less so that objects spread. */
export function retryDelay(failures: number, random: number): number {
  const base = Math.min(LONGEST_DELAY, FIRST_DELAY * 2 ** Math.min(failures - 1, 16))
  return Math.min(LONGEST_DELAY, Math.max(FIRST_DELAY, Math.round(base * (0.75 + random / 2))))
}

interface Entry<Owner> {
  readonly failure: ObjectFailure
  readonly failures: number
  readonly owner: Owner
  /** What was wanted when it failed: something else is tried at once. */
  readonly wanted: unknown
}

/** The objects that failed, each with the time of its next try. `Owner` groups them: the service that an object belongs to. */
export class Backoff<Owner> {
  readonly #entries = new Map<string, Entry<Owner>>()
  readonly #objects = new Map<Owner, Set<string>>()
  readonly #random: () => number

  constructor(random: () => number) {
    this.#random = random
  }

  fail(
    object: string,
    owner: Owner,
    wanted: unknown,
    now: number,
    error: { readonly code: string; readonly message: string },
  ): void {
    const failures = (this.#entries.get(object)?.failures ?? 0) + 1
    const retryAt = now + retryDelay(failures, this.#random())
    const { code, message } = error
    this.clear(object)
    this.#entries.set(object, { failure: { object, code, message, retryAt }, failures, owner, wanted })
    this.#objects.set(owner, (this.#objects.get(owner) ?? new Set()).add(object))
  }

  /** Objects that have failed and not succeeded since. */
  get size(): number {
    return this.#entries.size
  }

  /** Whether an object has to wait: it failed at this very thing, and its time has not come. */
  holds(object: string, wanted: unknown, now: number): boolean {
    if (this.#entries.size === 0) return false
    const entry = this.#entries.get(object)
    return entry !== undefined && entry.wanted === wanted && now < entry.failure.retryAt
  }

  has(object: string): boolean {
    return this.#entries.size > 0 && this.#entries.has(object)
  }

  clear(object: string): void {
    // A name is put together for each object of a pass; nobody looks at its characters while nothing has failed.
    if (this.#entries.size === 0) return
    const entry = this.#entries.get(object)
    if (entry === undefined) return
    this.#entries.delete(object)
    const objects = this.#objects.get(entry.owner)
    objects?.delete(object)
    if (objects?.size === 0) this.#objects.delete(entry.owner)
  }

  clearAll(): void {
    this.#entries.clear()
    this.#objects.clear()
  }

  /** Forgets the failures of an owner whose objects are not among those that still need something. */
  keepOnly(owner: Owner, objects: ReadonlySet<string>): void {
    for (const object of this.#objects.get(owner) ?? []) if (!objects.has(object)) this.clear(object)
  }

  /** The owners with an object whose time has come. */
  due(now: number): Set<Owner> {
    const owners = new Set<Owner>()
    for (const { failure, owner } of this.#entries.values()) if (now >= failure.retryAt) owners.add(owner)
    return owners
  }

  owners(): Set<Owner> {
    return new Set(this.#objects.keys())
  }

  nextRetry(): number | undefined {
    let next: number | undefined
    for (const { failure } of this.#entries.values()) next = Math.min(next ?? failure.retryAt, failure.retryAt)
    return next
  }

  list(): ObjectFailure[] {
    return [...this.#entries.values()].map(({ failure }) => failure)
  }
}
