import type { DestinationKey } from '../../model/destination.ts'
import type { DestinationReading, IpvsTable, ServiceReading } from '../../model/ipvs-table.ts'
import { type ServiceIdentity, type ServiceKey, serviceKey } from '../../model/virtual-service.ts'
import type { ReadOptions } from '../ipvs-kernel.ts'
import { MessageWriter } from '../netlink/message-writer.ts'
import { Pace } from '../pace.ts'
import { GAVE_WAY, type TableDelta } from '../worker/jobs.ts'
import type { KernelWorker } from '../worker/kernel-worker.ts'
import { encodeIdentityNest } from './service-codec.ts'
import { type AskedService, type DecodeOptions, TableMirror } from './table-mirror.ts'

/** How often a service whose destinations come in several datagrams is asked for a destination before it counts as absent. */
const ROUNDS = 3

type Expected = ReadonlyMap<ServiceIdentity, ReadonlySet<DestinationKey>>

/**
 * Reads the table so that absence is certain. A dump that others disturb skips objects that nobody touched: what should be
 * there and is not in it is asked for alone (ESRCH is proof) and its destinations are dumped again, the answers united by key.
 */
export class TableReader {
  readonly #worker: KernelWorker
  readonly #mirror = new TableMirror()

  constructor(worker: KernelWorker) {
    this.#worker = worker
  }

  async readTable({ expected, statistics = false, signal }: ReadOptions): Promise<IpvsTable> {
    const options = { statistics, pace: new Pace() }
    const delta = await this.#dump(statistics, signal)
    const table = await this.#mirror.take(delta, options)
    return expected === undefined ? table : this.#confirm(table, expected, options)
  }

  async readServices(services: readonly ServiceIdentity[], { expected, statistics = false }: ReadOptions): Promise<IpvsTable> {
    const options = { statistics, pace: new Pace() }
    const table = new Map<ServiceKey, ServiceReading>()
    for (const { key, reading } of (await this.#ask(services, options)).values()) table.set(key, reading)
    if (expected === undefined) return table
    const asked = new Set(services.map(serviceKey))
    // A service that GET_SERVICE did not find is absent for certain: only destinations are in doubt.
    const doubtful = [...expected].filter(([identity]) => asked.has(serviceKey(identity)) && table.has(serviceKey(identity)))
    return this.#confirm(table, new Map(doubtful), options)
  }

  async #dump(statistics: boolean, signal: AbortSignal | undefined): Promise<TableDelta> {
    signal?.throwIfAborted()
    const giveWay = () => this.#worker.giveWay(true)
    this.#worker.giveWay(false)
    signal?.addEventListener('abort', giveWay)
    try {
      const delta = await this.#worker.call('read-table', { generation: this.#mirror.generation, statistics })
      if (delta !== GAVE_WAY) return delta
      throw signal?.reason ?? new Error('nobody asked the kernel worker to give way')
    } finally {
      signal?.removeEventListener('abort', giveWay)
    }
  }

  /** The table with every absence of something expected proven, or the missing object found after all. */
  async #confirm(table: IpvsTable, expected: Expected, options: DecodeOptions): Promise<IpvsTable> {
    let doubtful = await incomplete(table, expected, options.pace)
    if (doubtful.length === 0) return table
    const confirmed = new Map(table)
    for (let round = 1; doubtful.length > 0 && round <= ROUNDS; round++) {
      const answers = await this.#ask(doubtful, options)
      const certain = new Set<ServiceKey>()
      for (const identity of doubtful) {
        const key = serviceKey(identity)
        const answer = answers.get(key)
        if (answer === undefined) confirmed.delete(key)
        else confirmed.set(key, united(confirmed.get(key), answer))
        if (answer === undefined || answer.atOnce) certain.add(key)
      }
      const open = doubtful.filter((identity) => !certain.has(serviceKey(identity)))
      doubtful = await incomplete(
        confirmed,
        new Map(open.map((identity) => [identity, expected.get(identity) ?? new Set()])),
        options.pace,
      )
    }
    return confirmed
  }

  async #ask(services: readonly ServiceIdentity[], options: DecodeOptions): Promise<Map<ServiceKey, AskedService>> {
    const answer = await this.#worker.call('read-services', { identities: services.map(encodedIdentity) })
    const decoded = await this.#mirror.decodeAsked(answer, options)
    return new Map(decoded.map((service) => [service.key, service]))
  }
}

/** The expected services that the table lacks, wholly or in some of their destinations. */
async function incomplete(table: IpvsTable, expected: Expected, pace: Pace): Promise<ServiceIdentity[]> {
  const found: ServiceIdentity[] = []
  for (const [identity, keys] of expected) {
    const reading = table.get(serviceKey(identity))
    if (reading === undefined || !(await holdsAll(reading, keys, pace))) found.push(identity)
  }
  return found
}

async function holdsAll({ destinations }: ServiceReading, keys: ReadonlySet<DestinationKey>, pace: Pace): Promise<boolean> {
  for (const key of keys) {
    if (!destinations.has(key)) return false
    if (pace.due()) await pace.rest()
  }
  return true
}

/** What came at once is the truth; of answers in pieces, whatever any of them showed is there. */
function united(before: ServiceReading | undefined, { reading, atOnce }: AskedService): ServiceReading {
  if (before === undefined || atOnce) return reading
  const destinations = new Map<DestinationKey, DestinationReading>(before.destinations)
  for (const [key, destination] of reading.destinations) destinations.set(key, destination)
  return { ...reading, destinations }
}

function encodedIdentity(identity: ServiceIdentity): Uint8Array {
  const writer = new MessageWriter(new Uint8Array(64))
  encodeIdentityNest(writer, identity)
  return writer.bytes.slice(0, writer.position)
}
