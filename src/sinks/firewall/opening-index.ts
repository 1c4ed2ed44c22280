import type { AddressFamily } from '../../model/address.ts'
import { type FirewallHook, type Opening, type OpeningKey, type Openings, openingFamily, openingKey } from './opening.ts'

/** What became wanted and what is wanted no more, between two revisions. */
export interface OpeningChange {
  readonly came: Openings
  readonly went: Openings
}

/** Revisions of which is known what changed; who knows less looks at everything. */
const KEPT = 64

interface Counted {
  readonly opening: Opening
  count: number
}

/** Openings, each as often as it is asked for, by hook and family. What changes is kept for those who follow. */
export class OpeningIndex {
  readonly #counted = new Map<OpeningKey, Counted>()
  readonly #at = new Map<string, Map<OpeningKey, Opening>>()
  /** Since the last commit: those that were touched, with whether they were there. */
  readonly #touched = new Map<OpeningKey, { readonly opening: Opening; readonly wasThere: boolean }>()
  /** The last one leads to `revision`. */
  readonly #changes: OpeningChange[] = []
  #revision = 0

  get revision(): number {
    return this.#revision
  }

  get size(): number {
    return this.#counted.size
  }

  add(opening: Opening): void {
    const key = openingKey(opening)
    const counted = this.#counted.get(key)
    if (counted !== undefined) counted.count += 1
    else {
      this.#touch(key, opening, false)
      this.#counted.set(key, { opening, count: 1 })
    }
  }

  remove(opening: Opening): void {
    const key = openingKey(opening)
    const counted = this.#counted.get(key)
    if (counted === undefined) return
    counted.count -= 1
    if (counted.count > 0) return
    this.#touch(key, counted.opening, true)
    this.#counted.delete(key)
  }

  /** Everything since the last commit is one change. */
  commit(): void {
    const came = new Map<OpeningKey, Opening>()
    const went = new Map<OpeningKey, Opening>()
    for (const [key, { opening, wasThere }] of this.#touched) {
      const isThere = this.#counted.has(key)
      if (isThere && !wasThere) came.set(key, opening)
      if (wasThere && !isThere) went.set(key, opening)
    }
    this.#touched.clear()
    if (came.size + went.size === 0) return
    for (const [key, opening] of came) for (const map of this.#mapsOf(opening)) map.set(key, opening)
    for (const [key, opening] of went) for (const map of this.#mapsOf(opening)) map.delete(key)
    this.#revision += 1
    this.#changes.push({ came, went })
    if (this.#changes.length > KEPT) this.#changes.shift()
  }

  at(hook: FirewallHook, families: readonly AddressFamily[]): Openings {
    return this.#map(nameOf(hook, families))
  }

  since(revision: number): OpeningChange | undefined {
    const missed = this.#revision - revision
    if (missed > this.#changes.length) return undefined
    if (missed === 1) return this.#changes.at(-1)
    const came = new Map<OpeningKey, Opening>()
    const went = new Map<OpeningKey, Opening>()
    for (const change of missed === 0 ? [] : this.#changes.slice(-missed)) {
      for (const [key, opening] of change.came) if (!went.delete(key)) came.set(key, opening)
      for (const [key, opening] of change.went) if (!came.delete(key)) went.set(key, opening)
    }
    return { came, went }
  }

  #touch(key: OpeningKey, opening: Opening, wasThere: boolean): void {
    if (!this.#touched.has(key)) this.#touched.set(key, { opening, wasThere })
  }

  #mapsOf(opening: Opening): Map<OpeningKey, Opening>[] {
    const family = openingFamily(opening)
    return [[family], ['ipv4', 'ipv6'] as const].map((families) => this.#map(nameOf(opening.hook, families)))
  }

  #map(name: string): Map<OpeningKey, Opening> {
    const known = this.#at.get(name)
    if (known !== undefined) return known
    const map = new Map<OpeningKey, Opening>()
    this.#at.set(name, map)
    return map
  }
}

function nameOf(hook: FirewallHook, families: readonly AddressFamily[]): string {
  return `${hook} ${families.join()}`
}
