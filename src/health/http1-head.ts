/** Bytes that a head may have; Node's own limit. */
export const LONGEST_HEAD = 16_384

/** Status line and headers of an answer (RFC 9112, 4 and 5). */
export interface Http1Head {
  readonly status: number
  /** Names in lower case; what is there several times is joined with commas (RFC 9110, 5.3). */
  readonly headers: Readonly<Record<string, string>>
  /** Bytes that it has, its empty line included. */
  readonly length: number
}

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
  const status = /^HTTP\/1\.[01] (\d{3})(?: |\r?\n)/.exec(text)?.[1]
  if (status === undefined) return { fault: 'its first line is no status' }
  const headers: Record<string, string> = Object.create(null)
  let last = ''
  for (const line of linesOf(text)) {
    const colon = line.indexOf(':')
    if ((line.startsWith(' ') || line.startsWith('\t')) && last !== '') headers[last] += ` ${line.trim()}`
    else if (colon < 1) return { fault: 'a header has no name' }
    else {
      last = line.slice(0, colon).toLowerCase()
      const value = line.slice(colon + 1).trim()
      headers[last] = headers[last] === undefined ? value : `${headers[last]}, ${value}`
    }
  }
  return { status: Number(status), headers, length: end }
}

/** The lines behind the first one, without the empty one at the end. */
function linesOf(head: string): string[] {
  const lines: string[] = []
  for (let at = head.indexOf('\n') + 1, end = head.indexOf('\n', at); end > at; at = end + 1, end = head.indexOf('\n', at)) {
    const stop = head.charAt(end - 1) === '\r' ? end - 1 : end
    if (end + 1 === head.length && stop === at) break
    lines.push(head.slice(at, stop))
  }
  return lines
}

const LF = 10
const CR = 13

/** Lines may end without their carriage return (RFC 9112, 2.2). */
function endOfHead(bytes: Buffer, searched: number): number | undefined {
  // The line that ends it may have begun with the last two bytes.
  for (let at = bytes.indexOf(LF, Math.max(0, searched - 2)); at >= 0; at = bytes.indexOf(LF, at + 1)) {
    if (bytes[at + 1] === LF) return at + 2
    if (bytes[at + 1] === CR && bytes[at + 2] === LF) return at + 3
  }
  return undefined
}
