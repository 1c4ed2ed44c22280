import type { AddressFamily } from '../../model/address.ts'
import { FIREWALLD, FIREWALLD_CLOSED, type FilterChain, type FilterPlace, type FilterTable } from '../../sinks/firewall/filter.ts'
import type { Judgement } from '../../sinks/firewall/judge.ts'
import { type FirewallHook, type Opening, openingFamily } from '../../sinks/firewall/opening.ts'
import { protocolWord } from '../../sinks/firewall/protocols.ts'
import type { Cure } from './facts.ts'
import { type Addressed, firewalldCure } from './firewalld-commands.ts'

/** What keeps the rules of a chain, and would undo what is done behind its back. */
export type FirewallTool = 'ufw' | 'firewalld' | 'docker' | 'nft' | 'iptables'

/** Where users of docker have their rules; it leaves that chain as it is. */
const DOCKER_USER = 'DOCKER-USER'

/** What becomes of the packet of an opening in a chain. */
export interface Judged {
  readonly opening: Opening
  readonly judgement: Judgement
}

export function toolOf({ place, chains }: FilterTable, base: FilterChain): FirewallTool {
  if (place.kind === 'nft' && [FIREWALLD, FIREWALLD_CLOSED].includes(place.table)) return 'firewalld'
  const hook = base.base?.hook ?? 'input'
  const leadsToDocker = base.rules.some(({ verdict }) => verdict.kind === 'jump' && verdict.target === DOCKER_USER)
  if (hook === 'forward' && leadsToDocker) return 'docker'
  if (['ufw', 'ufw6'].some((name) => chains.has(`${name}-user-${hook}`))) return 'ufw'
  return place.kind === 'nft' ? 'nft' : 'iptables'
}

/** What lets these packets through this chain: one line for a shell of root, and what is to be known of it. `tracked` as for `packetOf`. */
export function cureFor(table: FilterTable, base: FilterChain, judged: readonly Judged[], tracked: boolean): Cure {
  const openings = judged.map(({ opening }) => opening)
  if (table.place.kind === 'nft' && table.place.table === FIREWALLD_CLOSED) return { run: 'firewall-cmd --panic-off' }
  if (toolOf(table, base) === 'firewalld') return firewalldCure(table, openings, tracked)
  const run = commandFor(table, base, judged, tracked)
  return tracked || base.base?.hook !== 'forward' ? { run } : { run, cure: STATELESS }
}

const STATELESS =
  'nobody knows the connections of replies while net.ipv4.vs.conntrack is 0, so that this lets through whatever a backend sends from that port; with 1 a rule for established connections is enough'

function commandFor(table: FilterTable, base: FilterChain, judged: readonly Judged[], tracked: boolean): string {
  const openings = judged.map(({ opening }) => opening)
  switch (toolOf(table, base)) {
    case 'ufw':
      return judged.map((each) => ufw(table, base, each, tracked)).join(' && ')
    case 'docker':
      return openings.map((opening) => iptables(table.place, DOCKER_USER, opening, tracked)).join(' && ')
    case 'iptables':
      return openings.map((opening) => iptables(table.place, base.name, opening, tracked)).join(' && ')
    default:
      return nft(table.place as FilterPlace & { kind: 'nft' }, base.name, openings, tracked)
  }
}

function ufw(table: FilterTable, base: FilterChain, { opening, judgement }: Judged, tracked: boolean): string {
  // ufw has no words for the others.
  if (opening.kind === 'mark' || (opening.protocol !== 'tcp' && opening.protocol !== 'udp'))
    return iptables(table.place, base.name, opening, tracked)
  const { hook, protocol, address, port } = opening
  const word = (how: string) => ({ input: `${how}allow`, output: `${how}allow out`, forward: `route ${how}allow` })[hook]
  const end = `${hook === 'forward' ? 'from' : 'to'} ${address}${port === 0 ? '' : ` port ${port}`}`
  const told = (how: string) => `ufw ${word(how)} proto ${protocol} ${end}`
  // What is added comes behind a rule of the user's that refuses more than this, and in the place of one that refuses just this: then nothing is put in front.
  return isUsers(table, base, judgement) ? `${told('prepend ')} && ${told('')}` : told('')
}

/** Whether a rule decides that `ufw` was told, and not one of its own. */
function isUsers({ chains }: FilterTable, base: FilterChain, { path }: Judgement): boolean {
  let chain: FilterChain | undefined = base
  for (const at of path.slice(0, -1)) {
    const verdict: FilterChain['rules'][number]['verdict'] | undefined = chain?.rules[at]?.verdict
    chain = verdict !== undefined && 'target' in verdict ? chains.get(verdict.target) : undefined
    if (chain !== undefined && /^ufw6?-user-/.test(chain.name)) return true
  }
  return false
}

function iptables(place: FilterPlace, chain: string, opening: Opening, tracked: boolean): string {
  const variant = place.kind === 'iptables' ? place.variant : 'nft'
  const program = `${openingFamily(opening) === 'ipv4' ? 'iptables' : 'ip6tables'}-${variant}`
  const known = tracked && opening.hook === 'forward' ? ' -m conntrack --ctstate RELATED,ESTABLISHED --ctdir REPLY' : ''
  return `${program} -I ${chain} ${iptablesMatch(opening)}${known} -j ACCEPT`
}

function iptablesMatch(opening: Opening): string {
  if (opening.kind === 'mark') return `-m mark --mark ${opening.mark}`
  const { hook, protocol, address, port } = opening
  const [host, ports] = hook === 'forward' ? ['-s', '--sport'] : ['-d', '--dport']
  return `-p ${protocolWord(protocol)} ${host} ${address}${port === 0 ? '' : ` -m ${protocol} ${ports} ${port}`}`
}

/** One rule for each family; where there are several packets to let through, with a set of them in it. */
function nft(
  { family, table }: FilterPlace & { readonly kind: 'nft' },
  chain: string,
  openings: readonly Opening[],
  tracked: boolean,
): string {
  const known = tracked && openings.some(({ hook }) => hook === 'forward') ? ' ct direction reply' : ''
  const rules = (['ipv4', 'ipv6'] as const).flatMap((each) => {
    const here = openings.filter((opening) => openingFamily(opening) === each)
    const withPort = here.filter((opening): opening is Addressed => opening.kind === 'address' && opening.port !== 0)
    const others = here.filter((opening) => opening.kind === 'mark' || opening.port === 0)
    const matches = [
      ...(withPort.length > 1 ? [nftSet(each, withPort)] : withPort.map((opening) => nftMatch(each, opening))),
      ...others.map((opening) => nftMatch(each, opening)),
    ]
    return matches.map((match) => `insert rule ${family} ${table} ${chain} ${match}${known} accept`)
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
    ? `${address} meta l4proto ${protocolWord(opening.protocol)}`
    : `${address} ${opening.protocol} ${port} ${opening.port}`
}

function endsOf(hook: FirewallHook): readonly ['saddr', 'sport'] | readonly ['daddr', 'dport'] {
  return hook === 'forward' ? ['saddr', 'sport'] : ['daddr', 'dport']
}

function ipOf(family: AddressFamily): 'ip' | 'ip6' {
  return family === 'ipv4' ? 'ip' : 'ip6'
}
