import { type AddressFamily, familyOf, formatEndpoint, type IpAddress, type Port } from '../../model/address.ts'
import type { Brand } from '../../model/brand.ts'
import type { Destination, Tunnel } from '../../model/destination.ts'
import { type Protocol, type ServiceIdentity, serviceFamily } from '../../model/virtual-service.ts'

/**
 * Where a packet of a service passes the filter of this host: `input` from the client to the virtual address, `output` from here to the backend,
 * `forward` from the backend back, where the backend answers through this host (NAT).
 */
export type FirewallHook = 'input' | 'output' | 'forward'

export const HOOKS: readonly FirewallHook[] = ['input', 'output', 'forward']

/** Protocols of IP (IANA), by the names that are used here. */
export const PROTOCOL_NUMBERS = { tcp: 6, udp: 17, sctp: 132, ipip: 4, ipv6: 41, gre: 47 } as const

export type CarriedProtocol = keyof typeof PROTOCOL_NUMBERS

/**
 * Packets that must pass at one hook. The address is where they go to, and at `forward` where they come from. Port 0 is every port, and all there is
 * where the protocol has none.
 */
export type Opening =
  | {
      readonly kind: 'address'
      readonly hook: FirewallHook
      readonly protocol: CarriedProtocol
      readonly address: IpAddress
      readonly port: Port
    }
  | { readonly kind: 'mark'; readonly hook: 'input' | 'output'; readonly mark: number; readonly family: AddressFamily }

/** One text per opening: `input tcp/10.0.0.1:80`, `output mark/7/ipv4`. */
export type OpeningKey = Brand<string, 'OpeningKey'>

export type Openings = ReadonlyMap<OpeningKey, Opening>

export function openingKey(opening: Opening): OpeningKey {
  if (opening.kind === 'mark') return `${opening.hook} mark/${opening.mark}/${opening.family}` as OpeningKey
  return `${opening.hook} ${opening.protocol}/${formatEndpoint(opening.address, opening.port)}` as OpeningKey
}

export function openingFamily(opening: Opening): AddressFamily {
  return opening.kind === 'mark' ? opening.family : familyOf(opening.address)
}

type Sent = Pick<Destination, 'address' | 'port' | 'forwarding'>

/** The openings that a service needs with these destinations. */
export function openingsOf(identity: ServiceIdentity, destinations: Iterable<Sent>): Opening[] {
  const openings: Opening[] = [atService(identity, 'input')]
  for (const destination of destinations) openings.push(...toDestination(identity, destination))
  return openings
}

function atService(identity: ServiceIdentity, hook: 'input' | 'output'): Opening {
  if (identity.kind === 'fwmark') return { kind: 'mark', hook, mark: identity.fwmark, family: identity.family }
  const { protocol, address, port } = identity
  return { kind: 'address', hook, protocol, address, port }
}

function toDestination(identity: ServiceIdentity, { address, port, forwarding }: Sent): Opening[] {
  switch (forwarding.method) {
    case 'nat': {
      const protocols: readonly Protocol[] = identity.kind === 'fwmark' ? ['tcp', 'udp', 'sctp'] : [identity.protocol]
      return protocols.flatMap((protocol) =>
        (['output', 'forward'] as const).map((hook): Opening => ({ kind: 'address', hook, protocol, address, port })),
      )
    }
    case 'direct':
      return [atService(identity, 'output')]
    case 'tunnel':
      return [{ kind: 'address', hook: 'output', address, ...outer(forwarding.tunnel, serviceFamily(identity)) }]
    case 'local':
    case 'unknown':
      return []
  }
}

function outer(tunnel: Tunnel, inner: AddressFamily): { readonly protocol: CarriedProtocol; readonly port: Port } {
  switch (tunnel.type) {
    case 'ipip':
      return { protocol: inner === 'ipv4' ? 'ipip' : 'ipv6', port: 0 }
    case 'gre':
      return { protocol: 'gre', port: 0 }
    case 'gue':
      return { protocol: 'udp', port: tunnel.port }
  }
}
