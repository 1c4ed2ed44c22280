/** An image made here from the Consul binary, the C library it is linked with, and busybox: nothing is pulled. */

import { chmodSync, copyFileSync, mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { command } from '../../lab/command.ts'
import { consulBinary } from '../../peers/consul.ts'
import { peerFolder } from '../../peers/place.ts'
import type { Engine } from './engine.ts'

export const consulImage = 'pointsman-test/consul:1.8.7'

/** Files that `ldd` names for the program, the loader itself included. */
export async function libraries(program: string): Promise<readonly string[]> {
  const text = await command(['ldd', program])
  return [...text.matchAll(/(?:=> )?(\/\S+) \(0x/g)].map((match) => match[1] ?? '')
}

/** Copies a program or library into the tree of an image. */
export function put(source: string, tree: string, target: string): void {
  const path = join(tree, target)
  mkdirSync(dirname(path), { recursive: true })
  copyFileSync(source, path)
  chmodSync(path, 0o755)
}

/** Puts the image into the engine. */
export async function importConsulImage({ env }: Engine): Promise<void> {
  const folder = peerFolder('image')
  const tree = join(folder.path, 'tree')
  const consul = await consulBinary()
  put(consul, tree, 'bin/consul')
  put('/bin/busybox', tree, 'bin/busybox')
  for (const file of await libraries(consul)) put(file, tree, file)
  for (const name of ['etc', 'tmp', 'config', 'data']) mkdirSync(join(tree, name), { recursive: true })
  writeFileSync(join(tree, 'etc/passwd'), 'root:x:0:0:root:/:/bin/busybox\n')
  const tar = join(folder.path, 'image.tar')
  await command(['tar', '-C', tree, '-cf', tar, '.'])
  const variables = Object.entries(env).map(([key, value]) => `${key}=${value}`)
  const change = 'ENTRYPOINT ["/bin/consul", "agent", "-config-dir", "/config"]'
  await command(['env', ...variables, 'docker', 'import', '--change', change, tar, consulImage], { timeoutMs: 120_000 })
  folder.remove()
}
