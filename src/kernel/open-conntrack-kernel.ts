import { PointsmanError } from '../errors.ts'
import { type EntryIdentity, entryDeletion, type FlowTargets, UntranslatedEntries } from './conntrack/entry-codec.ts'
import { listEntries } from './conntrack/listing.ts'
import { Targets } from './conntrack/targets.ts'
import type { ConntrackKernel, ConntrackUsage, OriginalDestination, ReplySource } from './conntrack-kernel.ts'
import { NETLINK_NETFILTER } from './netfilter/constants.ts'
import { netfilterRefused, refusedInWords } from './netfilter/refusals.ts'
import type { Refusal } from './netlink/error-reply.ts'
import { exchange, LARGEST_DATAGRAM } from './netlink/exchange.ts'
import { openNetlinkSocket } from './netlink/netlink-socket.ts'
import type { NetlinkTransport } from './netlink/transport.ts'
import { readSysctl } from './sysctl.ts'

/** What the kernel is reached by; tests put a scripted one here. */
export interface ConntrackParts {
  readonly open: () => NetlinkTransport
  readonly sysctl: (name: string) => string | undefined
}

const REAL_PARTS: ConntrackParts = { open: () => openNetlinkSocket(NETLINK_NETFILTER), sysctl: readSysctl }

/** Connection tracking of the network namespace of this process. Nothing is opened before it is needed. */
export function openConntrackKernel(parts: ConntrackParts = REAL_PARTS): ConntrackKernel {
  return new LinuxConntrack(parts)
}

const WHAT = 'connection tracking'
/** A listing may leave entries out while the table changes. */
const LISTINGS = 3

class LinuxConntrack implements ConntrackKernel {
  readonly #parts: ConntrackParts
  #closed = false

  constructor(parts: ConntrackParts) {
    this.#parts = parts
  }

  async deleteUntranslated(
    destinations: readonly OriginalDestination[],
    backends: readonly ReplySource[] = [],
    others: readonly OriginalDestination[] = [],
  ): Promise<number> {
    const targets = { destinations: new Targets(destinations), backends: new Targets(backends), others: new Targets(others) }
    if (targets.destinations.empty && targets.backends.empty) return 0
    let total = 0
    for (let listing = 0; listing < LISTINGS && !this.#closed; listing++) {
      const { deleted, torn } = await this.#deleteListed(targets)
      total += deleted
      if (deleted === 0 && !torn) break
    }
    return total
  }

  usage(): ConntrackUsage | undefined {
    const count = this.#parts.sysctl('net.netfilter.nf_conntrack_count')
    const max = this.#parts.sysctl('net.netfilter.nf_conntrack_max')
    return count === undefined || max === undefined ? undefined : { count: Number(count), max: Number(max) }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true
  }

  /** Deletes, on a socket of its own, while it lists: nothing is kept of a table however large. */
  async #deleteListed(targets: FlowTargets): Promise<{ deleted: number; torn: boolean }> {
    using listing = inWords(this.#parts.open)
    using deleting = inWords(this.#parts.open)
    const buffer = Buffer.allocUnsafe(LARGEST_DATAGRAM)
    const entries = new UntranslatedEntries(targets, buffer)
    const deletions = new Deletions(deleting)
    const { refusal, torn } = await listEntries(listing, buffer, (message) => {
      const identity = this.#closed ? undefined : entries.identityOf(message)
      if (identity !== undefined) deletions.delete(identity)
    })
    if (refusal !== undefined) throw refused(refusal)
    return { deleted: deletions.count, torn }
  }
}

/** It ended by itself meanwhile or another flow has its place; it is in the hands of the hardware (flowtable offload). */
const PASSED_OVER: ReadonlySet<string> = new Set(['ENOENT', 'EBUSY'])

class Deletions {
  readonly #transport: NetlinkTransport
  readonly #buffer = Buffer.allocUnsafe(LARGEST_DATAGRAM)
  #sequence = 0
  /** Entries that were deleted. */
  count = 0

  constructor(transport: NetlinkTransport) {
    this.#transport = transport
  }

  delete(identity: EntryIdentity): void {
    const refusal = inWords(() => exchange(this.#transport, entryDeletion(identity, ++this.#sequence), this.#buffer))
    if (refusal === undefined) this.count++
    else if (!PASSED_OVER.has(refusal.errno)) throw refused(refusal)
  }
}

/** A kernel that has no such subsystem knows no such message. */
function refused(refusal: Refusal): PointsmanError {
  if (refusal.errno !== 'EINVAL' && refusal.errno !== 'ENOTSUP') return netfilterRefused(WHAT, refusal)
  const sentence = `The kernel does not list its connections (${refusal.errno}): load its module with \`modprobe nf_conntrack_netlink\` on the host.`
  return new PointsmanError('KERNEL_REFUSED', sentence, { detail: { errno: refusal.errno } })
}

function inWords<T>(calls: () => T): T {
  return refusedInWords(WHAT, calls)
}
