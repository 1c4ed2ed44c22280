import type { ProbeKind } from '../../model/probe-spec.ts'

/**
 * Numbers for what backends are asked, so that a thread is told of each kind once. A number is given up with the last who knows its kind: registries may
 * bring new ones for ever, and passwords are in them.
 */
export class KindNumbers {
  readonly #numbers = new WeakMap<ProbeKind, number>()
  readonly #listeners = new Set<(number: number) => void>()
  readonly #gone = new FinalizationRegistry<number>((number) => {
    for (const listener of this.#listeners) listener(number)
  })
  #last = 0

  of(kind: ProbeKind): number {
    const known = this.#numbers.get(kind)
    if (known !== undefined) return known
    this.#last += 1
    this.#numbers.set(kind, this.#last)
    this.#gone.register(kind, this.#last)
    return this.#last
  }

  /** Told of numbers that nobody can ask for any more, until the answer is called. */
  onGone(listener: (number: number) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }
}
