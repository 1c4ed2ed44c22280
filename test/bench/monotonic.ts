/** A stretch of time, in microseconds of the monotonic clock. */
export interface Window {
  readonly from: number
  readonly to: number
}

/** The clock that V8's profiles use, in microseconds. */
export function monotonic(): number {
  return Number(process.hrtime.bigint() / 1000n)
}
