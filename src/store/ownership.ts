import { dirname, join } from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { PointsmanError } from '../errors.ts'
import { errnoOf, LineFile, readIfThere, setAside } from './line-file.ts'
import { editLine, headerLine, parseOwnership } from './ownership-file.ts'
import { Ownership, type OwnershipEdit, type OwnershipRecord } from './ownership-record.ts'
import { currentPlace, nameIn, type Place } from './place.ts'

export type { Drain, OwnedService, OwnershipEdit, OwnershipRecord } from './ownership-record.ts'
export { currentPlace, type Place } from './place.ts'

/** Name in the state directory of the record of a place: two namespaces that share the directory do not meet in it. */
export function ownershipFile({ netns }: Pick<Place, 'netns'>): string {
  return nameIn(netns, 'ownership', 'json')
}

/** The one name that versions before had, whatever the namespace. */
const COMMON_FILE = 'ownership.json'

/** Destinations in one line of the file, so that no line takes long to make. */
const PORTION = 500

/**
 * How the record came to be what it is at the start. All but `loaded` and `none` mean that what an earlier run made is not
 * known to be ours any more: `other-boot` and `other-namespace` because the table it spoke of is gone or another one,
 * `corrupt` because it could not be read; then `setAside` is where the unreadable file went.
 */
export type OwnershipOrigin =
  | { readonly kind: 'none' | 'loaded' | 'other-boot' | 'other-namespace' }
  | { readonly kind: 'corrupt'; readonly reason: string; readonly setAside?: string }

/** What is ours, durably. The record in memory is always the one on disk: an edit that could not be written is not in it. */
export interface OwnershipStore {
  readonly record: OwnershipRecord
  readonly origin: OwnershipOrigin
  readonly path: string
  /**
   * Makes the edits durable, all of them with one fsync, then visible in `record`. No edits: nothing happens.
   * Rejects with STATE_UNWRITABLE and leaves `record` as it was.
   */
  write(edits: readonly OwnershipEdit[]): Promise<void>
}

export interface OwnershipOptions {
  readonly directory: string
  /** `read` never writes, renames or makes a folder: for commands that only look. */
  readonly access?: 'write' | 'read'
  /** Left out: the boot and the network namespace of this process. */
  readonly place?: Place
  /** Milliseconds since the epoch; names the file that is set aside. */
  readonly now?: () => number
}

/**
 * Opens the record of a state directory. Rejects with STATE_NEWER when a later version wrote it (nothing is changed then)
 * and with STATE_UNWRITABLE when it exists and cannot be read. A directory that cannot be written is found at the first write.
 */
export async function openOwnership(options: OwnershipOptions): Promise<OwnershipStore> {
  const place = options.place ?? (await currentPlace())
  const access = options.access ?? 'write'
  const path = join(options.directory, ownershipFile(place))
  const common = join(options.directory, COMMON_FILE)
  const own = await readRecord(path)
  const found = own ?? (await readRecord(common))
  if (found === undefined) return new OwnershipFile(path, place, access, { kind: 'none' })
  const foundAt = own === undefined ? common : path
  const parsed = parseOwnership(found.text)
  if (parsed.kind === 'newer') throw newerRecord(foundAt, parsed.version)
  if (parsed.kind === 'corrupt') {
    const setAside = access === 'write' ? await setRecordAside(foundAt, options.now ?? Date.now) : undefined
    const origin = { kind: 'corrupt', reason: parsed.reason, ...(setAside === undefined ? {} : { setAside }) } as const
    return new OwnershipFile(path, place, access, origin)
  }
  if (parsed.place.bootId !== place.bootId) return new OwnershipFile(path, place, access, { kind: 'other-boot' })
  if (parsed.place.netns !== place.netns) return new OwnershipFile(path, place, access, { kind: 'other-namespace' })
  if (own === undefined) return new OwnershipFile(path, place, access, { kind: 'loaded' }, parsed.ownership, undefined, common)
  const appendable = parsed.torn ? undefined : { lines: parsed.lines, mark: own.mark }
  return new OwnershipFile(path, place, access, { kind: 'loaded' }, parsed.ownership, appendable)
}

class OwnershipFile implements OwnershipStore {
  readonly origin: OwnershipOrigin
  readonly #place: Place
  readonly #access: 'write' | 'read'
  readonly #ownership: Ownership
  readonly #file: LineFile

  constructor(
    path: string,
    place: Place,
    access: 'write' | 'read',
    origin: OwnershipOrigin,
    ownership = new Ownership(),
    known?: ConstructorParameters<typeof LineFile>[1],
    supersedes?: string,
  ) {
    this.origin = origin
    this.#place = place
    this.#access = access
    this.#ownership = ownership
    this.#file = new LineFile(path, known, supersedes)
  }

  get path(): string {
    return this.#file.path
  }

  get record(): OwnershipRecord {
    return this.#ownership
  }

  async write(edits: readonly OwnershipEdit[]): Promise<void> {
    if (edits.length === 0) return
    if (this.#access === 'read') throw new PointsmanError('INTERNAL', 'The ownership record was opened for reading only.')
    try {
      await this.#file.write(linesOf(edits), () => this.#whole(edits))
    } catch (cause) {
      throw unwritable(this.path, cause)
    }
    for (const [index, edit] of edits.entries()) {
      this.#ownership.apply(edit)
      if (index % 4 === 3) await nextTurn()
    }
  }

  *#whole(edits: readonly OwnershipEdit[]): Generator<string> {
    yield headerLine(this.#place)
    yield* linesOf(this.#ownership.edits(PORTION))
    yield* linesOf(edits)
  }
}

function* linesOf(edits: Iterable<OwnershipEdit>): Generator<string> {
  for (const edit of edits) yield editLine(edit)
}

async function readRecord(path: string): ReturnType<typeof readIfThere> {
  try {
    return await readIfThere(path)
  } catch (error) {
    throw new PointsmanError(
      'STATE_UNWRITABLE',
      `The ownership record ${path} cannot be read (${errnoOf(error)}): give this user access to it, or set state_dir to a directory of its own.`,
      { cause: error },
    )
  }
}

async function setRecordAside(path: string, now: () => number): Promise<string> {
  try {
    return await setAside(path, now)
  } catch (cause) {
    throw unwritable(path, cause)
  }
}

function newerRecord(path: string, version: number): PointsmanError {
  return new PointsmanError(
    'STATE_NEWER',
    `The ownership record ${path} was written by a later version of Pointsman (format ${version}): run that version again, or move the file away and let this one adopt what the configuration names.`,
    { detail: { path, version } },
  )
}

function unwritable(path: string, cause: unknown): PointsmanError {
  return new PointsmanError(
    'STATE_UNWRITABLE',
    `The ownership record ${path} cannot be written (${errnoOf(cause)}): make ${dirname(path)} writable and free space on its disk; until then nothing is created or deleted.`,
    { cause, detail: { path } },
  )
}
