import { resolve } from 'node:path'
import { PointsmanError } from '../errors.ts'

const UNITS = { KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3 } as const

/** What is written where nothing else is. */
export const JOURNAL_LIMIT = '256MiB'

/** Bytes: below, a journal would be begun anew all the time. */
const LEAST = UNITS.MiB
const MOST = 1024 * UNITS.GiB

/** What `--journal` and `--journal-limit` ask for. Throws BAD_INPUT. */
export function journalOf({ journal, journalLimit }: { readonly journal?: string; readonly journalLimit?: string }) {
  if (journal !== undefined) return { path: resolve(journal), limit: sizeOf(journalLimit ?? JOURNAL_LIMIT) }
  if (journalLimit === undefined) return undefined
  throw new PointsmanError('BAD_INPUT', '--journal-limit has no meaning without --journal: name the file of the journal.')
}

function sizeOf(text: string): number {
  const [, digits = '', unit = ''] = /^(\d{1,15})(KiB|MiB|GiB)?$/.exec(text) ?? []
  const size = Number(digits) * (UNITS[unit as keyof typeof UNITS] ?? 1)
  if (digits !== '' && size >= LEAST && size <= MOST) return size
  throw new PointsmanError(
    'BAD_INPUT',
    `--journal-limit: ${JSON.stringify(text)} is no size between 1MiB and 1024GiB; write bytes, or a number with KiB, MiB or GiB, like ${JOURNAL_LIMIT}.`,
  )
}
