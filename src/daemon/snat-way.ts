import type { SnatSettings } from '../config/configuration.ts'
import { PointsmanError } from '../errors.ts'
import { createIptablesSnatSink, createSnatSink, type SnatSink, type SnatSinkOptions } from '../sinks/snat/snat-sink.ts'
import type { Host } from './host.ts'
import { asPointsmanError } from './passes.ts'

/** How source NAT gets into the kernel: in a table of our own, or where nftables cannot be had in a chain of our own. */
export type SnatWay =
  | { readonly by: 'nftables'; readonly kernel: Awaited<ReturnType<Host['openNftables']>> }
  | { readonly by: 'iptables'; readonly kernel: ReturnType<Host['openIptables']> }

/**
 * Opens the way that the configuration wants; where it leaves the choice, nftables, and iptables where that is missing. Rejects with the error of nftables
 * where neither can be had.
 */
export async function openSnatWay(
  host: Pick<Host, 'openNftables' | 'openIptables'>,
  wanted: SnatSettings['by'],
): Promise<SnatWay> {
  if (wanted === 'iptables') return { by: 'iptables', kernel: host.openIptables() }
  try {
    return { by: 'nftables', kernel: await host.openNftables() }
  } catch (error) {
    if (wanted === 'nftables' || !(error instanceof PointsmanError) || error.code !== 'NFT_MISSING') throw error
    const kernel = host.openIptables()
    // Programs are found when they are run.
    await kernel.saveNat('ipv4').catch((other: unknown) => Promise.reject(neither(error, asPointsmanError(other))))
    return { by: 'iptables', kernel }
  }
}

function neither(nftables: PointsmanError, iptables: PointsmanError): PointsmanError {
  const message = `${nftables.message} iptables, which would do instead, cannot be had either: ${iptables.message}`
  return new PointsmanError(nftables.code, message, { cause: iptables })
}

export function snatSinkBy(way: SnatWay, options: Omit<SnatSinkOptions, 'kernel'>): SnatSink {
  return way.by === 'nftables'
    ? createSnatSink({ ...options, kernel: way.kernel })
    : createIptablesSnatSink({ ...options, kernel: way.kernel })
}
