/** In the place of Debian's image: the programs that the Dockerfile uses and the libraries that Node needs, taken from this machine. */

import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { command } from '../../lab/command.ts'
import { peerFolder } from '../../peers/place.ts'
import { libraries, put } from './consul-image.ts'

export const baseImage = 'pointsman-test/base:bookworm'

const PROGRAMS = ['dash', 'dpkg-deb', 'tar', 'gzip', 'setcap', 'getcap'] as const

/** What it is asked to install is in the image already, and nothing can be fetched here. */
const APT_GET = '#!/bin/sh\necho "apt-get $*"\n'

/** `env` is that of the docker command. */
export async function importBaseImage(env: Readonly<Record<string, string>>): Promise<void> {
  const folder = peerFolder('base-image')
  const tree = join(folder.path, 'tree')
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
  const tar = join(folder.path, 'image.tar')
  await command(['tar', '-C', tree, '-cf', tar, '.'])
  const variables = Object.entries(env).map(([key, value]) => `${key}=${value}`)
  await command(['env', ...variables, 'docker', 'import', tar, baseImage], { timeoutMs: 120_000 })
  folder.remove()
}
