import { isDown } from '../../model/backend.ts'
import type { DestinationKey } from '../../model/destination.ts'
import { isFoundDown, type Operational } from '../../model/operational.ts'
import { type Health, isConnectFailure } from '../../model/probe-result.ts'
import type { CheckSpec } from '../../model/probe-spec.ts'
import type { ServiceSpec } from '../../model/service-spec.ts'
import type { Member } from '../desired-update.ts'
import { type Leaving, onDown, onDrain } from './on-down.ts'
import { type WordInForce, wordInForce } from './operator.ts'
import type { PoolInput } from './pool-input.ts'
import type { Ruling } from './ruling.ts'

/** One member with all that is said of it at one moment. */
export interface Candidate {
  readonly key: DestinationKey
  readonly member: Member
  readonly word: WordInForce | undefined
  readonly found: Operational | undefined
  /** `up` where nothing is asked. */
  readonly health: Health
  /** What it would have if it served; unscaled. */
  readonly weight: number
  /** It may not serve whatever its health is: by the operator, its source, or its own wish. */
  readonly barred?: Barred
  /** It asks for drain, for maintenance or for no weight, and nobody else keeps it out. */
  readonly asks: boolean
}

/** Why a member may not serve; without a ruling its source says so, and that is what is done. */
export interface Barred {
  readonly ruling?: Ruling
  readonly byItself?: true
}

export function candidateOf(
  { spec, heard, expiresQuiescentTemplates }: Pick<PoolInput, 'spec' | 'heard' | 'expiresQuiescentTemplates'>,
  key: DestinationKey,
  member: Member,
  now: number,
): Candidate {
  const said = heard.words.get(key)
  const word = said && wordInForce(said, now)
  const asked = spec.checks.length > 0
  const found = asked ? heard.found.get(key) : undefined
  const health = asked ? healthOf(found, spec.checks) : 'up'
  const weight = word?.weight?.value ?? found?.report?.weight ?? member.backend.weight ?? spec.weight
  const ofDead = found !== undefined && isDead(found) ? onDown(spec, expiresQuiescentTemplates) : undefined
  const barred = barredBy(spec, { member, word, found, weight, ofDead })
  const asks = barred?.byItself === true
  return { key, member, word, found, health, weight, asks, ...(barred !== undefined && { barred }) }
}

/** A member whose wish is held: it serves as if it had not asked. */
export function sparedOf({ barred: _, found, ...candidate }: Candidate, spec: ServiceSpec): Candidate {
  const { word, member } = candidate
  const { report: __, ...rest } = found ?? {}
  const weight = word?.weight?.value ?? member.backend.weight ?? spec.weight
  return { ...candidate, weight, found: found && (rest as Operational) }
}

/** `text: reason`, where there is one. */
export function because(text: string, reason: string | undefined): string {
  return reason === undefined ? text : `${text}: ${reason}`
}

/** What the member's weight is made of besides what its source says. */
export function weightReasons({ word, found }: Pick<Candidate, 'word' | 'found'>): string[] {
  if (word?.weight !== undefined) return [because(`the operator set weight ${word.weight.value}`, word.weight.reason)]
  const { weight, percent } = found?.report ?? {}
  return [
    ...(percent === undefined || percent === 100 ? [] : [`the backend asks for ${percent}% of its weight`]),
    ...(weight === undefined ? [] : [`the backend asks for weight ${weight}`]),
  ]
}

/** Percent of its weight that the member asks for; the operator's weight is not asked. */
export function askedPercent({ word, found }: Pick<Candidate, 'word' | 'found'>): number {
  return word?.weight === undefined ? (found?.report?.percent ?? 100) : 100
}

function healthOf(found: Operational | undefined, checks: readonly CheckSpec[]): Health {
  return found === undefined || found.health === 'unknown' ? initialHealth(checks) : found.health
}

/** Before the first result: one check that begins as down is enough to be down. */
function initialHealth(checks: readonly CheckSpec[]): Health {
  if (checks.some(({ initial }) => initial === 'down')) return 'down'
  return checks.every(({ initial }) => initial === 'up') ? 'up' : 'unknown'
}

/** Whether nobody can connect to a member: whoever is sent there for what he began there is lost. */
function isDead(found: Operational): boolean {
  return isFoundDown(found) && found.failure !== undefined && isConnectFailure(found.failure)
}

/** `down: 10.0.1.1:80 refuses connections` */
export function downReason(found: Operational | undefined): string {
  return found?.message === undefined ? 'down' : `down: ${found.message}`
}

interface Circumstances extends Pick<Candidate, 'member' | 'word' | 'found' | 'weight'> {
  /** What becomes of members that are down; absent: this one is not dead. */
  readonly ofDead: Leaving | undefined
}

function barredBy(spec: ServiceSpec, { member: { backend }, word, found, weight, ofDead }: Circumstances): Barred | undefined {
  if (word?.state === 'maintenance') {
    return { ruling: { use: 'out', reasons: [because('the operator put it into maintenance', word.reason)] } }
  }
  const cut = ofDead?.use === 'out' ? [...(ofDead.why === undefined ? [] : [ofDead.why]), downReason(found)] : undefined
  if (isDown(backend)) return cut === undefined ? {} : { ruling: { use: 'out', reasons: cut } }
  if (word?.state === 'drain') return drained(spec, because('the operator drains it', word.reason), cut)
  const { wish, percent } = found?.report ?? {}
  if (wish === 'drain' || wish === 'maintenance') return { ...drained(spec, `the backend asks for ${wish}`, cut), byItself: true }
  if (word?.weight === undefined && percent === 0)
    return { ruling: { use: 'zero', reasons: ['the backend asks for 0% of its weight'] }, byItself: true }
  if (weight > 0) return undefined
  const reasons = weightReasons({ word, found })
  if (reasons.length === 0) return {}
  return { ruling: { use: 'zero', weight: 0, reasons }, ...(word?.weight === undefined && { byItself: true as const }) }
}

/** `cut`: why one that drains ends at once. */
function drained(spec: ServiceSpec, reason: string, cut: readonly string[] | undefined): Barred {
  if (cut !== undefined) return { ruling: { use: 'out', reasons: [...cut, reason] } }
  const { use, why } = onDrain(spec)
  return { ruling: { use, reasons: why === undefined ? [reason] : [why, reason] } }
}
