import { auditTime, Observable, type SchedulerLike, Subject } from 'rxjs'
import { type Check, runChecks } from '../health/checks.ts'
import type { Probe } from '../health/probe.ts'
import type { ProbeTarget } from '../health/target.ts'
import type { ProbeResult } from '../model/probe-result.ts'
import { differingKeys } from '../model/shared-map.ts'
import type { ServiceKey } from '../model/virtual-service.ts'
import type { DesiredUpdate, ProbeVerdict } from '../pipeline/desired-update.ts'
import { checkOf, type HeldMember, heldMembers, proving } from './held-members.ts'
import { type Finding, findings, follow, foundOf, heard, NOTHING_HELD } from './held-standings.ts'

/** Milliseconds. A lost first packet is sent again after one second: an answer to that one is an answer. */
const TIMES = { interval: 1_000, timeout: 1_500 }

/** Probes under way at a time. */
const LIMIT = 256

/** Milliseconds in which findings are gathered: members of one pool die together, and are asked at moments of their own. */
const GATHER = 200

export interface ProbeHeldOptions {
  readonly tcpProbe: (target: ProbeTarget) => Probe
  /** `took`: milliseconds. */
  readonly onResult: (result: ProbeResult, took: number) => void
  readonly onFinding: (finding: Finding) => void
  readonly scheduler: SchedulerLike
}

/**
 * Probes exactly the members whose removal is held, from the moment at which it is, and says which of them fail. A member
 * that several services hold is asked once.
 */
export function probeHeld(updates$: Observable<DesiredUpdate>, options: ProbeHeldOptions): Observable<ProbeVerdict> {
  const { tcpProbe, onResult, onFinding, scheduler } = options
  return new Observable((subscriber) => {
    const checks$ = new Subject<ReadonlyMap<string, Check>>()
    const news$ = new Subject<void>()
    let held = NOTHING_HELD
    let provenance: DesiredUpdate['provenance'] | undefined
    const byService = new Map<ServiceKey, HeldMember[]>()
    let told = foundOf(held)
    const tell = () => {
      const found = findings(held, told)
      told = foundOf(held)
      for (const finding of found) onFinding(finding)
      for (const { service, failing } of found) subscriber.next({ service, failing })
    }
    subscriber.add(news$.pipe(auditTime(GATHER, scheduler)).subscribe(tell))
    subscriber.add(
      checks$.pipe(runChecks({ limit: LIMIT, scheduler })).subscribe(({ key, result, took }) => {
        onResult(result, took)
        const before = held
        held = heard(held, key, result)
        if (held !== before) news$.next()
      }),
    )
    subscriber.add(
      updates$.subscribe((update) => {
        for (const service of differingKeys(provenance, update.provenance)) {
          const known = update.provenance.get(service)
          const holding = known === undefined ? [] : heldMembers(service, known)
          if (holding.length === 0) byService.delete(service)
          else byService.set(service, holding)
        }
        provenance = update.provenance
        const members = [...byService.values()].flat()
        if (members.length + held.members.length === 0) return
        held = follow(held, members)
        const stays = foundOf(held)
        told = new Map([...told].filter(([id]) => stays.has(id)))
        checks$.next(new Map(members.map((member) => [checkOf(member), checkFor(member, tcpProbe)])))
        news$.next()
      }),
    )
  })
}

function checkFor(member: HeldMember, tcpProbe: ProbeHeldOptions['tcpProbe']): Check {
  return { ...TIMES, probe: proving(tcpProbe(member.target), member.refusalCounts) }
}
