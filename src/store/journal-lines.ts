import { type Backend, type BackendSet, sameBackend } from '../model/backend.ts'
import type { DestinationKey } from '../model/destination.ts'
import { sameOperational } from '../model/operational.ts'
import type { SourceEvent } from '../model/source-event.ts'
import { type ServiceKey, serviceKey } from '../model/virtual-service.ts'
import { JournalSecrets } from './journal-secrets.ts'
import { type JournalEvent, JournalMemory, type JournalTurn, type PastAnswer } from './journal-turn.ts'
import { jsonLine } from './json-line.ts'
import { mapEdit } from './map-edit.ts'
import { portions } from './ownership-record.ts'
import { plainOf } from './plain.ts'

/** Version of the file's form. */
export const JOURNAL_VERSION = 1

/** With which a part of a journal begins: whoever reads it knows nothing of a run before this line, but what it continues. */
export interface JournalHeader {
  readonly build: { readonly version: string; readonly commit?: string | undefined }
  /** Unique. */
  readonly run: string
  /** Of the run, from 1. */
  readonly part: number
  /** Turns between the part before and this one that could not be written. */
  readonly lost: number
  /** Milliseconds since the epoch. */
  readonly at: number
}

/** Members, findings or services that are made into text without a pause. */
const PORTION = 250

/**
 * Turns as lines, each as short as what was written before allows. Every line comes in pieces that take no long time to make, the
 * last of which ends with a newline.
 */
export class JournalLines {
  #memory = new JournalMemory()
  #specs = new Map<ServiceKey, string>()
  readonly #secrets = new JournalSecrets()

  /** A turn that is not written: what is known goes on from it all the same. */
  skip(turn: JournalTurn): void {
    this.#memory.take(turn)
  }

  /** The first line of a part, and what is known so far. */
  *begin(header: JournalHeader): Generator<string> {
    const known = this.#memory
    this.#memory = new JournalMemory()
    this.#specs = new Map()
    yield jsonLine({ format: 'pointsman-journal', version: JOURNAL_VERSION, ...header })
    for (const turn of known.summary()) yield* this.lineOf(turn, { base: true })
  }

  *lineOf(turn: JournalTurn, more: { readonly base?: true } = {}): Generator<string> {
    const { event, now, open } = turn
    const fields = { at: now, do: event.kind, ...more, ...(open !== undefined && { open }) }
    yield* this.#piecesOf(event, fields)
    this.#memory.take(turn)
  }

  #piecesOf(event: JournalEvent, fields: object): Generator<string> {
    switch (event.kind) {
      case 'wanted':
        return this.#wanted(event, fields)
      case 'said':
        return said(event, fields, this.#memory.said(event.slot))
      case 'approved':
        return pieces({ ...fields, service: event.service })
      case 'probed':
        return pieces({ ...fields, service: event.service }, { failing: texts(event.failing) })
      case 'operational':
        return operational(event, fields, this.#memory)
      case 'operator':
        return operator(event, fields, this.#memory)
      case 'kernel':
        return kernel(event, fields)
      case 'wake':
        return pieces(fields)
    }
  }

  #wanted({ wanted, past }: Extract<JournalEvent, { kind: 'wanted' }>, fields: object): Generator<string> {
    const { undecided, ipvs, services } = wanted
    const more = {
      ...fields,
      ...(undecided !== undefined && { undecided: [...undecided] }),
      ...(ipvs !== undefined && { ipvs: plainOf(ipvs) }),
      ...(past !== undefined && { patience: past.patience }),
    }
    return pieces(more, { services: this.#specsOf(services), past: texts((past?.used ?? []).map(pastLine)) })
  }

  /** A service that is as it was is written by its key. */
  *#specsOf(services: Extract<JournalEvent, { kind: 'wanted' }>['wanted']['services']): Generator<string> {
    const specs = new Map<ServiceKey, string>()
    for (const spec of services) {
      const key = serviceKey(spec.identity)
      const { backends, ...rest } = this.#secrets.withoutSecrets(spec)
      const text = JSON.stringify({ ...(plainOf(rest) as object), backends: [...backends.values()] })
      specs.set(key, text)
      yield this.#specs.get(key) === text ? JSON.stringify(key) : text
    }
    this.#specs = specs
  }
}

function pastLine({ service, source, lastGood: { members, held, at, outdated } }: PastAnswer) {
  const backends = [...members.values()].map(({ backend }) => backend)
  return { service, source, at, ...(outdated && { outdated }), members: backends, held: [...held.values()] }
}

function said(
  { service, slot, event }: Extract<JournalEvent, { kind: 'said' }>,
  fields: object,
  before: SourceEvent | undefined,
): Generator<string> {
  const { failure } = event as { readonly failure?: unknown }
  const more = { ...fields, service, slot, says: event.kind, ...(failure !== undefined && { failure }) }
  if (event.kind === 'pending') return pieces(more)
  const { backends, ...set } = event.set
  const old: BackendSet['backends'] | undefined =
    before === undefined || before.kind === 'pending' ? undefined : before.set.backends
  const edit = mapEdit<DestinationKey, Backend>(old, backends, sameBackend)
  if (edit.edit === 'none') return pieces({ ...more, set, edit: 'none' })
  const gone = edit.edit === 'all' ? [] : edit.gone
  return pieces({ ...more, set, edit: edit.edit }, { put: texts(edit.put.map(([, backend]) => backend)), gone: texts(gone) })
}

function operational(
  { service, found }: Extract<JournalEvent, { kind: 'operational' }>,
  fields: object,
  memory: JournalMemory,
): Generator<string> {
  const edit = mapEdit(memory.found(service), found, sameOperational)
  if (edit.edit === 'none') return pieces({ ...fields, service, edit: 'none' })
  const gone = edit.edit === 'all' ? [] : edit.gone
  return pieces({ ...fields, service, edit: edit.edit }, { put: texts(edit.put), gone: texts(gone) })
}

function operator({ words }: Extract<JournalEvent, { kind: 'operator' }>, fields: object, { words: before }: JournalMemory) {
  // Who is another object was spoken of, whatever was said: the step goes by that too.
  const put = [...words].filter(([service, backends]) => before.get(service) !== backends)
  const gone = [...before.keys()].filter((service) => !words.has(service))
  return pieces(fields, { put: texts(put.map(([service, backends]) => [service, [...backends]])), gone: texts(gone) })
}

function kernel({ known: { weights, expiresQuiescentTemplates } }: Extract<JournalEvent, { kind: 'kernel' }>, fields: object) {
  const more = { ...fields, expires_quiescent_templates: expiresQuiescentTemplates }
  if (weights === undefined) return pieces(more)
  return pieces(more, { weights: texts([...weights].map(([service, backends]) => [service, [...backends]])) })
}

function* texts(items: Iterable<unknown>): Generator<string> {
  for (const item of items) yield JSON.stringify(item)
}

/** An object as one line: its plain fields first, then its lists, whose items are JSON already. */
function* pieces(fields: object, lists: Readonly<Record<string, Iterable<string>>> = {}): Generator<string> {
  yield JSON.stringify(fields).slice(0, -1)
  for (const [name, items] of Object.entries(lists)) {
    let separator = `,${JSON.stringify(name)}:[`
    for (const some of portions(items, PORTION)) {
      yield separator + some.join()
      separator = ','
    }
    yield separator === ',' ? ']' : `${separator}]`
  }
  yield '}\n'
}
