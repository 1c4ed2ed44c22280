import type { Turn } from '../admin/standing.ts'
import type { Logger } from '../log.ts'
import type { DestinationKey } from '../model/destination.ts'
import type { Changed } from '../model/operator-words.ts'
import { isRoadName } from '../model/probe-road.ts'
import type { StateEvent } from '../model/state-event.ts'
import type { ServiceKey } from '../model/virtual-service.ts'
import type { Transition } from '../sinks/ipvs/transition.ts'
import { Hooks, type HooksOptions } from './hooks.ts'
import { LastTurns } from './last-turns.ts'
import { logEvent } from './log-event.ts'
import { logTransition } from './log-transition.ts'
import { kernelTurn } from './transitions.ts'
import { wordEvent } from './word-event.ts'

/** Tells of what turns: to the log, to hooks, and to who asks why. */
export class Teller implements AsyncDisposable {
  readonly hooks: Hooks
  readonly #logger: Logger
  readonly #now: () => number
  readonly #turns = new LastTurns()

  constructor(options: HooksOptions) {
    this.hooks = new Hooks(options)
    this.#logger = options.logger
    this.#now = options.now
  }

  tell(event: StateEvent): void {
    logEvent(this.#logger, event)
    this.hooks.offer(event)
  }

  /** `name`: of the service that the word is about. */
  word(change: Changed, name: string, ranOut: boolean): void {
    this.tell(wordEvent(change, name, ranOut))
  }

  /** What becomes of services for probes alone concerns nobody. */
  written(transition: Transition): void {
    if (isRoadName(transition.name)) return
    this.#turns.note(transition, this.#now())
    logTransition(this.#logger, transition)
    this.hooks.offer(kernelTurn(transition))
  }

  /** The last change of a destination in the kernel. */
  lastTurn(service: ServiceKey, backend: DestinationKey): Turn | undefined {
    return this.#turns.of(service, backend)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.hooks[Symbol.asyncDispose]()
  }
}
