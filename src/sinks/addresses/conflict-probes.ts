import type { NetworkLink, RouteKernel } from '../../kernel/for-sinks.ts'
import type { IpAddress } from '../../model/address.ts'

/** Milliseconds that asking takes, and after which a late answer is looked for again. */
const ASKING = 540
const LATE = 50
/** Milliseconds for which an answer is worth anything. */
const FRESH = 5_000

/** What the neighbours say about an address on a link. */
export type Verdict =
  | { readonly kind: 'unasked' | 'asking' | 'free' }
  | { readonly kind: 'held'; readonly holder: string }
  | { readonly kind: 'failed'; readonly cause: unknown }

/** Questions to the neighbours that are on their way beside the passes, and their answers. */
export class ConflictProbes {
  readonly #kernel: Pick<RouteKernel, 'findHolders'>
  readonly #clock: () => number
  readonly #answers = new Map<string, { readonly verdict: Verdict; readonly at: number }>()

  /** `clock` gives milliseconds that only grow. */
  constructor(kernel: Pick<RouteKernel, 'findHolders'>, clock: () => number) {
    this.#kernel = kernel
    this.#clock = clock
  }

  /** Takes the answer: it counts for one decision. */
  verdict(address: IpAddress, link: NetworkLink): Verdict {
    const key = keyOf(address, link)
    const answer = this.#answers.get(key)
    if (answer === undefined) return { kind: 'unasked' }
    if (answer.verdict.kind === 'asking') return answer.verdict
    this.#answers.delete(key)
    return this.#clock() - answer.at > FRESH ? { kind: 'unasked' } : answer.verdict
  }

  /** Begins to ask. Hardware addresses in `ours` are those of this host, on whatever link. */
  ask(link: NetworkLink, addresses: readonly IpAddress[], ours: ReadonlySet<string>): void {
    const at = this.#clock()
    for (const address of addresses) this.#answers.set(keyOf(address, link), { verdict: { kind: 'asking' }, at })
    void this.#settle(link, addresses, ours)
  }

  /** Addresses about which a pass has still to decide. */
  get pending(): number {
    return this.#answers.size
  }

  /** Whether it can decide about one of them. */
  get answered(): boolean {
    for (const { verdict } of this.#answers.values()) if (verdict.kind !== 'asking') return true
    return false
  }

  /** Milliseconds until the next answer; undefined where none is expected. */
  get wait(): number | undefined {
    let wait: number | undefined
    for (const { verdict, at } of this.#answers.values()) {
      const due = verdict.kind === 'asking' ? Math.max(LATE, Math.ceil(at + ASKING - this.#clock())) : 0
      wait = Math.min(wait ?? due, due)
    }
    return wait
  }

  /** Gives a way to forget those of the answers of now that nobody takes meanwhile. */
  forgetUntaken(): () => void {
    const untaken = [...this.#answers].filter(([, { verdict }]) => verdict.kind !== 'asking')
    return () => {
      for (const [key, answer] of untaken) if (this.#answers.get(key) === answer) this.#answers.delete(key)
    }
  }

  async #settle(link: NetworkLink, addresses: readonly IpAddress[], ours: ReadonlySet<string>): Promise<void> {
    const verdictOf = await this.#ask(link, addresses, ours)
    const at = this.#clock()
    for (const address of addresses) this.#answers.set(keyOf(address, link), { verdict: verdictOf(address), at })
  }

  async #ask(
    link: NetworkLink,
    addresses: readonly IpAddress[],
    ours: ReadonlySet<string>,
  ): Promise<(address: IpAddress) => Verdict> {
    try {
      const holders = await this.#kernel.findHolders(link, addresses)
      return (address) => {
        const holder = holders.get(address)
        return holder === undefined || ours.has(holder) ? { kind: 'free' } : { kind: 'held', holder }
      }
    } catch (cause) {
      return () => ({ kind: 'failed', cause })
    }
  }
}

function keyOf(address: IpAddress, { index }: NetworkLink): string {
  return `${address} ${index}`
}
