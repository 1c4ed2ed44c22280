import type { ConnectFailure, Health, SelfReport, ServiceFailure } from './probe-result.ts'

/** What our probes know of one backend of one service; all its checks taken together. */
export interface Operational {
  readonly health: Health
  /** Milliseconds since the epoch at which `health` began. */
  readonly since: number
  /** Why the last result did not pass; one sentence, with the check that says so. */
  readonly message?: string
  /** Of the failure that made or keeps it down, or of its last result; absent where it is down by what it begins as alone. */
  readonly failure?: ConnectFailure | ServiceFailure
  /** It fails above connect, and others of its pool have not been asked since that began: they may fail alike. */
  readonly siblingsDue?: true
  /** What it said of itself last; several checks: the least weight and percent, the strictest wish. */
  readonly report?: SelfReport
  /** Checks that went over to another verdict since the process began; for flap damping and metrics. */
  readonly turns: number
}

/** Whether two findings say the same; of failures of one kind the first words stay, for programs may put a number into each. */
export function sameOperational(a: Operational, b: Operational): boolean {
  return (
    a.health === b.health &&
    a.since === b.since &&
    (a.message === b.message || (a.failure !== undefined && b.failure !== undefined)) &&
    a.failure === b.failure &&
    a.siblingsDue === b.siblingsDue &&
    a.turns === b.turns &&
    a.report?.weight === b.report?.weight &&
    a.report?.percent === b.report?.percent &&
    a.report?.wish === b.report?.wish
  )
}

/** Whether probes have found it to be down. Who is down by what he begins as alone was never asked. */
export function isFoundDown({ health, failure }: Operational): boolean {
  return health === 'down' && failure !== undefined
}
