import type { IpAddress } from '../../model/address.ts'

/** How often an address is announced at once, and once more after so many milliseconds: keepalived's habit. */
export const ANNOUNCE_TIMES = 5
const REPEAT_AFTER = 5_000

interface Waiting {
  readonly link: number
  readonly at: number
}

/** Which addresses are to be announced when. */
export class Announcements {
  readonly #now = new Map<IpAddress, number>()
  readonly #later = new Map<IpAddress, Waiting>()

  /** At once, and again later. */
  begin(address: IpAddress, link: number): void {
    this.#now.set(address, link)
  }

  /** An address that has moved is announced where it is now. */
  cancel(address: IpAddress, link: number): void {
    if (this.#now.get(address) === link) this.#now.delete(address)
    if (this.#later.get(address)?.link === link) this.#later.delete(address)
  }

  /** Takes what is due, by link. */
  take(now: number): Map<number, IpAddress[]> {
    const due = new Map<number, IpAddress[]>()
    const put = (link: number, address: IpAddress) => {
      const addresses = due.get(link)
      if (addresses === undefined) due.set(link, [address])
      else addresses.push(address)
    }
    for (const [address, { link, at }] of this.#later) {
      if (at > now) continue
      this.#later.delete(address)
      if (!this.#now.has(address)) put(link, address)
    }
    for (const [address, link] of this.#now) {
      put(link, address)
      this.#later.set(address, { link, at: now + REPEAT_AFTER })
    }
    this.#now.clear()
    return due
  }

  /** When something is due next; `undefined`: never. */
  get next(): number | undefined {
    let next = this.#now.size > 0 ? 0 : undefined
    for (const { at } of this.#later.values()) next = Math.min(next ?? at, at)
    return next
  }
}
