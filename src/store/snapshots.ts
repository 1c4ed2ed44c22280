import { hash } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'
import { sameBackend } from '../model/backend.ts'
import { type SourceSpec, sourceQuestion } from '../model/source-spec.ts'
import type { ServiceKey } from '../model/virtual-service.ts'
import { GatheredWrites } from './gathered-writes.ts'
import { type KeptFile, type KeptForm, type KeptOptions, type KeptOrigin, keptUnwritable, openKept } from './kept-file.ts'
import type { LineFile } from './line-file.ts'
import { nameIn, type Place } from './place.ts'
import {
  parseSnapshots,
  type Snapshot,
  type SnapshotEdit,
  type SnapshotName,
  type SnapshotsContent,
  snapshotId,
  snapshotLines,
  snapshotsHeader,
} from './snapshots-file.ts'
import { Unwritten } from './unwritten.ts'

export type { HeldMember, Snapshot } from './snapshots-file.ts'

const STEM = 'snapshots'

/** Name of the file in the state directory: what a source says in one network namespace it need not say in another. */
export function snapshotsFile({ netns }: Pick<Place, 'netns'>): string {
  return nameIn(netns, STEM, 'json')
}

/** Milliseconds: what becomes known is gathered for so long, then written with one fsync. */
const GATHER = 2_000
/** Milliseconds by which an answer's age on disk may lag behind while the answer stays the same. */
const CONFIRM = 300_000

/**
 * The last good answer of every source of every service, durably but not at once: a crash costs what was learnt in the last
 * seconds. A write that fails is told and tried again; what is in memory is not touched by it.
 */
export interface SnapshotStore extends AsyncDisposable {
  readonly origin: KeptOrigin
  readonly path: string
  /** Undefined where nothing is known of a source that is asked for the same. */
  get(service: ServiceKey, source: SourceSpec): Snapshot | undefined
  put(service: ServiceKey, source: SourceSpec, snapshot: Snapshot): void
  forget(service: ServiceKey, source: SourceSpec): void
  /** Forgets every source but these. */
  retain(sources: Iterable<{ readonly service: ServiceKey; readonly source: SourceSpec }>): void
  /** Writes what waits; never rejects. */
  flush(): Promise<void>
}

const FORM: KeptForm<Extract<SnapshotsContent, { kind: 'snapshots' }>> = {
  stem: STEM,
  what: 'The last good answers',
  without: 'a source that does not answer has nothing to stand in for it',
  afterRestart: 'older answers would stand in for sources that do not answer',
  parse: parseSnapshots,
}

export interface SnapshotsOptions extends KeptOptions {
  /**
   * Milliseconds by which the wall clock is ahead of the clock of the answers, now; never by default. The file has the wall
   * clock's times: those of a clock that does not follow its steps mean nothing to the next process. Both begin alike.
   */
  readonly ahead?: () => number
}

/** Opens the answers of a state directory, as `openKept` does. With access `read` what is put is known to this process alone. */
export async function openSnapshots(options: SnapshotsOptions): Promise<SnapshotStore> {
  const { content, ...kept } = await openKept(FORM, options)
  const known = [...(content?.snapshots ?? [])].map(([id, { service, source, snapshot }]) => {
    return [id, { service, source, snapshot, written: snapshot }] as const
  })
  return new Snapshots(kept, options, known)
}

/** What is known of one source, and what the file says of it. */
interface Entry extends SnapshotName {
  readonly snapshot: Snapshot | undefined
  readonly written: Snapshot | undefined
}

class Snapshots implements SnapshotStore {
  readonly origin: KeptOrigin
  readonly #file: LineFile
  readonly #options: SnapshotsOptions
  readonly #entries: Map<string, Entry>
  readonly #ids = new WeakMap<SourceSpec, string>()
  readonly #unwritten = new Unwritten<true>()
  readonly #writes: GatheredWrites

  constructor({ file, origin }: KeptFile<unknown>, options: SnapshotsOptions, known: Iterable<readonly [string, Entry]>) {
    this.#file = file
    this.#options = options
    this.origin = origin
    this.#entries = new Map(known)
    this.#writes = new GatheredWrites(
      GATHER,
      () => this.#unwritten.write((taken) => this.#write(taken.map(([id]) => id))),
      (cause) => options.onFailure?.(keptUnwritable(FORM, this.path, cause)),
    )
  }

  get path(): string {
    return this.#file.path
  }

  get(service: ServiceKey, source: SourceSpec): Snapshot | undefined {
    return this.#entries.get(snapshotId({ service, source: this.#idOf(source) }))?.snapshot
  }

  put(service: ServiceKey, source: SourceSpec, snapshot: Snapshot): void {
    const name = { service, source: this.#idOf(source) }
    const id = snapshotId(name)
    const written = recognised(this.#entries.get(id)?.written, snapshot)
    this.#entries.set(id, { ...name, snapshot, written })
    if (written === undefined || !sameContent(written, snapshot) || snapshot.at - written.at >= CONFIRM) this.#wait(id)
  }

  forget(service: ServiceKey, source: SourceSpec): void {
    this.#forget(snapshotId({ service, source: this.#idOf(source) }))
  }

  retain(sources: Iterable<{ readonly service: ServiceKey; readonly source: SourceSpec }>): void {
    const kept = new Set<string>()
    for (const { service, source } of sources) kept.add(snapshotId({ service, source: this.#idOf(source) }))
    for (const id of this.#entries.keys()) if (!kept.has(id)) this.#forget(id)
  }

  #forget(id: string): void {
    const entry = this.#entries.get(id)
    if (entry === undefined) return
    this.#entries.set(id, { ...entry, snapshot: undefined })
    this.#wait(id)
  }

  flush(): Promise<void> {
    return this.#writes.flush()
  }

  /** Brings the age of every answer up to date as well: it is what the next process judges by. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const [id, { snapshot, written }] of this.#entries) if (snapshot?.at !== written?.at) this.#wait(id)
    await this.#writes.close()
  }

  #idOf(source: SourceSpec): string {
    const known = this.#ids.get(source)
    if (known !== undefined) return known
    const id = hash('sha256', sourceQuestion(source))
    this.#ids.set(source, id)
    return id
  }

  #wait(id: string): void {
    if (this.#options.access === 'read') return
    this.#unwritten.add(id, true)
    this.#writes.soon()
  }

  async #write(ids: readonly string[]): Promise<void> {
    const taken = ids.flatMap((id) => {
      const entry = this.#entries.get(id)
      return entry === undefined ? [] : [[id, entry] as const]
    })
    if (taken.length === 0) return
    const ahead = Math.round(this.#options.ahead?.() ?? 0)
    await this.#file.write(linesOf(taken, ahead), () => this.#whole(ahead))
    for (const [id, { snapshot }] of taken) this.#settle(id, snapshot)
  }

  #settle(id: string, written: Snapshot | undefined): void {
    const entry = this.#entries.get(id)
    if (entry === undefined) return
    if (entry.snapshot === undefined && written === undefined) this.#entries.delete(id)
    else this.#entries.set(id, { ...entry, written })
  }

  *#whole(ahead: number): Generator<string> {
    yield snapshotsHeader()
    for (const { service, source, snapshot } of this.#entries.values()) {
      if (snapshot !== undefined) yield* snapshotLines({ do: 'know', service, source, snapshot: movedBy(snapshot, ahead) })
    }
  }
}

function* linesOf(taken: readonly (readonly [string, Entry])[], ahead: number): Generator<string> {
  for (const [, { service, source, snapshot, written }] of taken) {
    const name = { service, source }
    const edit: SnapshotEdit =
      snapshot === undefined
        ? { ...name, do: 'forget' }
        : written !== undefined && sameContent(written, snapshot)
          ? { ...name, do: 'confirm', at: snapshot.at + ahead }
          : { ...name, do: 'know', snapshot: movedBy(snapshot, ahead) }
    yield* snapshotLines(edit)
  }
}

function movedBy({ members, held, at }: Snapshot, later: number): Snapshot {
  const removals = [...held].map(([key, removal]) => [key, { ...removal, since: removal.since + later }] as const)
  return { members, held: new Map(removals), at: at + later }
}

/** Whether two snapshots differ in their age alone. What changed is another map. */
function sameContent(a: Snapshot, b: Snapshot): boolean {
  return a.members === b.members && (a.held === b.held || (a.held.size === 0 && b.held.size === 0))
}

/** What the file says, with the new maps where it says the same as they do: the next comparison is one of identities. */
function recognised(written: Snapshot | undefined, { members, held }: Snapshot): Snapshot | undefined {
  if (written === undefined || written.members === members || !sameMembers(written.members, members)) return written
  return isDeepStrictEqual(written.held, held) ? { members, held, at: written.at } : written
}

function sameMembers(a: Snapshot['members'], b: Snapshot['members']): boolean {
  if (a.size !== b.size) return false
  for (const [key, { backend }] of a) {
    const other = b.get(key)
    if (other === undefined || !sameBackend(backend, other.backend)) return false
  }
  return true
}
