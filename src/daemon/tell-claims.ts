import type { ClaimFacts } from '../admin/metric-facts.ts'
import type { Metrics } from '../admin/metrics.ts'
import type { Logger } from '../log.ts'
import { catalogServiceName } from '../model/catalog-spec.ts'
import type { ClaimChange, Standing } from '../pipeline/claims/changes.ts'
import type { ScopeState } from '../pipeline/claims/state.ts'
import { claimantName } from './claims.ts'
import type { Status } from './status.ts'

interface Listeners {
  readonly logger: Logger
  readonly metrics: Metrics
}

/** One line for each way in which a service of a registry stands differently than before, and the metrics of it. */
export function tellClaim({ before, after }: ClaimChange, { logger, metrics }: Listeners): void {
  const standing = after ?? before
  if (standing === undefined) return
  const catalog = labelOf(standing.who.catalog, standing.who.namespace)
  const service = catalogServiceName(standing.who)
  const refused = after?.refusal !== undefined
  metrics.claimChanged({ catalog, service, before: stateOf(before), after: stateOf(after), refused })
  const who = claimantName(standing)
  const detail = { service, catalog }
  for (const sentence of newsOf(before, after)) logger.info({ ...detail, state: stateOf(after) ?? 'none' }, `${who} ${sentence}`)
  for (const sentence of troubleOf(before, after))
    logger.warn({ ...detail, state: stateOf(after) ?? 'none' }, `${who} ${sentence}`)
}

function stateOf(standing: Standing | undefined): ClaimFacts['before'] {
  if (standing?.claim === undefined) return undefined
  if (standing.yieldsTo !== undefined) return 'yielding'
  return standing.claim.goneSince === undefined ? 'serving' : 'held'
}

function* newsOf(before: Standing | undefined, after: Standing | undefined): Generator<string> {
  const old = before?.claim
  const now = after?.claim
  if (old === undefined && now !== undefined) yield `holds ${keyOf(now)}`
  else if (old !== undefined && now === undefined) yield `holds ${keyOf(old)} no longer`
  else if (old !== undefined && now !== undefined && old.spec !== now.spec) {
    yield keyOf(old) === keyOf(now)
      ? `is defined otherwise: ${differences(old, now)}`
      : `holds ${keyOf(now)} in place of ${keyOf(old)}`
  }
  if (old?.goneSince !== undefined && now !== undefined && now.goneSince === undefined) yield 'has instances again'
  if (before?.yieldsTo !== undefined && after?.yieldsTo === undefined && now !== undefined) yield `serves ${keyOf(now)} again`
  if (before?.refusal !== undefined && after?.refusal === undefined) yield 'is refused no longer'
  if (before?.disagreement !== undefined && after !== undefined && after.disagreement === undefined)
    yield 'has instances that agree again'
}

function* troubleOf(before: Standing | undefined, after: Standing | undefined): Generator<string> {
  const now = after?.claim
  if (after?.refusal !== undefined && after.refusal !== before?.refusal) {
    const meanwhile =
      now === undefined ? 'no virtual service is made of it' : `what it said before stays in force for ${keyOf(now)}`
    yield `is refused: ${after.refusal} (${meanwhile})`
  }
  if (after?.yieldsTo !== undefined && after.yieldsTo !== before?.yieldsTo && now !== undefined)
    yield `yields ${keyOf(now)} to ${after.yieldsTo} of the configuration`
  if (now?.goneSince !== undefined && before?.claim?.goneSince === undefined)
    yield `has no instance any more; ${keyOf(now)} stays by its guard (on_empty), \`pointsman approve ${now.spec.name}\` lets it go`
  if (after?.disagreement !== undefined && after.disagreement !== before?.disagreement)
    yield `has instances that disagree: ${after.disagreement}; register them alike`
  if (now !== undefined && now.warnings.join() !== (before?.claim?.warnings.join() ?? '')) yield* now.warnings
}

type Held = NonNullable<Standing['claim']>

function keyOf({ key }: Held): string {
  return key
}

/** `scheduler=wrr, no flags` */
function differences({ words: old }: Held, { words }: Held): string {
  const keys = [...new Set([...Object.keys(old), ...Object.keys(words)])].filter((key) => old[key] !== words[key]).sort()
  const said = keys.map((key) => (words[key] === undefined ? `no ${key}` : `${key}=${words[key].slice(0, 60)}`))
  return said.length === 0 ? 'by the configuration' : said.join(', ')
}

/** Tells of registries that begin or cease to answer. */
export class CatalogTeller {
  readonly #listeners: Listeners & { readonly status: Status }
  readonly #up = new Map<string, boolean | undefined>()

  constructor(listeners: Listeners & { readonly status: Status }) {
    this.#listeners = listeners
  }

  /** How all scopes stand now, by id. */
  tell(scopes: ReadonlyMap<string, ScopeState>): void {
    const { logger, metrics, status } = this.#listeners
    const failing = new Map<string, string>()
    for (const [id, { names, failure }] of scopes) {
      const catalog = scopeName(id)
      const up = failure !== undefined ? false : names !== undefined ? true : undefined
      if (failure !== undefined) failing.set(catalog, failure.message)
      const before = this.#up.get(catalog)
      this.#up.set(catalog, up)
      if (up === undefined || up === before) continue
      metrics.catalogChanged(catalog, up)
      if (failure === undefined) logger.info({ catalog }, `catalog ${catalog}: up`)
      else
        logger.warn(
          { catalog, code: failure.code },
          `catalog ${catalog}: ${failure.message} (what its services hold stays in force)`,
        )
    }
    const here = new Set([...scopes.keys()].map(scopeName))
    for (const catalog of this.#up.keys()) {
      if (here.has(catalog)) continue
      this.#up.delete(catalog)
      metrics.catalogChanged(catalog, undefined)
    }
    status.catalogsFailing(failing)
  }
}

function scopeName(id: string): string {
  const [catalog = '', namespace] = JSON.parse(id) as string[]
  return labelOf(catalog, namespace)
}

/** `consul`, `consul namespace team-a` */
function labelOf(catalog: string, namespace = ''): string {
  return namespace === '' ? catalog : `${catalog} namespace ${namespace}`
}
