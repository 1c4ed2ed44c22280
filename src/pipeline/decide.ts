import { ChunkedMap } from '../model/chunked-map.ts'
import type { Announced, DesiredDestination, DesiredService, WantedAddress } from '../model/desired-state.ts'
import { type DestinationKey, sameForwarding } from '../model/destination.ts'
import type { ServiceSpec, VirtualAddressSpec } from '../model/service-spec.ts'
import type { SourceNat } from '../model/source-nat.ts'
import type { Persistence, SchedulerFlags } from '../model/virtual-service.ts'
import { NO_VERDICT, type PoolVerdict, type Sorry, sameTexts, scaledWeight } from './deciding/ruling.ts'
import { weightScale } from './deciding/slow-start.ts'
import type { Member } from './desired-update.ts'
import type { Members } from './hold.ts'
import { judgeMember } from './judge-member.ts'
import { usedPriority, waitingReason } from './tiers.ts'

/** The verdict about one service, with what it was made from. */
export interface Decided {
  readonly service: DesiredService
  /** Members that are known and are kept out of the kernel, with the reasons, the last word first. */
  readonly leftOut: ReadonlyMap<DestinationKey, readonly string[]>
  readonly spec: ServiceSpec
  readonly members: Members
  readonly verdict: PoolVerdict
}

/**
 * What the kernel should hold for one service: what its sources say, and over it what the policies say of its members. What
 * is the same as in `previous` is the same object: destinations, the service and the verdict itself.
 */
export function decide(
  spec: ServiceSpec,
  members: Members,
  complete: boolean,
  previous?: Decided,
  verdict: PoolVerdict = NO_VERDICT,
  announced: Announced = true,
): Decided {
  const { destinations, leftOut } = decideMembers(spec, members, previous, verdict)
  const cut = cutFrom(verdict, leftOut, previous?.service.cut)
  const service = decideService(spec, { destinations, complete, cut, announced }, previous?.service)
  const alike = previous?.spec === spec && previous.members === members && previous.verdict === verdict
  if (alike && previous.service === service && previous.leftOut === leftOut) return previous
  return { service, leftOut, spec, members, verdict }
}

type DecidedMembers = Pick<DesiredService, 'destinations'> & Pick<Decided, 'leftOut'>

function decideMembers(spec: ServiceSpec, members: Members, previous: Decided | undefined, verdict: PoolVerdict): DecidedMembers {
  const before = previous?.service.destinations ?? ChunkedMap.empty<DestinationKey, DesiredDestination>()
  const known = previous !== undefined && sameMemberRules(previous.spec, spec) ? previous : undefined
  if (known?.members === members && known.verdict === verdict) return { destinations: before, leftOut: known.leftOut }
  const used = verdict.used === 'listed' ? usedPriority(members, spec) : verdict.used
  const { rulings, sorry } = verdict
  const near = known !== undefined && differsInRulingsAlone(known, members, verdict) ? known : undefined
  const changed: [DestinationKey, DesiredDestination][] = []
  const gone: DestinationKey[] = []
  const leftOut = new Map<DestinationKey, readonly string[]>(near?.leftOut)
  for (const [key, member] of near === undefined ? members : otherwiseRuled(near, verdict)) {
    if (key === sorry?.key) continue
    const isKnown =
      known?.members.get(key) === member &&
      known.verdict.rulings.get(key) === rulings.get(key) &&
      known.verdict.sorry?.key !== key &&
      !known.leftOut.has(key)
    if (isKnown && waitingReason(member, used) === undefined) continue
    const judged = judgeMember(spec, member, used, rulings.get(key))
    if (judged.leftOut !== undefined) {
      leftOut.set(key, judged.leftOut)
      gone.push(key)
      continue
    }
    leftOut.delete(key)
    if (!sameDestination(before.get(key), judged.destination)) changed.push([key, judged.destination])
  }
  if (near === undefined)
    for (const key of previous?.members.keys() ?? []) if (!members.has(key) && key !== sorry?.key) gone.push(key)
  const formerSorry = previous?.verdict.sorry?.key
  if (formerSorry !== undefined && formerSorry !== sorry?.key && !members.has(formerSorry)) gone.push(formerSorry)
  if (sorry !== undefined) {
    const destination = sorryDestination(spec, sorry)
    if (!sameDestination(before.get(sorry.key), destination)) changed.push([sorry.key, destination])
  }
  return {
    destinations: before.edited(changed, gone),
    leftOut: previous !== undefined && sameReasons(previous.leftOut, leftOut) ? previous.leftOut : leftOut,
  }
}

/** Whether only the members of which the policies say something else than before can be otherwise. */
function differsInRulingsAlone(known: Decided, members: Members, { used, sorry }: PoolVerdict): boolean {
  return known.members === members && known.verdict.used === used && known.verdict.sorry?.key === sorry?.key
}

function* otherwiseRuled({ members, verdict: before }: Decided, { rulings }: PoolVerdict): Generator<[DestinationKey, Member]> {
  for (const [key, ruling] of rulings) {
    const member = before.rulings.get(key) === ruling ? undefined : members.get(key)
    if (member !== undefined) yield [key, member]
  }
  for (const key of before.rulings.keys()) {
    const member = rulings.has(key) ? undefined : members.get(key)
    if (member !== undefined) yield [key, member]
  }
}

function sorryDestination(spec: ServiceSpec, { address, port }: Sorry): DesiredDestination {
  const { forwarding } = spec
  const weight = scaledWeight(1, 100, weightScale(spec))
  return { address, port, forwarding, weight, reasons: ['sorry server: no backend serves'] }
}

/** Members that are taken out at once, with the reasons; undefined where there are none. */
function cutFrom({ rulings }: PoolVerdict, leftOut: Decided['leftOut'], before: DesiredService['cut']): DesiredService['cut'] {
  const cut = new Map<DestinationKey, readonly string[]>()
  for (const [key, { use }] of rulings) {
    const reasons = use === 'out' ? leftOut.get(key) : undefined
    if (reasons !== undefined) cut.set(key, reasons)
  }
  if (cut.size === 0) return undefined
  return before !== undefined && sameReasons(before, cut) ? before : cut
}

interface Circumstances extends Pick<DesiredService, 'destinations' | 'complete'> {
  readonly cut: DesiredService['cut']
  /** Whether clients are to reach the service here, where its address is ours. */
  readonly announced: Announced
}

function decideService(
  spec: ServiceSpec,
  { destinations, complete, cut, announced }: Circumstances,
  before: DesiredService | undefined,
): DesiredService {
  const scale = weightScale(spec)
  const service: DesiredService = {
    name: spec.name,
    identity: spec.identity,
    scheduler: spec.scheduler,
    ...(spec.flags !== undefined && { flags: spec.flags }),
    ...(spec.onePacket !== undefined && { onePacket: spec.onePacket }),
    ...(spec.persistence !== undefined && { persistence: spec.persistence }),
    destinations,
    complete,
    drainTimeout: spec.drainTimeout,
    adopt: spec.adopt,
    ...(cut !== undefined && { cut }),
    ...(scale !== 1 && { weightScale: scale }),
    ...(spec.fullNat && { sourceNat: spec.snatRange ?? 'masquerade' }),
    ...(spec.virtualAddress !== undefined && { virtualAddress: wantedAddress(spec.virtualAddress, announced) }),
  }
  return before !== undefined && sameService(before, service) ? before : service
}

function wantedAddress({ interface: device }: VirtualAddressSpec, announced: Announced): WantedAddress {
  return { ...(device !== undefined && { interface: device }), announced }
}

/** Whether two specs make the same destination of every member. */
function sameMemberRules(a: ServiceSpec, b: ServiceSpec): boolean {
  return (
    a === b ||
    (a.weight === b.weight &&
      a.upperThreshold === b.upperThreshold &&
      a.lowerThreshold === b.lowerThreshold &&
      a.scheduler === b.scheduler &&
      a.onePacket === b.onePacket &&
      weightScale(a) === weightScale(b) &&
      sameFlags(a.flags, b.flags) &&
      sameForwarding(a.forwarding, b.forwarding))
  )
}

function sameDestination(a: DesiredDestination | undefined, b: DesiredDestination): boolean {
  return (
    a !== undefined &&
    a.weight === b.weight &&
    a.upperThreshold === b.upperThreshold &&
    a.lowerThreshold === b.lowerThreshold &&
    sameForwarding(a.forwarding, b.forwarding) &&
    sameTexts(a.reasons, b.reasons)
  )
}

/** The identity is not compared: a service lives by it. */
function sameService(a: DesiredService, b: DesiredService): boolean {
  return (
    a.destinations === b.destinations &&
    a.complete === b.complete &&
    a.name === b.name &&
    a.scheduler === b.scheduler &&
    a.onePacket === b.onePacket &&
    a.drainTimeout === b.drainTimeout &&
    a.adopt === b.adopt &&
    a.cut === b.cut &&
    a.weightScale === b.weightScale &&
    sameSourceNat(a.sourceNat, b.sourceNat) &&
    sameAddress(a.virtualAddress, b.virtualAddress) &&
    sameFlags(a.flags, b.flags) &&
    samePersistence(a.persistence, b.persistence)
  )
}

function sameSourceNat(a: SourceNat | undefined, b: SourceNat | undefined): boolean {
  if (typeof a !== 'object' || typeof b !== 'object') return a === b
  return a.first === b.first && a.last === b.last
}

function sameAddress(a: WantedAddress | undefined, b: WantedAddress | undefined): boolean {
  return a?.announced === b?.announced && a?.interface === b?.interface
}

function sameFlags(a: SchedulerFlags | undefined, b: SchedulerFlags | undefined): boolean {
  if (a === undefined || b === undefined) return a === b
  return a.flag1 === b.flag1 && a.flag2 === b.flag2 && a.flag3 === b.flag3
}

function samePersistence(a: Persistence | 'none' | undefined, b: Persistence | 'none' | undefined): boolean {
  if (typeof a !== 'object' || typeof b !== 'object') return a === b
  return a.timeout === b.timeout && a.mask === b.mask && a.engine === b.engine
}

function sameReasons(a: Decided['leftOut'], b: Decided['leftOut']): boolean {
  if (a.size !== b.size) return false
  for (const [key, reasons] of a) if (!sameTexts(reasons, b.get(key) ?? [])) return false
  return true
}
