import type { CatalogSpec } from '../../model/catalog-spec.ts'
import { catalogServiceId } from '../../model/catalog-spec.ts'
import type { ServiceSpec } from '../../model/service-spec.ts'
import type { SourceFailure } from '../../model/source-event.ts'
import { type ServiceIdentity, type ServiceKey, serviceKey } from '../../model/virtual-service.ts'
import type { WantedServices } from '../desired-update.ts'
import { mayBeClaimed, mayClaim, namespacesOf } from './allowed.ts'
import type { Claim, Claimant } from './claim.ts'

/** One namespace of one catalog. */
export interface CatalogScope {
  readonly catalog: CatalogSpec
  readonly namespace?: string
}

/** What is known of the names in a scope. */
export interface ScopeState {
  /** Names of the last answers; absent while there was none. */
  readonly names?: ReadonlySet<string>
  /** There was a fresh answer: who is not named is not there. */
  readonly known?: true
  /** There was an answer by a server that knows the leader: who is not named is not there, or the token may not see it. */
  readonly listed?: true
  readonly failure?: SourceFailure
}

/** What the configuration says of the matter; a whole Configuration is one. */
export interface ConfiguredServices extends WantedServices {
  readonly catalogs: readonly CatalogSpec[]
}

export interface ClaimsState {
  /** Absent until the first configuration. */
  readonly configured: ConfiguredServices | undefined
  readonly scopes: ReadonlyMap<string, ScopeState>
  /** By id, those first that were seen first. */
  readonly claimants: ReadonlyMap<string, Claimant>
  /** Whom the last event may have changed; undefined is everybody. */
  readonly touched: ReadonlySet<string> | undefined
  /** Since when something waits to be told; many that speak at once are told of at once. */
  readonly newsSince: number | undefined
  readonly settled: boolean
  /** What an earlier process made, while it may still be claimed by somebody who has not answered. */
  readonly owned: readonly OwnedService[]
}

/** A service that an earlier process made. */
export interface OwnedService {
  readonly identity: ServiceIdentity
  /** It was wanted since the start: whose it was is known. */
  readonly wasWanted?: true
}

export const NO_CLAIMS: ClaimsState = {
  configured: undefined,
  scopes: new Map(),
  claimants: new Map(),
  touched: undefined,
  newsSince: undefined,
  settled: false,
  owned: [],
}

/** Every scope that has to be asked for its names. */
export function scopesOf(catalogs: readonly CatalogSpec[]): CatalogScope[] {
  return catalogs.flatMap((catalog) =>
    namespacesOf(catalog).map((namespace) => ({ catalog, ...(namespace !== undefined && { namespace }) })),
  )
}

export function scopeId(catalog: string, namespace: string | undefined): string {
  return JSON.stringify([catalog, namespace ?? ''])
}

export function catalogOf({ configured }: ClaimsState, name: string): CatalogSpec | undefined {
  return configured?.catalogs.find((catalog) => catalog.name === name)
}

export function staticsOf(configured: ConfiguredServices | undefined): ReadonlyMap<ServiceKey, ServiceSpec> {
  return new Map((configured?.services ?? []).map((spec) => [serviceKey(spec.identity), spec]))
}

/** Claimants that may still say something: those that are listed, and those that hold something. */
export function isWorthKnowing(state: ClaimsState, { who, claim }: Claimant): boolean {
  const catalog = catalogOf(state, who.catalog)
  if (catalog === undefined) return false
  if (claim !== undefined) return true
  const { names } = state.scopes.get(scopeId(who.catalog, who.namespace)) ?? {}
  return mayClaim(catalog, who) && names?.has(who.service) === true
}

/** Claimants for names that have none yet. */
export function newClaimants({ claimants }: ClaimsState, scope: CatalogScope, names: Iterable<string>): Claimant[] {
  const { catalog, namespace } = scope
  return [...names].flatMap((service): Claimant[] => {
    const who = { catalog: catalog.name, ...(namespace !== undefined && { namespace }), service }
    const id = catalogServiceId(who)
    return claimants.has(id) || !mayClaim(catalog, who) ? [] : [{ id, who }]
  })
}

/** Whether everybody who was asked has answered or failed. */
export function isSettled({ configured, scopes, claimants }: ClaimsState): boolean {
  if (configured === undefined) return false
  for (const { names, failure } of scopes.values()) if (names === undefined && failure === undefined) return false
  for (const { said, failure } of claimants.values()) if (said === undefined && failure === undefined) return false
  return true
}

/**
 * What of `owned` may still be claimed by somebody who has not given a trusted answer since the start. Where the token may not see
 * every name the list of them is never whole: it is enough for what was wanted since the start, and for nothing else.
 */
export function undecidedOf(state: ClaimsState): readonly OwnedService[] {
  if (state.owned.length === 0) return []
  const silent = new Set<string>()
  for (const { who, said } of state.claimants.values())
    if (said === undefined || said.kind === 'unbelieved') silent.add(scopeId(who.catalog, who.namespace))
  const openWithout = (answer: 'known' | 'listed') =>
    scopesOf(state.configured?.catalogs ?? []).filter(({ catalog, namespace }) => {
      const id = scopeId(catalog.name, namespace)
      return silent.has(id) || state.scopes.get(id)?.[answer] === undefined
    })
  const [unknown, unlisted] = [openWithout('known'), openWithout('listed')]
  const wanted = wantedKeys(state)
  return state.owned.flatMap((service): OwnedService[] => {
    const { identity } = service
    const wasWanted = service.wasWanted === true || wanted.has(serviceKey(identity))
    const open = wasWanted ? unlisted : unknown
    if (!open.some(({ catalog, namespace }) => mayBeClaimed(catalog, namespace, identity))) return []
    return [wasWanted && !service.wasWanted ? { identity, wasWanted } : service]
  })
}

function wantedKeys({ configured, claimants }: ClaimsState): ReadonlySet<ServiceKey> {
  const keys = new Set(staticsOf(configured).keys())
  for (const { claim } of claimants.values()) if (claim !== undefined) keys.add(claim.key)
  return keys
}

/** The configuration's own services, and the claims that no service of it stands before. */
export function wantedOf({ configured, claimants, owned }: ClaimsState): WantedServices {
  const services = [...(configured?.services ?? [])]
  const statics = staticsOf(configured)
  const names = new Set(services.map(({ name }) => name))
  for (const { who, claim } of claimants.values()) {
    if (claim === undefined || statics.has(claim.key)) continue
    const spec = named(claim, names, who.catalog)
    names.add(spec.name)
    services.push(spec)
  }
  const listed = new Set(services.map(({ identity }) => serviceKey(identity)))
  const undecided = new Set(owned.map(({ identity }) => serviceKey(identity)).filter((key) => !listed.has(key)))
  return {
    services,
    ...(configured?.ipvs !== undefined && { ipvs: configured.ipvs }),
    ...(undecided.size > 0 && { undecided }),
  }
}

/** Names are labels of metrics, and no two services may share one. */
function named({ spec }: Claim, taken: ReadonlySet<string>, catalog: string): ServiceSpec {
  let name = spec.name
  for (let count = 1; taken.has(name); count++) name = `${spec.name} (${catalog}${count === 1 ? '' : ` ${count}`})`
  return name === spec.name ? spec : { ...spec, name }
}
