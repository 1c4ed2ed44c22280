import { dirname, join } from 'node:path'
import { PointsmanError } from '../errors.ts'
import { errnoOf } from './line-file.ts'
import { readNote, removeNote, writeNote } from './note.ts'
import { currentPlace, nameIn, type Place } from './place.ts'

/** Name of the file in the state directory. */
export function snatUseFile({ netns }: Pick<Place, 'netns'>): string {
  return nameIn(netns, 'snat', 'json')
}

/**
 * Whether this or an earlier process may have a table for source NAT in the kernel. The table says itself whose it is; without this note a host whose
 * services need none would have to be asked for it at every start, and nftables may not be there to be asked.
 */
export interface SnatUse {
  readonly isUsed: boolean
  /** To be called before the first write to the kernel. Rejects with STATE_UNWRITABLE. */
  begin(): Promise<void>
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
  return new SnatUseNote(path, place, (await readNote(path, place)) !== undefined)
}

class SnatUseNote implements SnatUse {
  readonly #path: string
  readonly #place: Place
  #isUsed: boolean

  constructor(path: string, place: Place, isUsed: boolean) {
    this.#path = path
    this.#place = place
    this.#isUsed = isUsed
  }

  get isUsed(): boolean {
    return this.#isUsed
  }

  async begin(): Promise<void> {
    if (this.#isUsed) return
    try {
      await writeNote(this.#path, this.#place, {})
    } catch (cause) {
      const sentence = `The note ${this.#path} cannot be written (${errnoOf(cause)}): make ${dirname(this.#path)} writable and free space on its disk; until then no source NAT is made.`
      throw new PointsmanError('STATE_UNWRITABLE', sentence, { cause, detail: { path: this.#path } })
    }
    this.#isUsed = true
  }

  async end(): Promise<void> {
    this.#isUsed = false
    await removeNote(this.#path)
  }
}
