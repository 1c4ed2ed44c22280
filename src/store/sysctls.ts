import { join } from 'node:path'
import { readNote, removeNote, writeNote } from './note.ts'
import { currentPlace, nameIn, type Place } from './place.ts'

/** Name of the file in the state directory. */
export function sysctlsFile({ netns }: Pick<Place, 'netns'>): string {
  return nameIn(netns, 'sysctls', 'json')
}

/** A sysctl that we set: what it was, and what we set it to. */
export interface SetSysctl {
  readonly before: number
  readonly after: number
}

/** What sysctls were before we set them, durably, so that a process after a crash can put them back. */
export interface SysctlStore {
  readonly set: ReadonlyMap<string, SetSysctl>
  /** To be called before the kernel is written. Rejects with STATE_UNWRITABLE, and then nothing is noted. */
  note(name: string, value: SetSysctl): Promise<void>
  /** They are as they were before, or somebody else set them. Rejects as `note`, and then all stay noted. */
  forget(names: readonly string[]): Promise<void>
}

export interface SysctlStoreOptions {
  readonly directory: string
  /** Left out: the boot and the network namespace of this process. */
  readonly place?: Place
}

export async function openSysctls({ directory, place: given }: SysctlStoreOptions): Promise<SysctlStore> {
  const place = given ?? (await currentPlace())
  const path = join(directory, sysctlsFile(place))
  return new SysctlNotes(path, place, setIn(await readNote(path, place)))
}

function setIn(note: Readonly<Record<string, unknown>> | undefined): Map<string, SetSysctl> {
  const set = new Map<string, SetSysctl>()
  const noted = note?.['set']
  if (typeof noted !== 'object' || noted === null) return set
  for (const [name, value] of Object.entries(noted)) if (isSetSysctl(value)) set.set(name, value)
  return set
}

function isSetSysctl(value: unknown): value is SetSysctl {
  if (typeof value !== 'object' || value === null) return false
  return 'before' in value && 'after' in value && Number.isInteger(value.before) && Number.isInteger(value.after)
}

class SysctlNotes implements SysctlStore {
  readonly #path: string
  readonly #place: Place
  #set: ReadonlyMap<string, SetSysctl>

  constructor(path: string, place: Place, set: ReadonlyMap<string, SetSysctl>) {
    this.#path = path
    this.#place = place
    this.#set = set
  }

  get set(): ReadonlyMap<string, SetSysctl> {
    return this.#set
  }

  async note(name: string, value: SetSysctl): Promise<void> {
    await this.#write(new Map(this.#set).set(name, value))
  }

  async forget(names: readonly string[]): Promise<void> {
    const next = new Map(this.#set)
    for (const name of names) next.delete(name)
    if (next.size === this.#set.size) return
    if (next.size > 0) return await this.#write(next)
    this.#set = next
    await removeNote(this.#path)
  }

  async #write(next: ReadonlyMap<string, SetSysctl>): Promise<void> {
    await writeNote(this.#path, this.#place, { set: Object.fromEntries(next) }, 'no sysctl is set')
    this.#set = next
  }
}
