import { dirname, join } from 'node:path'
import { PointsmanError } from '../errors.ts'
import { addressHeader, addressLine, parseAddresses } from './address-file.ts'
import { type AddressEdit, type AddressRecord, OwnedAddresses } from './address-record.ts'
import { errnoOf, LineFile, readIfThere, setAside } from './line-file.ts'
import type { OwnershipOrigin } from './ownership.ts'
import { currentPlace, nameIn, type Place } from './place.ts'

export { type AddressEdit, type AddressRecord, type OwnedAddress, ownedKey } from './address-record.ts'

/** Name in the state directory of the record of a place. */
export function addressesFile({ netns }: Pick<Place, 'netns'>): string {
  return nameIn(netns, 'addresses', 'json')
}

/** Which addresses and links are ours, durably. The record in memory is always the one on disk. */
export interface AddressStore {
  readonly record: AddressRecord
  /** As that of the ownership record: all but `loaded` and `none` mean that what an earlier run added is not known to be ours any more. */
  readonly origin: OwnershipOrigin
  readonly path: string
  /** As OwnershipStore.write. */
  write(edits: readonly AddressEdit[]): Promise<void>
}

export interface AddressStoreOptions {
  readonly directory: string
  /** `read` never writes, renames or makes a folder: for commands that only look. */
  readonly access?: 'write' | 'read'
  /** Left out: the boot and the network namespace of this process. */
  readonly place?: Place
  /** Milliseconds since the epoch; names the file that is set aside. */
  readonly now?: () => number
}

/**
 * Opens the record of a state directory. Rejects with STATE_NEWER when a later version wrote it (nothing is changed then) and with
 * STATE_UNWRITABLE when it exists and cannot be read. A directory that cannot be written is found at the first write.
 */
export async function openAddresses({
  directory,
  access,
  now = Date.now,
  ...options
}: AddressStoreOptions): Promise<AddressStore> {
  const place = options.place ?? (await currentPlace())
  const path = join(directory, addressesFile(place))
  const found = await readIfThere(path).catch((cause: unknown) => {
    throw unreadable(path, cause)
  })
  const file = (origin: OwnershipOrigin) => new AddressFile(new LineFile(path, undefined), place, access, origin)
  if (found === undefined) return file({ kind: 'none' })
  const parsed = parseAddresses(found.text)
  if (parsed.kind === 'newer') throw newer(path, parsed.version)
  if (parsed.kind === 'corrupt') {
    const aside = access === 'read' ? undefined : await asideOf(path, now)
    return file({ kind: 'corrupt', reason: parsed.reason, ...(aside !== undefined && { setAside: aside }) })
  }
  if (parsed.place.bootId !== place.bootId) return file({ kind: 'other-boot' })
  if (parsed.place.netns !== place.netns) return file({ kind: 'other-namespace' })
  const appendable = parsed.torn ? undefined : { lines: parsed.lines, mark: found.mark }
  return new AddressFile(new LineFile(path, appendable), place, access, { kind: 'loaded' }, parsed.owned)
}

/** The record as it would be: what is written to it is remembered and goes nowhere. */
export function pretendedAddresses({ record: before, origin, path }: AddressStore): AddressStore {
  const record = new OwnedAddresses()
  for (const name of before.links) record.apply({ do: 'own-link', name })
  for (const owned of before.addresses.values()) record.apply({ do: 'own-address', ...owned })
  return {
    record,
    origin,
    path,
    write: async (edits) => {
      for (const edit of edits) record.apply(edit)
    },
  }
}

class AddressFile implements AddressStore {
  readonly origin: OwnershipOrigin
  readonly #file: LineFile
  readonly #place: Place
  readonly #access: 'write' | 'read' | undefined
  readonly #owned: OwnedAddresses

  constructor(
    file: LineFile,
    place: Place,
    access: 'write' | 'read' | undefined,
    origin: OwnershipOrigin,
    owned = new OwnedAddresses(),
  ) {
    this.origin = origin
    this.#file = file
    this.#place = place
    this.#access = access
    this.#owned = owned
  }

  get path(): string {
    return this.#file.path
  }

  get record(): AddressRecord {
    return this.#owned
  }

  async write(edits: readonly AddressEdit[]): Promise<void> {
    if (edits.length === 0) return
    if (this.#access === 'read') throw new PointsmanError('INTERNAL', 'The record of addresses was opened for reading only.')
    try {
      await this.#file.write(linesOf(edits), () => this.#whole(edits))
    } catch (cause) {
      throw unwritable(this.path, cause)
    }
    for (const edit of edits) this.#owned.apply(edit)
  }

  *#whole(edits: readonly AddressEdit[]): Generator<string> {
    yield addressHeader(this.#place)
    yield* linesOf(this.#owned.edits())
    yield* linesOf(edits)
  }
}

function* linesOf(edits: Iterable<AddressEdit>): Generator<string> {
  for (const edit of edits) yield addressLine(edit)
}

async function asideOf(path: string, now: () => number): Promise<string> {
  try {
    return await setAside(path, now)
  } catch (cause) {
    throw unwritable(path, cause)
  }
}

function newer(path: string, version: number): PointsmanError {
  return new PointsmanError(
    'STATE_NEWER',
    `The record of virtual addresses ${path} was written by a later version of Pointsman (format ${version}): run that version again, or move the file away; then the addresses that are there now are left to whoever takes them off.`,
    { detail: { path, version } },
  )
}

function unreadable(path: string, cause: unknown): PointsmanError {
  return new PointsmanError(
    'STATE_UNWRITABLE',
    `The record of virtual addresses ${path} cannot be read (${errnoOf(cause)}): give this user access to it, or set state_dir to a directory of its own.`,
    { cause, detail: { path } },
  )
}

function unwritable(path: string, cause: unknown): PointsmanError {
  return new PointsmanError(
    'STATE_UNWRITABLE',
    `The record of virtual addresses ${path} cannot be written (${errnoOf(cause)}): make ${dirname(path)} writable and free space on its disk; until then no address is added.`,
    { cause, detail: { path } },
  )
}
