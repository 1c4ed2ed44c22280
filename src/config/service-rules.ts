import { thresholdMismatch } from '../document/backend-rules.ts'
import { standsFor } from '../document/suggest.ts'
import { formatAddressRange } from '../document/values/address-range.ts'
import { formatDuration } from '../document/values/duration.ts'
import { isLoopback, unusableAddress } from '../document/values/endpoint.ts'
import { familyOf } from '../model/address.ts'
import { type Forwarding, forwardingText } from '../model/destination.ts'
import type { GuardSpec, HoldSpec } from '../model/service-spec.ts'
import { type Persistence, type Scheduler, type ServiceIdentity, serviceFamily } from '../model/virtual-service.ts'
import { type Draft, effective, merged, writes } from './draft.ts'
import type { Findings } from './findings.ts'
import { schedulerOfFlag } from './flags.ts'
import { toPersistence } from './persistence.ts'

/** What the service is to its clients; undefined (with a finding) where that is not said. */
export function readIdentity(draft: Draft, findings: Findings): ServiceIdentity | undefined {
  const { own, path, unreadable } = draft
  if (writes(draft, 'listen') && writes(draft, 'fwmark')) {
    findings.refuse([...path, 'fwmark'], 'a service has either listen or fwmark', 'remove one of the two', 'key')
    return undefined
  }
  if (writes(draft, 'fwmark')) return fwmarkIdentity(draft, findings)
  if (writes(draft, 'family') && !standsFor(unreadable, 'fwmark'))
    findings.refuse(
      [...path, 'family'],
      'family goes with fwmark only',
      'remove it; the family of listen is that of its address',
      'key',
    )
  if (own.listen === undefined) {
    if (!standsFor(unreadable, 'listen') && !standsFor(unreadable, 'fwmark')) {
      findings.refuse(
        path,
        'the service has neither listen nor fwmark',
        'write listen: 10.0.0.1:80 with the address and port that clients connect to',
      )
    }
    return undefined
  }
  const protocol = effective(draft, 'protocol')
  const unusable = unusableAddress(own.listen.address)
  if (unusable !== undefined) {
    findings.refuse([...path, 'listen'], `${own.listen.address} ${unusable}`, 'write the one address that clients connect to')
    return undefined
  }
  if (protocol.unknown) return undefined
  return { kind: 'address', protocol: protocol.value ?? 'tcp', ...own.listen }
}

function fwmarkIdentity(draft: Draft, findings: Findings): ServiceIdentity | undefined {
  if (writes(draft, 'protocol')) {
    findings.refuse(
      [...draft.path, 'protocol'],
      'a fwmark service has no protocol of its own',
      'remove it; the mark says which packets are meant',
      'key',
    )
  }
  const { fwmark, family = 'ipv4' } = draft.own
  if (fwmark === undefined || draft.unreadable.has('family')) return undefined
  return { kind: 'fwmark', fwmark, family }
}

/** Persistence in the terms of the service's family; undefined where nothing is said. */
export function readPersistence(draft: Draft, identity: ServiceIdentity, findings: Findings): Persistence | 'none' | undefined {
  const { value, path, inherited, unknown } = effective(draft, 'persistence')
  const anyPort = identity.kind === 'address' && identity.port === 0
  if (anyPort && !unknown && (value === undefined || value === 'none')) {
    findings.refuse(
      [...draft.path, 'listen'],
      'port 0 (every port) needs persistence',
      'write a port from 1 to 65535, or persistence: 300s',
    )
  }
  if (value === undefined || value === 'none') return value
  const reading = toPersistence(value, serviceFamily(identity))
  if (!reading.ok) {
    findings.refuse(path, `${reading.problem}${byInheritance(draft, inherited)}`, reading.remedy)
    return undefined
  }
  if (reading.value.engine === 'sip' && identity.kind === 'address' && identity.protocol !== 'udp') {
    findings.refuse(
      path,
      `the engine sip reads UDP only${byInheritance(draft, inherited)}`,
      'write protocol: udp, or remove engine',
    )
  }
  return reading.value
}

export function checkScheduling(
  draft: Draft,
  identity: ServiceIdentity,
  scheduler: Scheduler | undefined,
  findings: Findings,
): void {
  const flags = effective(draft, 'flags')
  for (const [index, name] of (flags.value ?? []).entries()) {
    const owner = schedulerOfFlag(name)
    if (owner === undefined || scheduler === undefined || owner === scheduler) continue
    const problem = `${name} belongs to the scheduler ${owner}, not to ${scheduler}${byInheritance(draft, flags.inherited)}`
    findings.refuse(
      [...flags.path, index],
      problem,
      `write scheduler: ${owner}, or remove the flag (flags: [] where it is inherited)`,
    )
  }
  const onePacket = effective(draft, 'one_packet')
  if (onePacket.value === true && identity.kind === 'address' && identity.protocol !== 'udp') {
    const problem = `one_packet is for UDP and fwmark services, not for ${identity.protocol}${byInheritance(draft, onePacket.inherited)}`
    findings.refuse(onePacket.path, problem, 'write protocol: udp, or one_packet: false', 'key')
  }
  const upper = effective(draft, 'upper_threshold')
  const lower = effective(draft, 'lower_threshold')
  if (upper.unknown || lower.unknown) return
  const [mismatch] = thresholdMismatch('lower_threshold', upper.value, lower.value)
  if (mismatch) findings.refuse(lower.path, `${mismatch.problem}${byInheritance(draft, lower.inherited)}`, mismatch.remedy)
}

/** Source NAT: what cannot work is refused. */
export function checkFullNat(
  draft: Draft,
  identity: ServiceIdentity,
  forwarding: Forwarding | undefined,
  findings: Findings,
): void {
  const fullNat = effective(draft, 'full_nat')
  const snat = effective(draft, 'snat_ip')
  if (fullNat.unknown) return
  if (fullNat.value !== true) {
    if (snat.value !== undefined && !snat.inherited)
      findings.refuse(snat.path, 'snat_ip has no meaning without full_nat', 'write full_nat: true, or remove snat_ip', 'key')
    return
  }
  const suffix = byInheritance(draft, fullNat.inherited)
  if (forwarding !== undefined && forwarding.method !== 'nat') {
    findings.refuse(
      fullNat.path,
      `full_nat cannot go with ${forwardingText(forwarding)}${suffix}`,
      'write forwarding: nat, or full_nat: false',
      'key',
    )
  }
  if (effective(draft, 'one_packet').value === true) {
    findings.refuse(fullNat.path, `full_nat loses every packet of a one_packet service${suffix}`, 'remove one of the two', 'key')
  }
  if (snat.value === undefined) return
  const family = serviceFamily(identity)
  const { first, last } = snat.value
  if (familyOf(first) !== family) {
    const names = { ipv4: 'IPv4', ipv6: 'IPv6' }
    const problem = `${formatAddressRange(snat.value)} is no ${names[family]} address, which the service needs${byInheritance(draft, snat.inherited)}`
    findings.refuse(snat.path, problem, `write an ${names[family]} address, or remove snat_ip to masquerade`)
  }
  for (const end of new Set([first, last])) {
    const unusable =
      unusableAddress(end) ?? (isLoopback(end) ? 'is a loopback address, to which no backend can answer' : undefined)
    if (unusable !== undefined) findings.refuse(snat.path, `${end} ${unusable}`, 'write an address of this host')
  }
}

export function readDebounce(draft: Draft, findings: Findings): { readonly min: number; readonly max: number } {
  const { min = 500, max = Math.max(2000, min) } = merged(draft, 'debounce')
  if (max < min) {
    const inOwn = draft.own.debounce !== undefined
    const key = draft.own.debounce?.max !== undefined || !inOwn ? 'max' : 'min'
    findings.refuse(
      [...(inOwn ? draft.path : ['defaults']), 'debounce', key],
      `debounce max (${formatDuration(max)}) is below min (${formatDuration(min)})`,
      'write a max that is not below min',
    )
  }
  return { min, max }
}

/** Nothing in it can contradict itself. */
export function readGuard(draft: Draft): GuardSpec {
  const { max_removal: maxRemoval = 34, window = 60_000, on_empty: onEmpty = 'hold' } = merged(draft, 'guard')
  return { maxRemoval, window, onEmpty }
}

export function readHold(draft: Draft): HoldSpec {
  const { max_age: maxAge, snapshot_max_age: snapshotMaxAge = 86_400_000 } = merged(draft, 'hold')
  return { snapshotMaxAge, ...(maxAge !== undefined && { maxAge }) }
}

/** ` (inherited by service "web")` */
export function byInheritance(draft: Draft, inherited: boolean): string {
  return inherited ? ` (inherited by ${nameOf(draft)})` : ''
}

export function nameOf(draft: Draft): string {
  return draft.own.name === undefined ? `service ${String(draft.path.at(-1))}` : `service "${draft.own.name}"`
}
