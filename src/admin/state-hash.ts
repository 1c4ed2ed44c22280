import type { DesiredService } from '../model/desired-state.ts'
import { type Destination, type DestinationKey, forwardingText } from '../model/destination.ts'
import type { ServiceKey } from '../model/virtual-service.ts'
import type { Pace } from './pace.ts'

const LOW = 2 ** 32
const HIGH = 2 ** 21

/** One text as two words of 32 bits: FNV-1a with two primes, the bits mixed at the end so that sums of them do not cancel out. */
function words(text: string): readonly [number, number] {
  let one = 0x811c9dc5
  let two = 0x9747b28c
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    one = Math.imul(one ^ code, 0x01000193)
    two = Math.imul(two ^ code, 0x01000197)
  }
  return [mixed(one), mixed(two)]
}

function mixed(word: number): number {
  let bits = word
  bits = Math.imul(bits ^ (bits >>> 15), 0x2c1b3c6d)
  bits = Math.imul(bits ^ (bits >>> 12), 0x297a2d39)
  return (bits ^ (bits >>> 15)) >>> 0
}

/**
 * A number below 2^53, which a Prometheus value holds exactly: the sum of one hash for each service and each destination, so that
 * the order is nothing and each change counts. Equal on two directors of one version that hold the same; names and counters are no part.
 */
export class StateHash {
  #low = 0
  #high = 0

  addService(key: ServiceKey, scheduler: string): void {
    this.#add(words(`${key} ${scheduler}`))
  }

  addDestination(
    service: ServiceKey,
    key: DestinationKey,
    { forwarding, weight }: Pick<Destination, 'forwarding' | 'weight'>,
  ): void {
    this.#add(words(`${service} ${key} ${forwardingText(forwarding)} ${weight}`))
  }

  /** Takes in what another one has. */
  addAll(other: StateHash): void {
    this.#add([other.#low, other.#high])
  }

  get value(): number {
    return this.#high * LOW + this.#low
  }

  #add([low, high]: readonly [number, number]): void {
    this.#low = (this.#low + low) % LOW
    this.#high = (this.#high + high) % HIGH
  }
}

/** Hashes of desired states, one after the other: a service that is the same object as before is not hashed again. */
export class DesiredHashes {
  readonly #known = new WeakMap<DesiredService, StateHash>()

  async of(services: ReadonlyMap<ServiceKey, DesiredService>, pace: Pace): Promise<number> {
    const all = new StateHash()
    for (const [key, service] of services) {
      all.addAll(this.#known.get(service) ?? (await this.#hash(key, service, pace)))
      if (pace.due()) await pace.rest()
    }
    return all.value
  }

  async #hash(key: ServiceKey, service: DesiredService, pace: Pace): Promise<StateHash> {
    const hash = new StateHash()
    hash.addService(key, service.scheduler)
    for (const [destination, wanted] of service.destinations) {
      hash.addDestination(key, destination, wanted)
      if (pace.due()) await pace.rest()
    }
    this.#known.set(service, hash)
    return hash
  }
}
