import type { IpvsCommand } from '../../../../src/kernel/for-sinks.ts'
import { type IpAddress, parseAddress } from '../../../../src/model/address.ts'
import type { Destination } from '../../../../src/model/destination.ts'
import type { ServiceIdentity, VirtualService } from '../../../../src/model/virtual-service.ts'

export function ip(text: string): IpAddress {
  const address = parseAddress(text)
  if (address === undefined) throw new Error(`${text} is no address`)
  return address
}

export function tcp(text: string, port = 80): ServiceIdentity {
  return { kind: 'address', protocol: 'tcp', address: ip(text), port }
}

export function virtualService(identity: ServiceIdentity, rest: Partial<VirtualService> = {}): VirtualService {
  return { identity, scheduler: 'wrr', flags: { flag1: false, flag2: false, flag3: false }, onePacket: false, ...rest }
}

export function destination(text: string, port = 8080, rest: Partial<Destination> = {}): Destination {
  return { address: ip(text), port, forwarding: { method: 'nat' }, weight: 1, upperThreshold: 0, lowerThreshold: 0, ...rest }
}

/** A service and so many destinations of it, 10.1.x.y. */
export function pool(identity: ServiceIdentity, size: number): IpvsCommand[] {
  const commands: IpvsCommand[] = [{ kind: 'add-service', service: virtualService(identity) }]
  for (let i = 0; i < size; i++) {
    commands.push({ kind: 'add-destination', service: identity, destination: destination(`10.1.${i >> 8}.${i & 255}`) })
  }
  return commands
}
