import { PointsmanError } from '../../errors.ts'
import type { FirewallKernel } from '../../kernel/for-sinks.ts'
import type { AddressFamily } from '../../model/address.ts'
import { FIREWALLD_CLOSED, type FilterTable, placeName, type Unwritable } from './filter.ts'
import { readIptablesFilter } from './read-iptables.ts'
import { type NftFilterTable, readNftRuleset } from './read-nft.ts'

const FAMILIES: readonly AddressFamily[] = ['ipv4', 'ipv6']
const TABLES_OF_IPTABLES = ['filter', 'mangle', 'raw', 'security']
const CHAINS_OF_IPTABLES = ['INPUT', 'OUTPUT', 'FORWARD']

/**
 * Every table with a filter at INPUT, OUTPUT or FORWARD. Those that iptables-nft keeps in nftables are read by iptables, whose matches nft prints as nothing
 * that could be judged. Rejects as FirewallKernel.
 */
export async function readFirewall({ nftables, iptables }: FirewallKernel): Promise<FilterTable[]> {
  const tables: FilterTable[] = []
  for (const table of readNftRuleset(await nftables.readFilters())) {
    const family = familyOfIptables(table)
    tables.push(family === undefined ? ofNftables(table) : await ofIptables(table, family, iptables))
  }
  for (const family of FAMILIES) {
    const lines = await iptables.save('legacy', family)
    if (lines !== undefined) tables.push(readIptablesFilter(lines, 'legacy', family))
  }
  return tables
}

/** The names that iptables gives its tables and chains, and nobody else does. */
function familyOfIptables({ place, chains }: NftFilterTable): AddressFamily | undefined {
  if (!TABLES_OF_IPTABLES.includes(place.table) || place.family === 'inet') return undefined
  if (!CHAINS_OF_IPTABLES.some((name) => chains.get(name)?.base !== undefined)) return undefined
  return place.family === 'ip' ? 'ipv4' : 'ipv6'
}

function ofNftables(table: NftFilterTable): FilterTable {
  const why = whyUnwritable(table)
  return why === undefined ? table : { ...table, unwritable: why }
}

function whyUnwritable({ place: { table }, hasXt, isOwned }: NftFilterTable): Unwritable | undefined {
  const cure = 'run the commands that `pointsman doctor` prints'
  if (table === FIREWALLD_CLOSED)
    return {
      why: 'firewalld lets nothing pass while it reloads and in panic mode',
      cure: 'run firewall-cmd --panic-off',
      isMeant: true,
    }
  if (isOwned) return { why: 'another program owns this table (flags owner), and the kernel takes no rule from others', cure }
  if (hasXt) return { why: 'it has rules of iptables in it (xt), and nobody but iptables can write between them', cure }
  return undefined
}

/** One that iptables cannot read was written by nft: then it is one of nftables, unless rules of iptables are in it all the same. */
async function ofIptables(
  table: NftFilterTable,
  family: AddressFamily,
  iptables: FirewallKernel['iptables'],
): Promise<FilterTable> {
  if (table.place.table !== 'filter')
    return {
      ...table,
      unwritable: { why: 'of the tables of iptables the filter alone is opened', cure: 'let them pass there by hand' },
    }
  // iptables has none, and reads a rule that looks into one as a rule without it.
  if (table.sets.size > 0 && !table.hasXt) return ofNftables(table)
  const unwritable = (why: string, cure?: string): FilterTable => ({
    place: { kind: 'iptables', variant: 'nft', family },
    chains: table.chains,
    sets: table.sets,
    unwritable: { why, ...(cure !== undefined && { cure }) },
  })
  const mixed = () =>
    unwritable(
      `${placeName(table.place)} has rules of iptables and of nft in it, and neither can write between those of the other`,
      'keep them in tables of their own',
    )
  if (table.sets.size > 0) return mixed()
  try {
    const lines = await iptables.save('nft', family)
    if (lines !== undefined) return readIptablesFilter(lines, 'nft', family)
    return table.hasXt ? mixed() : ofNftables(table)
  } catch (error) {
    if (error instanceof PointsmanError && ['NFT_MISSING', 'KERNEL_REFUSED'].includes(error.code))
      return unwritable(error.message.replace(/\.$/, ''))
    throw error
  }
}
