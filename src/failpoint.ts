import { PointsmanError } from './errors.ts'

/** The places at which a test can have the process killed. Each lies between a kernel write and the record of it. */
export const FAILPOINTS = [
  'ipvs.before-intent-record',
  'ipvs.after-intent-record',
  'ipvs.after-batch',
  'ipvs.after-creations',
  'ipvs.after-edits',
  'ipvs.before-deletions',
  'ipvs.after-deletions',
  'ipvs.before-forget-record',
  'ipvs.after-forget-record',
  'ipvs.before-daemon-record',
  'ipvs.after-daemon-record',
  'ipvs.after-daemon-write',
  'ipvs.before-daemon-forget',
  'ipvs.after-daemon-forget',
  'addresses.before-intent-record',
  'addresses.after-intent-record',
  'addresses.after-additions',
  'addresses.after-deletions',
  'addresses.after-forget-record',
] as const

export type Failpoint = (typeof FAILPOINTS)[number]

interface Wanted {
  readonly place: Failpoint
  /** How often the place must be passed. */
  readonly count: number
}

let passes = 0

/** Throws BAD_INPUT when the variable names no place: the program would live on, and a test of a crash would test none. */
export function checkFailpoint(): void {
  wantedFailpoint()
}

/**
 * Kills the own process with SIGKILL when the environment variable `POINTSMAN_FAILPOINT` names this place; `name:3`
 * kills at the third time it is passed. Nothing can tidy up, which is what a crash is. Without the variable it does nothing.
 */
export function failpoint(name: Failpoint): void {
  const wanted = wantedFailpoint()
  if (wanted?.place !== name) return
  passes += 1
  if (passes < wanted.count) return
  process.kill(process.pid, 'SIGKILL')
  // The signal may reach another thread first: this one must not take a further step.
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
}

function wantedFailpoint(): Wanted | undefined {
  const text = process.env['POINTSMAN_FAILPOINT']
  if (text === undefined || text === '') return undefined
  const [name, count = '1', ...more] = text.split(':')
  const place = FAILPOINTS.find((each) => each === name)
  if (place !== undefined && /^[1-9]\d{0,8}$/.test(count) && more.length === 0) return { place, count: Number(count) }
  throw new PointsmanError(
    'BAD_INPUT',
    `POINTSMAN_FAILPOINT=${JSON.stringify(text)} names no place: write one of ${FAILPOINTS.join(', ')}, with :3 behind it for the third time it is passed, or unset it.`,
  )
}
