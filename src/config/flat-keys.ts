import { accepted, type Reading, refused } from '../document/reading.ts'

/** A key of a mapping, or of a mapping in it, that is written on one line: `drain_timeout` for `drain.timeout`. */
interface FlatKey {
  readonly path: readonly string[]
  readonly type: 'integer' | 'boolean' | 'list' | 'text'
}

interface JsonSchema {
  readonly type?: unknown
  readonly properties?: Readonly<Record<string, JsonSchema>>
  readonly anyOf?: readonly JsonSchema[]
}

/** Every key that a JSON Schema of a mapping knows, with `_` between the parts of its path. */
export function flatKeys(schema: JsonSchema): ReadonlyMap<string, FlatKey> {
  return new Map([...keysOf(schema, [])].map((key) => [key.path.join('_'), key] as const))
}

function* keysOf(schema: JsonSchema, path: readonly string[]): Generator<FlatKey> {
  const { type, properties, anyOf = [] } = schema
  const mappings = anyOf.filter((form) => form.properties !== undefined)
  if (properties === undefined) yield { path, type: type === 'array' ? 'list' : typeOf(type) }
  for (const [key, value] of Object.entries(properties ?? {})) yield* keysOf(value, [...path, key])
  for (const form of mappings)
    for (const [key, value] of Object.entries(form.properties ?? {})) yield* keysOf(value, [...path, key])
}

function typeOf(type: unknown): FlatKey['type'] {
  return type === 'integer' || type === 'boolean' ? type : 'text'
}

/** What a YAML file would hold in place of these words; lists are written with commas. Unknown words stay, for their own message. */
export function unflatten(words: Readonly<Record<string, string>>, keys: ReadonlyMap<string, FlatKey>): Reading<object> {
  const raw: Record<string, unknown> = {}
  for (const [word, text] of Object.entries(words)) {
    const { path, type } = keys.get(word) ?? { path: [word], type: 'text' }
    const [last = word] = path.slice(-1)
    let at = raw
    for (const step of path.slice(0, -1)) {
      at[step] ??= {}
      if (typeof at[step] !== 'object') return bothForms(step)
      at = at[step] as Record<string, unknown>
    }
    if (at[last] !== undefined) return bothForms(last)
    at[last] = rawOf(text, type)
  }
  return accepted(raw)
}

function bothForms(key: string) {
  return refused(`${key} is said both in its short form and key by key`, 'keep one of the two')
}

function rawOf(text: string, type: FlatKey['type']): unknown {
  switch (type) {
    case 'integer':
      return /^-?\d+$/.test(text) ? Number(text) : text
    case 'boolean':
      return text === 'true' || text === 'false' ? text === 'true' : text
    case 'list':
      return text
        .replace(/^\[(.*)\]$/, '$1')
        .split(',')
        .flatMap((item) => (item.trim() === '' ? [] : [item.trim()]))
    case 'text':
      return text
  }
}
