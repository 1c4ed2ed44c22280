/** The suite's labs, for a test file. */

import { inject } from 'vitest'
import { attachLab, type Lab } from './lab.ts'

/** The socket of the lab that this worker, and no other at the time, has to itself. */
export function labSocket(): string {
  const worker = Number(process.env['VITEST_POOL_ID'])
  const socket = inject('labSockets')[worker - 1]
  if (socket === undefined) throw new Error(`there is no lab for worker ${worker}`)
  return socket
}

/** Joins the lab that `test/kernel/global-setup.ts` started for this worker. Close it in `afterAll`: what the file left running ends then. */
export const sharedLab = (): Promise<Lab> => attachLab(labSocket())
