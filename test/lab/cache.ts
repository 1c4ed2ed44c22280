/** The cache outside the checkout: used when present, never relied upon, never seen half-built. */

import { mkdirSync, mkdtempSync, renameSync, rmSync, statSync } from 'node:fs'
import { homedir } from 'node:os'
import { basename, dirname, join } from 'node:path'

export function cacheDir(): string {
  const base = process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache')
  const dir = join(base, 'pointsman')
  mkdirSync(dir, { recursive: true })
  return dir
}

const exists = (path: string): boolean => statSync(path, { throwIfNoEntry: false }) !== undefined

/** The folder `name` in the cache, if it is there. */
export function inCache(name: string): string | undefined {
  const target = join(cacheDir(), name)
  return exists(target) ? target : undefined
}

/**
 * The folder `name` in the cache, made by `build` if it is not there. Builders work in a folder of their own that is
 * renamed into place when complete: of two at once, one wins and both get the same folder.
 */
export async function cached(name: string, build: (dir: string) => Promise<void>): Promise<string> {
  const target = join(cacheDir(), name)
  if (exists(target)) return target
  mkdirSync(dirname(target), { recursive: true })
  const draft = mkdtempSync(join(dirname(target), `.${basename(target)}-`))
  try {
    await build(draft)
    renameSync(draft, target)
  } catch (error) {
    if (!exists(target)) throw error
  } finally {
    rmSync(draft, { recursive: true, force: true })
  }
  return target
}
