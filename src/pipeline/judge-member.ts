import { isDown } from '../model/backend.ts'
import type { DesiredDestination } from '../model/desired-state.ts'
import { forwardingText } from '../model/destination.ts'
import type { ServiceSpec } from '../model/service-spec.ts'
import { onDrain, refusesAtWeightZero } from './deciding/on-down.ts'
import { highestWeight, type Ruling, scaledWeight } from './deciding/ruling.ts'
import { weightScale } from './deciding/slow-start.ts'
import type { Member, MemberField } from './desired-update.ts'
import { originOf } from './merge.ts'
import { waitingReason } from './tiers.ts'

/** What becomes of one member: its destination, and why it is kept out of the kernel if it is. The last word comes first. */
export interface MemberVerdict {
  readonly destination: DesiredDestination
  readonly leftOut?: readonly string[]
}

/** `used`: the priority whose members are used, if any. `ruling`: what the policies say of the member, if anything. */
export function judgeMember(spec: ServiceSpec, member: Member, used: number | undefined, ruling?: Ruling): MemberVerdict {
  const destination = desiredDestination(spec, member, ruling)
  if (ruling?.use === 'out') return { destination, leftOut: destination.reasons }
  const why = waitingReason(member, used) ?? unfitAtZero(spec, member, destination.weight)
  return { destination, ...(why !== undefined && { leftOut: [why, ...destination.reasons] }) }
}

function unfitAtZero(spec: ServiceSpec, { backend }: Member, weight: number): string | undefined {
  if (weight !== 0) return undefined
  return isDown(backend) || refusesAtWeightZero(spec) ? onDrain(spec).why : undefined
}

function desiredDestination(spec: ServiceSpec, member: Member, ruling: Ruling | undefined): DesiredDestination {
  const { backend } = member
  const upper = backend.upperThreshold ?? spec.upperThreshold
  const lower = backend.lowerThreshold ?? spec.lowerThreshold
  return {
    address: backend.address,
    port: backend.port,
    forwarding: backend.forwarding ?? spec.forwarding,
    weight: kernelWeight(spec, member, ruling),
    ...(upper !== undefined && { upperThreshold: upper }),
    ...(lower !== undefined && { lowerThreshold: lower }),
    reasons: [...(ruling?.reasons ?? []), ...limitReason(spec, member, ruling), ...reasonsFor(spec, member)],
  }
}

/** The configuration refuses such a weight; a source or the operator may still state it. */
function limitReason(spec: ServiceSpec, { backend }: Member, ruling: Ruling | undefined): string[] {
  const highest = highestWeight(weightScale(spec))
  const isOver = (ruling?.weight ?? backend.weight ?? spec.weight) > highest
  return isOver ? [`no more than weight ${highest} with slow_start`] : []
}

function kernelWeight(spec: ServiceSpec, { backend }: Member, ruling: Ruling | undefined): number {
  if (isDown(backend) || (ruling !== undefined && ruling.use !== 'serve')) return 0
  const weight = ruling?.weight ?? backend.weight ?? spec.weight
  return ruling?.exact ?? scaledWeight(weight, ruling?.percent ?? 100, weightScale(spec))
}

function reasonsFor(spec: ServiceSpec, member: Member): string[] {
  const { weight, state } = member.backend
  const said = state === undefined || state === 'passing' ? [] : [`${originOf(member, 'state')} says ${state}`]
  const weighed = [weight === undefined ? `service weight ${spec.weight}` : `backend weight ${weight}${from(member, 'weight')}`]
  const chain = isDown(member.backend) ? [...said, ...weighed] : [...weighed, ...said]
  return [...chain, ...otherFields(member), `listed by ${member.origin}`]
}

/** The priority, and what else of the destination was decided by somebody who does not list the member first. */
function otherFields(member: Member): string[] {
  const { priority, forwarding } = member.backend
  const reasons: string[] = []
  if (priority !== undefined) reasons.push(`priority ${priority}${from(member, 'priority')}`)
  if (forwarding !== undefined && member.fields?.forwarding !== undefined)
    reasons.push(`forwarding ${forwardingText(forwarding)}${from(member, 'forwarding')}`)
  if (member.fields?.thresholds !== undefined) reasons.push(`thresholds${from(member, 'thresholds')}`)
  return reasons
}

/** ` by consul web`, where the field is not the origin's own. */
function from({ fields }: Member, field: MemberField): string {
  const origin = fields?.[field]
  return origin === undefined ? '' : ` by ${origin}`
}
