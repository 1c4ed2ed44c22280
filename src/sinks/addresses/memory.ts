import type { NetworkLink } from '../../kernel/for-sinks.ts'
import type { IpAddress } from '../../model/address.ts'
import { Backoff } from '../ipvs/backoff.ts'
import { Announcements } from './announcements.ts'
import type { ConflictProbes } from './conflict-probes.ts'
import type { SharedAddress } from './wanted-addresses.ts'

/** What outlives a pass. */
export class AddressMemory {
  /** By address, or by the name of our own link. What is wanted is the link by index. */
  readonly backoff: Backoff<string>
  readonly probes: ConflictProbes
  readonly announcements = new Announcements()
  /** Keys of what this process has seen to be ours and there: what is missing of it was taken away by somebody. */
  readonly held = new Set<string>()
  /** Keys of what is ours and there, and may have been taken by another host while its link had no carrier: nobody is told of it before that is asked. */
  readonly doubted = new Set<string>()
  /** How many of ours are there. */
  present = 0
  /** What we deleted, until the kernel has said so. */
  readonly deletedByUs = new Set<string>()
  readonly conflicts = new Set<IpAddress>()
  /** As last read. */
  links: ReadonlyMap<number, NetworkLink> = new Map()
  /** As AddressPlan.awaited, of the last plan. */
  awaited: ReadonlySet<number> = new Set()
  wanted: ReadonlyMap<IpAddress, SharedAddress> | undefined
  foreign: ReadonlySet<IpAddress> = new Set()
  /** False once the kernel has refused to make a dummy link. */
  dummies = true
  /** Whether the next pass has to read whatever it is asked for. */
  disturbed = true
  conflictsSeen = 0
  repairs = 0
  announced = 0

  constructor(random: () => number, probes: ConflictProbes) {
    this.backoff = new Backoff(random)
    this.probes = probes
  }
}
