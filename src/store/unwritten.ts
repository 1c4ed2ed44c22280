/** What a file does not say yet, by id. */
export class Unwritten<Thing> {
  readonly #things = new Map<string, Thing>()

  get size(): number {
    return this.#things.size
  }

  add(id: string, thing: Thing): void {
    this.#things.set(id, thing)
  }

  /** Hands all of it to a writer, if there is any. Where that rejects, and this with it, it is unwritten as before. */
  async write(writer: (taken: readonly (readonly [string, Thing])[]) => Promise<void>): Promise<void> {
    const taken = [...this.#things]
    this.#things.clear()
    if (taken.length === 0) return
    try {
      await writer(taken)
    } catch (cause) {
      for (const [id, thing] of taken) this.#things.set(id, thing)
      throw cause
    }
  }
}
