import { join } from 'node:path'
import { type Note, readNote, removeNote, writeNote } from './note.ts'
import { currentPlace, nameIn, type Place } from './place.ts'

/** Name of the file in the state directory. */
export function snatUseFile({ netns }: Pick<Place, 'netns'>): string {
  return nameIn(netns, 'snat', 'json')
}

export type SnatBy = 'nftables' | 'iptables'

/** What tells one table of ours from another. */
export interface SnatTable {
  readonly by: SnatBy
  /** The name of the instance that it was made for. */
  readonly instance: string
}

/**
 * Whether this or an earlier process may have tables for source NAT in the kernel. A table says itself whose it is; without this note a host whose
 * services need none would have to be asked for it at every start, and nftables may not be there to be asked.
 */
export interface SnatUse {
  /** What the present table was made with; undefined: there is none. */
  readonly by: SnatBy | undefined
  /** Tables of earlier processes, made in another way or for another name of the instance, that may be there. */
  readonly former: readonly SnatTable[]
  /** To be called before the first write to the kernel; what was the present table becomes a former one. Rejects with STATE_UNWRITABLE. */
  begin(table: SnatTable): Promise<void>
  /** A former table is gone. Rejects with STATE_UNWRITABLE. */
  gone(table: SnatTable): Promise<void>
  /** Nothing of ours is in the kernel any more. */
  end(): Promise<void>
}

export interface SnatUseOptions {
  readonly directory: string
  /** Left out: the boot and the network namespace of this process. */
  readonly place?: Place
}

export async function openSnatUse({ directory, place: given }: SnatUseOptions): Promise<SnatUse> {
  const place = given ?? (await currentPlace())
  const path = join(directory, snatUseFile(place))
  return new SnatUseNote(path, place, await readNote(path, place))
}

class SnatUseNote implements SnatUse {
  readonly #path: string
  readonly #place: Place
  /** A note of an earlier version names no instance. */
  #present: Partial<SnatTable> | undefined
  #former: readonly SnatTable[]

  constructor(path: string, place: Place, note: Note | undefined) {
    this.#path = path
    this.#place = place
    this.#present = note && { by: 'nftables', ...readTable(note) }
    const former = Array.isArray(note?.['former']) ? note['former'].map(readTable) : []
    this.#former = former.filter((table): table is SnatTable => table.by !== undefined && table.instance !== undefined)
  }

  get by(): SnatBy | undefined {
    return this.#present?.by
  }

  get former(): readonly SnatTable[] {
    return this.#former
  }

  async begin(table: SnatTable): Promise<void> {
    const present = this.#present
    if (present !== undefined && isSame(present, table)) return
    // Where the name is not known it is most likely the same.
    const before = present === undefined ? [] : [{ ...table, ...present }]
    await this.#write(
      table,
      [...this.#former, ...before].filter((former) => !isSame(former, table)),
    )
  }

  async gone(table: SnatTable): Promise<void> {
    const former = this.#former.filter((each) => !isSame(each, table))
    if (former.length < this.#former.length) await this.#write(this.#present, former)
  }

  async end(): Promise<void> {
    this.#present = undefined
    this.#former = []
    await removeNote(this.#path)
  }

  async #write(present: Partial<SnatTable> | undefined, former: readonly SnatTable[]): Promise<void> {
    const note = { ...present, ...(former.length > 0 && { former }) }
    await writeNote(this.#path, this.#place, note, 'no source NAT is made')
    this.#present = present
    this.#former = former
  }
}

function isSame(one: Partial<SnatTable>, other: SnatTable): boolean {
  return one.by === other.by && one.instance === other.instance
}

function readTable(value: unknown): Partial<SnatTable> {
  const { by, instance } = (value ?? {}) as Record<string, unknown>
  return {
    ...((by === 'iptables' || by === 'nftables') && { by }),
    ...(typeof instance === 'string' && { instance }),
  }
}
