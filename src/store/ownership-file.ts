import * as z from 'zod'
import type { DestinationKey } from '../model/destination.ts'
import type { ServiceIdentity, ServiceKey } from '../model/virtual-service.ts'
import { jsonLine, parseJson } from './json-line.ts'
import { Ownership, type OwnershipEdit } from './ownership-record.ts'
import type { Place } from './place.ts'

/** Version of the file's form; a file with a higher one is never touched. */
export const OWNERSHIP_VERSION = 1

/** What the text of the file turned out to be. */
export type FileContent =
  | {
      readonly kind: 'record'
      readonly place: Place
      readonly ownership: Ownership
      readonly lines: number
      readonly torn: boolean
    }
  | { readonly kind: 'newer'; readonly version: number }
  | { readonly kind: 'corrupt'; readonly reason: string }

const text = z.string().min(1)
const serviceText = text.transform((value) => value as ServiceKey)
const destinations = z.array(text.transform((value) => value as DestinationKey))
const role = z.enum(['master', 'backup'])
const identity = z
  .discriminatedUnion('kind', [
    z.strictObject({
      kind: z.literal('address'),
      protocol: z.enum(['tcp', 'udp', 'sctp']),
      address: text,
      port: z.int().min(0).max(65_535),
    }),
    z.strictObject({ kind: z.literal('fwmark'), fwmark: z.int().min(1).max(0xffffffff), family: z.enum(['ipv4', 'ipv6']) }),
  ])
  .transform((value) => value as ServiceIdentity)
const drain = z.strictObject({ startedAt: z.number(), deadline: z.number() })

const headerSchema = z.object({ version: z.int().min(1), bootId: text, netns: text })
const editSchema = z.discriminatedUnion('do', [
  z.strictObject({ do: z.literal('own-service'), service: identity, name: z.string() }),
  z.strictObject({ do: z.literal('forget-service'), service: serviceText }),
  z.strictObject({ do: z.literal('own'), service: serviceText, destinations }),
  z.strictObject({ do: z.literal('forget'), service: serviceText, destinations }),
  z.strictObject({ do: z.literal('drain'), service: serviceText, destinations: z.record(z.string(), drain) }),
  z.strictObject({ do: z.literal('undrain'), service: serviceText, destinations }),
  z.strictObject({ do: z.literal('own-sync-daemon'), role }),
  z.strictObject({ do: z.literal('forget-sync-daemon'), role }),
])

/** The first line of a file. */
export function headerLine(place: Place): string {
  return jsonLine({ format: 'pointsman-ownership', version: OWNERSHIP_VERSION, ...place })
}

/** One edit as a line. */
export function editLine(edit: OwnershipEdit): string {
  return jsonLine(edit)
}

/**
 * Reads a file: a header and one edit a line. A last line without its newline is an append that a crash cut off; it was
 * not confirmed, so nothing in the kernel came of it, and it is left out.
 */
export function parseOwnership(content: string): FileContent {
  const version = versionOf(content)
  if (version !== undefined && version > OWNERSHIP_VERSION) return { kind: 'newer', version }
  const lines = content.split('\n')
  const torn = lines.pop() !== ''
  const header = headerSchema.safeParse(parseJson(lines[0] ?? ''))
  if (!header.success) return { kind: 'corrupt', reason: 'line 1 is not the header of an ownership record' }
  const ownership = new Ownership()
  for (const [index, line] of lines.entries()) {
    if (index === 0) continue
    const edit = editSchema.safeParse(parseJson(line))
    if (!edit.success) return { kind: 'corrupt', reason: `line ${index + 1} is not an entry of an ownership record` }
    if (ownership.apply(edit.data as OwnershipEdit)) continue
    return { kind: 'corrupt', reason: `line ${index + 1} speaks of a service that no earlier line owns` }
  }
  const { bootId, netns } = header.data
  return { kind: 'record', place: { bootId, netns }, ownership, lines: lines.length, torn }
}

/** A later form may not be lines at all: any JSON document with a version is heard. */
function versionOf(content: string): number | undefined {
  const document = parseJson(content.slice(0, content.indexOf('\n') + 1)) ?? parseJson(content)
  const versioned = z.object({ version: z.number() }).safeParse(document)
  return versioned.success ? versioned.data.version : undefined
}
