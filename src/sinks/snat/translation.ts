import { type AddressFamily, familyOf, formatEndpoint, type IpAddress, type Port } from '../../model/address.ts'
import type { Brand } from '../../model/brand.ts'
import type { DesiredService } from '../../model/desired-state.ts'
import { type DestinationKey, destinationKey } from '../../model/destination.ts'
import type { SourceNat } from '../../model/source-nat.ts'
import { type Protocol, type ServiceKey, serviceKey } from '../../model/virtual-service.ts'

/**
 * Which connections a translation is for. `vip`: those whose original destination is a virtual address, so that only what IPVS made of it is
 * met and no other connection of a backend. `mark`: those with a firewall mark on their way to a backend, for the virtual addresses behind a
 * mark are not known. Port 0 is every port.
 */
export type Match =
  | { readonly kind: 'vip'; readonly protocol: Protocol; readonly address: IpAddress; readonly port: Port }
  | { readonly kind: 'mark'; readonly fwmark: number; readonly address: IpAddress; readonly port: Port }

/** One text per match: `tcp/10.0.0.1:80`, which is the key of the service too, `mark/7/10.1.0.1:80`. */
export type MatchKey = Brand<string, 'MatchKey'>

/** What becomes of the source: `masquerade`, `10.0.0.9`, or a range of addresses `10.0.0.9-10.0.0.12`. */
export type Target = Brand<string, 'Target'>

export const MASQUERADE = 'masquerade' as Target

/** One entry of the table. */
export interface Translation {
  readonly match: Match
  readonly target: Target
}

/** A translation as it was read, with the connections that it was used for since it is there. */
export interface HeldTranslation extends Translation {
  readonly connections: bigint
}

export function matchKey(match: Match): MatchKey {
  const endpoint = formatEndpoint(match.address, match.port)
  return (match.kind === 'vip' ? `${match.protocol}/${endpoint}` : `mark/${match.fwmark}/${endpoint}`) as MatchKey
}

export function matchFamily(match: Match): AddressFamily {
  return familyOf(match.address)
}

/** The service that a match belongs to. */
export function ownerOf(match: Match): ServiceKey {
  if (match.kind === 'mark') return serviceKey({ kind: 'fwmark', fwmark: match.fwmark, family: matchFamily(match) })
  return serviceOfKey(matchKey(match))
}

/** The service of a match by virtual address, of which the key is at hand. */
export function serviceOfKey(key: MatchKey): ServiceKey {
  return key as string as ServiceKey
}

/** The backend of a match by firewall mark. */
export function backendOf(match: Match & { readonly kind: 'mark' }): DestinationKey {
  return destinationKey(match)
}

export function targetOf(sourceNat: SourceNat): Target {
  if (sourceNat === 'masquerade') return MASQUERADE
  const { first, last } = sourceNat
  return (first === last ? first : `${first}-${last}`) as Target
}

/** First and last address of a target that is a range of more than one. */
export function rangeOf(target: Target): readonly [IpAddress, IpAddress] | undefined {
  const dash = target.indexOf('-')
  return dash < 0 ? undefined : [target.slice(0, dash) as IpAddress, target.slice(dash + 1) as IpAddress]
}

/** The translations that a service wants; none without source NAT. */
export function translationsOf(service: DesiredService): Translation[] {
  if (service.sourceNat === undefined) return []
  const target = targetOf(service.sourceNat)
  const { identity } = service
  if (identity.kind === 'address') {
    const { protocol, address, port } = identity
    return [{ match: { kind: 'vip', protocol, address, port }, target }]
  }
  const translations: Translation[] = []
  for (const { address, port, forwarding } of service.destinations.values()) {
    if (forwarding.method !== 'nat' || familyOf(address) !== identity.family) continue
    translations.push({ match: { kind: 'mark', fwmark: identity.fwmark, address, port }, target })
  }
  return translations
}
