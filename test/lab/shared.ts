/** The suite's one lab, for a test file. */

import { inject } from 'vitest'
import { attachLab, type Lab } from './lab.ts'

/** Joins the lab that `test/kernel/global-setup.ts` started. Close it in `afterAll`: what the file left running ends then. */
export const sharedLab = (): Promise<Lab> => attachLab(inject('labSocket'))
