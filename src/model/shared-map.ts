import { ChunkedMap } from './chunked-map.ts'

/**
 * An immutable map in the order in which its keys came. Setting the value of a key that is there copies a small part of it, and what
 * differs between two relatives is found by looking at that part alone.
 */
export class SharedMap<K extends string, V> implements ReadonlyMap<K, V> {
  readonly #keys: readonly K[]
  readonly #values: ChunkedMap<K, V>

  private constructor(keys: readonly K[], values: ChunkedMap<K, V>) {
    this.#keys = keys
    this.#values = values
  }

  static from<K extends string, V>(entries: Iterable<readonly [K, V]>): SharedMap<K, V> {
    const all = new Map(entries)
    return new SharedMap([...all.keys()], ChunkedMap.from(all))
  }

  /** What a map holds; the map itself where it is a shared one. */
  static of<K extends string, V>(map: ReadonlyMap<K, V>): SharedMap<K, V> {
    return map instanceof SharedMap ? map : SharedMap.from(map)
  }

  get size(): number {
    return this.#keys.length
  }

  get(key: K): V | undefined {
    return this.#values.get(key)
  }

  has(key: K): boolean {
    return this.#values.has(key)
  }

  /** This map with the values that some keys have now; one without a value is not there any more. */
  edited(keys: readonly K[], valueNow: (key: K) => V | undefined): SharedMap<K, V> {
    const set = new Map<K, V>()
    const gone = new Set<K>()
    for (const key of keys) {
      const value = valueNow(key)
      if (value !== undefined) set.set(key, value)
      else if (this.has(key)) gone.add(key)
    }
    const values = this.#values.edited(set, gone)
    if (values === this.#values) return this
    const staying = gone.size === 0 ? this.#keys : this.#keys.filter((key) => !gone.has(key))
    const added = [...set.keys()].filter((key) => !this.has(key))
    return new SharedMap(added.length === 0 ? staying : [...staying, ...added], values)
  }

  /** The keys whose value is not the same object in both maps, in no particular order. */
  differsFrom(other: SharedMap<K, V>): K[] {
    return this.#values.differsFrom(other.#values)
  }

  keys(): MapIterator<K> {
    return this.#keys.values()
  }

  *values(): MapIterator<V> {
    for (const key of this.#keys) yield this.#values.get(key) as V
  }

  *entries(): MapIterator<[K, V]> {
    for (const key of this.#keys) yield [key, this.#values.get(key) as V]
  }

  [Symbol.iterator](): MapIterator<[K, V]> {
    return this.entries()
  }

  forEach(callback: (value: V, key: K, map: ReadonlyMap<K, V>) => void): void {
    for (const [key, value] of this) callback(value, key, this)
  }
}

/**
 * The keys whose value is not the same object in both maps, in no particular order: of two shared maps those alone are looked at that may
 * differ.
 */
export function differingKeys<K extends string, V>(before: ReadonlyMap<K, V> | undefined, after: ReadonlyMap<K, V>): K[] {
  if (before === after) return []
  if (before === undefined) return [...after.keys()]
  if (before instanceof SharedMap && after instanceof SharedMap) return after.differsFrom(before)
  const keys: K[] = []
  for (const [key, value] of after) if (before.get(key) !== value || !before.has(key)) keys.push(key)
  for (const key of before.keys()) if (!after.has(key)) keys.push(key)
  return keys
}
