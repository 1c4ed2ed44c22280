import type { Claimant } from './claim.ts'
import { type ClaimsState, staticsOf } from './state.ts'

/** How a claimant stands. */
export interface Standing extends Pick<Claimant, 'who' | 'claim' | 'refusal'> {
  /** Name of the configuration's own service that stands before what it holds. */
  readonly yieldsTo?: string
  /** That its instances say different things. */
  readonly disagreement?: string
}

/** Somebody stands differently than before; absent is not at all. */
export interface ClaimChange {
  readonly before?: Standing
  readonly after?: Standing
}

/** Whose standing is another one. */
export function claimChanges(before: ClaimsState, after: ClaimsState): ClaimChange[] {
  if (before.claimants === after.claimants && before.configured === after.configured) return []
  const old = standings(before)
  const now = standings(after)
  const changes: ClaimChange[] = []
  const compare = (id: string) => {
    const [was, is] = [old(id), now(id)]
    if (!sameStanding(was, is))
      changes.push({ ...(was !== undefined && { before: was }), ...(is !== undefined && { after: is }) })
  }
  const { touched } = after
  if (touched !== undefined && before.configured === after.configured) for (const id of touched) compare(id)
  else for (const id of new Set([...before.claimants.keys(), ...after.claimants.keys()])) compare(id)
  return changes
}

function standings({ claimants, configured }: ClaimsState): (id: string) => Standing | undefined {
  const statics = staticsOf(configured)
  return (id) => {
    const claimant = claimants.get(id)
    if (claimant === undefined) return undefined
    const { who, claim, refusal, said } = claimant
    const fixed = claim && statics.get(claim.key)
    const disagreement = said?.kind === 'marked' ? said.disagreement : undefined
    if (claim === undefined && refusal === undefined && disagreement === undefined) return undefined
    return {
      who,
      ...(claim !== undefined && { claim }),
      ...(refusal !== undefined && { refusal }),
      ...(fixed !== undefined && { yieldsTo: fixed.name }),
      ...(disagreement !== undefined && { disagreement }),
    }
  }
}

function sameStanding(a: Standing | undefined, b: Standing | undefined): boolean {
  return (
    a?.claim === b?.claim &&
    a?.refusal === b?.refusal &&
    a?.yieldsTo === b?.yieldsTo &&
    a?.disagreement === b?.disagreement &&
    (a === undefined) === (b === undefined)
  )
}
