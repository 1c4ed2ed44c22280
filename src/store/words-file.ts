import * as z from 'zod'
import type { AdminState, OperatorWords, WeightOverride } from '../model/admin-state.ts'
import type { DestinationKey } from '../model/destination.ts'
import { NO_WORDS, type SpokenOf } from '../model/operator-words.ts'
import type { ServiceKey } from '../model/virtual-service.ts'
import { jsonLine, parseJson } from './json-line.ts'

/** Version of the file's form; a file with a higher one is never touched. */
export const WORDS_VERSION = 1

/** One step from one state of the file to the next; a line. */
export type WordEdit = SpokenOf & ({ readonly do: 'say'; readonly word: AdminState } | { readonly do: 'unsay' })

/** What the text of the file turned out to be. A line that is no word costs that line alone. */
export type WordsContent =
  | {
      readonly kind: 'words'
      readonly words: OperatorWords
      /** Numbers of the lines that could not be understood. */
      readonly spoilt: readonly number[]
      readonly lines: number
      /** It must not be appended to. */
      readonly torn: boolean
    }
  | { readonly kind: 'newer'; readonly version: number }
  | { readonly kind: 'corrupt'; readonly reason: string }

const text = z.string().min(1)
const weight = z.int().min(0).max(65_535)
const said = { reason: text.optional(), at: z.number(), until: z.number().optional() }
const about = { service: text, backend: text }
/** A word as a line holds it. */
export const wordSchema = z.strictObject({
  state: z.enum(['ready', 'drain', 'maintenance']),
  weight: z
    .strictObject({
      weight,
      ramp: z
        .strictObject({
          from: weight,
          startedAt: z.number(),
          duration: z.number().min(0),
          steps: z.int().min(1).max(1_000),
        })
        .optional(),
      ...said,
    })
    .optional(),
  ...said,
})
const headerSchema = z.object({ format: z.literal('pointsman-operator-words'), version: z.int().min(0) })
const lineSchema = z.discriminatedUnion('do', [
  z.strictObject({ do: z.literal('say'), ...about, word: wordSchema }),
  z.strictObject({ do: z.literal('unsay'), ...about }),
])

/** The first line of a file. */
export function wordsHeader(): string {
  return jsonLine({ format: 'pointsman-operator-words', version: WORDS_VERSION })
}

export function wordLine(edit: WordEdit): string {
  return jsonLine(edit)
}

/** A word with all of its times so many milliseconds later. */
export function movedBy(word: AdminState, later: number): AdminState {
  if (later === 0) return word
  const { weight } = word
  return { ...timesMoved(word, later), ...(weight !== undefined && { weight: movedWeight(weight, later) }) }
}

function movedWeight(weight: WeightOverride, later: number): WeightOverride {
  const { ramp } = weight
  return {
    ...timesMoved(weight, later),
    ...(ramp !== undefined && { ramp: { ...ramp, startedAt: ramp.startedAt + later } }),
  }
}

function timesMoved<T extends Pick<AdminState, 'at' | 'until'>>(said: T, later: number): T {
  const { at, until } = said
  return { ...said, at: at + later, ...(until !== undefined && { until: until + later }) }
}

/** Reads a file. A last line without its newline is an append that a crash cut off, and is left out. */
export function parseWords(content: string): WordsContent {
  const lines = content.split('\n')
  const cut = lines.pop() !== ''
  const header = headerSchema.safeParse(parseJson(lines[0] ?? ''))
  if (!header.success) return { kind: 'corrupt', reason: "line 1 is not the header of a list of the operator's words" }
  if (header.data.version > WORDS_VERSION) return { kind: 'newer', version: header.data.version }
  const words = new Map<ServiceKey, Map<DestinationKey, AdminState>>()
  const spoilt: number[] = []
  for (const [index, json] of lines.entries()) {
    if (index === 0) continue
    const read = lineSchema.safeParse(parseJson(json))
    if (!read.success) spoilt.push(index + 1)
    else take(words, read.data as unknown as WordEdit)
  }
  return {
    kind: 'words',
    words: words.size === 0 ? NO_WORDS : words,
    spoilt,
    lines: lines.length,
    torn: cut || spoilt.length > 0,
  }
}

function take(words: Map<ServiceKey, Map<DestinationKey, AdminState>>, edit: WordEdit): void {
  const backends = words.get(edit.service) ?? new Map<DestinationKey, AdminState>()
  if (edit.do === 'say') backends.set(edit.backend, edit.word)
  else backends.delete(edit.backend)
  if (backends.size > 0) words.set(edit.service, backends)
  else words.delete(edit.service)
}
