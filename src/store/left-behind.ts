import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { netnsOf, type Place } from './place.ts'

/**
 * Whether a daemon of another network namespace uses its files in the state directory now; undefined asks for files that a
 * version with one name for all namespaces left.
 */
export type InUse = (netns: string | undefined) => Promise<boolean>

/**
 * The newest `STEM-INODE.json` (or `STEM.json`) of a state directory that belongs to another network namespace whose daemon is
 * gone; undefined where there is none. For what outlives a namespace: a container gets another one at each of its starts.
 */
export async function leftBehind(directory: string, stem: string, place: Place, inUse: InUse): Promise<string | undefined> {
  const names = await readdir(directory).catch((): string[] => [])
  let newest: { readonly path: string; readonly at: number } | undefined
  for (const name of names) {
    const netns = netnsOf(name, stem, 'json')
    if (netns === undefined ? name !== `${stem}.json` : netns === place.netns) continue
    const path = join(directory, name)
    const at = (await stat(path).catch(() => undefined))?.mtimeMs
    if (at === undefined || at <= (newest?.at ?? Number.NEGATIVE_INFINITY) || (await inUse(netns))) continue
    newest = { path, at }
  }
  return newest?.path
}
