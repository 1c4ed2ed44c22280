import { type IpAddress, parseAddress } from '../../src/model/address.ts'
import { ChunkedMap } from '../../src/model/chunked-map.ts'
import type { DesiredDestination, DesiredService, DesiredState } from '../../src/model/desired-state.ts'
import { type Destination, type DestinationKey, destinationKey } from '../../src/model/destination.ts'
import { type Protocol, type ServiceIdentity, serviceKey, type VirtualService } from '../../src/model/virtual-service.ts'

/** `10.0.0.1:80`, `[2001:db8::1]:80`. */
export function endpoint(text: string): { readonly address: IpAddress; readonly port: number } {
  const at = text.lastIndexOf(':')
  const address = parseAddress(text.slice(0, at).replace(/^\[|\]$/g, ''))
  if (address === undefined) throw new Error(`${text} is no endpoint`)
  return { address, port: Number(text.slice(at + 1)) }
}

/** `tcp/10.0.0.1:80`, `fwmark/7/ipv4`. */
export function identity(text: string): ServiceIdentity {
  const slash = text.indexOf('/')
  const [head, tail] = [text.slice(0, slash), text.slice(slash + 1)]
  if (head !== 'fwmark') return { kind: 'address', protocol: head as Protocol, ...endpoint(tail) }
  const [mark, family] = tail.split('/')
  return { kind: 'fwmark', fwmark: Number(mark), family: family === 'ipv6' ? 'ipv6' : 'ipv4' }
}

export function key(text: string): DestinationKey {
  return destinationKey(endpoint(text))
}

/** A backend by NAT with weight 1 unless told otherwise. */
export function wanted(text: string, more: Partial<DesiredDestination> = {}): DesiredDestination {
  return { ...endpoint(text), forwarding: { method: 'nat' }, weight: 1, reasons: ['configured'], ...more }
}

/** A complete `wlc` service with a drain of 300 s unless told otherwise; backends as text have weight 1. */
export function service(
  text: string,
  backends: readonly (string | DesiredDestination)[] = [],
  more: Partial<Omit<DesiredService, 'destinations' | 'identity'>> = {},
): DesiredService {
  const destinations = backends.map((backend) => (typeof backend === 'string' ? wanted(backend) : backend))
  return {
    name: text,
    identity: identity(text),
    scheduler: 'wlc',
    destinations: ChunkedMap.from(destinations.map((destination) => [destinationKey(destination), destination])),
    complete: true,
    drainTimeout: 300_000,
    adopt: 'named',
    ...more,
  }
}

export function state(services: readonly DesiredService[], more: Partial<Omit<DesiredState, 'services'>> = {}): DesiredState {
  return { services: new Map(services.map((one) => [serviceKey(one.identity), one])), ...more }
}

/** A destination as the kernel holds it. */
export function held(text: string, more: Partial<Destination> = {}): Destination {
  return { ...endpoint(text), forwarding: { method: 'nat' }, weight: 1, upperThreshold: 0, lowerThreshold: 0, ...more }
}

/** A service as the kernel holds it. */
export function virtual(text: string, more: Partial<VirtualService> = {}): VirtualService {
  return {
    identity: identity(text),
    scheduler: 'wlc',
    flags: { flag1: false, flag2: false, flag3: false },
    onePacket: false,
    ...more,
  }
}
