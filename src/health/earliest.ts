/** Something that is due at a time. */
export interface Due {
  readonly at: number
}

/**
 * Many things by the time at which they are due, the earliest at the top, and of equals the first that came; putting one in or
 * taking one out costs a few comparisons (a binary heap). Numbers lie beside each other, because memory is slower than arithmetic.
 */
export class Earliest<T extends Due> {
  #items: T[] = []
  #times: number[] = []
  /** How many came before each. */
  #orders: number[] = []
  #added = 0

  get size(): number {
    return this.#items.length
  }

  get top(): T | undefined {
    return this.#items[0]
  }

  add(item: T): void {
    this.#rise(this.#items.length, item, item.at, this.#added++)
  }

  /** Takes out the earliest. */
  take(): T | undefined {
    const first = this.#items[0]
    const item = this.#items.pop()
    const time = this.#times.pop()
    const order = this.#orders.pop()
    if (item !== undefined && time !== undefined && order !== undefined && this.#items.length > 0) this.#sink(item, time, order)
    return first
  }

  /** Only these stay. */
  keep(stays: (item: T) => boolean): void {
    const kept = this.#items.flatMap((item, place) => (stays(item) ? { item, order: this.#orders[place] as number } : []))
    // What is sorted is a heap.
    kept.sort((a, b) => a.item.at - b.item.at || a.order - b.order)
    this.#items = kept.map(({ item }) => item)
    this.#times = kept.map(({ item }) => item.at)
    this.#orders = kept.map(({ order }) => order)
  }

  #rise(from: number, item: T, time: number, order: number): void {
    let place = from
    while (place > 0) {
      const above = (place - 1) >> 1
      if (!this.#isAfter(above, time, order)) break
      this.#move(above, place)
      place = above
    }
    this.#put(place, item, time, order)
  }

  /** From the top, which is empty. */
  #sink(item: T, time: number, order: number): void {
    const count = this.#items.length
    let place = 0
    for (let below = 1; below < count; below = 2 * place + 1) {
      const right = below + 1
      const lower =
        right < count && this.#isAfter(below, this.#times[right] as number, this.#orders[right] as number) ? right : below
      if (this.#isAfter(lower, time, order)) break
      this.#move(lower, place)
      place = lower
    }
    this.#put(place, item, time, order)
  }

  #isAfter(place: number, time: number, order: number): boolean {
    const at = this.#times[place] as number
    return at > time || (at === time && (this.#orders[place] as number) > order)
  }

  #move(from: number, to: number): void {
    this.#put(to, this.#items[from] as T, this.#times[from] as number, this.#orders[from] as number)
  }

  #put(place: number, item: T, time: number, order: number): void {
    this.#items[place] = item
    this.#times[place] = time
    this.#orders[place] = order
  }
}
