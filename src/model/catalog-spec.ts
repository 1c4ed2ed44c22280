import type { IpAddress, Port } from './address.ts'
import type { ConsulSourceSpec } from './consul-source-spec.ts'
import type { Protocol } from './virtual-service.ts'

/** Addresses and ports that may be claimed. */
export interface ListenRange {
  readonly network: IpAddress
  /** Bits of the address that count; 32 or 128 is one address. */
  readonly prefixLength: number
  /** Both ends belong to it. */
  readonly firstPort: Port
  readonly lastPort: Port
}

/** Who may claim what. */
export interface AllowRule {
  /** Name of a service in the registry; `*` stands for any text. */
  readonly service: string
  /** Absent: the namespace in which the catalog is asked. */
  readonly namespace?: string
  readonly listen: readonly ListenRange[]
  readonly protocols: readonly Protocol[]
}

/** A registry whose services may say themselves which virtual service they are. */
export interface CatalogSpec {
  /** Unique in a configuration, and the same when only the way to the agents changes: claims are kept under it. */
  readonly name: string
  /** How the instances of a service are asked for; each service is named in its place. */
  readonly instances: Omit<ConsulSourceSpec, 'service'>
  /** What the keys begin with, without the sign behind it: `pointsman`. */
  readonly prefix: string
  readonly allow: readonly AllowRule[]
  /** `defaults:` of the configuration as written, from which every claim inherits. */
  readonly defaults: unknown
  /** That of the configuration, where relative paths of `defaults` begin. */
  readonly directory: string
}

/** A service of a registry. */
export interface CatalogService {
  /** Name of the catalog. */
  readonly catalog: string
  readonly namespace?: string
  readonly service: string
}

/** What the instances of a service say of it, by the keys of the configuration with `_` for each dot: `drain_timeout`. */
export type Words = Readonly<Record<string, string>>

/** `web`, `team-a/web`: a service as logs and metrics name it. */
export function catalogServiceName({ namespace, service }: CatalogService): string {
  return namespace === undefined ? service : `${namespace}/${service}`
}

/** One text for each service of each catalog. */
export function catalogServiceId({ catalog, namespace = '', service }: CatalogService): string {
  return JSON.stringify([catalog, namespace, service])
}
