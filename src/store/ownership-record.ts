import type { DestinationKey } from '../model/destination.ts'
import type { SyncDaemon } from '../model/ipvs-table.ts'
import { type ServiceIdentity, type ServiceKey, serviceKey } from '../model/virtual-service.ts'

/** A destination on its way out. Both are milliseconds since the epoch, so that they outlive the process. */
export interface Drain {
  readonly startedAt: number
  /** When it is deleted whatever connections it still has. */
  readonly deadline: number
}

/** A service that we created or adopted, and which of its destinations are ours. */
export interface OwnedService {
  /** For people: the name that it had in the configuration. */
  readonly name: string
  readonly identity: ServiceIdentity
  readonly destinations: ReadonlySet<DestinationKey>
  readonly drains: ReadonlyMap<DestinationKey, Drain>
}

/** Everything in one network namespace that is ours. What is not in it is foreign and never changed or removed. */
export interface OwnershipRecord {
  readonly services: ReadonlyMap<ServiceKey, OwnedService>
  /** Those of them with drains. */
  readonly draining: ReadonlySet<ServiceKey>
  readonly syncDaemons: ReadonlySet<SyncDaemon['role']>
}

/** One step from one record to the next; a line of the file each. Destinations belong to a service that is owned already. */
export type OwnershipEdit =
  | { readonly do: 'own-service'; readonly service: ServiceIdentity; readonly name: string }
  | { readonly do: 'forget-service'; readonly service: ServiceKey }
  | { readonly do: 'own'; readonly service: ServiceKey; readonly destinations: readonly DestinationKey[] }
  | { readonly do: 'forget'; readonly service: ServiceKey; readonly destinations: readonly DestinationKey[] }
  | { readonly do: 'drain'; readonly service: ServiceKey; readonly destinations: Readonly<Record<DestinationKey, Drain>> }
  | { readonly do: 'undrain'; readonly service: ServiceKey; readonly destinations: readonly DestinationKey[] }
  | { readonly do: 'own-sync-daemon'; readonly role: SyncDaemon['role'] }
  | { readonly do: 'forget-sync-daemon'; readonly role: SyncDaemon['role'] }

interface MutableService {
  name: string
  readonly identity: ServiceIdentity
  readonly destinations: Set<DestinationKey>
  readonly drains: Map<DestinationKey, Drain>
}

/** The record in memory: changed edit by edit, so that one destination among 10,000 costs one destination. */
export class Ownership implements OwnershipRecord {
  readonly services = new Map<ServiceKey, MutableService>()
  readonly draining = new Set<ServiceKey>()
  readonly syncDaemons = new Set<SyncDaemon['role']>()

  /** False when the edit speaks of a service that is not owned: in a file that is corruption. */
  apply(edit: OwnershipEdit): boolean {
    switch (edit.do) {
      case 'own-service':
        this.#ownService(edit.service, edit.name)
        return true
      case 'own-sync-daemon':
        this.syncDaemons.add(edit.role)
        return true
      case 'forget-sync-daemon':
        this.syncDaemons.delete(edit.role)
        return true
      case 'forget-service':
        this.draining.delete(edit.service)
        return this.services.delete(edit.service)
      default:
        return this.#editDestinations(edit)
    }
  }

  /** The edits that make this record out of an empty one, in portions of at most `portion` destinations. */
  *edits(portion: number): Generator<OwnershipEdit> {
    for (const role of this.syncDaemons) yield { do: 'own-sync-daemon', role }
    for (const [service, owned] of this.services) {
      yield { do: 'own-service', service: owned.identity, name: owned.name }
      for (const destinations of portions(owned.destinations, portion)) yield { do: 'own', service, destinations }
      for (const drains of portions(owned.drains, portion)) {
        yield { do: 'drain', service, destinations: Object.fromEntries(drains) }
      }
    }
  }

  #ownService(identity: ServiceIdentity, name: string): void {
    const key = serviceKey(identity)
    const known = this.services.get(key)
    if (known) known.name = name
    else this.services.set(key, { name, identity, destinations: new Set(), drains: new Map() })
  }

  #editDestinations(edit: Extract<OwnershipEdit, { destinations: unknown }>): boolean {
    const owned = this.services.get(edit.service)
    if (!owned) return false
    if (edit.do === 'drain') {
      for (const [key, drain] of Object.entries(edit.destinations)) owned.drains.set(key as DestinationKey, drain)
      if (owned.drains.size > 0) this.draining.add(edit.service)
      return true
    }
    for (const key of edit.destinations) {
      if (edit.do === 'own') owned.destinations.add(key)
      else owned.drains.delete(key)
      if (edit.do === 'forget') owned.destinations.delete(key)
    }
    if (owned.drains.size === 0) this.draining.delete(edit.service)
    return true
  }
}

/** What an iterable holds, in arrays of at most `size`. */
export function* portions<T>(items: Iterable<T>, size: number): Generator<T[]> {
  let portion: T[] = []
  for (const item of items) {
    portion.push(item)
    if (portion.length < size) continue
    yield portion
    portion = []
  }
  if (portion.length > 0) yield portion
}
