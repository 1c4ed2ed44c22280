import { join } from 'node:path'
import { readNote, removeNote, writeNote } from './note.ts'
import { currentPlace, nameIn, type Place } from './place.ts'

/** Name of the file in the state directory. */
export function firewallUseFile({ netns }: Pick<Place, 'netns'>): string {
  return nameIn(netns, 'firewall', 'json')
}

/**
 * The names of instances that may have rules in filters of this host. Rules say themselves whose they are; without this note a host that asks for none would
 * have to be looked through at every start.
 */
export interface FirewallUse {
  /** Whether there may be any rules of ours; also where the note cannot be understood. */
  readonly isInUse: boolean
  readonly instances: readonly string[]
  /** To be called before the first write. Rejects with STATE_UNWRITABLE. */
  begin(instance: string): Promise<void>
  /** Nothing of ours is in any filter. */
  end(): Promise<void>
}

export interface FirewallUseOptions {
  readonly directory: string
  /** Left out: the boot and the network namespace of this process. */
  readonly place?: Place
}

export async function openFirewallUse({ directory, place: given }: FirewallUseOptions): Promise<FirewallUse> {
  const place = given ?? (await currentPlace())
  const path = join(directory, firewallUseFile(place))
  const note = await readNote(path, place)
  const noted = note?.['instances']
  const instances = Array.isArray(noted) ? noted.filter((name) => typeof name === 'string') : []
  return new FirewallUseNote(path, place, note !== undefined, instances)
}

class FirewallUseNote implements FirewallUse {
  readonly #path: string
  readonly #place: Place
  #isInUse: boolean
  #instances: readonly string[]

  constructor(path: string, place: Place, isInUse: boolean, instances: readonly string[]) {
    this.#path = path
    this.#place = place
    this.#isInUse = isInUse
    this.#instances = instances
  }

  get isInUse(): boolean {
    return this.#isInUse
  }

  get instances(): readonly string[] {
    return this.#instances
  }

  async begin(instance: string): Promise<void> {
    if (this.#instances.includes(instance)) return
    const instances = [...this.#instances, instance]
    await writeNote(this.#path, this.#place, { instances }, 'no rule for services is put into a filter')
    this.#isInUse = true
    this.#instances = instances
  }

  async end(): Promise<void> {
    this.#isInUse = false
    this.#instances = []
    await removeNote(this.#path)
  }
}
