/** Milliseconds that a timer takes at the most (2^31 - 1). */
const LONGEST_TIMER = 2_147_483_647

/** A timer for a moment; for one that is too far away it goes off before. Milliseconds since the epoch. It keeps no process alive. */
export function alarmAt(moment: number, now: number, ring: () => void): NodeJS.Timeout {
  const wait = Math.min(LONGEST_TIMER, Math.max(1, Math.ceil(moment - now)))
  return setTimeout(ring, wait).unref()
}
