import { AttributeCursor } from '../netlink/attribute-cursor.ts'
import { Arena } from '../netlink/exchange.ts'
import { MessageCursor } from '../netlink/message-cursor.ts'
import { ENTRY, GAVE_WAY, type ServiceBytes, type TableDelta } from '../worker/jobs.ts'
import { BegunReading, type Range, type ReadDestinations } from './begun-reading.ts'
import { nameRange, nestOf, type ServiceQuestions } from './service-dump.ts'

/** Where the messages of a service lie in an arena: the service itself and its destinations. */
interface Place extends ReadDestinations {
  readonly service: Range
}

interface Remembered {
  readonly slot: number
  readonly nest: Uint8Array
  /** In the arena of this read and in the one before; undefined before the first. */
  now: Place
  before: Place | undefined
  /** Whether the main thread was asked to read the counters when it was last given this service. */
  counted: boolean
}

/** A service that was read. */
interface Found {
  readonly slot: number
  readonly nest: Uint8Array
  readonly place: Place
}

/** The sequence number of a question is fixed for each service, so that an unchanged answer is the same to the byte. */
const SERVICES_SEQUENCE = 1
const FIRST_SLOT = 2

/**
 * The bytes of the last full read, so that the next one hands over only what differs. The kernel's answers lie in two arenas
 * that take turns: nothing is allocated and nothing decoded for a service that stayed as it was.
 */
export class TableMemory {
  #generation = 0
  #valid = false
  #nextSlot = FIRST_SLOT
  #now = new Arena()
  #before = new Arena()
  #services = new Map<string, Remembered>()
  /** The services of the reading under way, as they are listed. */
  readonly #list = new Arena()
  /** What a reading that gave way had read, in the arena that is not the last full reading's. */
  #begun: BegunReading | undefined

  /**
   * Reads everything, or what is left of a reading that gave way a moment ago. `proceed` is called between questions: it throws when the job
   * is to be given up, and is false when it is to give way to another; then all is as before, but for what the next reading need not ask again.
   */
  read(
    questions: ServiceQuestions,
    asked: { readonly generation: number; readonly statistics: boolean },
    proceed: () => boolean,
  ): TableDelta | typeof GAVE_WAY {
    const whole = !this.#valid || asked.generation !== this.#generation
    if (whole) this.#services.clear()
    this.#swap()
    const begun = !whole && this.#begun?.isFresh() ? this.#begun : new BegunReading()
    this.#begun = undefined
    this.#now.position = begun.end
    // Void until this read has come to its end: one that breaks off in the middle leaves nothing to compare with.
    this.#valid = false
    const places = this.#dumpAll(questions, begun, proceed)
    if (places === GAVE_WAY) {
      begun.end = this.#now.position
      this.#swap()
      this.#valid = !whole
      if (!whole) this.#begun = begun
      return GAVE_WAY
    }
    const found = this.#remembered(places)
    const changed: Remembered[] = []
    for (const service of found.values()) {
      if (this.#unchanged(service) && (service.counted || !asked.statistics)) continue
      service.counted = asked.statistics
      changed.push(service)
    }
    const gone: number[] = []
    for (const [name, { slot }] of this.#services) if (!found.has(name)) gone.push(slot)
    this.#services = found
    this.#generation++
    this.#valid = true
    return { generation: this.#generation, whole, gone, ...pack(this.#now.bytes, changed.map(packed)) }
  }

  /** Messages are about to be sent that change the table: what they name is read anew. */
  changing(messages: Uint8Array): void {
    if (this.#begun?.forget(messages, (name) => this.#services.has(name)) === false) this.#begun = undefined
  }

  #swap(): void {
    const swap = this.#now
    this.#now = this.#before
    this.#before = swap
  }

  #remembered(places: ReadonlyMap<string, Found>): Map<string, Remembered> {
    const all = new Map<string, Remembered>()
    for (const [name, { slot, nest, place }] of places) {
      const known = this.#services.get(name)
      if (known === undefined) all.set(name, { slot, nest, now: place, before: undefined, counted: false })
      else {
        known.before = known.now
        known.now = place
        all.set(name, known)
      }
    }
    return all
  }

  #dumpAll(questions: ServiceQuestions, begun: BegunReading, proceed: () => boolean): Map<string, Found> | typeof GAVE_WAY {
    const list = this.#list
    list.position = 0
    questions.dumpServices(list, SERVICES_SEQUENCE)
    const listed = new Map<string, Range>()
    const cursor = new MessageCursor(list.bytes, 0, list.position)
    const attributes = new AttributeCursor(list.bytes)
    while (cursor.next()) {
      if (!proceed()) return GAVE_WAY
      const range = nameRange(attributes, cursor)
      const name = list.bytes.toString('latin1', range.start, range.end)
      // A dump that others disturb repeats services.
      if (listed.has(name)) continue
      const there = begun.has(name) || this.#readDestinations(questions, begun, name, range)
      if (there) listed.set(name, { start: cursor.start, end: cursor.end })
    }
    const moved = this.#now.position
    this.#now.append(list)
    const found = new Map<string, Found>()
    for (const [name, { start, end }] of listed) {
      const { slot, nest, read } = begun.get(name)
      found.set(name, { slot, nest, place: { service: { start: moved + start, end: moved + end }, ...read } })
    }
    return found
  }

  /** Whether the service that was just listed is still there. */
  #readDestinations(questions: ServiceQuestions, begun: BegunReading, name: string, range: Range): boolean {
    const known = this.#services.get(name)
    const slot = known?.slot ?? this.#nextSlot++
    const nest = known?.nest ?? nestOf(this.#list.bytes.subarray(range.start, range.end))
    const read = readDestinations(questions, this.#now, nest, slot)
    if (read !== undefined) begun.add(name, { slot, nest, read })
    return read !== undefined
  }

  #unchanged({ now, before }: Remembered): boolean {
    return before !== undefined && this.#same(before.service, now.service) && this.#same(before.destinations, now.destinations)
  }

  #same(before: Range, now: Range): boolean {
    if (now.end - now.start !== before.end - before.start) return false
    return this.#now.bytes.compare(this.#before.bytes, before.start, before.end, now.start, now.end) === 0
  }
}

/** Reads the destinations of a service that was just listed; undefined when it has vanished meanwhile. */
function readDestinations(
  questions: ServiceQuestions,
  arena: Arena,
  nest: Uint8Array,
  sequence: number,
): ReadDestinations | undefined {
  const start = arena.position
  const datagrams = questions.dumpDestinations(arena, nest, sequence)
  const end = arena.position
  if (end === start) {
    // The destinations of an unknown service are an empty success: only the service itself tells.
    const there = questions.getService(arena, nest, sequence)
    arena.position = end
    if (!there) return undefined
  }
  return { destinations: { start, end }, datagrams }
}

/** Reads the named services alone; one that is not there has no entry. */
export function readServices(questions: ServiceQuestions, identities: readonly Uint8Array[], proceed: () => void): ServiceBytes {
  const arena = new Arena()
  const places: Packed[] = []
  for (const [number, nest] of identities.entries()) {
    proceed()
    const start = arena.position
    if (!questions.getService(arena, nest, SERVICES_SEQUENCE)) continue
    const service = { start, end: arena.position }
    const read = readDestinations(questions, arena, nest, SERVICES_SEQUENCE)
    if (read !== undefined) places.push({ number, place: { service, ...read } })
  }
  return pack(arena.bytes, places)
}

interface Packed {
  readonly number: number
  readonly place: Place
}

function packed({ slot, now }: Remembered): Packed {
  return { number: slot, place: now }
}

/** Copies the messages of some services into bytes of their own, which can change threads without a further copy. */
function pack(from: Buffer, services: readonly Packed[]): ServiceBytes {
  let total = 0
  for (const { place } of services) total += length(place.service) + length(place.destinations)
  const bytes = new Uint8Array(total)
  const entries = new Int32Array(services.length * ENTRY.length)
  let position = 0
  for (const [index, { number, place }] of services.entries()) {
    const start = position
    for (const range of [place.service, place.destinations]) {
      bytes.set(from.subarray(range.start, range.end), position)
      position += length(range)
    }
    entries.set([number, start, position, place.datagrams], index * ENTRY.length)
  }
  return { entries, bytes }
}

function length({ start, end }: Range): number {
  return end - start
}
