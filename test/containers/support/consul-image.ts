/** An image made here from the Consul binary, the C library it is linked with, and busybox: nothing is pulled. */

import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { consulBinary } from '../../peers/consul.ts'
import { type Environment, importImage, libraries, put } from './import-image.ts'

export const consulImage = 'pointsman-test/consul:1.8.7'

/** Puts the image into the engine. Left out: the name and the entry point of those that the container tier starts. */
export async function importConsulImage(
  env: Environment,
  name = consulImage,
  entrypoint: readonly string[] = ['/bin/consul', 'agent', '-config-dir', '/config'],
): Promise<void> {
  const consul = await consulBinary()
  await importImage(env, {
    name,
    changes: [`ENTRYPOINT ${JSON.stringify(entrypoint)}`],
    fill: async (tree) => {
      put(consul, tree, 'bin/consul')
      put('/bin/busybox', tree, 'bin/busybox')
      for (const file of await libraries(consul)) put(file, tree, file)
      for (const folder of ['etc', 'tmp', 'config', 'data']) mkdirSync(join(tree, folder), { recursive: true })
      writeFileSync(join(tree, 'etc/passwd'), 'root:x:0:0:root:/:/bin/busybox\n')
    },
  })
}
