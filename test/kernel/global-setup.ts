/**
 * A lab for each worker of the kernel tests: started before its first file, ended after its last. A test waits for its machine most of the time, which keeps
 * less than one processor busy (docs/decisions/two-labs.md).
 */

import type { TestProject } from 'vitest/node'
import { openLab } from '../lab/lab.ts'

declare module 'vitest' {
  interface ProvidedContext {
    /** The lab of each worker, by its number from 1. */
    readonly labSockets: readonly string[]
  }
}

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const { maxWorkers } = project.config
  const labs = await Promise.all(Array.from({ length: Number(maxWorkers) || 1 }, () => openLab()))
  project.provide(
    'labSockets',
    labs.map(({ socketPath }) => socketPath),
  )
  return async () => {
    await Promise.all(labs.map((lab) => lab.close()))
  }
}
