/**
 * JSON for values of which JSON has no notion: `{"$map": [[key, value]]}`, `{"$set": []}`, `{"$bigint": "1"}`,
 * `{"$number": "Infinity"}`, and `{"$object": [[key, value]]}` for an object that looks like one of these.
 */
export function plainOf(value: unknown): unknown {
  if (value instanceof Map) return { $map: [...value].map(([key, one]) => [plainOf(key), plainOf(one)]) }
  if (value instanceof Set) return { $set: [...value].map(plainOf) }
  if (typeof value === 'bigint') return { $bigint: `${value}` }
  if (typeof value === 'number' && !Number.isFinite(value)) return { $number: `${value}` }
  if (Object.is(value, -0)) return { $number: '-0' }
  if (Array.isArray(value)) return value.map(plainOf)
  if (typeof value !== 'object' || value === null) return value
  const entries = Object.entries(value).map(([key, one]) => [key, plainOf(one)] as const)
  return entries.some(([key]) => key.startsWith('$')) ? { $object: entries } : Object.fromEntries(entries)
}

/** What `plainOf` was given, less the keys without a value. */
export function fromPlain(plain: unknown): unknown {
  if (Array.isArray(plain)) return plain.map(fromPlain)
  if (typeof plain !== 'object' || plain === null) return plain
  const [entry, ...others] = Object.entries(plain)
  if (entry !== undefined && others.length === 0) {
    const [tag, content] = entry
    if (tag === '$map' && Array.isArray(content)) return new Map(fromPlain(content) as [unknown, unknown][])
    if (tag === '$object' && Array.isArray(content)) return Object.fromEntries(fromPlain(content) as [string, unknown][])
    if (tag === '$set' && Array.isArray(content)) return new Set(content.map(fromPlain))
    if (tag === '$bigint' && typeof content === 'string') return BigInt(content)
    if (tag === '$number' && typeof content === 'string') return Number(content)
  }
  return Object.fromEntries(Object.entries(plain).map(([key, one]) => [key, fromPlain(one)]))
}
