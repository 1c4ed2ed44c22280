import { AttributeCursor } from '../netlink/attribute-cursor.ts'
import { Arena } from '../netlink/exchange.ts'
import { MessageCursor } from '../netlink/message-cursor.ts'
import { ENTRY, GAVE_WAY, type ServiceBytes, type TableDelta } from '../worker/jobs.ts'
import { nameRange, nestOf, type ServiceQuestions } from './service-dump.ts'

/** Where the messages of a service lie in an arena: the service itself and its destinations. */
interface Place {
  readonly service: Range
  readonly destinations: Range
  readonly datagrams: number
}

interface Range {
  readonly start: number
  readonly end: number
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

/** A service that is being read. */
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

  /**
   * Reads everything. `proceed` is called between questions: it throws when the job is to be given up, and is false when it is to give way
   * to another; then all is as before.
   */
  read(
    questions: ServiceQuestions,
    asked: { readonly generation: number; readonly statistics: boolean },
    proceed: () => boolean,
  ): TableDelta | typeof GAVE_WAY {
    const whole = !this.#valid || asked.generation !== this.#generation
    if (whole) this.#services.clear()
    this.#swap()
    this.#now.position = 0
    // Void until this read has come to its end: one that breaks off in the middle leaves nothing to compare with.
    this.#valid = false
    const places = this.#dumpAll(questions, proceed)
    if (places === GAVE_WAY) {
      this.#swap()
      this.#valid = !whole
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

  #dumpAll(questions: ServiceQuestions, proceed: () => boolean): Map<string, Found> | typeof GAVE_WAY {
    const arena = this.#now
    questions.dumpServices(arena, SERVICES_SEQUENCE)
    const found = new Map<string, Found>()
    // The arena may move when it grows; what was received by now stays readable where it was.
    const listed = arena.bytes
    const cursor = new MessageCursor(listed, 0, arena.position)
    const attributes = new AttributeCursor(listed)
    while (cursor.next()) {
      if (!proceed()) return GAVE_WAY
      const range = nameRange(attributes, cursor)
      const name = listed.toString('latin1', range.start, range.end)
      // A dump that others disturb repeats services.
      if (found.has(name)) continue
      const known = this.#services.get(name)
      const slot = known?.slot ?? this.#nextSlot++
      const nest = known?.nest ?? nestOf(listed.subarray(range.start, range.end))
      const place = dumpPlace(questions, arena, { start: cursor.start, end: cursor.end }, nest, slot)
      if (place !== undefined) found.set(name, { slot, nest, place })
    }
    return found
  }

  #unchanged({ now, before }: Remembered): boolean {
    return before !== undefined && this.#same(before.service, now.service) && this.#same(before.destinations, now.destinations)
  }

  #same(before: Range, now: Range): boolean {
    if (now.end - now.start !== before.end - before.start) return false
    return this.#now.bytes.compare(this.#before.bytes, before.start, before.end, now.start, now.end) === 0
  }
}

/** Reads the destinations behind a service that was just listed; undefined when it has vanished meanwhile. */
function dumpPlace(
  questions: ServiceQuestions,
  arena: Arena,
  service: Range,
  nest: Uint8Array,
  sequence: number,
): Place | undefined {
  const start = arena.position
  const datagrams = questions.dumpDestinations(arena, nest, sequence)
  const end = arena.position
  if (end === start) {
    // The destinations of an unknown service are an empty success: only the service itself tells.
    const there = questions.getService(arena, nest, sequence)
    arena.position = end
    if (!there) return undefined
  }
  return { service, destinations: { start, end }, datagrams }
}

/** Reads the named services alone; one that is not there has no entry. */
export function readServices(questions: ServiceQuestions, identities: readonly Uint8Array[], proceed: () => void): ServiceBytes {
  const arena = new Arena()
  const places: Packed[] = []
  for (const [number, nest] of identities.entries()) {
    proceed()
    const start = arena.position
    if (!questions.getService(arena, nest, SERVICES_SEQUENCE)) continue
    const place = dumpPlace(questions, arena, { start, end: arena.position }, nest, SERVICES_SEQUENCE)
    if (place !== undefined) places.push({ number, place })
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
