const CHUNKS = 256
/** Entries up to which one chunk holds them all: a thousand small pools must not cost a quarter of a million empty chunks. */
const SMALL = 64

/**
 * An immutable map from text to value that shares everything that did not change with the map it was made from.
 * Setting one key copies a 256th of the map, and comparing two relatives visits only the chunks that differ: this is
 * what lets one change in a pool of 10,000 cost what it costs in a pool of 100.
 */
export class ChunkedMap<K extends string, V> implements Iterable<readonly [K, V]> {
  readonly size: number
  readonly #chunks: readonly (ReadonlyMap<K, V> | undefined)[]

  private constructor(chunks: readonly (ReadonlyMap<K, V> | undefined)[], size: number) {
    this.#chunks = chunks
    this.size = size
  }

  static empty<K extends string, V>(): ChunkedMap<K, V> {
    return new ChunkedMap<K, V>([undefined], 0)
  }

  /** Later entries win over earlier ones with the same key. */
  static from<K extends string, V>(entries: Iterable<readonly [K, V]>): ChunkedMap<K, V> {
    return ChunkedMap.#of(new Map<K, V>(entries))
  }

  /** Takes the map over: nobody else may change it. */
  static #of<K extends string, V>(all: ReadonlyMap<K, V>): ChunkedMap<K, V> {
    if (all.size <= SMALL) return new ChunkedMap<K, V>([all], all.size)
    const chunks: (Map<K, V> | undefined)[] = new Array(CHUNKS).fill(undefined)
    for (const [key, value] of all) {
      const index = chunkOf(key, CHUNKS)
      const chunk = chunks[index] ?? new Map<K, V>()
      chunks[index] = chunk
      chunk.set(key, value)
    }
    return new ChunkedMap<K, V>(chunks, all.size)
  }

  get(key: K): V | undefined {
    return this.#chunks[chunkOf(key, this.#chunks.length)]?.get(key)
  }

  has(key: K): boolean {
    return this.#chunks[chunkOf(key, this.#chunks.length)]?.has(key) ?? false
  }

  /** This map with one entry set; this very map when the value is already there. */
  with(key: K, value: V): ChunkedMap<K, V> {
    const index = chunkOf(key, this.#chunks.length)
    const old = this.#chunks[index]
    const known = old?.has(key) ?? false
    if (known && old?.get(key) === value) return this
    const chunk = new Map(old)
    chunk.set(key, value)
    if (this.#chunks.length === 1) return ChunkedMap.#of(chunk)
    return new ChunkedMap<K, V>(this.#chunks.with(index, chunk), this.size + (known ? 0 : 1))
  }

  /** This map less one entry; this very map when the key is not there. */
  without(key: K): ChunkedMap<K, V> {
    const index = chunkOf(key, this.#chunks.length)
    const old = this.#chunks[index]
    if (!old?.has(key)) return this
    const chunk = new Map(old)
    chunk.delete(key)
    return new ChunkedMap<K, V>(this.#chunks.with(index, chunk.size === 0 ? undefined : chunk), this.size - 1)
  }

  /**
   * This map less the keys that are gone and with the entries that are set, which win; this very map when all of that is so
   * already. However many they are, no part of the map is copied twice.
   */
  edited(set: Iterable<readonly [K, V]>, gone: Iterable<K>): ChunkedMap<K, V> {
    const copies = new Map<number, Map<K, V>>()
    const chunkFor = (index: number) => {
      const copy = copies.get(index) ?? new Map(this.#chunks[index])
      copies.set(index, copy)
      return copy
    }
    for (const key of gone) if (this.has(key)) chunkFor(chunkOf(key, this.#chunks.length)).delete(key)
    for (const [key, value] of set) {
      const index = chunkOf(key, this.#chunks.length)
      const now = copies.get(index) ?? this.#chunks[index]
      if (now?.get(key) !== value || !now.has(key)) chunkFor(index).set(key, value)
    }
    if (copies.size === 0) return this
    if (this.#chunks.length === 1) return ChunkedMap.#of(chunkFor(0))
    const chunks = [...this.#chunks]
    let { size } = this
    for (const [index, copy] of copies) {
      size += copy.size - (chunks[index]?.size ?? 0)
      chunks[index] = copy.size === 0 ? undefined : copy
    }
    return new ChunkedMap<K, V>(chunks, size)
  }

  /** The keys whose value is not the same object in both maps, in no particular order. */
  differsFrom(other: ChunkedMap<K, V>): K[] {
    const keys: K[] = []
    if (this === other) return keys
    if (this.#chunks.length !== other.#chunks.length) {
      for (const [key, value] of this) if (other.get(key) !== value || !other.has(key)) keys.push(key)
      for (const key of other.keys()) if (!this.has(key)) keys.push(key)
      return keys
    }
    for (let index = 0; index < this.#chunks.length; index++) {
      const mine = this.#chunks[index]
      const theirs = other.#chunks[index]
      if (mine === theirs) continue
      for (const [key, value] of mine ?? []) if (theirs?.get(key) !== value) keys.push(key)
      for (const key of theirs?.keys() ?? []) if (!mine?.has(key)) keys.push(key)
    }
    return keys
  }

  *keys(): IterableIterator<K> {
    for (const chunk of this.#chunks) if (chunk) yield* chunk.keys()
  }

  *values(): IterableIterator<V> {
    for (const chunk of this.#chunks) if (chunk) yield* chunk.values()
  }

  *[Symbol.iterator](): IterableIterator<readonly [K, V]> {
    for (const chunk of this.#chunks) if (chunk) yield* chunk
  }
}

/** FNV-1a folded to the number of chunks: cheap, and even for keys that differ in their last digits only. */
function chunkOf(key: string, chunks: number): number {
  if (chunks === 1) return 0
  let hash = 0x811c9dc5
  for (let i = 0; i < key.length; i++) hash = Math.imul(hash ^ key.charCodeAt(i), 0x01000193)
  return (hash ^ (hash >>> 8) ^ (hash >>> 16) ^ (hash >>> 24)) & (chunks - 1)
}
