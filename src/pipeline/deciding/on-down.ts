import type { ServiceSpec } from '../../model/service-spec.ts'

/** What becomes of a member that is to get no new client. */
export interface Leaving {
  readonly use: 'zero' | 'out'
  /** Why it is out rather than at weight 0. */
  readonly why?: string
}

/**
 * What becomes of a member that is down. Weight 0 lets its connections live on; it is taken out where it would get clients
 * all the same.
 */
export function onDown(spec: ServiceSpec, expiresQuiescentTemplates: boolean): Leaving {
  if (spec.policy.onDown === 'zero') return { use: 'zero' }
  if (spec.policy.onDown === 'remove') return { use: 'out', why: 'on_down: remove' }
  const drained = onDrain(spec)
  if (drained.use === 'out') return drained
  const persistent = spec.persistence !== undefined && spec.persistence !== 'none'
  if (persistent && !expiresQuiescentTemplates) {
    return { use: 'out', why: 'persistent clients stay with weight 0 while expire_quiescent_template is 0' }
  }
  return { use: 'zero' }
}

/** What becomes of a member that is to end in peace; a persistent client stays with it. */
export function onDrain(spec: ServiceSpec): Leaving {
  if (refusesAtWeightZero(spec)) return { use: 'out', why: `scheduler ${spec.scheduler} would refuse clients at weight 0` }
  return hasNoConnections(spec) ? { use: 'out', why: 'datagrams have no connection to keep' } : { use: 'zero' }
}

/**
 * Whether the scheduler sends a share of the clients to a destination of weight 0, which refuses them. Where no flags are
 * written the kernel's stay, but `sh` and `mh` get their fallback.
 */
export function refusesAtWeightZero(spec: Pick<ServiceSpec, 'scheduler' | 'flags'>): boolean {
  if (spec.scheduler === 'dh') return true
  return (spec.scheduler === 'sh' || spec.scheduler === 'mh') && spec.flags?.flag1 === false
}

/** A destination of weight 0 still gets the datagrams of clients that it had before, for as long as they go on sending. */
function hasNoConnections({ identity, onePacket }: Pick<ServiceSpec, 'identity' | 'onePacket'>): boolean {
  return onePacket === true || (identity.kind === 'address' && identity.protocol === 'udp')
}
