import type { VirtualTimeScheduler } from 'rxjs'

/** Lets virtual time pass in steps of so many milliseconds, between which promises are settled: probes answer. */
export async function letPass(scheduler: VirtualTimeScheduler, until: number, step: number): Promise<void> {
  for (let at = scheduler.frame; at <= until; at += step) {
    scheduler.maxFrames = at
    scheduler.flush()
    scheduler.frame = at
    await new Promise((resolve) => setImmediate(resolve))
  }
}
