import { familyOf, formatEndpoint } from '../model/address.ts'
import type { Backend } from '../model/backend.ts'
import { type Forwarding, forwardingText } from '../model/destination.ts'
import type { ServiceSpec } from '../model/service-spec.ts'
import { type ServiceIdentity, serviceFamily } from '../model/virtual-service.ts'
import { unusableAddress } from './values/endpoint.ts'

/** What must be known of a service to judge its backends. A ServiceSpec is one. */
export type BackendContext = Pick<
  ServiceSpec,
  'name' | 'identity' | 'forwarding' | 'persistence' | 'upperThreshold' | 'lowerThreshold'
> &
  Partial<Pick<ServiceSpec, 'fullNat'>>

/** Something that does not fit between a backend and its service. */
export interface Mismatch {
  readonly severity: 'error' | 'warning'
  /** The key of the backend that it is about. */
  readonly key: 'address' | 'weight' | 'forwarding' | 'upper_threshold' | 'lower_threshold'
  readonly problem: string
  readonly remedy: string
}

/** Whether the service takes every port: a fwmark service, or a port of 0 with persistence. */
export function takesEveryPort(identity: ServiceIdentity): boolean {
  return identity.kind === 'fwmark' || identity.port === 0
}

/** Everything about one backend that the kernel would refuse, or take in silence and not do. */
export function checkBackend(backend: Backend, service: BackendContext): Mismatch[] {
  const forwarding = backend.forwarding ?? service.forwarding
  return [
    ...checkAddress(backend, service, forwarding),
    ...checkPort(backend, service, forwarding),
    ...checkSourceNat(backend, service),
    ...checkThresholds(backend, service),
  ]
}

function checkAddress(backend: Backend, service: BackendContext, forwarding: Forwarding): Mismatch[] {
  const unusable = unusableAddress(backend.address)
  if (unusable !== undefined) {
    return [error('address', `${backend.address} ${unusable}`, 'write the address of one host')]
  }
  const family = serviceFamily(service.identity)
  if (familyOf(backend.address) === family || forwarding.method === 'tunnel') return []
  const names = { ipv4: 'IPv4', ipv6: 'IPv6' }
  const problem = `an ${names[familyOf(backend.address)]} backend in an ${names[family]} service is possible by tunnel only, not by ${forwarding.method}`
  return [error('address', problem, `write an ${names[family]} address, or forwarding: tunnel`)]
}

function checkPort(backend: Backend, service: BackendContext, forwarding: Forwarding): Mismatch[] {
  const { identity } = service
  const { port } = backend
  const persistent = service.persistence !== undefined && service.persistence !== 'none'
  if (identity.kind === 'address' && forwarding.method !== 'nat' && port !== identity.port) {
    const problem = `port ${port} is not the service's port ${identity.port}, and ${forwardingText(forwarding)} cannot translate ports (packets would go to port ${identity.port || 'they came for'} all the same)`
    return [error('address', problem, `write ${formatEndpoint(backend.address, identity.port)}, or forwarding: nat`)]
  }
  if (identity.kind === 'address' && identity.port !== 0 && port === 0) {
    return [
      error(
        'address',
        'port 0 is only for backends of fwmark services and of persistent services on port 0',
        'write a port from 1 to 65535',
      ),
    ]
  }
  if (port !== 0 && takesEveryPort(identity) && (persistent || forwarding.method !== 'nat')) {
    const why =
      forwarding.method === 'nat'
        ? 'the service is persistent and takes every port'
        : `${forwardingText(forwarding)} cannot translate ports`
    const problem = `port ${port} has no effect because ${why}: packets keep the port they came for`
    return [{ severity: 'warning', key: 'address', problem, remedy: `write ${formatEndpoint(backend.address, 0)}` }]
  }
  return []
}

function checkSourceNat({ forwarding }: Backend, service: BackendContext): Mismatch[] {
  if (service.fullNat !== true || forwarding === undefined || forwarding.method === 'nat') return []
  const problem = `${forwardingText(forwarding)} cannot go with full_nat of the service`
  return [error('forwarding', problem, 'write forwarding: nat, or full_nat: false for the service')]
}

function checkThresholds(backend: Backend, service: BackendContext): Mismatch[] {
  const upper = backend.upperThreshold ?? service.upperThreshold
  const lower = backend.lowerThreshold ?? service.lowerThreshold
  const own = backend.lowerThreshold !== undefined ? 'lower_threshold' : 'upper_threshold'
  const written = backend.upperThreshold !== undefined || backend.lowerThreshold !== undefined
  return written ? thresholdMismatch(own, upper, lower) : []
}

/** The kernel wants lower <= upper, also where upper is 0 (no limit). */
export function thresholdMismatch(
  key: 'upper_threshold' | 'lower_threshold',
  upper: number | undefined,
  lower: number | undefined,
): Mismatch[] {
  if (lower === undefined || lower === 0) return []
  if (upper === undefined)
    return [error(key, `lower_threshold ${lower} stands without an upper one`, 'write upper_threshold too')]
  if (lower <= upper) return []
  const shown = upper === 0 ? '0 (no limit)' : String(upper)
  return [
    error(
      key,
      `lower_threshold ${lower} is above upper_threshold ${shown}`,
      'write a lower_threshold that is not above the upper_threshold',
    ),
  ]
}

function error(key: Mismatch['key'], problem: string, remedy: string): Mismatch {
  return { severity: 'error', key, problem, remedy }
}
