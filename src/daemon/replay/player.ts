import type { DesiredUpdate } from '../../pipeline/desired-update.ts'
import {
  NO_PIPELINE,
  type PipelineEvent,
  type PipelineOutput,
  type PipelineState,
  pipelineStep,
} from '../../pipeline/pipeline.ts'
import { WAKE, type Wake } from '../../pipeline/step.ts'
import type { JournalTurn } from '../../store/journal-turn.ts'

/** What the pipeline is given in place of what was recorded. */
export interface Casting {
  /** Undefined where it has no meaning here. */
  eventOf(turn: JournalTurn): PipelineEvent | Wake | undefined
  /** Told what the pipeline has made of the turn. */
  after(turn: JournalTurn, state: PipelineState): void
}

/** What the pipeline said, and when. */
export interface Played {
  readonly at: number
  readonly output: PipelineOutput
}

/**
 * The pipeline, living through the turns of a journal. With wakes `asRecorded` it is woken when it was then, which is exact where the
 * same program plays the same events; `asAsked` it is woken when it asks for it, as a clock that is never late would do.
 */
export class Player {
  readonly #casting: Casting
  readonly #wakes: 'asRecorded' | 'asAsked'
  #state = NO_PIPELINE
  #wakeAt: number | undefined
  #now = Number.NEGATIVE_INFINITY

  constructor(casting: Casting, wakes: 'asRecorded' | 'asAsked') {
    this.#casting = casting
    this.#wakes = wakes
  }

  /** The newest desired state; undefined before the first. */
  get update(): DesiredUpdate | undefined {
    return this.#state.update
  }

  *play(turn: JournalTurn): Generator<Played> {
    if (this.#wakes === 'asAsked') {
      while (this.#wakeAt !== undefined && this.#wakeAt <= turn.now) yield* this.#step(WAKE, this.#wakeAt)
    }
    const event = this.#casting.eventOf(turn)
    if (event !== undefined && (event.kind !== 'wake' || this.#wakes === 'asRecorded')) yield* this.#step(event, turn.now)
    this.#casting.after(turn, this.#state)
  }

  *#step(event: PipelineEvent | Wake, at: number): Generator<Played> {
    this.#now = Math.max(this.#now, at)
    const { state, emit, wakeAt } = pipelineStep(this.#state, event, this.#now)
    this.#state = state
    this.#wakeAt = wakeAt
    if (emit !== undefined) yield { at: this.#now, output: emit }
  }
}
