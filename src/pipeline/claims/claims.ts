import { isDeepStrictEqual } from 'node:util'
import type { Announcement, CatalogEvent } from '../../model/catalog-event.ts'
import { type CatalogService, catalogServiceId } from '../../model/catalog-spec.ts'
import type { ServiceKey } from '../../model/virtual-service.ts'
import type { WantedServices } from '../desired-update.ts'
import type { StepResult, Wake } from '../step.ts'
import { type ClaimChange, claimChanges } from './changes.ts'
import type { Claimant, ClaimsPast, ReadClaim } from './claim.ts'
import { Hearing } from './hearing.ts'
import { judged, judgedAgain, without } from './judge.ts'
import {
  type CatalogScope,
  type ClaimsState,
  type ConfiguredServices,
  isSettled,
  isWorthKnowing,
  newClaimants,
  type ScopeState,
  scopeId,
  scopesOf,
  undecidedOf,
  wantedOf,
} from './state.ts'

export type ClaimsEvent =
  /** `past` comes with the first configuration only. */
  | { readonly kind: 'configured'; readonly configured: ConfiguredServices; readonly past?: ClaimsPast }
  | { readonly kind: 'named'; readonly scope: CatalogScope; readonly event: CatalogEvent<ReadonlySet<string>> }
  | { readonly kind: 'said'; readonly who: CatalogService; readonly event: CatalogEvent<Announcement> }
  /** The operator lets go what is held of a service. */
  | { readonly kind: 'approved'; readonly service: ServiceKey }

export interface ClaimsOutput {
  /** Absent where that did not change. */
  readonly wanted?: WantedServices
  /** Everybody who was asked has answered or failed, and `wanted` has been told with it. */
  readonly settled: boolean
  /** All scopes to ask for names and all services to ask, from now on; absent where that did not change. */
  readonly ask?: { readonly scopes: readonly CatalogScope[]; readonly services: readonly CatalogService[] }
  readonly changes: readonly ClaimChange[]
  /** Scopes of which something else is known than before. */
  readonly scopes: ReadonlyMap<string, ScopeState>
}

const NO_PAST: ClaimsPast = { claims: [], owned: [] }

/** Milliseconds for which claims are gathered before they are told. */
const GATHER = 20

/**
 * Which services of the registries are virtual services: a decision over time. Nothing but the configuration, a trusted
 * answer and the operator takes away what was granted.
 */
export function claimsStep(read: ReadClaim) {
  return (state: ClaimsState, event: ClaimsEvent | Wake, now: number): StepResult<ClaimsState, ClaimsOutput> => {
    switch (event.kind) {
      case 'configured':
        return answer(state, configured(state, event.configured, event.past ?? NO_PAST, read, now), now, true)
      case 'named':
        return answer(state, named(state, event), now)
      case 'said':
        return answer(state, said(state, event, read, now), now)
      case 'approved':
        return answer(state, approved(state, event.service, read, now), now)
      case 'wake':
        return answer(state, state, now)
    }
  }
}

function configured(before: ClaimsState, next: ConfiguredServices, past: ClaimsPast, read: ReadClaim, now: number): ClaimsState {
  const scopes = new Map(
    scopesOf(next.catalogs).map(({ catalog, namespace }) => {
      const id = scopeId(catalog.name, namespace)
      return [id, before.scopes.get(id) ?? {}] as const
    }),
  )
  const owned = [...before.owned, ...past.owned.map((identity) => ({ identity }))]
  const state: ClaimsState = { ...before, configured: next, scopes, owned }
  const hearing = new Hearing(state, read, now)
  for (const id of before.claimants.keys()) hearing.judge(id, judgedAgain)
  for (const claim of [...past.claims].sort((a, b) => a.since - b.since)) hearing.admit(claim)
  for (const id of before.claimants.keys()) hearing.judge(id, judged)
  // Names that were not asked for before may be allowed to claim now.
  return withNames({ ...state, ...hearing.close(), touched: undefined })
}

/** The claimants that the known names ask for. */
function withNames(state: ClaimsState): ClaimsState {
  const claimants = new Map([...state.claimants].filter(([, claimant]) => isWorthKnowing(state, claimant)))
  for (const scope of scopesOf(state.configured?.catalogs ?? [])) {
    const { names = [] } = state.scopes.get(scopeId(scope.catalog.name, scope.namespace)) ?? {}
    for (const claimant of newClaimants(state, scope, names)) claimants.set(claimant.id, claimant)
  }
  return { ...state, claimants: sameKeys(claimants, state.claimants) ? state.claimants : claimants }
}

function sameKeys(a: ReadonlyMap<string, unknown>, b: ReadonlyMap<string, unknown>): boolean {
  if (a === b) return true
  if (a.size !== b.size) return false
  for (const key of a.keys()) if (!b.has(key)) return false
  return true
}

function named(state: ClaimsState, { scope, event }: ClaimsEvent & { kind: 'named' }): ClaimsState {
  const id = scopeId(scope.catalog.name, scope.namespace)
  const before = state.scopes.get(id)
  if (before === undefined) return state
  if (event.kind === 'failure') {
    if (before.failure?.message === event.failure.message) return state
    return { ...state, scopes: new Map(state.scopes).set(id, { ...before, failure: event.failure }) }
  }
  // A token that may not see every name never gets a whole list. Whom it names no longer, and who holds nothing, need not be asked.
  const isListed = event.trust === 'fresh' || event.trust === 'truncated'
  const names = isListed ? event.content : new Set([...(before.names ?? []), ...event.content])
  // Nor is a list whole any more once there is one that may lack names: somebody who has not answered may have left it.
  const known = event.trust === 'fresh' || (event.trust !== 'truncated' && before.known) || undefined
  const listed = before.listed ?? (isListed || undefined)
  const isSame = before.failure === undefined && before.known === known && before.listed === listed
  if (isSame && isDeepStrictEqual(before.names, names)) return state
  return withNames({
    ...state,
    touched: undefined,
    scopes: new Map(state.scopes).set(id, { names, ...(known && { known }), ...(listed && { listed }) }),
  })
}

function said(state: ClaimsState, { who, event }: ClaimsEvent & { kind: 'said' }, read: ReadClaim, now: number): ClaimsState {
  const claimant = state.claimants.get(catalogServiceId(who))
  if (claimant === undefined) return state
  if (event.kind === 'failure') {
    if (claimant.failure?.message === event.failure.message) return state
    return withClaimant(state, { ...claimant, failure: event.failure })
  }
  const { content, trust } = event
  const { failure, ...heard } = claimant
  if (!isBelieved(claimant, content, trust)) {
    return withClaimant(state, { ...heard, said: claimant.said ?? { kind: 'unbelieved' } })
  }
  // A service that stays away may have been away for long enough by now.
  if (failure === undefined && content.kind !== 'gone' && isDeepStrictEqual(claimant.said, content)) return state
  const hearing = new Hearing(withClaimant(state, { ...heard, said: content }), read, now)
  hearing.judge(claimant.id, judged)
  return { ...state, ...hearing.close() }
}

/** Without a known leader, or with an old view, an answer may tell of what is new and nothing else. */
function isBelieved({ claim }: Claimant, { kind }: Announcement, trust: string): boolean {
  if (trust === 'fresh') return true
  return kind === 'marked' && (trust === 'truncated' || claim === undefined)
}

function approved(state: ClaimsState, service: ServiceKey, read: ReadClaim, now: number): ClaimsState {
  const hearing = new Hearing(state, read, now)
  const holder = hearing.holderOf(service)
  if (holder?.claim?.goneSince === undefined) return state
  hearing.judge(holder.id, without)
  return { ...state, ...hearing.close() }
}

function withClaimant(state: ClaimsState, claimant: Claimant): ClaimsState {
  if (isDeepStrictEqual(state.claimants.get(claimant.id), claimant)) return state
  return { ...state, claimants: new Map(state.claimants).set(claimant.id, claimant), touched: new Set([claimant.id]) }
}

function answer(before: ClaimsState, heard: ClaimsState, now: number, atOnce = false): StepResult<ClaimsState, ClaimsOutput> {
  if (heard === before && before.newsSince === undefined) return { state: before }
  const owned = undecidedOf(heard)
  const isDecided = owned.length !== heard.owned.length || owned.some((service, at) => service !== heard.owned[at])
  const after = isDecided ? { ...heard, owned } : heard
  const changes = claimChanges(before, after)
  const isNews = changes.some(isForService) || after.configured !== before.configured || after.owned !== before.owned
  const newsSince = after.newsSince ?? (isNews ? now : undefined)
  const settled = isSettled(after)
  const isDue = newsSince !== undefined && (atOnce || now >= newsSince + GATHER || settled !== before.settled)
  const output: ClaimsOutput = {
    settled,
    changes,
    scopes: after.scopes,
    ...(isDue && { wanted: wantedOf(after) }),
    ...(asksOthers(before, after) && { ask: asked(after) }),
  }
  const isSilent = changes.length === 0 && output.wanted === undefined && output.ask === undefined
  const isSame = settled === before.settled && after.scopes === before.scopes
  const state = { ...after, settled, newsSince: isDue ? undefined : newsSince }
  return {
    state,
    ...(!(isSilent && isSame) && { emit: output }),
    ...(state.newsSince !== undefined && { wakeAt: state.newsSince + GATHER }),
  }
}

/** Whether what is wanted may be different by it. */
function isForService({ before, after }: ClaimChange): boolean {
  return before?.claim?.spec !== after?.claim?.spec
}

function asksOthers(before: ClaimsState, after: ClaimsState): boolean {
  return before.configured !== after.configured || !sameKeys(before.claimants, after.claimants)
}

function asked(state: ClaimsState): NonNullable<ClaimsOutput['ask']> {
  return {
    scopes: scopesOf(state.configured?.catalogs ?? []),
    services: [...state.claimants.values()].map(({ who }) => who),
  }
}
