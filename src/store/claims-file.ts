import * as z from 'zod'
import { type CatalogService, catalogServiceId, type Words } from '../model/catalog-spec.ts'
import { jsonLine, parseJson } from './json-line.ts'

/** Version of the file's form; a file with a higher one is never touched. */
export const CLAIMS_VERSION = 1

/** What a service of a registry holds, and since when: enough to grant it again before the registry answers. */
export interface StoredClaim extends CatalogService {
  readonly words: Words
  /** Milliseconds since the epoch. */
  readonly since: number
  /** Milliseconds since the epoch of the first trusted answer without an instance, while there is none. */
  readonly goneSince?: number
}

/** One step from one state of the file to the next; a line. */
export type ClaimEdit =
  | { readonly do: 'hold'; readonly claim: StoredClaim }
  | { readonly do: 'release'; readonly who: CatalogService }

/** What the text of the file turned out to be. */
export type ClaimsContent =
  | {
      readonly kind: 'claims'
      readonly claims: ReadonlyMap<string, StoredClaim>
      readonly lines: number
      readonly torn: boolean
    }
  | { readonly kind: 'newer'; readonly version: number }
  | { readonly kind: 'corrupt'; readonly reason: string }

const text = z.string().min(1)
const name = { catalog: text, namespace: text.optional(), service: text }
const headerSchema = z.object({ format: z.literal('pointsman-claims'), version: z.int().min(0) })
const lineSchema = z.discriminatedUnion('do', [
  z.strictObject({
    do: z.literal('hold'),
    ...name,
    words: z.record(z.string(), z.string()),
    since: z.number(),
    goneSince: z.number().optional(),
  }),
  z.strictObject({ do: z.literal('release'), ...name }),
])

/** The first line of a file. */
export function claimsHeader(): string {
  return jsonLine({ format: 'pointsman-claims', version: CLAIMS_VERSION })
}

export function claimLine(edit: ClaimEdit): string {
  return jsonLine(edit.do === 'hold' ? { do: 'hold', ...edit.claim } : { do: 'release', ...edit.who })
}

/** Reads a file. A last line without its newline is an append that a crash cut off, and is left out. */
export function parseClaims(content: string): ClaimsContent {
  const lines = content.split('\n')
  const torn = lines.pop() !== ''
  const header = headerSchema.safeParse(parseJson(lines[0] ?? ''))
  if (!header.success) return { kind: 'corrupt', reason: 'line 1 is not the header of a list of claims' }
  if (header.data.version > CLAIMS_VERSION) return { kind: 'newer', version: header.data.version }
  const claims = new Map<string, StoredClaim>()
  for (const [index, json] of lines.entries()) {
    if (index === 0) continue
    const read = lineSchema.safeParse(parseJson(json))
    if (!read.success) return { kind: 'corrupt', reason: `line ${index + 1} is no claim` }
    const { do: what, namespace, ...rest } = read.data
    const who = { ...rest, ...(namespace !== undefined && { namespace }) }
    if (what === 'release') claims.delete(catalogServiceId(who))
    else claims.set(catalogServiceId(who), who as StoredClaim)
  }
  return { kind: 'claims', claims, lines: lines.length, torn }
}
