/** The probes once more in the lab, where keepalived can run: it wants ip_vs in the kernel. */

import type { Kernel } from './options.ts'
import type { Programs } from './plan.ts'
import type { ProbeCase } from './probe-plan.ts'
import type { ProbeTable } from './probe-tables.ts'

export interface ProbeLabTask {
  readonly kind: 'probes'
  readonly one: ProbeCase
  /** For the report: the kernel that it runs on. */
  readonly place: string
  readonly programs: Programs
  /** Folders of Debian packages; keepalived is installed. */
  readonly haproxy: string
  readonly nginx: string
}

export const PROBE_PLACES: Readonly<Record<Kernel, string>> = { 'user-mode': 'user-mode Linux', vm: 'the virtual machine' }

/** As many a second as one slow processor carries beside the server that answers, so that nobody is late. */
const TABLES: Readonly<Record<Kernel, ProbeTable>> = {
  'user-mode': { tcp: 250, http: 250, interval: 5_000 },
  vm: { tcp: 125, http: 125, interval: 5_000 },
}
/** Several intervals long: kernels of the lab count processor time by ticks of 10 ms. */
const FULL = { settled: 20_000, window: 30_000 }

export function probeLabCaseFor(
  { quick, rounds }: { readonly quick: boolean; readonly rounds: number },
  kernel: Kernel,
): ProbeCase {
  if (quick) return { table: { tcp: 10, http: 10, interval: 500 }, rounds: 1, settled: 1_000, window: 3_000 }
  return { table: TABLES[kernel], rounds, ...FULL }
}
