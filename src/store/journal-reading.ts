import * as z from 'zod'
import type { AdminState, OperatorWords } from '../model/admin-state.ts'
import type { Backend, BackendSet } from '../model/backend.ts'
import { type DestinationKey, destinationKey } from '../model/destination.ts'
import type { Operational } from '../model/operational.ts'
import type { ServiceSpec } from '../model/service-spec.ts'
import type { SourceEvent, SourceFailure } from '../model/source-event.ts'
import { type SourceSpec, sourceName } from '../model/source-spec.ts'
import { type ServiceKey, serviceKey } from '../model/virtual-service.ts'
import { JOURNAL_VERSION, type JournalHeader } from './journal-lines.ts'
import { type JournalEvent, JournalMemory, type JournalTurn, type OpenedSource } from './journal-turn.ts'
import { parseJson } from './json-line.ts'
import { editedMap, type MapEdit } from './map-edit.ts'
import { fromPlain } from './plain.ts'
import { backendSchema, heldSchema } from './snapshots-file.ts'
import { wordSchema } from './words-file.ts'

const text = z.string().min(1)
const count = z.int().min(0)
const service = text.transform((value) => value as ServiceKey)
const key = text.transform((value) => value as DestinationKey)
const edit = z.enum(['all', 'some', 'none'])
const failure: z.ZodType<SourceFailure> = z.object({ code: text, message: z.string(), at: z.number() })
const operational = z
  .object({
    health: z.enum(['unknown', 'up', 'down']),
    since: z.number(),
    message: z.string().optional(),
    failure: text.optional(),
    siblingsDue: z.literal(true).optional(),
    report: z
      .object({
        weight: z.number().optional(),
        percent: z.number().optional(),
        wish: z.enum(['ready', 'drain', 'maintenance']).optional(),
      })
      .optional(),
    turns: z.number(),
  })
  .transform((value) => value as Operational)
const word = wordSchema.transform((value) => value as AdminState)

const identity = z.discriminatedUnion('kind', [
  z.looseObject({ kind: z.literal('address'), protocol: z.enum(['tcp', 'udp', 'sctp']), address: text, port: count }),
  z.looseObject({ kind: z.literal('fwmark'), fwmark: count, family: z.enum(['ipv4', 'ipv6']) }),
])
/** What the steps of the pipeline go by must be there; the rest is believed. */
const spec = z
  .looseObject({
    name: text,
    identity,
    scheduler: text,
    forwarding: z.looseObject({ method: text }),
    weight: count,
    sources: z.array(z.looseObject({ kind: text }).refine(hasName)),
    backends: z.array(backendSchema),
    debounce: z.object({ min: z.number(), max: z.number() }),
    guard: z.looseObject({ maxRemoval: z.number(), window: z.number() }),
    hold: z.looseObject({ snapshotMaxAge: z.number() }),
    drainTimeout: z.number(),
    checks: z.array(z.looseObject({ interval: z.number(), timeout: z.number(), initial: text })),
    policy: z.looseObject({ onDown: text, maxEjection: z.number() }),
  })
  .transform(({ backends, ...rest }) => {
    const members = new Map(backends.map((backend) => [destinationKey(backend), backend]))
    return { ...(fromPlain(rest) as object), backends: members } as unknown as ServiceSpec
  })

const past = z
  .object({
    service,
    source: text,
    at: z.number(),
    outdated: z.literal(true).optional(),
    members: z.array(backendSchema),
    held: z.array(heldSchema),
  })
  .transform(({ service, source, at, outdated, members, held }) => {
    const lastGood = {
      at,
      ...(outdated && { outdated }),
      members: new Map(members.map((backend) => [destinationKey(backend), { backend }])),
      held: new Map(held.map((removal) => [destinationKey(removal.backend), removal])),
    }
    return { service, source, lastGood }
  })

const turn = {
  at: z.number(),
  base: z.literal(true).optional(),
  open: z.array(z.object({ slot: count, service, source: text })).optional(),
}
const lineSchema = z.discriminatedUnion('do', [
  z.object({
    ...turn,
    do: z.literal('wanted'),
    services: z.array(z.union([service, spec])),
    undecided: z.array(service).optional(),
    ipvs: z.unknown().optional(),
    patience: z.number().optional(),
    past: z.array(past),
  }),
  z.object({
    ...turn,
    do: z.literal('said'),
    service,
    slot: count,
    says: z.enum(['pending', 'fresh', 'stale']),
    failure: failure.optional(),
    set: z
      .object({
        origin: text,
        trust: z.enum(['fresh', 'stale', 'truncated', 'leaderless']),
        at: z.number(),
        quarantined: count.optional(),
      })
      .optional(),
    edit: edit.optional(),
    put: z.array(backendSchema).optional(),
    gone: z.array(key).optional(),
  }),
  z.object({ ...turn, do: z.literal('approved'), service }),
  z.object({ ...turn, do: z.literal('probed'), service, failing: z.array(key) }),
  z.object({
    ...turn,
    do: z.literal('operational'),
    service,
    edit,
    put: z.array(z.tuple([key, operational])).optional(),
    gone: z.array(key).optional(),
  }),
  z.object({
    ...turn,
    do: z.literal('operator'),
    put: z.array(z.tuple([service, z.array(z.tuple([key, word]))])),
    gone: z.array(service),
  }),
  z.object({
    ...turn,
    do: z.literal('kernel'),
    expires_quiescent_templates: z.boolean(),
    weights: z.array(z.tuple([service, z.array(z.tuple([key, count]))])).optional(),
  }),
  z.object({ ...turn, do: z.literal('wake') }),
])
type Line = z.output<typeof lineSchema>
type LineOf<Do extends Line['do']> = Extract<Line, { do: Do }>

const formatSchema = z.object({ format: z.literal('pointsman-journal'), version: count })
const headerSchema = z.object({
  build: z.object({ version: text, commit: z.string().optional() }),
  run: text,
  part: z.int().min(1),
  lost: count,
  at: z.number(),
})

/** What one line says. `base`: it repeats what was known when its part began. */
export type JournalLine =
  | { readonly kind: 'header'; readonly header: JournalHeader }
  | { readonly kind: 'newer'; readonly version: number }
  | ({ readonly kind: 'turn'; readonly base: boolean } & JournalTurn)

/** Reads lines in their order: each goes by those before it. */
export class JournalReader {
  #memory: JournalMemory | undefined
  #specs: ReadonlyMap<ServiceKey, ServiceSpec> = new Map()

  /** Undefined where the line is none of a journal, or does not fit those before it. */
  read(json: string): JournalLine | undefined {
    const value = parseJson(json)
    if (typeof value === 'object' && value !== null && 'format' in value) return this.#header(value)
    const read = lineSchema.safeParse(value)
    if (!read.success || this.#memory === undefined) return undefined
    const event = this.#eventOf(read.data, this.#memory)
    if (event === undefined) return undefined
    const { at: now, base, open } = read.data
    const turn: JournalTurn = { event, now, ...(open !== undefined && { open: open as readonly OpenedSource[] }) }
    this.#memory.take(turn)
    return { kind: 'turn', base: base === true, ...turn }
  }

  #header(value: object): JournalLine | undefined {
    const form = formatSchema.safeParse(value)
    if (form.success && form.data.version > JOURNAL_VERSION) return { kind: 'newer', version: form.data.version }
    const read = headerSchema.safeParse(value)
    if (!form.success || !read.success) return undefined
    const header = read.data
    this.#memory = new JournalMemory()
    this.#specs = new Map()
    return { kind: 'header', header }
  }

  #eventOf(line: Line, memory: JournalMemory): JournalEvent | undefined {
    switch (line.do) {
      case 'wanted':
        return this.#wanted(line)
      case 'said':
        return saidOf(line, memory)
      case 'approved':
        return { kind: 'approved', service: line.service }
      case 'probed':
        return { kind: 'probed', service: line.service, failing: new Set(line.failing) }
      case 'operational': {
        const found = applied(memory.found(line.service), editOf(line, line.put ?? []))
        return found && { kind: 'operational', service: line.service, found }
      }
      case 'operator':
        return { kind: 'operator', words: wordsAfter(memory.words, line) }
      case 'kernel': {
        const { expires_quiescent_templates: expiresQuiescentTemplates, weights } = line
        const read = weights && new Map(weights.map(([service, backends]) => [service, new Map(backends)]))
        return { kind: 'kernel', known: { expiresQuiescentTemplates, ...(read !== undefined && { weights: read }) } }
      }
      case 'wake':
        return { kind: 'wake' }
    }
  }

  #wanted({ services, undecided, ipvs, patience, past }: LineOf<'wanted'>): JournalEvent | undefined {
    const specs = services.map((one) => (typeof one === 'string' ? this.#specs.get(one) : one))
    if (!specs.every((one) => one !== undefined)) return undefined
    this.#specs = new Map(specs.map((one) => [serviceKey(one.identity), one]))
    const wanted = {
      services: specs,
      ...(undecided !== undefined && { undecided: new Set(undecided) }),
      ...(ipvs !== undefined && { ipvs: fromPlain(ipvs) as NonNullable<WantedOf['ipvs']> }),
    }
    return { kind: 'wanted', wanted, ...(patience !== undefined && { past: { patience, used: past } }) }
  }
}

type WantedOf = Extract<JournalEvent, { kind: 'wanted' }>['wanted']

function saidOf(line: LineOf<'said'>, memory: JournalMemory): JournalEvent | undefined {
  const event = sourceEventOf(line, memory.said(line.slot))
  return event && { kind: 'said', service: line.service, slot: line.slot, event }
}

function sourceEventOf(
  { says, failure, set, put = [], ...line }: LineOf<'said'>,
  before: SourceEvent | undefined,
): SourceEvent | undefined {
  if (says === 'pending') return { kind: 'pending', ...(failure !== undefined && { failure }) }
  if (set === undefined || line.edit === undefined) return undefined
  const entries = put.map((backend): [DestinationKey, Backend] => [destinationKey(backend), backend])
  const known = before === undefined || before.kind === 'pending' ? undefined : before.set.backends
  const backends = applied(known, editOf({ edit: line.edit, gone: line.gone }, entries))
  if (backends === undefined) return undefined
  const { quarantined, ...rest } = set
  const whole: BackendSet = { ...rest, backends, ...(quarantined !== undefined && { quarantined }) }
  if (says === 'fresh') return { kind: 'fresh', set: whole }
  return failure && { kind: 'stale', set: whole, failure }
}

function editOf<V>(
  { edit, gone = [] }: { readonly edit: MapEdit<DestinationKey, V>['edit']; readonly gone?: DestinationKey[] | undefined },
  put: readonly (readonly [DestinationKey, V])[],
): MapEdit<DestinationKey, V> {
  return edit === 'some' ? { edit, put, gone } : edit === 'all' ? { edit, put } : { edit }
}

/** Undefined where there is nothing that could be edited. */
function applied<V>(
  before: ReadonlyMap<DestinationKey, V> | undefined,
  edit: MapEdit<DestinationKey, V>,
): ReadonlyMap<DestinationKey, V> | undefined {
  if (before === undefined && edit.edit !== 'all') return undefined
  return editedMap(before ?? new Map(), edit)
}

function wordsAfter(before: OperatorWords, { put, gone }: LineOf<'operator'>): OperatorWords {
  const words = new Map(before)
  for (const service of gone) words.delete(service)
  for (const [service, backends] of put) words.set(service, new Map(backends))
  return words
}

/** Whether this program knows the kind of source. */
function hasName(source: object): boolean {
  try {
    return sourceName(source as SourceSpec) !== ''
  } catch {
    return false
  }
}
