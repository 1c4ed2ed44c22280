import * as z from 'zod'
import { type AddressEdit, OwnedAddresses } from './address-record.ts'
import { jsonLine, parseJson } from './json-line.ts'
import type { Place } from './place.ts'

/** Version of the file's form; a file with a higher one is never touched. */
export const ADDRESSES_VERSION = 1

/** What the text of the file turned out to be. */
export type AddressContent =
  | {
      readonly kind: 'record'
      readonly place: Place
      readonly owned: OwnedAddresses
      readonly lines: number
      readonly torn: boolean
    }
  | { readonly kind: 'newer'; readonly version: number }
  | { readonly kind: 'corrupt'; readonly reason: string }

const text = z.string().min(1)
const link = z.int().min(1)
const headerSchema = z.object({
  format: z.literal('pointsman-addresses'),
  version: z.int().min(1),
  bootId: text,
  netns: text,
})
const versionSchema = z.object({ version: z.number() })
const editSchema = z.discriminatedUnion('do', [
  z.strictObject({ do: z.literal('own-address'), address: text, link, linkName: text, services: z.array(text) }),
  z.strictObject({ do: z.literal('forget-address'), address: text, link }),
  z.strictObject({ do: z.literal('own-link'), name: text }),
  z.strictObject({ do: z.literal('forget-link'), name: text }),
])

/** The first line of a file. */
export function addressHeader(place: Place): string {
  return jsonLine({ format: 'pointsman-addresses', version: ADDRESSES_VERSION, ...place })
}

export function addressLine(edit: AddressEdit): string {
  return jsonLine(edit)
}

/** Reads a file. A last line without its newline is an append that a crash cut off: nothing in the kernel came of it, and it is left out. */
export function parseAddresses(content: string): AddressContent {
  const lines = content.split('\n')
  const torn = lines.pop() !== ''
  const first = parseJson(lines[0] ?? content)
  const version = versionSchema.safeParse(first)
  if (version.success && version.data.version > ADDRESSES_VERSION) return { kind: 'newer', version: version.data.version }
  const header = headerSchema.safeParse(first)
  if (!header.success) return { kind: 'corrupt', reason: 'line 1 is not the header of a record of addresses' }
  const owned = new OwnedAddresses()
  for (const [index, line] of lines.entries()) {
    if (index === 0) continue
    const edit = editSchema.safeParse(parseJson(line))
    if (!edit.success) return { kind: 'corrupt', reason: `line ${index + 1} is not an entry of a record of addresses` }
    owned.apply(edit.data as AddressEdit)
  }
  const { bootId, netns } = header.data
  return { kind: 'record', place: { bootId, netns }, owned, lines: lines.length, torn }
}
