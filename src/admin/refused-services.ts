import type { Gauge } from 'prom-client'

/** Of each registry. Whoever may register services decides on their names, and on how many there are. */
const SHOWN = 100

/** Which services of registries are refused, as series: of each registry those that have been refused for the longest time. */
export class RefusedServices {
  readonly #gauge: Gauge
  /** In the order in which they were refused, by registry. */
  readonly #refused = new Map<string, Set<string>>()

  constructor(gauge: Gauge) {
    this.#gauge = gauge
  }

  changed(catalog: string, service: string, isRefused: boolean): void {
    const refused = this.#refused.get(catalog) ?? new Set()
    if (isRefused) refused.add(service)
    else if (!refused.delete(service)) return
    this.#refused.set(catalog, refused)
    if (!isRefused) this.#gauge.remove({ catalog, service })
    // The newcomer, or who moves up.
    const shown = isRefused && refused.size <= SHOWN ? service : lastShown(refused)
    if (shown !== undefined) this.#gauge.set({ catalog, service: shown }, 1)
    if (refused.size === 0) this.#refused.delete(catalog)
  }
}

/** Undefined: there are fewer. */
function lastShown(refused: Iterable<string>): string | undefined {
  let count = 0
  for (const service of refused) if (++count === SHOWN) return service
  return undefined
}
