/**
 * Loaded into a daemon by `--import`: watches its main thread from inside and tells, when the process that forked it asks, the
 * longest stretch in which no event was attended to since it was last asked.
 */

import { monitorEventLoopDelay } from 'node:perf_hooks'
import { isMainThread } from 'node:worker_threads'

const TICK = 1

if (isMainThread && process.send !== undefined) {
  const delay = monitorEventLoopDelay({ resolution: TICK })
  delay.enable()
  process.on('message', () => {
    process.send?.(Math.max(0, delay.max / 1e6 - TICK))
    delay.reset()
  })
  // The daemon ends as it would without being watched.
  process.channel?.unref()
}
