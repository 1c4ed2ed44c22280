import { isDeepStrictEqual } from 'node:util'
import { familyOf } from '../../model/address.ts'
import type { FilterPlace, FilterTable } from './filter.ts'
import { type FirewallHook, type Opening, openingKey } from './opening.ts'
import { type Held, openingText, ourChain, type PartNumber, parseOpening } from './ours.ts'
import type { Edit } from './plan.ts'
import { protocolWord } from './protocols.ts'
import { readIptablesFilter } from './read-iptables.ts'

type IptablesPlace = FilterPlace & { readonly kind: 'iptables' }

/** What a part of ours in the filter table of iptables at one hook is. */
export function readIptablesHeld(
  { place, chains }: FilterTable,
  hook: FirewallHook,
  mark: string,
  part: PartNumber,
  tracked: boolean,
): Held {
  const openings: Held['openings'] = new Map()
  const name = ourChain(place, hook, mark, part)
  const chain = chains.get(name)
  if (chain === undefined) return { state: 'absent', openings }
  let sound = true
  for (const rule of chain.rules) {
    const opening = parseOpening(hook, rule.comment ?? '')
    if (
      opening === undefined ||
      openings.has(openingKey(opening)) ||
      !isDeepStrictEqual(rule, asRead(place as IptablesPlace, opening, tracked))
    )
      sound = false
    else openings.set(openingKey(opening), opening)
  }
  return { state: sound ? 'sound' : 'damaged', openings }
}

/** Lines for iptables-restore(8), all of them or none. */
export function iptablesLines(table: FilterTable, mark: string, edits: readonly Edit[], tracked: boolean): string[] {
  const jumpTo = ({ hook, part }: Edit) => `-m comment --comment ${mark} -j ${ourChain(table.place, hook, mark, part)}`
  const jumps = edits.flatMap((edit) => edit.jump.map((jump) => ({ ...jump, text: jumpTo(edit) })))
  // Each number is that of a rule among those that are not ours: what comes further behind must not count yet.
  const fromTheEnd = jumps.sort((a, b) => (b.number ?? Number.POSITIVE_INFINITY) - (a.number ?? Number.POSITIVE_INFINITY))
  return [
    // Naming a chain makes it, or empties it.
    ...edits.flatMap((edit) => (edit.chain === 'make' ? [`:${ourChain(table.place, edit.hook, mark, edit.part)} - [0:0]`] : [])),
    ...edits.flatMap((edit) => edit.unjump.flatMap(({ base, rules }) => rules.map(() => `-D ${base} ${jumpTo(edit)}`))),
    ...edits.flatMap((edit) => contents(table, mark, edit, tracked)),
    ...fromTheEnd.map(({ base, number, text }) => (number === undefined ? `-A ${base} ${text}` : `-I ${base} ${number} ${text}`)),
  ]
}

function contents({ place, chains }: FilterTable, mark: string, edit: Edit, tracked: boolean): string[] {
  const name = ourChain(place, edit.hook, mark, edit.part)
  return [
    ...(edit.chain === 'unmake' && chains.has(name) ? [`-F ${name}`, `-X ${name}`] : []),
    ...edit.drop.map((opening) => `-D ${name} ${ruleText(opening, tracked)}`),
    ...edit.put.map((opening) => `-A ${name} ${ruleText(opening, tracked)}`),
  ]
}

/** As for nftables: packets of connections that a client began. */
const REPLIES = '-m conntrack --ctstate RELATED,ESTABLISHED --ctdir REPLY'

/** A rule as iptables-save prints it, without its chain. */
function ruleText(opening: Opening, tracked: boolean): string {
  const comment = `-m comment --comment "${openingText(opening)}" -j ACCEPT`
  if (opening.kind === 'mark') return `-m mark --mark 0x${opening.mark.toString(16)} ${comment}`
  const { hook, protocol, address, port } = opening
  const isReply = hook === 'forward'
  const host = `${isReply ? '-s' : '-d'} ${address}/${familyOf(address) === 'ipv4' ? 32 : 128}`
  const ports = port === 0 ? '' : ` -m ${protocol} ${isReply ? '--sport' : '--dport'} ${port}`
  const known = isReply && tracked ? ` ${REPLIES}` : ''
  return `${host} -p ${protocolWord(protocol)}${ports}${known} ${comment}`
}

function asRead({ variant, family }: IptablesPlace, opening: Opening, tracked: boolean): unknown {
  const table = readIptablesFilter([':OURS - [0:0]', `-A OURS ${ruleText(opening, tracked)}`], variant, family)
  return table.chains.get('OURS')?.rules[0]
}
