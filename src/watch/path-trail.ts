import { lstat, readlink } from 'node:fs/promises'
import { basename, isAbsolute, join, parse, resolve, sep } from 'node:path'

/** The directories in which a change can change what a path leads to, each with the names that matter in it. */
export type Trail = ReadonlyMap<string, ReadonlySet<string>>

/** As many symbolic links as Linux follows (`path_resolution(7)`). */
const LINKS = 40

/**
 * Follows a path component by component as the kernel does. Watched are the directory of every symbolic link on the way,
 * the directory of the file itself, and, where something is missing, the last directory that exists.
 */
export async function trailOf(path: string): Promise<Trail> {
  const trail = new Map<string, Set<string>>()
  const note = (directory: string, name: string) => trail.set(directory, (trail.get(directory) ?? new Set()).add(name))
  let directory = parse(resolve(path)).root
  let rest = componentsOf(resolve(path))
  for (let links = 0; links <= LINKS; ) {
    const [name, ...deeper] = rest
    if (name === undefined) return trail
    const here = join(directory, name)
    const target = await linkTarget(here)
    if (target.kind === 'link') {
      note(directory, name)
      links++
      const next = resolve(directory, target.to)
      directory = isAbsolute(target.to) ? parse(next).root : directory
      rest = [...(isAbsolute(target.to) ? componentsOf(next) : target.to.split(sep).filter((part) => part !== '')), ...deeper]
    } else if (target.kind === 'directory' && deeper.length > 0) {
      directory = here
      rest = deeper
    } else {
      note(directory, name)
      return trail
    }
  }
  return trail
}

/** Whether an event of the watch on `directory` concerns the trail. Without a name, and for the directory itself, it does. */
export function concerns(trail: Trail, directory: string, name: string | null): boolean {
  return name === null || name === basename(directory) || (trail.get(directory)?.has(name) ?? false)
}

type Component = { readonly kind: 'link'; readonly to: string } | { readonly kind: 'directory' | 'other' }

async function linkTarget(path: string): Promise<Component> {
  try {
    const stat = await lstat(path)
    if (stat.isSymbolicLink()) return { kind: 'link', to: await readlink(path) }
    return { kind: stat.isDirectory() ? 'directory' : 'other' }
  } catch {
    return { kind: 'other' }
  }
}

function componentsOf(path: string): string[] {
  return path.split(sep).filter((part) => part !== '')
}
