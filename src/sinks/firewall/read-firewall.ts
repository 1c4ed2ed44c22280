import type { FirewallKernel } from '../../kernel/for-sinks.ts'
import type { AddressFamily } from '../../model/address.ts'
import type { FilterTable } from './filter.ts'
import { readIptablesFilter } from './read-iptables.ts'
import { readNftRuleset } from './read-nft.ts'

const FAMILIES: readonly AddressFamily[] = ['ipv4', 'ipv6']

/**
 * Every table with a filter at INPUT, OUTPUT or FORWARD. Those that iptables-nft keeps in nftables are read by iptables, whose matches nft prints as nothing
 * that could be judged. Rejects as FirewallKernel.
 */
export async function readFirewall({ nftables, iptables }: FirewallKernel): Promise<FilterTable[]> {
  const tables: FilterTable[] = []
  for (const table of readNftRuleset(await nftables.readRuleset())) {
    const family = familyOfIptables(table)
    const lines = family === undefined ? undefined : await iptables.save('nft', family)
    tables.push(family === undefined || lines === undefined ? table : readIptablesFilter(lines, 'nft', family))
  }
  for (const family of FAMILIES) {
    const lines = await iptables.save('legacy', family)
    if (lines !== undefined) tables.push(readIptablesFilter(lines, 'legacy', family))
  }
  return tables
}

/** The names that iptables gives its table and chains, and nobody else does. */
function familyOfIptables({ place, chains }: FilterTable): AddressFamily | undefined {
  if (place.kind !== 'nft' || place.table !== 'filter' || place.family === 'inet') return undefined
  if (!['INPUT', 'OUTPUT', 'FORWARD'].some((name) => chains.get(name)?.base !== undefined)) return undefined
  return place.family === 'ip' ? 'ipv4' : 'ipv6'
}
