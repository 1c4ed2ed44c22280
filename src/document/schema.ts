import * as z from 'zod'
import { type Document, issueAt, type Path, type Spot } from './document.ts'
import type { Issue } from './issue.ts'
import { type Grammar, hint, isMapping, type Reading } from './reading.ts'
import { nearest } from './suggest.ts'

/** What a zod issue of ours carries beside its path. */
interface Explanation {
  readonly problem: string
  readonly remedy: string
  readonly spot: Spot
}

/** A value that one grammar reads, as a zod schema with the grammar's JSON Schema. */
export function value<T>(grammar: Grammar<T>, description: string) {
  return z
    .unknown()
    .transform((raw, context): T => {
      const reading = grammar.read(raw)
      if (reading.ok) return reading.value
      context.addIssue(explained(raw, { problem: reading.problem, remedy: reading.remedy, spot: 'value' }))
      return z.NEVER
    })
    .meta({ ...grammar.jsonSchema, description })
}

/** The same, and the key may be left out. */
export function optional<T>(grammar: Grammar<T>, description: string) {
  return value(grammar, description).optional()
}

/** A mapping with these keys and no others. The known keys travel in the message, for the did-you-mean. */
export function mapping<Shape extends z.ZodRawShape>(
  shape: Shape,
  description: string,
  extra: Readonly<Record<string, unknown>> = {},
) {
  const known = Object.keys(shape).join(' ')
  return z.strictObject(shape, { error: () => known }).meta({ description, ...extra })
}

/** A mapping that may also be a key with nothing behind it. */
export function section<S extends z.ZodType>(schema: S) {
  return within((raw) => (raw === null ? {} : raw), schema)
}

/** A short form in text and a long form as a mapping; only the form that was written is complained about. */
export function either<Short, Long extends z.ZodType>(short: Grammar<Short>, long: Long, description: string) {
  const text = value(short, description)
  return z
    .unknown()
    .transform((raw, context): Short | z.output<Long> => {
      return passOn<Short | z.output<Long>>(isMapping(raw) ? long : text, raw, context)
    })
    .meta({ description, anyOf: [short.jsonSchema, jsonSchemaOf(long)] })
}

/** A schema whose parts must also fit together. */
export function derived<S extends z.ZodType, T>(schema: S, derive: (value: z.output<S>) => Reading<T>) {
  return schema.transform((input, context): T => {
    if (context.issues.length > 0) return z.NEVER
    const reading = derive(input)
    if (reading.ok) return reading.value
    context.addIssue(explained(input, { problem: reading.problem, remedy: reading.remedy, spot: 'value' }))
    return z.NEVER
  })
}

/** A schema behind a small rewriting of the raw value. */
function within<S extends z.ZodType>(rewrite: (raw: unknown) => unknown, schema: S) {
  return z
    .unknown()
    .transform((raw, context): z.output<S> => passOn<z.output<S>>(schema, rewrite(raw), context))
    .meta({ ...jsonSchemaOf(schema), type: ['object', 'null'] })
}

function passOn<T>(schema: z.ZodType, raw: unknown, context: z.core.$RefinementCtx): T {
  const result = schema.safeParse(raw)
  if (result.success) return result.data as T
  for (const issue of result.error.issues) context.issues.push({ ...issue, input: raw } as z.core.$ZodRawIssue)
  return z.NEVER
}

/** The JSON Schema of what people write (not of what it becomes), without the `$schema` key. */
export function jsonSchemaOf(schema: z.ZodType): Record<string, unknown> {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, {
    io: 'input',
    unrepresentable: 'any',
    override: ({ zodSchema, jsonSchema }) => {
      const { examples, default: initial } = { ...z.globalRegistry.get(zodSchema) }
      if (examples !== undefined) jsonSchema.examples = examples as unknown[]
      if (initial !== undefined) jsonSchema.default = initial as string
    },
  })
  return rest
}

function explained(input: unknown, explanation: Explanation) {
  return { code: 'custom' as const, input, message: explanation.problem, params: { ...explanation } }
}

/** A value as far as it could be read, and what could not. */
export interface Interpretation<T> {
  /** Undefined where nothing could be read; else without the keys that are wrong. */
  readonly value: T | undefined
  readonly issues: readonly Issue[]
  /** Top keys that were written and could not be read: nothing follows from their absence. */
  readonly unreadable: ReadonlySet<string>
}

/**
 * Reads one mapping so that as much as possible is known of it: keys that cannot be read are reported and left out,
 * and the rest is read, so that the checks between keys still find what they can.
 */
export function interpret<S extends z.ZodType>(
  schema: S,
  raw: unknown,
  document: Document,
  at: Path,
): Interpretation<z.output<S>> {
  const first = schema.safeParse(raw)
  if (first.success) return { value: first.data, issues: [], unreadable: new Set() }
  const issues = first.error.issues.flatMap((issue) => toIssues(issue, document, at))
  const unreadable = new Set<string>()
  for (const issue of first.error.issues) {
    const top = issue.path[0]
    if (top !== undefined) unreadable.add(String(top))
    else if (issue.code === 'unrecognized_keys') for (const key of issue.keys) unreadable.add(key)
    else return { value: undefined, issues, unreadable }
  }
  const rest = Object.fromEntries(Object.entries(raw as object).filter(([key]) => !unreadable.has(key)))
  const second = schema.safeParse(rest)
  return { value: second.success ? second.data : undefined, issues, unreadable }
}

function toIssues(issue: z.core.$ZodIssue, document: Document, at: Path): Issue[] {
  const path = [...at, ...issue.path.map((step) => (typeof step === 'number' ? step : String(step)))]
  if (issue.code === 'custom') {
    const { problem, remedy, spot } = issue.params as unknown as Explanation
    return [issueAt(document, path, spot, unveiling(document, path) ?? problem, remedy)]
  }
  if (issue.code === 'unrecognized_keys') {
    const known = issue.message.split(' ')
    return issue.keys.map((key) =>
      issueAt(document, [...path, key], 'key', `the key ${key} is not known here`, unknownKeyRemedy(key, known)),
    )
  }
  if (issue.code === 'invalid_type') {
    const raw = valueAt(document.value, path)
    const wanted = issue.expected === 'array' ? 'a list' : 'a mapping'
    const remedy = issue.expected === 'array' ? 'write a list, one entry per line behind a dash' : mappingRemedy(issue.message)
    const problem = raw === null || raw === undefined ? 'nothing is written here' : `${hint(raw)} stands where ${wanted} is due`
    return [issueAt(document, path, 'value', unveiling(document, path) ?? problem, remedy)]
  }
  return [issueAt(document, path, 'value', issue.message, 'correct the value')]
}

/** The sentence for a text that holds values from outside of the file: what is wrong with it in particular would tell of them. */
function unveiling(document: Document, path: Path): string | undefined {
  const own = document.veiled?.(path).find(({ path: at }) => at.length <= path.length)
  if (own === undefined) return undefined
  const names = [...new Set(own.values.map(({ written }) => written))]
  return `what ${names.join(' and ')} ${names.length === 1 ? 'stands' : 'stand'} for does not fit here`
}

function mappingRemedy(message: string): string {
  const known = message.split(' ')
  return known.length > 8 ? 'write keys below it, indented' : `write a mapping with ${known.join(', ')}`
}

export function unknownKeyRemedy(key: string, known: readonly string[]): string {
  const meant = nearest(key, known)
  return meant === undefined ? `remove it; the known keys are ${known.join(', ')}` : `did you mean ${meant}?`
}

function valueAt(value: unknown, path: Path): unknown {
  let at = value
  for (const step of path) at = typeof at === 'object' && at !== null ? (at as Record<string | number, unknown>)[step] : undefined
  return at
}
