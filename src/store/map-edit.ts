/** What makes one map out of another. `put` replaces values in their places and appends what is new. */
export type MapEdit<K, V> =
  /** Nothing of the map before is used. */
  | { readonly edit: 'all'; readonly put: readonly (readonly [K, V])[] }
  | { readonly edit: 'some'; readonly put: readonly (readonly [K, V])[]; readonly gone: readonly K[] }
  /** It is the very same map. */
  | { readonly edit: 'none' }

/** The least that makes `after` out of `before`, the order of the keys included. */
export function mapEdit<K, V>(
  before: ReadonlyMap<K, V> | undefined,
  after: ReadonlyMap<K, V>,
  same: (a: V, b: V) => boolean,
): MapEdit<K, V> {
  if (before === after) return { edit: 'none' }
  const all = { edit: 'all', put: [...after] } as const
  if (before === undefined || before.size === 0) return all
  const gone = [...before.keys()].filter((key) => !after.has(key))
  const staying = before.entries()
  const put: [K, V][] = []
  let appends = false
  for (const [key, value] of after) {
    if (!before.has(key)) {
      appends = true
      put.push([key, value])
      continue
    }
    if (appends) return all
    let next = staying.next()
    while (!next.done && !after.has(next.value[0])) next = staying.next()
    if (next.done || next.value[0] !== key) return all
    const old = next.value[1]
    if (old !== value && !same(old, value)) put.push([key, value])
  }
  return put.length + gone.length >= after.size ? all : { edit: 'some', put, gone }
}

/** The map after the edit; the same map where nothing was edited. */
export function editedMap<K, V>(before: ReadonlyMap<K, V>, edit: MapEdit<K, V>): ReadonlyMap<K, V> {
  if (edit.edit === 'none') return before
  if (edit.edit === 'all') return new Map(edit.put)
  const after = new Map(before)
  for (const key of edit.gone) after.delete(key)
  for (const [key, value] of edit.put) after.set(key, value)
  return after
}
