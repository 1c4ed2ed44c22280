import * as z from 'zod'
import { type IpAddress, parseAddress } from '../model/address.ts'
import type { Backend } from '../model/backend.ts'
import { type DestinationKey, destinationKey, type Forwarding } from '../model/destination.ts'
import type { ServiceKey } from '../model/virtual-service.ts'
import { jsonLine, parseJson } from './json-line.ts'
import { portions } from './ownership-record.ts'

/** Version of the file's form; a file with a higher one is never touched. */
export const SNAPSHOTS_VERSION = 1

/** A source's last good answer, and what was held for it. */
export interface Snapshot {
  readonly members: ReadonlyMap<DestinationKey, { readonly backend: Backend }>
  readonly held: ReadonlyMap<DestinationKey, HeldMember>
  /** Milliseconds since the epoch when the answer was had. */
  readonly at: number
}

/** A member that the answer lacks and that was kept, since when and by which rule. */
export interface HeldMember {
  readonly backend: Backend
  /** Milliseconds since the epoch. */
  readonly since: number
  readonly rule: 'removal' | 'empty'
}

/** A service and one of its sources, which is known by everything in its specification. */
export interface SnapshotName {
  readonly service: ServiceKey
  readonly source: string
}

/** One step from one state of the file to the next; a line each, or several for a long answer. */
export type SnapshotEdit = SnapshotName &
  (
    | { readonly do: 'know'; readonly snapshot: Snapshot }
    /** The answer was had again. */
    | { readonly do: 'confirm'; readonly at: number }
    | { readonly do: 'forget' }
  )

/** What the text of the file turned out to be. */
export type SnapshotsContent =
  | {
      readonly kind: 'snapshots'
      readonly snapshots: ReadonlyMap<string, SnapshotName & { readonly snapshot: Snapshot }>
      readonly lines: number
      readonly torn: boolean
    }
  | { readonly kind: 'newer'; readonly version: number }
  | { readonly kind: 'corrupt'; readonly reason: string }

/** Members in one line, so that no line takes long to make. */
const PORTION = 250

const text = z.string().min(1)
const count = z.int().min(0)
const checksum = z.enum(['none', 'checksum', 'remote-checksum'])
const tunnel = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('ipip') }),
  z.strictObject({ type: z.literal('gue'), port: count.max(65_535), checksum }),
  z.strictObject({ type: z.literal('gre'), checksum: z.enum(['none', 'checksum']) }),
])
const forwarding = z.discriminatedUnion('method', [
  z.strictObject({ method: z.enum(['nat', 'direct', 'local']) }),
  z.strictObject({ method: z.literal('tunnel'), tunnel }),
])
/** A backend as a line holds it. */
export const backendSchema = z
  .strictObject({
    address: z.string().transform((value, context): IpAddress => {
      const address = parseAddress(value)
      if (address === undefined) context.addIssue('not an address')
      return address ?? ('' as IpAddress)
    }),
    port: count.max(65_535),
    weight: count.max(65_535).optional(),
    forwarding: forwarding.transform((value) => value as Forwarding).optional(),
    upperThreshold: count.optional(),
    lowerThreshold: count.optional(),
    priority: z.number().optional(),
    state: z.enum(['passing', 'warning', 'critical', 'maintenance']).optional(),
    meta: z.record(z.string(), z.string()).optional(),
  })
  .transform((value) => value as Backend)
/** A member that is held, as a line holds it. */
export const heldSchema = z.strictObject({ backend: backendSchema, since: z.number(), rule: z.enum(['removal', 'empty']) })

const name = { service: text.transform((value) => value as ServiceKey), source: text }
const headerSchema = z.object({ format: z.literal('pointsman-snapshots'), version: count })
const lineSchema = z.discriminatedUnion('do', [
  z.strictObject({
    do: z.literal('know'),
    ...name,
    at: z.number(),
    part: count,
    more: z.boolean(),
    members: z.array(backendSchema),
    held: z.array(heldSchema),
  }),
  z.strictObject({ do: z.literal('confirm'), ...name, at: z.number() }),
  z.strictObject({ do: z.literal('forget'), ...name }),
])
type Line = z.output<typeof lineSchema>

/** The first line of a file. */
export function snapshotsHeader(): string {
  return jsonLine({ format: 'pointsman-snapshots', version: SNAPSHOTS_VERSION })
}

/** One edit as lines. All but the last line of a long answer say that there is more. */
export function* snapshotLines(edit: SnapshotEdit): Generator<string> {
  if (edit.do !== 'know') {
    yield jsonLine(edit)
    return
  }
  const { service, source, snapshot } = edit
  const parts = [...partsOf(snapshot)]
  for (const [part, content] of parts.entries()) {
    yield jsonLine({ do: 'know', service, source, at: snapshot.at, part, more: part < parts.length - 1, ...content })
  }
}

function* partsOf({ members, held }: Snapshot): Generator<{ members: Backend[]; held: HeldMember[] }> {
  if (members.size === 0 && held.size === 0) yield { members: [], held: [] }
  for (const some of portions(members.values(), PORTION)) yield { members: some.map(({ backend }) => backend), held: [] }
  for (const some of portions(held.values(), PORTION)) yield { members: [], held: some }
}

/** One text for each source of each service. */
export function snapshotId({ service, source }: SnapshotName): string {
  return `${service} ${source}`
}

/** Reads a file. A last line without its newline is an append that a crash cut off, and is left out, as is half an answer. */
export function parseSnapshots(content: string): SnapshotsContent {
  const lines = content.split('\n')
  const torn = lines.pop() !== ''
  const header = headerSchema.safeParse(parseJson(lines[0] ?? ''))
  if (!header.success) return { kind: 'corrupt', reason: 'line 1 is not the header of a list of answers' }
  if (header.data.version > SNAPSHOTS_VERSION) return { kind: 'newer', version: header.data.version }
  const reader = new Reader()
  for (const [index, json] of lines.entries()) {
    if (index === 0) continue
    const read = lineSchema.safeParse(parseJson(json))
    if (!read.success) return { kind: 'corrupt', reason: `line ${index + 1} is no part of an answer` }
    reader.take(read.data)
  }
  return { kind: 'snapshots', snapshots: reader.snapshots, lines: lines.length, torn }
}

interface Begun {
  readonly parts: number
  readonly members: Map<DestinationKey, { readonly backend: Backend }>
  readonly held: Map<DestinationKey, HeldMember>
}

class Reader {
  readonly snapshots = new Map<string, SnapshotName & { readonly snapshot: Snapshot }>()
  readonly #begun = new Map<string, Begun>()

  take(read: Line): void {
    const { service, source } = read
    const id = snapshotId(read)
    const known = this.snapshots.get(id)
    if (read.do === 'forget') this.snapshots.delete(id)
    else if (read.do === 'know') this.#know(id, read)
    else if (known !== undefined) this.snapshots.set(id, { service, source, snapshot: { ...known.snapshot, at: read.at } })
  }

  /** An answer whose writing a crash cut off is begun and never ended: the next one starts at part 0 again. */
  #know(id: string, { service, source, at, part, more, members, held }: Extract<Line, { do: 'know' }>): void {
    const begun = part === 0 ? { parts: 0, members: new Map(), held: new Map() } : this.#begun.get(id)
    this.#begun.delete(id)
    if (begun?.parts !== part) return
    for (const backend of members) begun.members.set(destinationKey(backend), { backend })
    for (const removal of held) begun.held.set(destinationKey(removal.backend), removal)
    if (more) this.#begun.set(id, { ...begun, parts: part + 1 })
    else this.snapshots.set(id, { service, source, snapshot: { members: begun.members, held: begun.held, at } })
  }
}
