import { type LookupAddress, type LookupOptions, promises } from 'node:dns'
import type { LookupFunction } from 'node:net'

export type Resolve = (name: string, options: LookupOptions) => Promise<LookupAddress[]>

/** Lookups at one time. */
const WIDTH = 2

/**
 * Looks up names of hosts for connections as the machine does (hosts file, resolver). A lookup holds one of the four threads
 * that also read and write files, for many seconds where the resolver is dead, and nobody can stop it: therefore only two
 * run at a time, and whoever asks for the same name shares one.
 */
export class NameLookups {
  readonly #resolve: Resolve
  readonly #known = new Map<string, Promise<LookupAddress[]>>()
  readonly #waiting: (() => void)[] = []
  #running = 0

  constructor(resolve: Resolve = (name, options) => promises.lookup(name, { ...options, all: true })) {
    this.#resolve = resolve
  }

  /** For the option of the same name of `net.connect` and of what is built on it. */
  readonly lookup: LookupFunction = (name, options, callback) => {
    this.#shared(name, options).then(
      (addresses) => {
        const [first] = addresses
        if (options.all) callback(null, addresses)
        else callback(null, first?.address ?? '', first?.family)
      },
      (error: NodeJS.ErrnoException) => callback(error, ''),
    )
  }

  #shared(name: string, options: LookupOptions): Promise<LookupAddress[]> {
    const key = JSON.stringify([name, options.family, options.hints])
    const known = this.#known.get(key)
    if (known !== undefined) return known
    const lookup = this.#inTurn(() => this.#resolve(name, options)).finally(() => this.#known.delete(key))
    this.#known.set(key, lookup)
    return lookup
  }

  async #inTurn<T>(work: () => Promise<T>): Promise<T> {
    if (this.#running < WIDTH) this.#running++
    else await new Promise<void>((resolve) => this.#waiting.push(resolve))
    try {
      return await work()
    } finally {
      const next = this.#waiting.shift()
      if (next === undefined) this.#running--
      else next()
    }
  }
}
