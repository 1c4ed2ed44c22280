/** The tables that are measured: how many services, how many backends in each. */

import type { IpAddress, Port } from '../../src/model/address.ts'
import type { ServiceIdentity } from '../../src/model/virtual-service.ts'

export interface Shape {
  readonly services: number
  /** In each service. */
  readonly backends: number
  /** `wlc` by default: with `wrr` the kernel itself takes quadratic time for a large service. */
  readonly scheduler: 'wlc' | 'wrr'
}

/** `1000 x 10`, `1 x 10000 wrr`. */
export function shapeName({ services, backends, scheduler }: Shape): string {
  return `${services} x ${backends}${scheduler === 'wlc' ? '' : ` ${scheduler}`}`
}

export const WEIGHT = 10
export const SERVICE_PORT: Port = 80
export const BACKEND_PORT: Port = 8080

/** Every service has an address of its own, 10.100.0.1 and up. */
export function serviceAddress(service: number): IpAddress {
  return `10.100.${(service + 1) >> 8}.${(service + 1) & 255}` as IpAddress
}

export function serviceIdentity(service: number): ServiceIdentity {
  return { kind: 'address', protocol: 'tcp', address: serviceAddress(service), port: SERVICE_PORT }
}

/** No two backends of a table are the same: 10.1.0.1 and up. */
export function backendAddress(shape: Shape, service: number, backend: number): IpAddress {
  const number = service * shape.backends + backend + 1
  return `10.${1 + (number >> 16)}.${(number >> 8) & 255}.${number & 255}` as IpAddress
}

/** The services by number, and for each the numbers of its backends. */
export function* numbers(count: number): Generator<number> {
  for (let number = 0; number < count; number++) yield number
}

/** Services and backends together: what the kernel has to be told. */
export function objectsIn(shape: Shape): number {
  return shape.services * (1 + shape.backends)
}
