import { createHash } from 'node:crypto'
import type { ProbeTarget } from '../health/target.ts'
import { familyOf } from '../model/address.ts'
import { type DestinationKey, forwardingText } from '../model/destination.ts'
import { roadName } from '../model/probe-road.ts'
import type { CheckSpec } from '../model/probe-spec.ts'
import type { ServiceSpec } from '../model/service-spec.ts'
import { serviceKey } from '../model/virtual-service.ts'
import type { Member, ServiceProvenance } from '../pipeline/desired-update.ts'
import type { Road } from './probe-roads.ts'

/** One check of one member. Members with the same key share it. */
export interface PlannedCheck {
  readonly key: string
  readonly spec: CheckSpec
  readonly target: ProbeTarget
  /** Whether a refused connection means that the member does not serve. */
  readonly refusalCounts: boolean
  /** The target is the address of the service: how this member is reached there; `none`: not at all. */
  readonly road?: Road | 'none'
}

export interface PlannedMember {
  readonly destination: DestinationKey
  /** In the order of the configuration, at least one. */
  readonly checks: readonly PlannedCheck[]
}

/** Who of a service is asked, and how. `resting`: members that nobody asks. */
export function planMembers(
  spec: ServiceSpec,
  members: ReadonlyMap<DestinationKey, Member>,
  resting: ReadonlySet<DestinationKey>,
  roads: ReadonlyMap<DestinationKey, Road> = NO_ROADS,
): readonly PlannedMember[] {
  if (spec.checks.length === 0) return []
  const planned: PlannedMember[] = []
  for (const [destination, member] of members) {
    if (resting.has(destination)) continue
    const checks = spec.checks.flatMap(
      (check) =>
        (check.via === 'vip' ? planThrough(check, spec, destination, roads.get(destination)) : planCheck(check, spec, member)) ??
        [],
    )
    if (checks.length > 0) planned.push({ destination, checks })
  }
  return planned
}

/** Undefined where there is no port to ask at: a member that takes every port. */
export function planCheck(check: CheckSpec, service: ServiceSpec, { backend }: Member): PlannedCheck | undefined {
  const address = check.address ?? backend.address
  const port = check.port ?? backend.port
  if (port === 0) return undefined
  const { sourceAddress, fwmark } = check
  // In a pool of both families it is meant for those that can be reached from it.
  const isMeant = sourceAddress !== undefined && familyOf(sourceAddress) === familyOf(address)
  const target: ProbeTarget = {
    address,
    port,
    ...(isMeant && { sourceAddress }),
    ...(fwmark !== undefined && { mark: fwmark }),
  }
  const { method } = backend.forwarding ?? service.forwarding
  const elsewhere = check.address !== undefined || check.port !== undefined
  const refusalCounts = elsewhere || method === 'nat' || method === 'local'
  const key = `${nameOf(check)} ${address} ${port}${refusalCounts ? '' : ' unless refused'}`
  return { key, spec: check, target, refusalCounts }
}

/** A way of its own for each member of each service. */
function planThrough(
  check: CheckSpec,
  { identity }: ServiceSpec,
  destination: DestinationKey,
  road: Road | undefined,
): PlannedCheck | undefined {
  if (identity.kind === 'fwmark') return undefined
  const { address, port } = identity
  const { sourceAddress } = check
  const target: ProbeTarget = {
    address,
    port,
    ...(sourceAddress !== undefined && { sourceAddress }),
    ...(road !== undefined && { mark: road.mark }),
  }
  const way =
    road === undefined
      ? roadName(serviceKey(identity), destination)
      : `${road.name} ${road.key} ${forwardingText(road.forwarding)}`
  return { key: `${nameOf(check)} ${way}`, spec: check, target, refusalCounts: true, road: road ?? 'none' }
}

const NO_ROADS: ReadonlyMap<DestinationKey, Road> = new Map()

const names = new WeakMap<CheckSpec, string>()

/**
 * Equal checks have equal names, whichever service they belong to: short ones, for each of their members has its own copy. Nothing is kept
 * of those that are no more: registries may bring new ones for ever, and passwords are in them.
 */
function nameOf(check: CheckSpec): string {
  const known = names.get(check)
  if (known !== undefined) return known
  const digest = createHash('sha256').update(JSON.stringify(check)).digest().subarray(0, 16)
  const name = `${check.probe.kind}#${digest.toString('base64url')}`
  names.set(check, name)
  return name
}

const NEVER = Number.POSITIVE_INFINITY

/** Members in maintenance, who are nobody's business until they are ready again, and when the first of them is by itself. */
export function restingIn(
  { admin }: Pick<ServiceProvenance, 'admin'>,
  now: number,
): { readonly resting: ReadonlySet<DestinationKey>; readonly until: number } {
  const words = [...admin].filter(([, { state, until = NEVER }]) => state === 'maintenance' && now < until)
  return { resting: new Set(words.map(([key]) => key)), until: Math.min(...words.map(([, { until = NEVER }]) => until)) }
}
