import { concatMap, distinctUntilChanged, EMPTY, map, merge, type Observable, skip, startWith } from 'rxjs'
import { expand } from '../config/include/glob.ts'
import { fingerprintOf, foundOf, type PatternRead, type WhatWasRead } from '../config/read-trace.ts'
import { directoryChanges } from '../watch/directory-changes.ts'
import { watchFile } from '../watch/watch-file.ts'
import { realReach } from './reach.ts'

/** Tells when something that a configuration was made of, beside its own file, says something else than it said then, or than that. */
export function watchBeside(
  { files, patterns }: WhatWasRead,
  timing: { readonly settle: number; readonly poll: number },
): Observable<unknown> {
  const changed = files.map(({ path, fingerprint }) =>
    watchFile(path, timing).pipe(
      map((seen) => (seen.kind === 'content' ? fingerprintOf(seen.bytes) : undefined)),
      // Not what differs from then: where a look failed, the way back is a change too.
      startWith(fingerprint),
      distinctUntilChanged(),
      skip(1),
    ),
  )
  return merge(...changed, patternsChanged(patterns, timing))
}

function patternsChanged(
  patterns: readonly PatternRead[],
  timing: { readonly settle: number; readonly poll: number },
): Observable<unknown> {
  if (patterns.length === 0) return EMPTY
  const directories = new Set(patterns.flatMap((pattern) => pattern.directories))
  return directoryChanges(directories, timing).pipe(
    concatMap(() => foundNow(patterns)),
    startWith(JSON.stringify(patterns.map(({ found }) => found))),
    distinctUntilChanged(),
    skip(1),
  )
}

async function foundNow(patterns: readonly PatternRead[]): Promise<string> {
  const { list } = realReach()
  const found: string[] = []
  for (const { pattern } of patterns) found.push(foundOf(await expand(pattern, list)))
  return JSON.stringify(found)
}
