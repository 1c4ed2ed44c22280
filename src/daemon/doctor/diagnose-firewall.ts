import type { ServiceSpec } from '../../model/service-spec.ts'
import { serviceKey } from '../../model/virtual-service.ts'
import { baseChains, type FilterChain, type FilterTable, placeFamilies, placeName } from '../../sinks/firewall/filter.ts'
import { type Judgement, judge, type Packet, packetOf } from '../../sinks/firewall/judge.ts'
import { type FirewallHook, HOOKS, type Opening, openingFamily, openingKey, openingsOf } from '../../sinks/firewall/opening.ts'
import { openingText } from '../../sinks/firewall/ours.ts'
import { isOpenedBy, jumpsFor } from '../../sinks/firewall/place.ts'
import { counted } from '../counted.ts'
import { type DoctorFacts, type Finding, fail, ok, warn } from './facts.ts'
import { cureFor, type Judged, toolOf } from './firewall-commands.ts'
import type { FirewallFacts } from './firewall-facts.ts'

const CHECK = 'firewall'

const WAYS: Readonly<Record<FirewallHook, string>> = {
  input: 'clients to the services',
  output: 'this host to the backends',
  forward: 'backends that answer through this host',
}

type Known = Exclude<FirewallFacts, { readonly problem: string }>

/** Whether packets of the services pass the three filters of this host, chain by chain. */
export function diagnoseFirewall({ firewall, configuration, holder }: DoctorFacts): Finding[] {
  const services = configuration?.services ?? []
  if (firewall === undefined || services.length === 0) return []
  if ('problem' in firewall) return [warn(CHECK, `what filters there are cannot be seen: ${firewall.problem}`, {})]
  const comes = configuration?.settings.manageFirewall === true && holder === undefined
  return HOOKS.flatMap((hook) => atHook(hook, firewall, services, comes))
}

/** One line for each chain with a fault, or one for all of them. `comes`: the start puts rules into them. */
function atHook(hook: FirewallHook, known: Known, services: readonly ServiceSpec[], comes: boolean): Finding[] {
  const openings = openingsAt(hook, known, services)
  if (openings.size === 0) return []
  const chains = known.tables.flatMap((table) => baseChains(table, hook).map((base) => ({ table, base })))
  const faults = chains.flatMap((chain) => inChain(chain, [...openings.values()], known, comes))
  if (faults.length > 0) return faults
  const judged =
    chains.length === 0
      ? 'there is no filter'
      : `${counted(chains.length, 'chain')} let${chains.length === 1 ? 's' : ''} them pass`
  return [ok(CHECK, `${hook.toUpperCase()}, ${WAYS[hook]}: ${judged}`)]
}

function openingsAt(hook: FirewallHook, { backends }: Known, services: readonly ServiceSpec[]): Map<string, Opening> {
  const openings = new Map<string, Opening>()
  for (const { identity } of services)
    for (const opening of openingsOf(identity, backends.get(serviceKey(identity)) ?? []))
      if (opening.hook === hook) openings.set(openingKey(opening), opening)
  return openings
}

function inChain(
  { table, base }: { readonly table: FilterTable; readonly base: FilterChain },
  openings: readonly Opening[],
  known: Known,
  comes: boolean,
): Finding[] {
  const families = placeFamilies(table.place)
  const judged = openings
    .filter((opening) => families.includes(openingFamily(opening)))
    .map((opening) => ({ opening, judgement: judge(table, base, packetHere(opening, known)) }))
  const jumps = jumpsFor(
    table,
    base,
    judged.map(({ judgement }) => judgement),
  )
  const comesTo = ({ judgement }: Judged) =>
    comes && table.unwritable === undefined && judgement.otherwise === 'drop' && isOpenedBy(jumps, judgement)
  const findings = (['drops', 'may drop'] as const).map((verdict) => {
    const met = judged.filter(({ judgement }) => judgement.verdict === verdict)
    return met.length === 0 ? [] : [finding(table, base, verdict, met, met.every(comesTo), known.tracked)]
  })
  return findings.flat()
}

/** With the interface by which the backend is reached, where that is known. */
function packetHere(opening: Opening, { tracked, interfaces }: Known): Packet {
  const packet = packetOf(opening, tracked)
  const name = opening.kind === 'address' && opening.hook !== 'input' ? interfaces.get(opening.address) : undefined
  return name === undefined ? packet : { ...packet, [opening.hook === 'output' ? 'oif' : 'iif']: name }
}

function finding(
  table: FilterTable,
  base: FilterChain,
  verdict: 'drops' | 'may drop',
  met: readonly Judged[],
  comes: boolean,
  tracked: boolean,
): Finding {
  const openings = met.map(({ opening }) => opening)
  const [first] = openings as [Opening]
  const { hook } = first
  const more = met.length === 1 ? '' : ` and ${met.length - 1} more`
  const who = { input: 'what clients send to', output: 'what goes to', forward: 'what comes back from' }[hook]
  const where = `${hook.toUpperCase()}, ${placeName(table.place)}, chain ${base.name}${keeper(table, base)}`
  const why =
    verdict === 'may drop'
      ? ': a rule before it passes looks at more than is known here'
      : byWhat(base, met[0]?.judgement as Judgement)
  const message = `${where} ${verdict} ${who} ${openingText(first)}${more}${why}`
  const { unwritable } = table
  if (comes) return ok(CHECK, `${message}; the start puts a rule before that (manage_firewall)`)
  const { cure: hint, ...commands } = cureFor(table, base, met, tracked)
  if (verdict === 'may drop') return warn(CHECK, message, { ...commands, ...(hint !== undefined && { cure: hint }) })
  if (unwritable?.isMeant) return fail(CHECK, message, { ...commands, cure: unwritable.why })
  const manage =
    unwritable === undefined
      ? 'or write manage_firewall: true under global, and it is done at each start and reload'
      : `manage_firewall does not reach it: ${unwritable.why}`
  return fail(CHECK, message, { ...commands, cure: [...(hint === undefined ? [] : [hint]), manage].join('; ') })
}

/** The program that has made the chain, where that is to be told what to let through. */
function keeper(table: FilterTable, base: FilterChain): string {
  const tool = toolOf(table, base)
  return tool === 'nft' || tool === 'iptables' ? '' : ` (kept by ${tool})`
}

function byWhat({ rules }: FilterChain, { at }: Judgement): string {
  return at >= rules.length ? ' by its policy' : ` by its rule ${at + 1}`
}
