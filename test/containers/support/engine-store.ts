/**
 * The images of one engine, as files that another takes over: `docker load`, which reads and hashes every byte of them, takes minutes on an
 * emulated processor, to unpack them a few seconds.
 */

import { join } from 'node:path'
import { command } from '../../lab/command.ts'
import { type PeerFolder, peerFolder } from '../../peers/place.ts'
import { baseImage } from './base-image.ts'
import { type Environment, withEnvironment } from './import-image.ts'

/** The name of the archive in the folder. Unpack it with all extended attributes: capabilities of files are in them. */
export const STORE = 'store.tar'

/** All images of an engine whose storage driver is overlay2, with what is in the base image as the program that packs them. */
export async function engineStore(env: Environment): Promise<PeerFolder> {
  const docker = (...args: string[]) => command([...withEnvironment(env), 'docker', ...args], { timeoutMs: 300_000 })
  await docker('builder', 'prune', '--all', '--force')
  const [driver, root] = (await docker('info', '--format', '{{.Driver}} {{.DockerRootDir}}')).trim().split(' ')
  if (driver !== 'overlay2') throw new Error(`the engine keeps images by ${driver}, not by overlay2`)
  const folder = peerFolder('engine-store')
  // Attributes of overlayfs are shown to this capability alone.
  const rights = ['--rm', '--cap-add', 'SYS_ADMIN', '--network', 'none']
  const places = ['--volume', `${root}:/from:ro`, '--volume', `${folder.path}:/to`, '--entrypoint', '/usr/bin/tar']
  // Those are of containers, this one among them.
  const without = ['merged', 'work'].map((name) => `--exclude=overlay2/*/${name}`)
  const pack = ['--create', '--file', join('/to', STORE), '--directory', '/from', '--xattrs', '--xattrs-include=*', ...without]
  await docker('run', ...rights, ...places, baseImage, ...pack, 'image', 'overlay2')
  return folder
}
