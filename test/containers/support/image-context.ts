/** What a builder of our image is given: the Debian package of this checkout and the files that the Dockerfile copies beside it. */

import { cpSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { command } from '../../lab/command.ts'
import { type PeerFolder, peerFolder } from '../../peers/place.ts'

export type ImageContext = PeerFolder

export async function imageContext(): Promise<ImageContext> {
  const folder = peerFolder('image-context')
  await command(['node', 'tools/deb.mjs', '--fast', join(folder.path, 'dist')], { timeoutMs: 300_000 })
  // What an earlier version has left behind, and what was built for another machine.
  for (const name of ['0.0.9-1_amd64', '0.0.9-1_arm64', '99.0.0-1_riscv64'])
    writeFileSync(join(folder.path, `dist/pointsman_${name}.deb`), '')
  mkdirSync(join(folder.path, 'deploy'))
  cpSync('deploy/container', join(folder.path, 'deploy/container'), { recursive: true })
  cpSync('.dockerignore', join(folder.path, '.dockerignore'))
  return folder
}
