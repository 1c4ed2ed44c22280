import { createReadStream } from 'node:fs'
import { PointsmanError } from '../errors.ts'
import type { JournalHeader } from './journal-lines.ts'
import { type JournalLine, JournalReader } from './journal-reading.ts'
import type { JournalTurn } from './journal-turn.ts'
import { errnoOf } from './line-file.ts'

/** Characters of a line at the most: whoever names a disk in place of a journal gets a sentence. */
const LONGEST_LINE = 128 * 1024 * 1024

/** What a journal says, in its order. `cut`: a line without an end, as a crash or a full disk leaves it. */
export type JournalRecord =
  | { readonly kind: 'header'; readonly header: JournalHeader }
  | ({ readonly kind: 'turn'; readonly base: boolean } & JournalTurn)
  | { readonly kind: 'cut'; readonly line: number }

/**
 * Reads a journal; `-` is standard input. Throws JOURNAL_UNREADABLE, and JOURNAL_INVALID with the number of the line that is
 * spoilt.
 */
export async function* readJournal(path: string): AsyncGenerator<JournalRecord> {
  const reader = new JournalReader()
  const name = path === '-' ? 'standard input' : path
  let spoilt: Line | undefined
  for await (const line of linesOf(path, name)) {
    const read = reader.read(line.text)
    if (read?.kind === 'newer') throw newer(name, read.version)
    if (line.number === 1 && read?.kind !== 'header') throw noJournal(name)
    if (spoilt !== undefined) {
      if (read?.kind !== 'header') throw spoiltLine(name, spoilt.number)
      yield { kind: 'cut', line: spoilt.number }
    }
    spoilt = read === undefined ? line : undefined
    if (read !== undefined) yield read as Exclude<JournalLine, { kind: 'newer' }>
  }
  if (spoilt?.ended === true) throw spoiltLine(name, spoilt.number)
  if (spoilt !== undefined) yield { kind: 'cut', line: spoilt.number }
}

interface Line {
  readonly text: string
  readonly number: number
  /** By a newline. */
  readonly ended: boolean
}

async function* linesOf(path: string, name: string): AsyncGenerator<Line> {
  let rest = ''
  let number = 0
  for await (const text of textsOf(path, name)) {
    const lines = (rest + text).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) yield { text: line, number: ++number, ended: true }
    if (rest.length > LONGEST_LINE) throw number === 0 ? noJournal(name) : spoiltLine(name, number + 1)
  }
  if (rest !== '' || number === 0) yield { text: rest, number: number + 1, ended: false }
}

async function* textsOf(path: string, name: string): AsyncGenerator<string> {
  const input = path === '-' ? process.stdin : createReadStream(path, { highWaterMark: 1024 * 1024 })
  input.setEncoding('utf8')
  try {
    for await (const text of input) yield text as string
  } catch (cause) {
    throw new PointsmanError('JOURNAL_UNREADABLE', `The journal ${name} cannot be read (${errnoOf(cause)}): name another file.`, {
      cause,
    })
  }
}

function noJournal(name: string): PointsmanError {
  return new PointsmanError(
    'JOURNAL_INVALID',
    `${name} is no journal: name a file that \`pointsman start --journal\` wrote, not a part cut out of one.`,
  )
}

function spoiltLine(name: string, line: number): PointsmanError {
  return new PointsmanError(
    'JOURNAL_INVALID',
    `Line ${line} of the journal ${name} is spoilt: cut the file off before it, then what is before can be replayed.`,
    { detail: { line } },
  )
}

function newer(name: string, version: number): PointsmanError {
  return new PointsmanError(
    'JOURNAL_INVALID',
    `The journal ${name} was written by a later version of Pointsman (format ${version}): replay it with that version.`,
  )
}
