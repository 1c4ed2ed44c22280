/** `performance.now()` begins anew in each thread, and only its origin follows the wall clock; this one is the kernel's monotonic clock. */
const AHEAD = monotonic() - performance.now()

/** Milliseconds of a clock that all threads of this process have in common and that nobody steps. */
export function sharedNow(): number {
  return AHEAD + performance.now()
}

function monotonic(): number {
  const [seconds, nanoseconds] = process.hrtime()
  return seconds * 1_000 + nanoseconds / 1_000_000
}
