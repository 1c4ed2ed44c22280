import type { DesiredService } from '../../model/desired-state.ts'
import type { ServiceKey } from '../../model/virtual-service.ts'
import { Backoff } from '../ipvs/backoff.ts'
import type { TableImage } from './table-image.ts'
import type { Match, MatchKey, Translation } from './translation.ts'

/** What the sink remembers from pass to pass. */
export class SnatMemory {
  /** The table as last read, with what was written since. */
  believed: TableImage | undefined
  /** What was written last may or may not have been taken: nothing is believed before it is read again, and no difference is anybody's doing. */
  unsure = false
  /** The services of the last desired state. */
  previous: ReadonlyMap<ServiceKey, DesiredService> = new Map()
  readonly unconfirmed = new Set<ServiceKey>()
  /** Taken away or changed by somebody else, and not put back yet. */
  readonly lost = new Map<MatchKey, Translation>()
  /** Put there by somebody else, and not taken away yet. */
  readonly strange = new Set<MatchKey>()
  /** Somebody else changed what is not in a map, and it is not put right yet. */
  structureLost = false
  /** Added before their services were open: once they are, connections that were tried before that are looked for. */
  readonly added = new Map<MatchKey, Match>()
  /** Put back under open services. */
  readonly repaired = new Map<MatchKey, Match>()
  readonly backoff: Backoff<string>

  constructor(random: () => number) {
    this.backoff = new Backoff(random)
  }
}
