import { judge, type Standing, UNKNOWN_STANDING } from '../health/rise-fall.ts'
import type { DestinationKey } from '../model/destination.ts'
import type { ProbeResult } from '../model/probe-result.ts'
import type { ServiceKey } from '../model/virtual-service.ts'
import { checkOf, type HeldMember } from './held-members.ts'

/** What probes have found of a held member; `unsure`: they were made, and say nothing of it. */
export type Found = 'unknown' | 'unsure' | 'up' | 'down'

/** Who is held, and what the probes have found so far. */
export interface HeldStandings {
  readonly members: readonly HeldMember[]
  readonly checks: ReadonlyMap<string, CheckStanding>
}

interface CheckStanding extends Standing {
  /** Of the last result that did not pass. */
  readonly message?: string
}

/** What became known of the held members of one service. */
export interface Finding {
  readonly service: ServiceKey
  readonly name: string
  /** All that fail now. */
  readonly failing: ReadonlySet<DestinationKey>
  /** Those of which something else was found before. */
  readonly news: readonly { readonly destination: DestinationKey; readonly found: Found; readonly message?: string }[]
}

export type FoundBefore = ReadonlyMap<string, Found>

export const NOTHING_HELD: HeldStandings = { members: [], checks: new Map() }

/** Two failures in a row, so that a single lost packet is none; one success is an answer. */
const RULES = { rise: 1, fall: 2 }

/** From now on these are held. What was found about others is forgotten. */
export function follow({ checks }: HeldStandings, members: readonly HeldMember[]): HeldStandings {
  const kept = members.map(checkOf).map((check) => [check, checks.get(check) ?? UNKNOWN_STANDING] as const)
  return { members, checks: new Map(kept) }
}

/** After one more result of a check; the same object where it tells nothing new. */
export function heard(held: HeldStandings, check: string, result: ProbeResult): HeldStandings {
  const before = held.checks.get(check)
  if (before === undefined) return held
  const message = result.outcome === 'passed' ? undefined : result.message
  const after = judge(before, result, RULES)
  if (after.health === before.health && after.against === before.against && message === before.message) return held
  const standing = { health: after.health, against: after.against, ...(message !== undefined && { message }) }
  return { ...held, checks: new Map(held.checks).set(check, standing) }
}

/** What was found of each held member, by `idOf`. */
export function foundOf({ members, checks }: HeldStandings): FoundBefore {
  return new Map(members.map((member) => [idOf(member), foundBy(checks.get(checkOf(member)))]))
}

/** What differs from what was found before, by service. */
export function findings(held: HeldStandings, before: FoundBefore): Finding[] {
  const changes: Finding[] = []
  for (const [service, members] of Map.groupBy(held.members, (member) => member.service)) {
    const now = members.map((member) => ({ member, standing: held.checks.get(checkOf(member)) }))
    const news = now.flatMap(({ member, standing }) => {
      const found = foundBy(standing)
      if (found === (before.get(idOf(member)) ?? 'unknown')) return []
      const { destination } = member
      return [{ destination, found, ...(standing?.message !== undefined && { message: standing.message }) }]
    })
    if (news.length === 0) continue
    const failing = new Set(now.filter(({ standing }) => foundBy(standing) === 'down').map(({ member }) => member.destination))
    changes.push({ service, name: members[0]?.name ?? service, failing, news })
  }
  return changes
}

function foundBy(standing: CheckStanding | undefined): Found {
  if (standing === undefined) return 'unknown'
  const { health, against, message } = standing
  return health === 'unknown' && against === 0 && message !== undefined ? 'unsure' : health
}

function idOf({ service, destination }: HeldMember): string {
  return `${service} ${destination}`
}
