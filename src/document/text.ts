import type { Issue } from './issue.ts'
import { MAX_DOCUMENT_BYTES, tooLarge } from './read.ts'

export type TextResult = { readonly ok: true; readonly text: string } | { readonly ok: false; readonly issue: Issue }

/** The text of a file, or why it is none: too large, empty, binary, not UTF-8. */
export function decodeText(path: string, input: string | Uint8Array, limit: number = MAX_DOCUMENT_BYTES): TextResult {
  const bytes = typeof input === 'string' ? new TextEncoder().encode(input) : input
  if (bytes.length > limit) return { ok: false, issue: tooLarge(path, bytes.length, limit) }
  const nul = bytes.indexOf(0)
  if (nul >= 0) return binary(path, bytes, nul, 'holds a zero byte and is no text')
  let text: string
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    return binary(path, bytes, firstInvalidByte(bytes), 'is not UTF-8 text')
  }
  const control = CONTROL.exec(text)
  if (control)
    return binary(path, bytes, Buffer.byteLength(text.slice(0, control.index)), 'holds control characters and is no text')
  return { ok: true, text }
}

/** Whether a document says nothing at all: no characters, or blanks and comments only. */
export function saysNothing(text: string): boolean {
  return !/^[^\S\n]*[^\s#]/m.test(text)
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
const CONTROL = /[\u0001-\u0008\u000b\u000c\u000e-\u001f\u007f]/

function binary(path: string, bytes: Uint8Array, offset: number, what: string): TextResult {
  const before = Buffer.from(bytes.subarray(0, offset)).toString('latin1')
  const line = before.split('\n').length
  const column = offset - (before.lastIndexOf('\n') + 1) + 1
  const issue = { file: path, line, column, path: '', problem: `the file ${what}`, remedy: 'write plain YAML or JSON in UTF-8' }
  return { ok: false, issue }
}

function firstInvalidByte(bytes: Uint8Array): number {
  const replaced = Buffer.from(bytes).toString('utf8')
  const at = replaced.indexOf('\ufffd')
  return at < 0 ? 0 : Buffer.byteLength(replaced.slice(0, at))
}
