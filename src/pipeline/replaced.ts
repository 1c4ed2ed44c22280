import type { ServiceSpec } from '../model/service-spec.ts'
import { type SourceSpec, sourceName, sourceQuestion } from '../model/source-spec.ts'
import { heldFor } from './guard.ts'
import { type Members, NO_MEMBERS } from './hold.ts'
import type { ServiceState } from './service.ts'
import { isWhole, namesNobody, type Slot } from './slot.ts'

/** What a source that was closed had to say. */
export interface Replaced {
  readonly source: SourceSpec
  readonly members: Members
}

/**
 * What goes on of a closed source's members: those that it names and those that are held for it. The guard goes on holding the
 * latter itself where the source is only asked again.
 */
export function replacedBy({ guarded }: ServiceState, { spec: source, held }: Slot, spec: ServiceSpec): Replaced {
  const waiting = isNamed(source, spec) ? NO_MEMBERS : heldFor(guarded, sourceName(source))
  return { source, members: waiting.size === 0 ? held.members : new Map([...held.members, ...waiting]) }
}

function isNamed(source: SourceSpec, { sources }: ServiceSpec): boolean {
  const question = sourceQuestion(source)
  return sources.some((one) => sourceQuestion(one) === question)
}

/** Whether the source's last answer names nobody; one that is being asked again has not taken that back. */
export function isEmptied({ guarded: { held, passed } }: ServiceState, slot: Slot): boolean {
  if (isWhole(slot)) return namesNobody(slot)
  const name = sourceName(slot.spec)
  for (const [key, { rule }] of held) if (rule === 'empty' && passed.get(key)?.origin === name) return true
  return false
}

/**
 * The members that the configuration has taken away, and not a source: those of sources that it does not name any more. A source that
 * was only asked again has put aside what does not fit the service now; when it lacks more than that, it has lost them itself.
 */
export function excusedBy(dropped: readonly Replaced[], listed: Members, { spec, slots }: ServiceState): readonly Members[] {
  return dropped.flatMap(({ source, members }) => {
    if (!isNamed(source, spec)) return [members]
    const slot = slots.find((one) => sourceQuestion(one.spec) === sourceQuestion(source))
    const lacking = [...members.keys()].filter((key) => !listed.has(key)).length
    return lacking <= (slot?.held.quarantined ?? 0) ? [members] : []
  })
}
