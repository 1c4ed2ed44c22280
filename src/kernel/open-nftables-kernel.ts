import { SystemCallError } from './libc.ts'
import { NETLINK_NETFILTER } from './netfilter/constants.ts'
import { noPermission, refusedInWords } from './netfilter/refusals.ts'
import { LARGEST_DATAGRAM } from './netlink/exchange.ts'
import { openNetlinkSocket } from './netlink/netlink-socket.ts'
import type { NetlinkTransport } from './netlink/transport.ts'
import { askGeneration } from './nftables/generation.ts'
import { loadLibnftables } from './nftables/libnftables.ts'
import { LinuxNftables } from './nftables/linux-nftables.ts'
import { findNftProgram } from './nftables/nft-program.ts'
import { openChangeSource, RulesetWatch } from './nftables/ruleset-watch.ts'
import type { NftRunner } from './nftables/runner.ts'
import { nftMissingInKernel, nftNotInstalled } from './nftables/words.ts'
import type { NftablesKernel } from './nftables-kernel.ts'

export interface OpenNftablesKernelOptions {
  /** The one way to go; where it is left out libnftables, and nft where that is not installed. */
  readonly by?: 'libnftables' | 'nft'
  /** Milliseconds after which a call counts as stuck; 30 s where it is left out: a listing of 100,000 elements takes a slow machine that long. */
  readonly deadlineMs?: number
  /** File of the program nft; where it is left out, that of the system. */
  readonly nftProgram?: string
}

/** What is looked for on the system; tests put their own here. */
export interface NftablesSystem {
  readonly open: () => NetlinkTransport
  readonly libnftables: () => NftRunner | undefined
  readonly program: (path: string | undefined) => NftRunner | undefined
}

const REAL_SYSTEM: NftablesSystem = {
  open: () => openNetlinkSocket(NETLINK_NETFILTER),
  libnftables: () => loadLibnftables(),
  program: (path) => findNftProgram(path),
}

const DEADLINE = 30_000

/**
 * nftables of the network namespace of this process. Rejects with NFT_MISSING, NO_PERMISSION, KERNEL_REFUSED or UNSUPPORTED_PLATFORM. The kernel
 * itself is asked first, because libnftables ends the process that uses it where it gets no answer.
 */
export async function openNftablesKernel(
  options: OpenNftablesKernelOptions = {},
  system: NftablesSystem = REAL_SYSTEM,
): Promise<NftablesKernel> {
  const transport = openTransport(system)
  try {
    requireNftables(transport)
    const runner = chooseRunner(options, system)
    if (runner === undefined) throw nftNotInstalled(options.by)
    return new LinuxNftables({
      runner,
      transport,
      watch: (listener) => refusedInWords('nftables', () => new RulesetWatch(listener, openChangeSource())),
      deadlineMs: options.deadlineMs ?? DEADLINE,
    })
  } catch (error) {
    transport[Symbol.dispose]()
    throw error
  }
}

function openTransport({ open }: NftablesSystem): NetlinkTransport {
  try {
    return refusedInWords('nftables', open)
  } catch (error) {
    // A kernel that has nothing of netfilter has no such protocol.
    const cause = error instanceof Error ? error.cause : undefined
    if (cause instanceof SystemCallError && cause.errno === 'EPROTONOSUPPORT') throw nftMissingInKernel(cause.errno)
    throw error
  }
}

function requireNftables(transport: NetlinkTransport): void {
  const answer = refusedInWords('nftables', () => askGeneration(transport, Buffer.allocUnsafe(LARGEST_DATAGRAM)))
  if (typeof answer === 'number') return
  if (answer.errno === 'EPERM' || answer.errno === 'EACCES') throw noPermission('nftables')
  throw nftMissingInKernel(answer.errno)
}

function chooseRunner({ by, nftProgram }: OpenNftablesKernelOptions, system: NftablesSystem): NftRunner | undefined {
  if (by === 'libnftables') return system.libnftables()
  if (by === 'nft') return system.program(nftProgram)
  return system.libnftables() ?? system.program(nftProgram)
}
