import { AttributeCursor } from '../netlink/attribute-cursor.ts'
import { MessageCursor } from '../netlink/message-cursor.ts'
import { nameIn } from './service-dump.ts'

export interface Range {
  readonly start: number
  readonly end: number
}

/** Where the destinations of a service lie in an arena, and in how many datagrams they came. */
export interface ReadDestinations {
  readonly destinations: Range
  readonly datagrams: number
}

export interface BegunService {
  readonly slot: number
  readonly nest: Uint8Array
  readonly read: ReadDestinations
}

/**
 * Milliseconds for which what was read counts as read now. Whoever else changes it meanwhile is found out by the next reading, as if he had
 * come after this one.
 */
const FRESH = 2_000

/** What a reading of the table had read when it gave way: the next one goes on from there, so that it ends however often it gives way. */
export class BegunReading {
  /** Where the arena is filled to. */
  end = 0
  readonly #since = performance.now()
  readonly #services = new Map<string, BegunService>()

  isFresh(): boolean {
    return performance.now() - this.#since < FRESH
  }

  has(name: string): boolean {
    return this.#services.has(name)
  }

  /** A service that it has. */
  get(name: string): BegunService {
    const service = this.#services.get(name)
    if (service === undefined) throw new RangeError('this service was not read')
    return service
  }

  add(name: string, service: BegunService): void {
    this.#services.set(name, service)
  }

  /**
   * Forgets the services that these messages name. False where one of them names none, or one that nobody knows: then all of it is to be
   * forgotten.
   */
  forget(messages: Uint8Array, isKnown: (name: string) => boolean): boolean {
    const cursor = new MessageCursor(messages)
    const attributes = new AttributeCursor(messages)
    while (cursor.next()) {
      const name = nameIn(messages, attributes, cursor)
      if (name === undefined || (!this.#services.delete(name) && !isKnown(name))) return false
    }
    return true
  }
}
