/** One lab for the whole kernel suite: started before its first file, ended after its last. */

import type { TestProject } from 'vitest/node'
import { openLab } from '../lab/lab.ts'

declare module 'vitest' {
  interface ProvidedContext {
    readonly labSocket: string
  }
}

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const lab = await openLab()
  project.provide('labSocket', lab.socketPath)
  return () => lab.close()
}
