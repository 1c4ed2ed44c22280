/** A word of a line, or one of the braces that open and close blocks. */
export type Token = { readonly kind: 'word'; readonly text: string } | { readonly kind: 'open' } | { readonly kind: 'close' }

const ESCAPES: Readonly<Record<string, string>> = { a: '\x07', b: '\b', E: '\x1b', f: '\f', n: '\n', r: '\r', t: '\t', v: '\v' }

/** The line without its comment: `#` and `!` begin one anywhere but within double quotes; an apostrophe quotes no comment away (decomment() of keepalived). */
export function withoutComment(line: string): string {
  let quoted = false
  for (let at = 0; at < line.length; at++) {
    const character = line[at]
    if (character === '\\') at++
    else if (character === '"') quoted = !quoted
    else if (!quoted && (character === '#' || character === '!')) return line.slice(0, at)
  }
  return line
}

/** The words of a line without its comment, quotes taken off and escapes resolved as keepalived.conf(5) says. */
export function tokens(line: string): Token[] {
  const found: Token[] = []
  let word: string | undefined
  let quote = ''
  const end = () => {
    if (word !== undefined) found.push({ kind: 'word', text: word })
    word = undefined
  }
  for (let at = 0; at < line.length; at++) {
    const character = line[at] ?? ''
    if (character === '\\' && at + 1 < line.length) {
      const { text, length } = escaped(line.slice(at + 1))
      word = (word ?? '') + text
      at += length
    } else if (quote !== '' && character === quote) quote = ''
    else if (quote !== '') word = (word ?? '') + character
    else if (character === '"' || (character === "'" && line.includes("'", at + 1))) {
      // An apostrophe alone is a part of its word: most directives of keepalived know double quotes only.
      quote = character
      word ??= ''
    } else if (/\s/.test(character)) end()
    else if (isBrace(line, at, word)) {
      end()
      found.push({ kind: character === '{' ? 'open' : 'close' })
    } else word = (word ?? '') + character
  }
  end()
  return found
}

/** Braces stand alone or at the end of a line; others are part of a regular expression or of a parameter without a value. */
function isBrace(line: string, at: number, word: string | undefined): boolean {
  if (line[at] === '}') return word === undefined
  return line[at] === '{' && line[at - 1] !== '$' && (word === undefined || line.slice(at + 1).trim() === '')
}

function escaped(rest: string): { readonly text: string; readonly length: number } {
  const octal = /^[0-7]{1,3}/.exec(rest)?.[0]
  if (octal !== undefined) return { text: String.fromCharCode(Number.parseInt(octal, 8) & 0xff), length: octal.length }
  const hex = /^x([0-9A-Fa-f]{1,2})/.exec(rest)
  if (hex?.[1] !== undefined) return { text: String.fromCharCode(Number.parseInt(hex[1], 16)), length: hex[0].length }
  const first = rest[0] ?? ''
  if (first === 'c' && rest.length > 1) return { text: String.fromCharCode(rest.charCodeAt(1) & 0x1f), length: 2 }
  return { text: ESCAPES[first] ?? first, length: 1 }
}
