import { fstatSync, writeSync } from 'node:fs'
import { styleText } from 'node:util'
import { formatIssueWithExcerpt, type Issue } from '../document/issue.ts'
import { PointsmanError } from '../errors.ts'

/** Paints text, or leaves it as it is where nobody looks. */
export type Paint = (style: 'green' | 'yellow' | 'red' | 'dim' | 'bold' | 'cyan', text: string) => string

export const PLAIN: Paint = (_, text) => text

const COLOURED: Paint = (style, text) => styleText(style, text, { validateStream: false })

/** `auto` paints on a terminal unless NO_COLOR is set to anything (no-color.org) or the terminal is dumb. */
export function paintFor(when: unknown, terminal: boolean, environment: NodeJS.ProcessEnv): Paint {
  if (when === 'always') return COLOURED
  if (when === 'never') return PLAIN
  const wanted = (environment['NO_COLOR'] ?? '') === '' && environment['TERM'] !== 'dumb'
  return terminal && wanted ? COLOURED : PLAIN
}

/**
 * Writes a result to standard output; resolves when it is on its way, so that an exit does not cut it. Rejects with
 * OUTPUT_LOST where it cannot be written; whoever closed our output has seen enough.
 */
export async function print(text: string): Promise<void> {
  const whole = text.endsWith('\n') ? text : `${text}\n`
  try {
    if (fstatSync(1).isFile()) writeWhole(1, whole)
    else await writeToStream(whole)
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code ?? String(cause)
    if (code === 'EPIPE') return
    throw new PointsmanError(
      'OUTPUT_LOST',
      `The result cannot be written to standard output (${code}): free space where it goes, or send it elsewhere.`,
      { cause },
    )
  }
}

export function printJson(value: unknown): Promise<void> {
  return print(JSON.stringify(value, undefined, 2))
}

/** As print, for a command that has done or found what its exit code must tell: that the text is lost is only said. */
export async function printIfPossible(text: string): Promise<void> {
  try {
    await print(text)
  } catch (error) {
    if (!(error instanceof PointsmanError)) throw error
    say(`pointsman: ${error.message}`)
  }
}

/** A disk that fills up takes part of a text without an error; the stream that Node makes of a file does not look. */
export function writeWhole(fd: number, text: string, write: (fd: number, bytes: Uint8Array) => number = writeSync): void {
  let rest = Buffer.from(text)
  while (rest.length > 0) rest = rest.subarray(write(fd, rest))
}

function writeToStream(text: string): Promise<void> {
  return new Promise((resolve, reject) => {
    process.stdout.write(text, (error) => (error ? reject(error) : resolve()))
  })
}

/** Writes for people who watch, beside the result: to standard error. */
export function say(text: string): void {
  process.stderr.write(`${text}\n`)
}

/** One line or three for each warning of a configuration. */
export function sayWarnings(warnings: readonly Issue[]): void {
  for (const warning of warnings) say(`warning: ${formatIssueWithExcerpt(warning)}`)
}

/** Nobody is there to be told that an output is gone or full: whoever writes a result learns it from the write. */
export function tolerateLostOutput(): void {
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {})
}
