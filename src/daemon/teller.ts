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
import type { IsThere } from './outages.ts'
import { RecentChanges } from './recent-changes.ts'
import { kernelTurn } from './transitions.ts'
import { wordEvent } from './word-event.ts'

export interface TellerOptions extends HooksOptions {
  readonly isThere: IsThere
}

/** Tells of what turns: to the log, to hooks, and to who asks why or looks at the status page. */
export class Teller implements AsyncDisposable {
  readonly hooks: Hooks
  readonly changes: RecentChanges
  readonly #isThere: IsThere
  readonly #logger: Logger
  readonly #now: () => number
  readonly #turns = new LastTurns()

  constructor(options: TellerOptions) {
    this.hooks = new Hooks(options)
    this.changes = new RecentChanges(options.now)
    this.#isThere = options.isThere
    this.#logger = options.logger
    this.#now = options.now
  }

  tell(event: StateEvent): void {
    logEvent(this.#logger, event)
    this.offer(event)
  }

  /** Of this the log has a line already. */
  offer(event: StateEvent): void {
    this.changes.note(event, this.#isThere)
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
    this.offer(kernelTurn(transition))
  }

  /** The last change of a destination in the kernel. */
  lastTurn(service: ServiceKey, backend: DestinationKey): Turn | undefined {
    return this.#turns.of(service, backend)
  }

  servesSince(service: ServiceKey, backend: DestinationKey): string | undefined {
    return this.#turns.servesSince(service, backend)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.hooks[Symbol.asyncDispose]()
  }
}
