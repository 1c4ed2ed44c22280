import type { AddressFamily } from '../../model/address.ts'
import { FIREWALLD, type FilterChain, type FilterPlace, type FilterTable } from '../../sinks/firewall/filter.ts'
import { type FirewallHook, type Opening, openingFamily, PROTOCOL_NUMBERS } from '../../sinks/firewall/opening.ts'

/** What keeps the rules of a chain, and would undo what is done behind its back. */
export type FirewallTool = 'ufw' | 'firewalld' | 'docker' | 'nft' | 'iptables'

type Addressed = Opening & { readonly kind: 'address' }

/** Where users of docker have their rules; it leaves that chain as it is. */
const DOCKER_USER = 'DOCKER-USER'

export function toolOf({ place, chains }: FilterTable, base: FilterChain): FirewallTool {
  if (place.kind === 'nft' && place.table === FIREWALLD) return 'firewalld'
  const hook = base.base?.hook ?? 'input'
  const leadsToDocker = base.rules.some(({ verdict }) => verdict.kind === 'jump' && verdict.target === DOCKER_USER)
  if (hook === 'forward' && leadsToDocker) return 'docker'
  if (['ufw', 'ufw6'].some((name) => chains.has(`${name}-user-${hook}`))) return 'ufw'
  return place.kind === 'nft' ? 'nft' : 'iptables'
}

/** One line for a shell of root that lets these packets through this chain. */
export function commandFor(table: FilterTable, base: FilterChain, openings: readonly Opening[]): string {
  switch (toolOf(table, base)) {
    case 'ufw':
      return openings.map((opening) => ufw(table, base, opening)).join(' && ')
    case 'firewalld':
      return firewalld(table, base, openings)
    case 'docker':
      return openings.map((opening) => iptables(table.place, DOCKER_USER, opening)).join(' && ')
    case 'iptables':
      return openings.map((opening) => iptables(table.place, base.name, opening)).join(' && ')
    case 'nft':
      return nft(table.place as FilterPlace & { kind: 'nft' }, base.name, openings)
  }
}

function ufw(table: FilterTable, base: FilterChain, opening: Opening): string {
  // ufw has no words for the others.
  if (opening.kind === 'mark' || (opening.protocol !== 'tcp' && opening.protocol !== 'udp'))
    return iptables(table.place, base.name, opening)
  const { hook, protocol, address, port } = opening
  const verb = { input: 'allow', output: 'allow out', forward: 'route allow' }[hook]
  const end = `${hook === 'forward' ? 'from' : 'to'} ${address}${port === 0 ? '' : ` port ${port}`}`
  return `ufw ${verb} proto ${protocol} ${end}`
}

function iptables(place: FilterPlace, chain: string, opening: Opening): string {
  const variant = place.kind === 'iptables' ? place.variant : 'nft'
  const program = `${openingFamily(opening) === 'ipv4' ? 'iptables' : 'ip6tables'}-${variant}`
  return `${program} -I ${chain} ${iptablesMatch(opening)} -j ACCEPT`
}

function iptablesMatch(opening: Opening): string {
  if (opening.kind === 'mark') return `-m mark --mark ${opening.mark}`
  const { hook, protocol, address, port } = opening
  const [host, ports] = hook === 'forward' ? ['-s', '--sport'] : ['-d', '--dport']
  return `-p ${wordOf(opening)} ${host} ${address}${port === 0 ? '' : ` -m ${protocol} ${ports} ${port}`}`
}

/** One rule for each family; where there are several packets to let through, with a set of them in it. */
function nft({ family, table }: FilterPlace & { readonly kind: 'nft' }, chain: string, openings: readonly Opening[]): string {
  const rules = (['ipv4', 'ipv6'] as const).flatMap((each) => {
    const here = openings.filter((opening) => openingFamily(opening) === each)
    const withPort = here.filter((opening): opening is Addressed => opening.kind === 'address' && opening.port !== 0)
    const others = here.filter((opening) => opening.kind === 'mark' || opening.port === 0)
    const matches = [
      ...(withPort.length > 1 ? [nftSet(each, withPort)] : withPort.map((opening) => nftMatch(each, opening))),
      ...others.map((opening) => nftMatch(each, opening)),
    ]
    return matches.map((match) => `insert rule ${family} ${table} ${chain} ${match} accept`)
  })
  return rules.map((rule) => (/[{;]/.test(rule) ? `nft '${rule}'` : `nft ${rule}`)).join(' && ')
}

function nftSet(family: AddressFamily, openings: readonly Addressed[]): string {
  const [end, port] = endsOf((openings[0] as Addressed).hook)
  const elements = openings.map((opening) => `${opening.protocol} . ${opening.address} . ${opening.port}`)
  return `meta l4proto . ${ipOf(family)} ${end} . th ${port} { ${elements.join(', ')} }`
}

function nftMatch(family: AddressFamily, opening: Opening): string {
  if (opening.kind === 'mark') return `meta nfproto ${family} meta mark ${opening.mark}`
  const [end, port] = endsOf(opening.hook)
  const address = `${ipOf(family)} ${end} ${opening.address}`
  return opening.port === 0
    ? `${address} meta l4proto ${wordOf(opening)}`
    : `${address} ${opening.protocol} ${port} ${opening.port}`
}

function endsOf(hook: FirewallHook): readonly ['saddr', 'sport'] | readonly ['daddr', 'dport'] {
  return hook === 'forward' ? ['saddr', 'sport'] : ['daddr', 'dport']
}

function ipOf(family: AddressFamily): 'ip' | 'ip6' {
  return family === 'ipv4' ? 'ip' : 'ip6'
}

/** Not every system has names for the protocols of tunnels. */
function wordOf({ protocol }: Addressed): string {
  return protocol === 'tcp' || protocol === 'udp' || protocol === 'sctp' ? protocol : String(PROTOCOL_NUMBERS[protocol])
}

/** A rule for clients belongs to a zone; the other two ways are policies between zones (firewalld 0.9 and later). */
function firewalld({ place }: FilterTable, base: FilterChain, openings: readonly Opening[]): string {
  const rich = openings.filter((opening): opening is Addressed => opening.kind === 'address')
  // It has no words for marks.
  const marks = openings.filter(({ kind }) => kind === 'mark')
  const direct = marks.length === 0 ? [] : [nft(place as FilterPlace & { kind: 'nft' }, base.name, marks)]
  return [...(rich.length === 0 ? [] : withRichRules(rich)), ...direct].join(' && ')
}

function withRichRules(openings: readonly Addressed[]): string[] {
  const { hook } = openings[0] as Addressed
  const at = hook === 'input' ? '' : `--policy pointsman-${hook} `
  const zones = hook === 'output' ? ['HOST', 'ANY'] : ['ANY', 'ANY']
  const made =
    hook === 'input'
      ? []
      : [
          `firewall-cmd --permanent --new-policy pointsman-${hook}`,
          `firewall-cmd --permanent ${at}--add-ingress-zone ${zones[0]}`,
          `firewall-cmd --permanent ${at}--add-egress-zone ${zones[1]}`,
        ]
  const rules = openings.map((opening) => `firewall-cmd --permanent ${at}--add-rich-rule '${richRule(opening)}'`)
  return [...made, ...rules, 'firewall-cmd --reload']
}

function richRule(opening: Addressed): string {
  const family = openingFamily(opening)
  const { hook, protocol, address, port } = opening
  const isReply = hook === 'forward'
  const host = `${isReply ? 'source' : 'destination'} address="${address}"`
  if (port === 0) return `rule family="${family}" ${host} protocol value="${wordOf(opening)}" accept`
  return `rule family="${family}" ${host} ${isReply ? 'source-port' : 'port'} port="${port}" protocol="${protocol}" accept`
}
