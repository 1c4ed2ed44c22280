import type { ChildProcess } from 'node:child_process'

/** Where programs that we start find others by name; they themselves are named by their whole path. */
export const PROGRAM_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

/** Ends a program that was started as the leader of a process group, with all that it left in the group. */
export function killGroup({ pid }: Pick<ChildProcess, 'pid'>): void {
  if (pid === undefined) return
  try {
    process.kill(-pid, 'SIGKILL')
  } catch {
    // Nobody is left of it, or only who has other rights than ours.
  }
}
