import type { NftObject } from '../nftables-kernel.ts'
import { Pace } from '../pace.ts'

/** How nftables begins the elements of a set; inside a string the quotes would be escaped. */
const ELEMENTS = '"elem": ['
/** Characters of elements that are parsed in one step: about a millisecond. */
const PIECE = 64 * 1024

const QUOTE = 34
const COMMA = 44
const OPENING = new Set([91, 123])
const CLOSING = new Set([93, 125])
const BACKSLASH = 92

/**
 * The objects of an answer of nftables, without the line about itself. Elements, of which there may be tens of thousands, are parsed in slices, so that
 * nobody waits for a large table. Rejects with SyntaxError.
 */
export async function readAnswer(text: string): Promise<readonly NftObject[]> {
  const pace = new Pace()
  const lists: unknown[][] = []
  let skeleton = ''
  let rest = 0
  for (let found = text.indexOf(ELEMENTS); found >= 0; found = text.indexOf(ELEMENTS, rest)) {
    const start = found + ELEMENTS.length
    const { elements, end } = await readElements(text, start, pace)
    // In its place stands the number of the list.
    skeleton += `${text.slice(rest, start)}${lists.length}`
    lists.push(elements)
    rest = end
  }
  const { nftables } = JSON.parse(skeleton + text.slice(rest), (key, value: unknown) =>
    key === 'elem' && Array.isArray(value) ? lists[value[0] as number] : value,
  ) as { nftables: readonly NftObject[] }
  return nftables.filter((object) => !('metainfo' in object))
}

/** What stands from `start` on up to the bracket that ends it, and where that is. */
async function readElements(text: string, start: number, pace: Pace): Promise<{ elements: unknown[]; end: number }> {
  const elements: unknown[] = []
  let from = start
  for (;;) {
    const { at, last } = endOfPiece(text, from)
    for (const element of JSON.parse(`[${text.slice(from, at)}]`) as unknown[]) elements.push(element)
    if (last) return { elements, end: at }
    from = at + 1
    if (pace.late()) await pace.rest()
  }
}

/** The first comma between two elements that is far enough, or the bracket behind the last. */
function endOfPiece(text: string, from: number): { at: number; last: boolean } {
  let depth = 0
  for (let at = from; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code === QUOTE) at = endOfString(text, at)
    else if (OPENING.has(code)) depth++
    else if (CLOSING.has(code) && depth-- === 0) return { at, last: true }
    else if (code === COMMA && depth === 0 && at - from >= PIECE) return { at, last: false }
  }
  throw new SyntaxError('the elements of a set do not end')
}

/** Where the string that begins at `start` ends. */
function endOfString(text: string, start: number): number {
  let at = start + 1
  while (at < text.length && text.charCodeAt(at) !== QUOTE) at += text.charCodeAt(at) === BACKSLASH ? 2 : 1
  return at
}
