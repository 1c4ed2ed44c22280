import {
  distinctUntilChanged,
  expand,
  map,
  NEVER,
  type Observable,
  of,
  type SchedulerLike,
  startWith,
  switchMap,
  tap,
  timer,
} from 'rxjs'
import { formatIssue, type Issue } from '../../document/issue.ts'
import type { AddressFamily } from '../../model/address.ts'
import type { DnsSourceSpec, DnsSrvSourceSpec } from '../../model/dns-source-spec.ts'
import type { ServiceSpec } from '../../model/service-spec.ts'
import type { SourceEvent } from '../../model/source-event.ts'
import { sourceName } from '../../model/source-spec.ts'
import { serviceFamily } from '../../model/virtual-service.ts'
import { steadyScheduler } from '../../steady-scheduler.ts'
import type { Recovery } from '../recovery.ts'
import type { Source } from '../source.ts'
import { afterLook, isOut, type Knowledge, type KnowledgeRules, type Look, nothingKnown } from './knowledge.ts'
import { type Looker, look } from './look.ts'
import type { Lookups } from './lookups.ts'

export interface DnsSourceOptions {
  /** Shared, so that a name that many services use is asked for once. */
  readonly lookups: Pick<Lookups, 'ask'>
  /** Shared by all who ask the same servers; absent: nobody else does. */
  readonly recovery?: Recovery
  readonly scheduler?: SchedulerLike
  /** 0 <= number < 1. */
  readonly random?: () => number
  /** Told what is odd about an answer that is good all the same, once for each new set of oddities. */
  readonly onWarnings?: (warnings: readonly Issue[]) => void
}

/** SRV records, or the addresses of a plain name. What each answer means is decided in knowledge.ts; here it meets time. */
export function dnsSource(spec: DnsSrvSourceSpec | DnsSourceSpec, service: ServiceSpec, options: DnsSourceOptions): Source {
  const { lookups, scheduler = steadyScheduler, random = Math.random, onWarnings = () => {}, recovery } = options
  const id = sourceName(spec)
  const families = usableFamilies(spec, service)
  const now = () => scheduler.now()
  if (families.length === 0) return { id, watch: () => NEVER.pipe(startWith(noFamily(spec, now()))) }
  const { policies, refresh, retry, holdObsolete } = spec
  const zeroWeight = spec.kind === 'dns_srv' ? spec.zeroWeight : 'serve'
  const rules: KnowledgeRules = { policies, refresh, retry, holdObsolete, random, origin: id, service, zeroWeight, families }
  const looker: Looker = { lookups, network: spec, name: spec.name, srv: spec.kind === 'dns_srv', rules, now }
  const plainName = spec.name.toLowerCase().replace(/\.$/, '')
  const nothing = nothingKnown(spec.kind === 'dns' ? { name: plainName, port: spec.port } : undefined)
  const untilNext = (knowledge: Knowledge): Observable<unknown> => {
    const wait = Math.max(0, knowledge.nextAt - now())
    return (isOut(knowledge) ? recovery?.after(wait) : undefined) ?? timer(wait, scheduler)
  }
  const lookAgain = (knowledge: Knowledge): Observable<Look> => {
    const among = isOut(knowledge) ? recovery : undefined
    return among?.ask((attempt) => look(knowledge, { ...looker, attempt })) ?? look(knowledge, looker)
  }
  const watch = () => {
    const tell = onceEach(onWarnings)
    return of(nothing).pipe(
      expand((knowledge) =>
        untilNext(knowledge).pipe(
          switchMap(() => lookAgain(knowledge)),
          map((found) => afterLook(knowledge, found, rules)),
          tap((next) => {
            if (isOut(knowledge) && !isOut(next)) recovery?.wake()
          }),
        ),
      ),
      tap(({ warnings }) => tell(warnings)),
      map(({ event }) => event),
      distinctUntilChanged(),
    )
  }
  return { id, watch }
}

/** Those that are asked for, as far as the forwarding reaches them: a tunnel alone joins the families. */
export function usableFamilies({ families }: DnsSrvSourceSpec | DnsSourceSpec, service: ServiceSpec): readonly AddressFamily[] {
  const own = serviceFamily(service.identity)
  const reachable: readonly AddressFamily[] = service.forwarding.method === 'tunnel' ? ['ipv4', 'ipv6'] : [own]
  return families === undefined ? reachable : reachable.filter((family) => families.includes(family))
}

function noFamily({ families = [] }: DnsSrvSourceSpec | DnsSourceSpec, at: number): SourceEvent {
  const message = `only ${families.join(' and ')} addresses are wanted, which the forwarding of the service does not reach; leave families out, or write forwarding: tunnel`
  return { kind: 'pending', failure: { code: 'SOURCE_INVALID', message, at } }
}

function onceEach(onWarnings: (warnings: readonly Issue[]) => void): (warnings: readonly Issue[]) => void {
  let told = ''
  return (warnings) => {
    const text = warnings.map(formatIssue).join('\n')
    if (text !== told && warnings.length > 0) onWarnings(warnings)
    told = text
  }
}
