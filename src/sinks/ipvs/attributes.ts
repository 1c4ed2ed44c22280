import type { DesiredDestination, DesiredService } from '../../model/desired-state.ts'
import { type Destination, forwardingText, sameForwarding } from '../../model/destination.ts'
import type { Persistence, SchedulerFlags, VirtualService } from '../../model/virtual-service.ts'

const NO_FLAGS: SchedulerFlags = { flag1: false, flag2: false, flag3: false }

/**
 * The service as the kernel should hold it: what the desired one says, and for what it leaves out whatever is there.
 * `sh` and `mh` get their fallback flag unless flags are written (IP_VS_SVC_F_SCHED_SH_FALLBACK, _MH_FALLBACK).
 */
export function wantedService(desired: DesiredService, actual: VirtualService | undefined): VirtualService {
  const persistence = desired.persistence === undefined ? actual?.persistence : withoutNone(desired.persistence)
  return {
    identity: desired.identity,
    scheduler: desired.scheduler,
    flags: desired.flags ?? unownedFlags(desired.scheduler, actual?.flags ?? NO_FLAGS),
    onePacket: desired.onePacket ?? actual?.onePacket ?? false,
    ...(persistence === undefined ? {} : { persistence }),
  }
}

/** Whether the kernel would see no difference. The identity is taken as equal. */
export function sameService(a: VirtualService, b: VirtualService): boolean {
  return (
    a.scheduler === b.scheduler &&
    a.onePacket === b.onePacket &&
    sameFlags(a.flags, b.flags) &&
    samePersistence(a.persistence, b.persistence)
  )
}

/** The destination as the kernel should hold it, with the thresholds that are there where none are desired. */
export function wantedDestination(desired: DesiredDestination, weight: number, actual: Destination | undefined): Destination {
  const upperThreshold = desired.upperThreshold ?? actual?.upperThreshold ?? 0
  // A lower threshold that is not ours gives way: above the upper one the kernel refuses the destination (ERANGE).
  const lowerThreshold = desired.lowerThreshold ?? Math.min(actual?.lowerThreshold ?? 0, upperThreshold)
  return {
    address: desired.address,
    port: desired.port,
    forwarding: desired.forwarding,
    weight,
    upperThreshold,
    lowerThreshold,
  }
}

/** Whether the kernel would see no difference. Address and port are taken as equal. */
export function sameDestination(a: Destination, b: Destination): boolean {
  return (
    a === b ||
    (a.weight === b.weight &&
      a.upperThreshold === b.upperThreshold &&
      a.lowerThreshold === b.lowerThreshold &&
      alikeForwarding(a.forwarding, b.forwarding))
  )
}

/** `weight 5`; with `all`, also what else can be edited: `weight 5, tunnel ipip, thresholds 100/80`. `scale`: as of DesiredService; the weight is told without it. */
export function destinationText(destination: Destination, all = false, scale = 1): string {
  const weight = `weight ${destination.weight / scale}`
  if (!all) return weight
  return `${weight}, ${forwardingText(destination.forwarding)}, thresholds ${destination.upperThreshold}/${destination.lowerThreshold}`
}

/** `wrr`, `sh flags 1-2, persistence 300 s`, `rr, one-packet`. */
export function serviceText(service: VirtualService): string {
  const { flags, persistence } = service
  const set = [flags.flag1 && '1', flags.flag2 && '2', flags.flag3 && '3'].filter((flag) => flag !== false)
  const parts = [set.length === 0 ? service.scheduler : `${service.scheduler} flags ${set.join('-')}`]
  if (service.onePacket) parts.push('one-packet')
  if (persistence) parts.push(`persistence ${persistence.timeout} s`)
  if (persistence?.engine !== undefined) parts.push(`engine ${persistence.engine}`)
  return parts.join(', ')
}

function unownedFlags(scheduler: string, flags: SchedulerFlags): SchedulerFlags {
  return scheduler === 'sh' || scheduler === 'mh' ? { ...flags, flag1: true } : flags
}

function withoutNone(persistence: Persistence | 'none'): Persistence | undefined {
  return persistence === 'none' ? undefined : persistence
}

function sameFlags(a: SchedulerFlags, b: SchedulerFlags): boolean {
  return a.flag1 === b.flag1 && a.flag2 === b.flag2 && a.flag3 === b.flag3
}

function samePersistence(a: Persistence | undefined, b: Persistence | undefined): boolean {
  return a?.timeout === b?.timeout && a?.mask === b?.mask && a?.engine === b?.engine
}

/** As sameForwarding, without making text for the methods that have nothing to compare: a resync asks 10,000 times. */
export function alikeForwarding(a: Destination['forwarding'], b: Destination['forwarding']): boolean {
  if (a.method !== b.method) return false
  return (a.method !== 'tunnel' && a.method !== 'unknown') || sameForwarding(a, b)
}
