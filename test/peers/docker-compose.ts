/** The real Compose (Debian trixie, 2.26): a program of its own that needs no engine for what is asked of it here. */

import { join } from 'node:path'
import { command } from '../lab/command.ts'
import { unpackedPackages } from './debian-package.ts'

export const composePrograms = (): Promise<string> =>
  unpackedPackages({ name: 'docker-compose', suite: 'trixie', packages: ['docker-compose'] })

/** Its standard output; throws a LabError with its last words. */
export async function compose(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<string> {
  const dir = await composePrograms()
  const variables = Object.entries(env).map((each) => each.join('='))
  return command(['env', ...variables, join(dir, 'usr/libexec/docker/cli-plugins/docker-compose'), ...args], {
    timeoutMs: 300_000,
  })
}
