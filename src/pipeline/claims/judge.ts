import { isDeepStrictEqual } from 'node:util'
import type { CatalogSpec, Words } from '../../model/catalog-spec.ts'
import type { ServiceSpec } from '../../model/service-spec.ts'
import { type ServiceKey, serviceKey } from '../../model/virtual-service.ts'
import { allows } from './allowed.ts'
import type { Claim, Claimant, ReadClaim } from './claim.ts'

/** What a claim is judged by. */
export interface Circumstances {
  readonly catalog: CatalogSpec
  readonly read: ReadClaim
  /** The configuration's own services. */
  readonly statics: ReadonlyMap<ServiceKey, ServiceSpec>
  /** Who holds what, as ids and as names. */
  readonly holders: ReadonlyMap<ServiceKey, Claimant>
  readonly now: number
}

/**
 * What becomes of a claimant by its last word. A word that cannot be granted leaves what is held; who holds nothing is
 * given nothing by it.
 */
export function judged(claimant: Claimant, circumstances: Circumstances): Claimant {
  const { said, claim } = claimant
  switch (said?.kind) {
    case undefined:
    case 'unbelieved':
      return claimant
    case 'unmarked':
      return without(claimant)
    case 'gone':
      return claim === undefined ? without(claimant) : gone(claimant, claim, circumstances.now)
    case 'marked': {
      const [problem] = said.problems
      if (problem !== undefined) return refused(claimant, problem)
      return claimed(claimant, said.words, circumstances)
    }
  }
}

/** The claim with the words that it was granted for, under another configuration. What is no longer allowed is taken away. */
export function judgedAgain(claimant: Claimant, circumstances: Circumstances): Claimant {
  const { claim, who } = claimant
  if (claim === undefined) return claimant
  const again = claimed(claimant, claim.words, circumstances)
  const held = again.claim ?? claim
  if (!allows(circumstances.catalog, who, held.spec.identity)) return { ...without(again), refusal: forbidden(held.spec) }
  return claim.goneSince === undefined ? again : { ...again, claim: { ...held, goneSince: claim.goneSince } }
}

/** What an earlier process granted; nothing where it cannot be granted any more. */
export function restored(
  claimant: Claimant,
  past: { readonly words: Words; readonly since: number; readonly goneSince?: number },
  circumstances: Circumstances,
): Claimant {
  const granted = claimed(claimant, past.words, { ...circumstances, statics: new Map(), now: past.since })
  const { claim } = granted
  if (claim === undefined || past.goneSince === undefined) return granted
  return { ...granted, claim: { ...claim, goneSince: past.goneSince } }
}

function claimed(claimant: Claimant, words: Words, { catalog, read, statics, holders, now }: Circumstances): Claimant {
  const { claim, who, id } = claimant
  const reading = read(catalog, who, words)
  if (!reading.ok) return refused(claimant, reading.problem)
  const { spec, warnings } = reading
  if (!allows(catalog, who, spec.identity)) return refused(claimant, forbidden(spec))
  const key = serviceKey(spec.identity)
  const own = claim?.key === key
  const fixed = statics.get(key)
  if (fixed !== undefined && !own)
    return refused(claimant, `${key} is served by ${fixed.name} of the configuration; register it with another address or port`)
  const holder = holders.get(key)
  if (holder !== undefined && holder.id !== id)
    return refused(claimant, `${key} is held by ${nameOf(holder)}, which was first; register it with another address or port`)
  const since = claim?.since ?? now
  const same = claim?.goneSince === undefined && isDeepStrictEqual(claim, { words, key, spec, warnings, since })
  return { ...cleared(claimant), claim: same && claim !== undefined ? claim : { words, key, spec, warnings, since } }
}

/** Without instances a definition stays by the rule by which its members do. */
function gone(claimant: Claimant, claim: Claim, now: number): Claimant {
  const { onEmpty } = claim.spec.guard
  const goneSince = claim.goneSince ?? now
  if (onEmpty === 'apply' || (typeof onEmpty === 'number' && now - goneSince >= onEmpty)) return without(claimant)
  return { ...cleared(claimant), claim: claim.goneSince === undefined ? { ...claim, goneSince } : claim }
}

/** The claimant holding nothing, and nothing said of it. */
export function without({ claim: _, refusal: __, ...rest }: Claimant): Claimant {
  return rest
}

function cleared({ refusal: _, ...rest }: Claimant): Claimant {
  return rest
}

/** Whoever is there again, however badly it speaks, is not gone. */
function refused({ claim, ...rest }: Claimant, refusal: string): Claimant {
  if (claim === undefined) return { ...rest, refusal }
  const { goneSince: _, ...present } = claim
  return { ...rest, claim: claim.goneSince === undefined ? claim : present, refusal }
}

function forbidden({ identity }: ServiceSpec): string {
  return `${serviceKey(identity)} is not among what the configuration allows it to claim; extend allow, or register it with another address or port`
}

function nameOf({ who }: Claimant): string {
  return `${who.namespace === undefined ? '' : `${who.namespace}/`}${who.service} of ${who.catalog}`
}
