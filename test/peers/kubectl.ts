/** The real kubectl (Debian trixie, 1.32), for what it does without a cluster. */

import { join } from 'node:path'
import { command } from '../lab/command.ts'
import { unpackedPackages } from './debian-package.ts'

export const kubectlPrograms = (): Promise<string> =>
  unpackedPackages({ name: 'kubectl', suite: 'trixie', packages: ['kubectl'] })

/** Its standard output; throws a LabError with its last words. No configuration is read, so that no cluster is known. */
export async function kubectl(args: readonly string[], input: string): Promise<string> {
  const dir = await kubectlPrograms()
  return command([join(dir, 'usr/bin/kubectl'), '--kubeconfig=/dev/null', ...args], { input, timeoutMs: 60_000 })
}
