import { type SourceSpec, sourceName } from '../../model/source-spec.ts'
import { type ServiceKey, serviceKey } from '../../model/virtual-service.ts'
import type { PipelineEvent, PipelineState } from '../../pipeline/pipeline.ts'
import type { Wake } from '../../pipeline/step.ts'
import type { JournalTurn, PastAnswer } from '../../store/journal-turn.ts'
import type { Casting } from './player.ts'

/** A source of the pipeline that plays. */
export interface PlayedSource {
  readonly service: ServiceKey
  readonly slot: number
}

/** Everybody is who he was. Only the numbers of the sources are others, where the journal begins in the middle of a run. */
export class AsRecorded implements Casting {
  readonly #sources = new Map<number, PlayedSource>()

  eventOf({ event }: JournalTurn): PipelineEvent | Wake | undefined {
    switch (event.kind) {
      case 'wanted': {
        const { past, ...rest } = event
        if (past === undefined) return rest
        return { ...rest, past: { patience: past.patience, lastGood: (spec, source) => answerOf(past.used, spec, source) } }
      }
      case 'said': {
        const played = this.#sources.get(event.slot)
        return played && { ...event, ...played }
      }
      default:
        return event
    }
  }

  after({ open = [] }: JournalTurn, state: PipelineState): void {
    for (const { slot, service, source } of open) {
      if (this.#sources.has(slot)) continue
      const played = playedSource(state, service, source)
      if (played !== undefined) this.#sources.set(slot, played)
    }
  }
}

/** The source of this name, where it is open. */
export function playedSource(state: PipelineState, service: ServiceKey, source: string): PlayedSource | undefined {
  const slot = state.services.get(service)?.slots.find(({ spec }) => sourceName(spec) === source)
  return slot && { service, slot: slot.number }
}

function answerOf(
  used: readonly PastAnswer[],
  { identity }: { readonly identity: Parameters<typeof serviceKey>[0] },
  source: SourceSpec,
): PastAnswer['lastGood'] | undefined {
  const service = serviceKey(identity)
  const name = sourceName(source)
  return used.find((one) => one.service === service && one.source === name)?.lastGood
}
