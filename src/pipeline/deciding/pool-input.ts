import type { ServiceSpec } from '../../model/service-spec.ts'
import type { Members } from '../hold.ts'
import type { FlapsOfPool } from './damping.ts'
import type { Heard } from './hearing.ts'

/** Everything that one judgement is made from. */
export interface PoolInput {
  readonly spec: ServiceSpec
  readonly members: Members
  readonly heard: Heard
  readonly flaps: FlapsOfPool
  /** Names of sources of which only the answer of an earlier process is known. */
  readonly unproven: ReadonlySet<string>
  /** Those of them whose answer is so old that no member serves before it passes its probes. */
  readonly outdated: ReadonlySet<string>
  /** Every source has said who its members are. */
  readonly complete: boolean
  readonly expiresQuiescentTemplates: boolean
}
