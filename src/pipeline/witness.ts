import type { ServiceSpec } from '../model/service-spec.ts'
import { type SourceSpec, sourceName } from '../model/source-spec.ts'
import { type ServiceKey, serviceKey } from '../model/virtual-service.ts'
import type { LastGood, Past } from './desired-update.ts'
import type { OpenSlot, PipelineEvent, PipelineOutput, PipelineState } from './pipeline.ts'
import type { Step, Wake } from './step.ts'

/** What an earlier process knew of a source, as it was asked for. */
export interface PastUsed {
  readonly service: ServiceKey
  /** Name of the source. */
  readonly source: string
  readonly lastGood: LastGood
}

/** A source that was opened under a number that no other source ever has. */
export interface Opened {
  readonly slot: number
  readonly service: ServiceKey
  /** Name of the source. */
  readonly source: string
}

/** One turn of the pipeline: an event, with all of the past that was taken for it, and what is open because of it. */
export interface PipelineTurn {
  readonly event: Exclude<PipelineEvent, { readonly kind: 'wanted' }> | Wake | WantedEvent
  /** Milliseconds since the epoch on the pipeline's clock. */
  readonly now: number
  /** All sources that are open from now on; absent where that did not change. */
  readonly open?: readonly Opened[]
}

/** A configuration, with what was known of the past in place of a way to ask for it. */
export interface WantedEvent {
  readonly kind: 'wanted'
  readonly wanted: Extract<PipelineEvent, { readonly kind: 'wanted' }>['wanted']
  readonly past?: { readonly patience: number; readonly used: readonly PastUsed[] }
}

/**
 * The step, with each of its turns told to a witness: the turns of a run, given to the step again in their order, make the same
 * states. What is told is not changed afterwards.
 */
export function witnessed(
  step: Step<PipelineState, PipelineEvent, PipelineOutput>,
  witness: (turn: PipelineTurn) => void,
): Step<PipelineState, PipelineEvent, PipelineOutput> {
  return (state, event, now) => {
    if (event.kind !== 'wanted') {
      witness({ event, now })
      return step(state, event, now)
    }
    const used: PastUsed[] = []
    const { wanted, past } = event
    const result = step(state, { kind: 'wanted', wanted, ...(past !== undefined && { past: listening(past, used) }) }, now)
    const open = result.emit?.open?.map(openedOf)
    witness({
      event: { kind: 'wanted', wanted, ...(past !== undefined && { past: { patience: past.patience, used } }) },
      now,
      ...(open !== undefined && { open }),
    })
    return result
  }
}

function openedOf({ slot, key }: OpenSlot): Opened {
  return { slot: slot.number, service: key, source: sourceName(slot.spec) }
}

function listening(past: Past, used: PastUsed[]): Past {
  return {
    patience: past.patience,
    lastGood(spec: ServiceSpec, source: SourceSpec) {
      const lastGood = past.lastGood(spec, source)
      if (lastGood !== undefined) used.push({ service: serviceKey(spec.identity), source: sourceName(source), lastGood })
      return lastGood
    },
  }
}
