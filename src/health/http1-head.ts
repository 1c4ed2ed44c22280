const TAB = 9
const LF = 10
const CR = 13
const SPACE = 32

/** Bytes that a head may have; Node's own limit. */
export const LONGEST_HEAD = 16_384

/** Status line and headers of an answer (RFC 9112, 4 and 5). */
export interface Http1Head {
  readonly status: number
  readonly headers: HttpHeaders
  /** Bytes that it has, its empty line included. */
  readonly length: number
}

export interface HttpHeaders {
  /** Of a name in lower case; what is there several times is joined with commas (RFC 9110, 5.3). */
  get(name: string): string | undefined
}

const STATUS_LINE = /^HTTP\/1\.[01] \d{3}(?: |\r?\n)/

/**
 * The head at the beginning of what has come so far; undefined while more is needed; or what is wrong. `searched`: bytes in which an earlier call has found no
 * end. `longest`: bytes that it may have.
 */
export function readHead(
  bytes: Buffer,
  searched = 0,
  longest = LONGEST_HEAD,
): Http1Head | undefined | { readonly fault: string } {
  const beginning = bytes.toString('latin1', 0, 5)
  if (!'HTTP/'.startsWith(beginning)) return { fault: 'it begins otherwise' }
  const end = endOfHead(bytes, searched)
  if ((end ?? bytes.length) > longest) return { fault: `its head is longer than ${LONGEST_HEAD} bytes` }
  if (end === undefined) return undefined
  const text = bytes.toString('latin1', 0, end)
  if (!STATUS_LINE.test(text)) return { fault: 'its first line is no status' }
  const headers = new HeaderLines(text)
  if (!headers.haveNames) return { fault: 'a header has no name' }
  return { status: Number(text.slice(9, 12)), headers, length: end }
}

/** Few headers of an answer are ever asked for: they are looked up in its text, and nothing is made of the others. */
class HeaderLines implements HttpHeaders {
  /** Of the whole head, its empty line included. */
  readonly #text: string

  constructor(text: string) {
    this.#text = text
  }

  /** Whether each line is a header, or goes on with the one before. */
  get haveNames(): boolean {
    const text = this.#text
    const first = this.#next(0)
    for (let at = first, end = this.#next(at); end < text.length; at = end, end = this.#next(at)) {
      if (this.#goesOn(at) && at > first) continue
      const colon = text.indexOf(':', at)
      if (colon <= at || colon >= end) return false
    }
    return true
  }

  get(name: string): string | undefined {
    const text = this.#text
    let found: string | undefined
    let isMeant = false
    for (let at = this.#next(0), end = this.#next(at); end < text.length; at = end, end = this.#next(at)) {
      if (this.#goesOn(at)) {
        if (isMeant) found += ` ${text.slice(at, end).trim()}`
        continue
      }
      const colon = at + name.length
      isMeant = text.charAt(colon) === ':' && text.slice(at, colon).toLowerCase() === name
      if (!isMeant) continue
      const value = text.slice(colon + 1, end).trim()
      found = found === undefined ? value : `${found}, ${value}`
    }
    return found
  }

  /** Where the next line begins. Behind the last one, which is empty, the text is over. */
  #next(at: number): number {
    return this.#text.indexOf('\n', at) + 1
  }

  /** Whether the line goes on with the header before it. */
  #goesOn(at: number): boolean {
    const first = this.#text.charCodeAt(at)
    return first === SPACE || first === TAB
  }
}

/** Lines may end without their carriage return (RFC 9112, 2.2). */
function endOfHead(bytes: Buffer, searched: number): number | undefined {
  // The line that ends it may have begun with the last two bytes.
  for (let at = bytes.indexOf(LF, Math.max(0, searched - 2)); at >= 0; at = bytes.indexOf(LF, at + 1)) {
    if (bytes[at + 1] === LF) return at + 2
    if (bytes[at + 1] === CR && bytes[at + 2] === LF) return at + 3
  }
  return undefined
}
