import type { DestinationKey } from '../model/destination.ts'
import { isFoundDown } from '../model/operational.ts'
import { isUnbelieved } from './deciding/ejection.ts'
import { wordInForce } from './deciding/operator.ts'
import type { ServiceState } from './service.ts'

/** What besides its sources is known of a service. */
type Known = Pick<ServiceState, 'spec' | 'failing' | 'hearing' | 'pool'>

/** Members that fail their probes: those of what is held, and their health checks. */
export function failingIn(state: Known): ServiceState['failing'] {
  const { failing } = state
  const down = foundDown(state)
  return down.length === 0 ? failing : new Set([...failing, ...down.map(([key]) => key)])
}

/** Members that fail their health checks, or that the operator has put into maintenance, and since when. */
export function awayIn(state: Known, now: number): ReadonlyMap<DestinationKey, number> {
  const down = foundDown(state).map(([key, { since }]): [DestinationKey, number] => [key, since])
  const maintained = [...state.hearing.told.words].filter(([key]) => isMaintained(state, key, now))
  return new Map([...down, ...maintained.map(([key, { at }]): [DestinationKey, number] => [key, at])])
}

/** A failure that is held is not believed here either. */
function foundDown({ spec, hearing, pool }: Known) {
  if (spec.checks.length === 0) return []
  return [...hearing.told.found].filter(([key, found]) => isFoundDown(found) && !isUnbelieved(pool.ejections, key))
}

export function isMaintained({ hearing }: Known, key: DestinationKey, now: number): boolean {
  const word = hearing.told.words.get(key)
  return word !== undefined && wordInForce(word, now).state === 'maintenance'
}

export function isFoundUp({ spec, hearing }: Known, key: DestinationKey): boolean {
  return spec.checks.length > 0 && hearing.told.found.get(key)?.health === 'up'
}
