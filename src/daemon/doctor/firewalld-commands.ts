import type { FilterTable } from '../../sinks/firewall/filter.ts'
import { type FirewallHook, type Opening, openingFamily } from '../../sinks/firewall/opening.ts'
import { protocolWord } from '../../sinks/firewall/protocols.ts'
import { CONNTRACK } from '../sysctl-advice.ts'
import { quoted, sysctlCure } from './cures.ts'
import type { Cure } from './facts.ts'

export type Addressed = Opening & { readonly kind: 'address' }

const NO_MARKS = 'firewalld has no rules for firewall marks: accept the addresses and ports behind them in its zone'

/** A rule for clients belongs to a zone; the other two ways are policies between zones (firewalld 0.9 and later). */
export function firewalldCure(table: FilterTable, openings: readonly Opening[], tracked: boolean): Cure {
  // It has no words for marks.
  const rules = openings.filter((opening): opening is Addressed => opening.kind === 'address')
  const [first] = rules
  if (first === undefined) return { cure: NO_MARKS }
  if (rules.length < openings.length)
    return {
      ...firewalldCure(table, rules, tracked),
      cure: `${NO_MARKS} (those without a mark: run the command)`,
    }
  if (first.hook === 'input') return inZone(table, rules)
  // It drops what is invalid before it comes to any rule that can be given to it.
  if (first.hook === 'forward' && !tracked)
    return {
      ...sysctlCure([`${CONNTRACK}=1`]),
      cure: 'firewalld drops replies whose connections nobody knows (ct state invalid), whatever else is allowed',
    }
  return {
    run: byPolicy(first.hook, rules),
    cure: 'where that policy is new firewalld is reloaded, which takes away what it was told without --permanent',
  }
}

function inZone(table: FilterTable, rules: readonly Addressed[]): Cure {
  const zones = zonesOf(table)
  const names = new Set(zones.map(({ zone }) => zone))
  const [only] = names
  const zone = names.size === 1 && only !== undefined ? ` --zone=${quoted(only)}` : ''
  const run = rules
    .flatMap((rule) => ['', ' --permanent'].map((how) => `firewall-cmd${how}${zone} --add-rich-rule '${richRule(rule)}'`))
    .join(' && ')
  if (names.size < 2) return { run }
  const others = zones.flatMap(({ zone: each, via }) => (via === undefined ? [] : [`${via} --zone=${each}`]))
  return {
    run,
    cure: `this goes to the default zone; for clients that come by another interface add its zone to each command: ${others.join(', ')}`,
  }
}

interface Zone {
  readonly zone: string
  /** Undefined: the default zone. */
  readonly via: string | undefined
}

/** `iifname "eth0" goto filter_IN_public`, and the default zone without an interface. */
function zonesOf({ chains }: FilterTable): Zone[] {
  return (chains.get('filter_INPUT_ZONES')?.rules ?? []).flatMap(({ conditions, verdict }): Zone[] => {
    const zone = 'target' in verdict ? /^filter_IN_([\w-]+)$/.exec(verdict.target)?.[1] : undefined
    const [condition] = conditions
    if (zone === undefined) return []
    if (condition === undefined) return [{ zone, via: undefined }]
    const isInterface = condition.kind === 'tuple' && condition.fields.join() === 'iif'
    return isInterface ? condition.tuples.map(([name]) => ({ zone, via: String(name) })) : [{ zone, via: 'some clients' }]
  })
}

/** Policies are made for good alone; the rules in them are made at once, too, where the policy is there already. */
function byPolicy(hook: FirewallHook, rules: readonly Addressed[]): string {
  const policy = `pointsman-${hook}`
  const [from, to] = hook === 'output' ? ['HOST', 'ANY'] : ['ANY', 'ANY']
  const adding = (how: string) => rules.map((rule) => `firewall-cmd${how} --policy ${policy} --add-rich-rule '${richRule(rule)}'`)
  const isThere = (how: string) => `firewall-cmd${how} --info-policy ${policy} >/dev/null 2>&1`
  return [
    `{ ${isThere(' --permanent')} || firewall-cmd --permanent --new-policy ${policy}; }`,
    `firewall-cmd --permanent --policy ${policy} --add-ingress-zone ${from}`,
    `firewall-cmd --permanent --policy ${policy} --add-egress-zone ${to}`,
    ...adding(' --permanent'),
    `if ${isThere('')}; then ${adding('').join(' && ')}; else firewall-cmd --reload; fi`,
  ].join(' && ')
}

function richRule(opening: Addressed): string {
  const family = openingFamily(opening)
  const { hook, protocol, address, port } = opening
  const isReply = hook === 'forward'
  const host = `${isReply ? 'source' : 'destination'} address="${address}"`
  if (port === 0) return `rule family="${family}" ${host} protocol value="${protocolWord(protocol)}" accept`
  return `rule family="${family}" ${host} ${isReply ? 'source-port' : 'port'} port="${port}" protocol="${protocol}" accept`
}
