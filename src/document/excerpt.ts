import { HIDDEN } from '../model/hidden.ts'

/** Counted from 1. */
interface Caret {
  readonly line: number
  readonly column: number
}

/** Keys whose values are seen in logs, metrics and tables anyway. */
const SEEN_KEYS = new Set([
  ...['name', 'listen', 'address', 'protocol', 'family', 'fwmark', 'scheduler', 'forwarding', 'flags', 'type', 'service'],
  ...['interface', 'role', 'engine', 'consistency', 'transport', 'facility', 'severity', 'method', 'version', 'by', 'on_down'],
  ...['on_exit', 'on_empty', 'adopt', 'initial', 'log_level', 'log_format', 'instance', 'snat_ip', 'announce_when', 'prefix'],
])

/** A key that sounds like a secret hides its value, whatever that looks like. */
const SECRET_KEY = /token|secret|pass|auth|cookie|credential|key|send/i

/** Nobody's secret: numbers as in ports and weights, durations, shares, truths, addresses. */
const HARMLESS =
  /^(?:-?\d{1,5}(?:\.\d{1,3})?(?:ms|s|m|h|%)?|true|false|null|~|\d{1,3}(?:\.\d{1,3}){3}(?:\/\d{1,2})?(?::\d{1,5})?|\[?[\da-f:]*:[\da-f:.]*\]?(?::\d{1,5})?)$/i

/** A parameter, and as much of a default as a port has. */
const PARAMETER = /\$\{[\w.[\]]+(?::-\w{0,5})?\}/g

/** Words without blanks, as names and addresses have them. */
const PLAIN_WORD = /^[\w.:*/[\]-]{1,60}$/

/** Characters of a line that are shown. */
const WIDTH = 110

const KEY = /"[^"]*"(?=\s*:)|(?:'[^']*'|[A-Za-z_][\w.-]*)(?=\s*:(?:\s|$))/y
const QUOTED = /"(?:[^"\\]|\\.)*"?|'(?:[^']|'')*'?/y

/**
 * The line and a caret below the column, both behind the line number; a long line is cut around the caret. What may be a secret is
 * `***`: of values only those are shown that are harmless by their form or their key, or that the sentence shows as well.
 * `within`: the line begins within the brackets of a list or mapping that an earlier line opens, so that its commas part values.
 */
export function excerptOf(lineText: string, place: Caret, sentence: string, within = false): string {
  const { text, caret } = withoutSecrets({ line: lineText.replaceAll('\t', ' '), within }, place.column - 1, sentence)
  const start = Math.max(0, Math.min(caret - 60, text.length - WIDTH))
  const gutter = `${String(place.line).padStart(5)} | `
  return `${gutter}${text.slice(start, start + WIDTH)}\n${' '.repeat(gutter.length + caret - start)}^`
}

/**
 * As much of the line as an excerpt shows, and more. `at`: the position of the caret, there and in what is given. Thousands of problems may
 * stand in one line, so only what is near is looked at.
 */
function withoutSecrets(source: Source, at: number, sentence: string): { readonly text: string; readonly caret: number } {
  const { line, within } = source
  const isSame = lastPieces.line === line && lastPieces.within === within
  const pieces = isSame ? lastPieces.pieces : [...piecesOf(source)]
  lastPieces = { line, within, pieces }
  const shownText = (piece: Piece) => (isShown(line, piece, sentence) ? line.slice(piece.from, piece.to) : HIDDEN)
  const here = pieceAt(pieces, at)
  let before = ''
  for (let number = here - 1; number >= 0 && before.length < WIDTH; number--) before = shownText(pieces[number] as Piece) + before
  let after = ''
  for (let number = here; number < pieces.length && after.length < 2 * WIDTH; number++)
    after += shownText(pieces[number] as Piece)
  const piece = pieces[here]
  if (piece === undefined) return { text: before, caret: before.length + Math.max(0, at - line.length) }
  const into = isShown(line, piece, sentence) ? at - piece.from : 0
  // A long piece is text that is shown as it is: what lies far before the caret is left out.
  const cut = Math.max(0, into - WIDTH)
  return { text: (before + after).slice(cut), caret: before.length + into - cut }
}

/** The first piece that ends behind a position; their number where none does. */
function pieceAt(pieces: readonly Piece[], at: number): number {
  let [low, high] = [0, pieces.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if ((pieces[middle] as Piece).to > at) high = middle
    else low = middle + 1
  }
  return low
}

interface Source {
  readonly line: string
  readonly within: boolean
}

interface Piece {
  readonly from: number
  readonly to: number
  /** Of a value: the key that it stands behind, or an empty text. What cannot be told apart is taken for a value. */
  readonly behind: string | undefined
}

/** Of the line that was asked for last. */
let lastPieces: Source & { readonly pieces: readonly Piece[] } = { line: '', within: false, pieces: [] }

/** Keys stand where a line, a mapping or an entry of it begins; brackets and commas count where a bracket is open. */
function* piecesOf({ line, within }: Source): Generator<Piece> {
  let key = ''
  // How many brackets earlier lines have opened is all the same: one line does not close them all.
  let depth = within ? Number.POSITIVE_INFINITY : 0
  let begins = true
  for (let from = 0; from < line.length; ) {
    const rest = line.slice(from)
    const structure = structureOf(rest, begins, depth)
    if (structure !== '') {
      if (/[[{]/.test(structure)) depth += 1
      if (/[\]}]/.test(structure)) depth -= 1
      if (/[{,]/.test(structure)) begins = true
      yield { from, to: from + structure.length, behind: undefined }
      from += structure.length
      continue
    }
    const name = begins ? match(KEY, line, from) : ''
    begins = false
    if (name !== '') {
      const colon = /^\s*:\s*/.exec(line.slice(from + name.length))?.[0] ?? ''
      key = name.replaceAll(/["']/g, '')
      yield { from, to: from + name.length + colon.length, behind: undefined }
      from += name.length + colon.length
      continue
    }
    const value = valueAt(line, from, depth)
    yield { from, to: from + value.length, behind: key }
    from += value.length
  }
}

/** Blanks, dashes of a list, brackets, commas. */
function structureOf(rest: string, begins: boolean, depth: number): string {
  const blanks = /^\s+/.exec(rest)?.[0]
  if (blanks !== undefined) return blanks
  const dash = begins ? /^-(?=\s|$)/.exec(rest)?.[0] : undefined
  if (dash !== undefined) return dash
  if (/^[[{]/.test(rest)) return rest[0] ?? ''
  return depth > 0 && /^[\]},]/.test(rest) ? (rest[0] ?? '') : ''
}

function valueAt(line: string, from: number, depth: number): string {
  const quoted = match(QUOTED, line, from)
  if (quoted !== '') return quoted
  const rest = line.slice(from)
  // A comment is one value, commas and all: it may be an old line with its secret.
  if (rest.startsWith('#')) return rest
  const end = depth > 0 ? /[,\]}]|\s#/ : /\s#/
  const length = rest.search(end)
  return (length <= 0 ? rest : rest.slice(0, length)).trimEnd()
}

function isShown(line: string, { from, to, behind }: Piece, sentence: string): boolean {
  return behind === undefined || mayBeShown(behind, line.slice(from, to).trim(), sentence)
}

function mayBeShown(key: string, value: string, sentence: string): boolean {
  if (SECRET_KEY.test(key)) return false
  const bare = value.replaceAll(/^["']|["']$/g, '')
  const fixed = bare.replaceAll(PARAMETER, '0')
  if (HARMLESS.test(fixed) || (SEEN_KEYS.has(key) && PLAIN_WORD.test(fixed))) return true
  // A short one may be there by chance.
  return bare.length >= 2 && isIn(sentence, bare)
}

/** As a word of its own, or within quotes. */
function isIn(sentence: string, text: string): boolean {
  return sentence.includes(`"${text}"`) || sentence.split(/[\s;,]+/).includes(text)
}

function match(pattern: RegExp, line: string, from: number): string {
  pattern.lastIndex = from
  return pattern.exec(line)?.[0] ?? ''
}
