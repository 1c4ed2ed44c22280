import { afterAll, beforeAll, expect, vi } from 'vitest'
import type { Probe } from '../../../src/health/probe.ts'
import { probeFor } from '../../../src/health/registry.ts'
import type { ProbeTarget } from '../../../src/health/target.ts'
import { ProbeThreads } from '../../../src/health/threads/probe-threads.ts'
import { startProbeWorker } from '../../../src/health/threads/start-thread.ts'
import type { IpAddress } from '../../../src/model/address.ts'
import type { ProbeKind } from '../../../src/model/probe-spec.ts'

let threads: ProbeThreads | undefined

/** The probe as this thread asks it, or threads of their own where the file of the test says so. */
export function probeOf(kind: ProbeKind, target: ProbeTarget): Probe {
  return threads === undefined ? probeFor(kind, target) : threads.probeFor(kind, target)
}

/** Whether what a probe does can be watched from here. */
export function asksHere(): boolean {
  return threads === undefined
}

/** All tests of this file have threads ask; none of them may end unasked. */
export function askByThreads(count: number): void {
  beforeAll(async () => {
    let ready = 0
    threads = new ProbeThreads({
      count,
      start: (listener) => startProbeWorker(listener),
      // This thread asks nobody but those for whom there is no time left.
      probeFor: (kind, target) => (signal) => {
        expect(signal.aborted).toBe(true)
        return probeFor(kind, target)(signal)
      },
      onCount: (now) => {
        ready = now
      },
      onEnd: ({ why }) => expect.unreachable(`a thread was ended by ${why}`),
    })
    await vi.waitFor(() => expect(ready).toBe(count), { timeout: 30_000 })
    // libuv keeps a descriptor in reserve in each thread, from the first stream on; tests count those that are open.
    const first = threads.probeFor({ kind: 'agent' }, { address: '127.0.0.1' as IpAddress, port: 1 })
    await Promise.all(Array.from({ length: count }, () => first(AbortSignal.timeout(10_000))))
  })
  afterAll(() => threads?.[Symbol.asyncDispose]())
}
