/** What a builder of our image is given: the Debian package of this checkout and the files that the Dockerfile copies beside it. */

import { cpSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { command } from '../../lab/command.ts'
import { type PeerFolder, peerFolder } from '../../peers/place.ts'

export type ImageContext = PeerFolder

export async function imageContext(): Promise<ImageContext> {
  const folder = peerFolder('image-context')
  await command(['node', 'tools/deb.mjs', '--fast', join(folder.path, 'dist')], { timeoutMs: 300_000 })
  mkdirSync(join(folder.path, 'deploy'))
  cpSync('deploy/container', join(folder.path, 'deploy/container'), { recursive: true })
  cpSync('.dockerignore', join(folder.path, '.dockerignore'))
  return folder
}
