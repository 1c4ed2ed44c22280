import type { DesiredService, DesiredState } from '../../model/desired-state.ts'
import { destinationKey } from '../../model/destination.ts'
import type { ServiceKey } from '../../model/virtual-service.ts'
import type { StillServed } from './snat-sink.ts'
import type { TableImage } from './table-image.ts'
import {
  backendOf,
  type Match,
  type MatchKey,
  matchKey,
  ownerOf,
  serviceOfKey,
  type Translation,
  translationsOf,
} from './translation.ts'

/** What has to be written for one service. */
export interface Unit {
  readonly service: ServiceKey
  readonly put: readonly Translation[]
  /** Equal texts want the same: for the back-off. */
  readonly wanted: string
}

/** How a table differs from what it was believed to hold. */
export interface Drift {
  /** Translations that were there and are gone, or are others now. */
  readonly lost: readonly Translation[]
  /** Translations that nobody of us put there. */
  readonly strange: readonly MatchKey[]
  /** Rules, maps or chains are otherwise. */
  readonly structure: boolean
}

/** What a service needs and the table does not hold; undefined where nothing is missing. */
export function missingOf(service: ServiceKey, desired: DesiredService, { held }: TableImage): Unit | undefined {
  const put = translationsOf(desired).filter(({ match, target }) => held.get(matchKey(match))?.target !== target)
  if (put.length === 0) return undefined
  return { service, put, wanted: put.map(({ match, target }) => `${matchKey(match)} ${target}`).join(' ') }
}

/** What is to be put back for services that have left the desired state and may be served still: `close` takes it away when they are not. */
export function lostOfLeaving(lost: Iterable<Translation>, desired: DesiredState, { held }: TableImage): Unit[] {
  const units: Unit[] = []
  for (const translation of lost) {
    const service = ownerOf(translation.match)
    const key = matchKey(translation.match)
    if (desired.services.has(service) || held.has(key)) continue
    units.push({ service, put: [translation], wanted: `${key} ${translation.target}` })
  }
  return units
}

/** The translations that nobody wants and no connection can need any more. */
export function superfluous(
  { held }: { readonly held: ReadonlyMap<MatchKey, Translation> },
  desired: DesiredState,
  still: StillServed,
): MatchKey[] {
  const keys: MatchKey[] = []
  for (const [key, { match }] of held) if (!isNeeded(key, match, desired, still)) keys.push(key)
  return keys
}

function isNeeded(key: MatchKey, match: Match, desired: DesiredState, still: StillServed): boolean {
  // Every pass asks this of everything that is held, and puts no names together.
  const owner = match.kind === 'vip' ? serviceOfKey(key) : ownerOf(match)
  const service = desired.services.get(owner)
  if (service === undefined) {
    if (desired.undecided?.has(owner)) return true
    return match.kind === 'vip' ? still.service(owner) : still.destination(owner, backendOf(match))
  }
  // Connections that live keep their translation without it, for the table stays; new ones are not to be translated.
  if (service.sourceNat === undefined) return false
  if (match.kind === 'vip') return true
  const backend = service.destinations.get(destinationKey(match))
  return backend?.forwarding.method === 'nat' || still.destination(owner, backendOf(match))
}

/** Whether anybody wants source NAT. */
export function wantsTranslation(desired: DesiredState): boolean {
  for (const { sourceNat } of desired.services.values()) if (sourceNat !== undefined) return true
  return false
}

export function driftOf(believed: TableImage, read: TableImage): Drift {
  const lost = [...believed.held].filter(([key, { target }]) => read.held.get(key)?.target !== target).map(([, held]) => held)
  const strange = [...read.held.keys()].filter((key) => !believed.held.has(key))
  return { lost, strange, structure: believed.state !== read.state }
}

export function isNone({ lost, strange, structure }: Drift): boolean {
  return lost.length === 0 && strange.length === 0 && !structure
}
