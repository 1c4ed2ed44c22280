import { dirname, join } from 'node:path'
import { PointsmanError } from '../errors.ts'
import { errnoOf } from './line-file.ts'
import { readNote, removeNote, writeNote } from './note.ts'
import { currentPlace, nameIn, type Place } from './place.ts'

/** Name of the file in the state directory. */
export function snatUseFile({ netns }: Pick<Place, 'netns'>): string {
  return nameIn(netns, 'snat', 'json')
}

export type SnatBy = 'nftables' | 'iptables'

/**
 * Whether this or an earlier process may have a table for source NAT in the kernel. The table says itself whose it is; without this note a host whose
 * services need none would have to be asked for it at every start, and nftables may not be there to be asked.
 */
export interface SnatUse {
  /** What it was made with; undefined: there is none. */
  readonly by: SnatBy | undefined
  /** To be called before the first write to the kernel. Rejects with STATE_UNWRITABLE. */
  begin(by: SnatBy): Promise<void>
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
  const note = await readNote(path, place)
  return new SnatUseNote(path, place, note && (note['by'] === 'iptables' ? 'iptables' : 'nftables'))
}

class SnatUseNote implements SnatUse {
  readonly #path: string
  readonly #place: Place
  #by: SnatBy | undefined

  constructor(path: string, place: Place, by: SnatBy | undefined) {
    this.#path = path
    this.#place = place
    this.#by = by
  }

  get by(): SnatBy | undefined {
    return this.#by
  }

  async begin(by: SnatBy): Promise<void> {
    if (this.#by === by) return
    try {
      await writeNote(this.#path, this.#place, { by })
    } catch (cause) {
      const sentence = `The note ${this.#path} cannot be written (${errnoOf(cause)}): make ${dirname(this.#path)} writable and free space on its disk; until then no source NAT is made.`
      throw new PointsmanError('STATE_UNWRITABLE', sentence, { cause, detail: { path: this.#path } })
    }
    this.#by = by
  }

  async end(): Promise<void> {
    this.#by = undefined
    await removeNote(this.#path)
  }
}
