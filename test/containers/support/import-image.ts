/** Images made of this machine's programs and unpacked packages: nothing is pulled. */

import { chmodSync, copyFileSync, mkdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { command } from '../../lab/command.ts'
import { peerFolder } from '../../peers/place.ts'

/** Environment of the docker command. */
export type Environment = Readonly<Record<string, string>>

export const withEnvironment = (env: Environment): string[] => ['env', ...Object.entries(env).map((each) => each.join('='))]

/** Files that `ldd` names for the program, the loader itself included; `path` is where the dynamic linker looks first. */
export async function libraries(program: string, path = ''): Promise<readonly string[]> {
  const text = await command(['env', `LD_LIBRARY_PATH=${path}`, 'ldd', program])
  return [...text.matchAll(/(?:=> )?(\/\S+) \(0x/g)].map((match) => match[1] ?? '')
}

/** Copies a program or library into the tree of an image. */
export function put(source: string, tree: string, target: string): void {
  const path = join(tree, target)
  mkdirSync(dirname(path), { recursive: true })
  copyFileSync(source, path)
  chmodSync(path, 0o755)
}

interface Image {
  readonly name: string
  /** Lines of a Dockerfile: `ENTRYPOINT ["/bin/consul"]`. */
  readonly changes?: readonly string[]
  /** Puts its files into an empty folder. */
  readonly fill: (tree: string) => Promise<void>
}

/** Puts an image into the engine. */
export async function importImage(env: Environment, { name, changes = [], fill }: Image): Promise<void> {
  const folder = peerFolder('image')
  const tree = join(folder.path, 'tree')
  mkdirSync(tree)
  await fill(tree)
  const tar = join(folder.path, 'image.tar')
  await command(['tar', '-C', tree, '-cf', tar, '.'])
  const options = changes.flatMap((change) => ['--change', change])
  await command([...withEnvironment(env), 'docker', 'import', ...options, tar, name], { timeoutMs: 120_000 })
  folder.remove()
}
