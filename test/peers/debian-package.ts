/** Programs out of Debian packages, unpacked into the cache and never installed: no service starts, no file of the system changes. */

import { mkdirSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { cached, inCache } from '../lab/cache.ts'
import { command } from '../lab/command.ts'
import { privateApt } from '../lab/private-apt.ts'

export interface UnpackedPackages {
  /** Names the folder in the cache. */
  readonly name: string
  /** The Debian release they come from: `bullseye`. */
  readonly suite: string
  /** The libraries they depend on come along, all but the C library, which has to be the machine's. */
  readonly packages: readonly string[]
}

/** Raised whenever what is unpacked changes, so that old caches are not used. */
const recipe = 2

const place = ({ name, suite }: UnpackedPackages): string => `packages/${name}-${suite}.recipe${recipe}`

/** The folder of `unpackedPackages`, if it is there already. */
export const unpackedAlready = (wanted: UnpackedPackages): string | undefined => inCache(place(wanted))

/** The folder that holds the packages' files at their places (`usr/bin/…`). Throws a LabError when apt cannot fetch them. */
export function unpackedPackages(wanted: UnpackedPackages): Promise<string> {
  const { suite, packages } = wanted
  return cached(place(wanted), async (dir) => {
    const workshop = join(dir, '.apt')
    mkdirSync(workshop)
    await download(suite, packages, workshop)
    for (const file of readdirSync(workshop).filter((name) => name.endsWith('.deb')))
      await command(['dpkg', '-x', join(workshop, file), dir])
    rmSync(workshop, { recursive: true })
  })
}

async function download(suite: string, packages: readonly string[], dir: string): Promise<void> {
  const apt = await privateApt(suite, dir)
  await command(['apt-get', ...apt, 'update', '-q', '--error-on=any'], { timeoutMs: 300_000 })
  const all = await withLibraries(packages, apt)
  await command(['apt-get', ...apt, 'download', ...all], { cwd: dir, timeoutMs: 600_000 })
}

const dependency = /^ {1,2}\|?(?:Pre)?Depends: (lib[\w.+-]+)$/gm

async function withLibraries(packages: readonly string[], apt: readonly string[]): Promise<readonly string[]> {
  const all = new Set<string>()
  for (let next = packages; next.length > 0; ) {
    for (const name of next) all.add(name)
    const text = await command(['apt-cache', ...apt, 'depends', '--important', ...next])
    const libraries = [...text.matchAll(dependency)].map((match) => match[1] ?? '')
    next = [...new Set(libraries)].filter((name) => !all.has(name) && !name.startsWith('libc6'))
  }
  return [...all]
}

/** Where the dynamic linker finds the libraries that were unpacked into `dir`, for LD_LIBRARY_PATH. */
export function libraryPath(dir: string): string {
  return ['usr/lib', 'lib']
    .map((lib) => join(dir, lib))
    .flatMap((lib) => readdirSync(lib).map((name) => join(lib, name)))
    .filter((path) => path.endsWith('-linux-gnu'))
    .join(':')
}
