import { type Family, familyHeader } from './exposition.ts'
import type { Pace } from './pace.ts'

/** Series joined into one piece of the answer: about 60 kB. */
const SERIES_PER_PIECE = 500

/**
 * One family, piece by piece; nothing where no series has a line. A metrics library renders 10,000 backends in one go and
 * stops the main thread for it; here everything else gets its turn between the pieces.
 */
export async function* familyText<S>(
  family: Family,
  list: readonly S[],
  linesOf: (series: S) => string,
  pace: Pace,
): AsyncGenerator<string> {
  let header = familyHeader(family)
  let lines = ''
  let count = 0
  for (const series of list) {
    lines += linesOf(series)
    if (pace.due()) await pace.rest()
    if (++count % SERIES_PER_PIECE !== 0 || lines === '') continue
    yield header + lines
    header = ''
    lines = ''
  }
  if (lines !== '') yield header + lines
}
