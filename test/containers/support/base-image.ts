/**
 * In the place of Debian's image: the programs that the Dockerfile uses and the C library that Node needs, taken from this machine, and the packages
 * that it installs, unpacked.
 */

import { cpSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { unpackedPackages } from '../../peers/debian-package.ts'
import { type Environment, importImage, libraries, put } from './import-image.ts'

export const baseImage = 'pointsman-test/base:bookworm'

const PROGRAMS = ['dash', 'dpkg', 'dpkg-deb', 'ls', 'sort', 'tail', 'tar', 'gzip'] as const

/** What it is asked to install is in the image already, and nothing can be fetched here. */
const APT_GET = '#!/bin/sh\necho "apt-get $*"\n'

/** The very words of the Dockerfile. */
function packagesOfTheImage(): readonly string[] {
  const lines = readFileSync('deploy/container/Dockerfile', 'utf8').matchAll(/apt-get install(?: -\S+)*((?: [a-z0-9][\w.+-]*)+)/g)
  return [...new Set([...lines].flatMap(([, names = '']) => names.trim().split(' ')))]
}

async function fill(tree: string): Promise<void> {
  const packages = packagesOfTheImage()
  const unpacked = await unpackedPackages({ name: `image-${packages.join('-')}`, suite: 'bookworm', packages })
  cpSync(unpacked, tree, { recursive: true, verbatimSymlinks: true })
  put('/bin/busybox', tree, 'bin/busybox')
  const node = `node_modules/node-linux-${process.arch}/bin/node`
  for (const file of await libraries(node)) put(file, tree, file)
  for (const name of PROGRAMS) {
    const path = ['/usr/bin', '/bin', '/usr/sbin', '/sbin'].map((place) => join(place, name)).find((place) => existsSync(place))
    if (path === undefined) throw new Error(`${name} is not installed, which the container tests need`)
    put(path, tree, `usr/bin/${name}`)
    for (const file of await libraries(path)) put(file, tree, file)
  }
  for (const name of ['etc', 'tmp', 'var/lib/apt/lists']) mkdirSync(join(tree, name), { recursive: true })
  writeFileSync(join(tree, 'usr/bin/apt-get'), APT_GET, { mode: 0o755 })
  for (const name of ['grep', 'mkdir', 'chown', 'rm', 'cat']) {
    writeFileSync(join(tree, `bin/${name}`), `#!/bin/sh\nexec /bin/busybox ${name} "$@"\n`, { mode: 0o755 })
  }
  // The shell of busybox would run its own dpkg-deb.
  put('/bin/dash', tree, 'bin/sh')
}

export const importBaseImage = (env: Environment): Promise<void> => importImage(env, { name: baseImage, fill })
