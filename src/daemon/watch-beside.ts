import { concatMap, debounceTime, EMPTY, filter, map, merge, type Observable } from 'rxjs'
import { expand } from '../config/include/glob.ts'
import { fingerprintOf, foundOf, type PatternRead, type WhatWasRead } from '../config/read-trace.ts'
import { directoryChanges } from '../watch/directory-changes.ts'
import { watchFile } from '../watch/watch-file.ts'
import { realReach } from './reach.ts'

/** Tells when something that a configuration was made of, beside its own file, says something else than it said then. */
export function watchBeside(
  { files, patterns }: WhatWasRead,
  timing: { readonly settle: number; readonly poll: number },
): Observable<unknown> {
  const changed = files.map(({ path, fingerprint }) =>
    watchFile(path, timing).pipe(
      map((seen) => (seen.kind === 'content' ? fingerprintOf(seen.bytes) : undefined)),
      filter((print) => print !== fingerprint),
    ),
  )
  return merge(...changed, patternsChanged(patterns, timing)).pipe(debounceTime(timing.settle))
}

function patternsChanged(
  patterns: readonly PatternRead[],
  timing: { readonly settle: number; readonly poll: number },
): Observable<unknown> {
  if (patterns.length === 0) return EMPTY
  const directories = new Set(patterns.flatMap((pattern) => pattern.directories))
  return directoryChanges(directories, timing).pipe(
    concatMap(() => anyDiffers(patterns)),
    filter((differs) => differs),
  )
}

async function anyDiffers(patterns: readonly PatternRead[]): Promise<boolean> {
  const { list } = realReach()
  for (const { pattern, found } of patterns) if (foundOf(await expand(pattern, list)) !== found) return true
  return false
}
