import { familyOf, type IpAddress } from '../model/address.ts'
import type { ProbeResult } from '../model/probe-result.ts'
import type { EndSignal, Probe } from './probe.ts'
import { addressOn, addressTowards } from './source-address.ts'
import { type ProbeTarget, targetName } from './target.ts'

/** The way of a probe to a backend through the address of its service. */
export interface VipRoad {
  /** The backend's own address. */
  readonly towards: IpAddress
  /** Resolves with true when the kernel sends packets with the target's mark to this backend, and with false when `signal` aborts before. */
  stands(signal: EndSignal): Promise<boolean>
  /** Where probes come from, at most one of each family; else the route decides. */
  readonly sources: readonly IpAddress[]
  /** Whether an address of this host is one of its virtual services: replies to it would not come back to the probe. */
  isVirtual(address: IpAddress): boolean
  /** The network interface by which packets to the backend leave; undefined where that is not known. */
  leavesBy(): string | undefined
  /** What is wrong with this host so that no answer would get back to the probe, as a sentence. */
  lacks(source: IpAddress): string | undefined
}

/**
 * A probe of a backend on the way of the clients: to the address of the service (`target`, with the mark). It is `unknown`, with
 * the cure, as long as this host lacks what the way back needs.
 */
export function throughVip(target: ProbeTarget, road: VipRoad, ask: (target: ProbeTarget) => Probe): Probe {
  return async (signal) => {
    if (!(await road.stands(signal))) return unknown(`the kernel has no way for probes through ${targetName(target)} yet`)
    const source = await sourceFor(target, road)
    if ('problem' in source) return unknown(source.problem)
    const missing = road.lacks(source.address)
    if (missing !== undefined) return unknown(missing)
    return ask({ ...target, sourceAddress: source.address })(signal)
  }
}

function unknown(message: string): ProbeResult {
  return { outcome: 'unknown', message }
}

const WRITE_SOURCE = 'write global.probe_source: with an address of this host'

async function sourceFor(
  { address, sourceAddress }: ProbeTarget,
  { towards, sources, isVirtual, leavesBy }: VipRoad,
): Promise<{ readonly address: IpAddress } | { readonly problem: string }> {
  const family = familyOf(address)
  const written = sourceAddress ?? sources.find((source) => familyOf(source) === family)
  if (written === undefined && familyOf(towards) !== family)
    return {
      problem: `a probe of ${towards} through ${address} has no address to come from: ${WRITE_SOURCE} of the family of ${address}`,
    }
  const routed = written ?? (await addressTowards(towards))
  if (routed === undefined) return { problem: `no way leads from this host to ${towards}` }
  // Routes are often given the virtual address as their source.
  const link = written === undefined && isVirtual(routed) ? leavesBy() : undefined
  const source = (link === undefined ? undefined : addressOn(link, towards, (one) => !isVirtual(one))) ?? routed
  if (isVirtual(source)) return { problem: `${source} is a virtual address, from which no probe can come: ${WRITE_SOURCE}` }
  return { address: source }
}
