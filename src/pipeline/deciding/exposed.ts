import type { DestinationKey } from '../../model/destination.ts'
import { isFoundDown } from '../../model/operational.ts'
import { isConnectFailure } from '../../model/probe-result.ts'
import type { Candidate } from './candidate.ts'
import type { Exposed } from './ejection.ts'
import type { KernelHeld } from './kernel-known.ts'
import { leavingSince, type Memories, type Memory } from './memory.ts'

const NEVER = Number.POSITIVE_INFINITY

/** What the guard against correlated failures is to see of a member; whoever asks and fails is there twice, whoever serves and does neither not at all. */
export function exposedOf(
  { key, found, asks, health }: Candidate,
  { memories, kernel }: { readonly memories: Memories; readonly kernel: KernelHeld },
  damped: { has(key: DestinationKey): boolean },
  now: number,
): Exposed[] {
  const memory = memories.get(key)
  const { upUntil, lostAt } = memory ?? {}
  const isNew = upUntil === NEVER
  const { failure, since = now, siblingsDue = false } = found ?? {}
  const isDown = found !== undefined && isFoundDown(found)
  const isUnreachable = failure !== undefined && isConnectFailure(failure)
  if (isUnreachable && isDown) return [{ key, how: 'unreachable', since, wasUp: false, isNew, siblingsDue: false }]
  const exposed: Exposed[] = []
  const asksFirst = memory?.leaving === undefined
  if (asks) {
    const { since, up, served: wasUp } = leavingSince(memory, now)
    const lost = !wasUp && lostAt !== undefined && { lostAt }
    exposed.push({
      key,
      how: 'leaving',
      since,
      wasUp,
      ...(up && { mayBeLast: true }),
      ...lost,
      isNew: asksFirst,
      siblingsDue: false,
    })
  }
  // Who flaps too much to serve has nothing to be held in: it would begin to serve because it fails.
  if (failure !== undefined && !isUnreachable && !(damped.has(key) && isResting(memory)))
    exposed.push({ key, how: isDown ? 'failing' : 'wavering', since, wasUp: upUntil !== undefined, isNew, siblingsDue })
  const serves = health === 'up' || memory?.served === true || (kernel.weights.get(key) ?? 0) > 0
  if (exposed.length === 0 && !serves) exposed.push({ key, how: 'idle', since, wasUp: false, isNew: false, siblingsDue: false })
  return exposed
}

/** Whether a member that is damped was out already when it failed. */
export function isResting(memory: Memory | undefined): boolean {
  return memory?.served === false && memory.lostAt === undefined
}

/** Whether a member serves now that did not when the guard looked: then it has to look again. */
export function hasRisen(exposed: readonly Exposed[], serving: ReadonlySet<DestinationKey>): boolean {
  return exposed.some(({ how, key }) => how === 'idle' && serving.has(key))
}
