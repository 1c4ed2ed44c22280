import { isDeepStrictEqual } from 'node:util'
import { familyOf } from '../../model/address.ts'
import type { FilterPlace, FilterTable } from './filter.ts'
import { type FirewallHook, type Opening, openingKey } from './opening.ts'
import { type Held, openingText, ourChain, parseOpening } from './ours.ts'
import type { Edit } from './plan.ts'
import { protocolWord } from './protocols.ts'
import { readIptablesFilter } from './read-iptables.ts'

type IptablesPlace = FilterPlace & { readonly kind: 'iptables' }

/** What of ours is in the filter table of iptables at one hook. */
export function readIptablesHeld({ place, chains }: FilterTable, hook: FirewallHook, mark: string, tracked: boolean): Held {
  const openings: Held['openings'] = new Map()
  const name = ourChain(place, hook, mark)
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
export function iptablesLines({ place, chains }: FilterTable, mark: string, edits: readonly Edit[], tracked: boolean): string[] {
  return edits.flatMap((edit) => {
    const name = ourChain(place, edit.hook, mark)
    const jump = `-m comment --comment ${mark} -j ${name}`
    const away = edit.unjump.flatMap(({ base, rules }) => rules.map(() => `-D ${base} ${jump}`))
    const gone = chains.has(name) ? [`-F ${name}`, `-X ${name}`] : []
    return [
      // Naming a chain makes it, or empties it.
      ...(edit.chain === 'make' ? [`:${name} - [0:0]`] : []),
      ...away,
      ...(edit.chain === 'unmake' ? gone : []),
      ...edit.drop.map((opening) => `-D ${name} ${ruleText(opening, tracked)}`),
      ...edit.put.map((opening) => `-A ${name} ${ruleText(opening, tracked)}`),
      ...edit.jump.map(({ base, number }) => (number === undefined ? `-A ${base} ${jump}` : `-I ${base} ${number} ${jump}`)),
    ]
  })
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
