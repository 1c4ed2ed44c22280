import type { DestinationKey } from '../../model/destination.ts'
import type { ServiceKey } from '../../model/virtual-service.ts'

/** What the decision must know of the kernel; told before the first configuration, and again when it becomes different. */
export interface KernelKnown {
  /** Of every service in the kernel the weights of its destinations, before anything is written. Absent: nobody has read them. */
  readonly weights?: ReadonlyMap<ServiceKey, ReadonlyMap<DestinationKey, number>>
  /** Whether `net.ipv4.vs.expire_quiescent_template` is on. */
  readonly expiresQuiescentTemplates: boolean
}

/** As a kernel is that nobody has told of: the sysctl is off there until somebody sets it. */
export const NOTHING_OF_KERNEL: KernelKnown = { expiresQuiescentTemplates: false }

/** What the kernel held of one service when it was taken up. */
export interface KernelHeld {
  /** Emptied once the sources have said who the members are: what comes later is new. */
  readonly weights: ReadonlyMap<DestinationKey, number>
  /** The kernel was read, and did not have the service. */
  readonly absent: boolean
}

const NO_WEIGHTS: KernelHeld['weights'] = new Map()

export const NOTHING_HELD: KernelHeld = { weights: NO_WEIGHTS, absent: false }

export function kernelHeld({ weights }: KernelKnown, service: ServiceKey): KernelHeld {
  const held = weights?.get(service)
  return { weights: held ?? NO_WEIGHTS, absent: weights !== undefined && held === undefined }
}

/** After the members were judged with it. */
export function usedUp(held: KernelHeld, complete: boolean): KernelHeld {
  return complete && held.weights.size > 0 ? { ...held, weights: NO_WEIGHTS } : held
}
