import type { IpvsTable, ServiceReading } from '../../model/ipvs-table.ts'
import type { ServiceKey } from '../../model/virtual-service.ts'
import type { Pace } from '../pace.ts'
import { ENTRY, type ServiceBytes, type TableDelta } from '../worker/jobs.ts'
import { decodeKnownService, decodeServiceMessage, type KnownService, type RawService } from './service-decoder.ts'

/** How a read is decoded. */
export interface DecodeOptions {
  readonly statistics: boolean
  readonly pace: Pace
}

/** A service of a partial read. */
export interface AskedService {
  /** Its position in the question. */
  readonly number: number
  readonly key: ServiceKey
  readonly reading: ServiceReading
  /** Its destinations came in one datagram, so they are what was there at one moment. */
  readonly atOnce: boolean
}

/** No read of the worker has this number. */
const NOTHING = -1

/**
 * The main thread's copy of the last full read. Only services whose bytes changed are decoded; the others keep their
 * ServiceReading, and a destination that did not change keeps its objects even when its neighbours did.
 */
export class TableMirror {
  #generation = NOTHING
  /** Undefined for a service that the model has no word for. */
  readonly #slots = new Map<number, KnownService | undefined>()
  readonly #byKey = new Map<ServiceKey, KnownService>()
  #table: IpvsTable = new Map()

  /** Which of the worker's reads this copy equals. */
  get generation(): number {
    return this.#generation
  }

  /** Takes in what changed; the very same table when nothing did. */
  async take(delta: TableDelta, options: DecodeOptions): Promise<IpvsTable> {
    // Half of an answer equals no read: should decoding fail, the next question is for everything.
    this.#generation = NOTHING
    if (delta.whole) this.#slots.clear()
    for (const slot of delta.gone) this.#slots.delete(slot)
    for (const { number, raw } of rawServices(delta)) {
      const service = await decode(raw, this.#byKey, options)
      // What partial reads and earlier full ones remember beyond this one is gone.
      service?.destinations.keepOnly(service.reading.destinations)
      this.#slots.set(number, service)
      if (options.pace.due()) await options.pace.rest()
    }
    this.#generation = delta.generation
    if (delta.whole || delta.gone.length > 0 || delta.entries.length > 0) this.#rebuild()
    return this.#table
  }

  /** Decodes a partial read with the objects that are known; the copy of the full read stays what it was. */
  async decodeAsked(answer: ServiceBytes, options: DecodeOptions): Promise<AskedService[]> {
    const services: AskedService[] = []
    for (const { number, raw, datagrams } of rawServices(answer)) {
      const service = await decode(raw, this.#byKey, options)
      if (service) services.push({ number, key: service.key, reading: service.reading, atOnce: datagrams <= 1 })
    }
    return services
  }

  #rebuild(): void {
    const table = new Map<ServiceKey, ServiceReading>()
    this.#byKey.clear()
    for (const service of this.#slots.values()) {
      if (service === undefined) continue
      table.set(service.key, service.reading)
      this.#byKey.set(service.key, service)
    }
    this.#table = table
  }
}

async function decode(
  raw: RawService,
  known: ReadonlyMap<ServiceKey, KnownService>,
  options: DecodeOptions,
): Promise<KnownService | undefined> {
  const decoded = decodeServiceMessage(raw, options.statistics)
  return decoded === undefined ? undefined : decodeKnownService(raw, decoded, known, options)
}

function* rawServices({ entries, bytes }: ServiceBytes): Iterable<{ number: number; raw: RawService; datagrams: number }> {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  for (let at = 0; at < entries.length; at += ENTRY.length) {
    const [number = 0, start = 0, end = 0, datagrams = 0] = entries.subarray(at, at + ENTRY.length)
    yield { number, raw: { bytes: buffer, start, end }, datagrams }
  }
}
