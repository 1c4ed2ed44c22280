import type { ServiceKey } from '../../model/virtual-service.ts'
import type { TableImage } from './table-image.ts'
import { type MatchKey, ownerOf } from './translation.ts'

/** Translated connections of each service, summed up over the counters of its elements, which begin anew when an element does. */
export class ConnectionCounts {
  readonly #seen = new Map<MatchKey, bigint>()
  readonly #totals = new Map<ServiceKey, bigint>()

  /** Takes in what a table that was just read says. */
  observe({ held }: TableImage): void {
    for (const [key, { match, connections }] of held) {
      const owner = ownerOf(match)
      const seen = this.#seen.get(key) ?? 0n
      const more = connections >= seen ? connections - seen : connections
      this.#seen.set(key, connections)
      this.#totals.set(owner, (this.#totals.get(owner) ?? 0n) + more)
    }
    for (const key of this.#seen.keys()) if (!held.has(key)) this.#seen.delete(key)
  }

  /** Forgets the services that have no translation any more. */
  keepOnly({ held }: TableImage): void {
    const owners = new Set([...held.values()].map(({ match }) => ownerOf(match)))
    for (const owner of this.#totals.keys()) if (!owners.has(owner)) this.#totals.delete(owner)
  }

  totals(): ReadonlyMap<ServiceKey, bigint> {
    return new Map(this.#totals)
  }
}
