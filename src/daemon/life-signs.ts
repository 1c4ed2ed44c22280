import { EMPTY, type Observable, of, type Subscription, switchMap, timer } from 'rxjs'
import type { Logger } from '../log.ts'
import type { WantedServices } from '../pipeline/desired-update.ts'
import { counted } from './counted.ts'
import type { Status } from './status.ts'
import type { Supervisor } from './supervisor.ts'

interface Parts {
  readonly status: Status
  readonly supervisor: Supervisor
  readonly logger: Logger
}

/** What the supervisor is told of a daemon that runs. */
export class LifeSigns {
  readonly #parts: Parts
  readonly #services: () => WantedServices['services']
  #ready = false

  constructor(parts: Parts, services: () => WantedServices['services']) {
    this.#parts = parts
    this.#services = services
  }

  /** A pass has ended, or there is none because nothing is written. */
  tell(): void {
    const { status, supervisor } = this.#parts
    supervisor.passEnded({ stuck: status.stuck !== undefined, status: this.#line() })
    this.announceReady()
  }

  /** While nothing is written there is no pass to show that this process lives. */
  whilePaused(paused$: Observable<boolean>): Subscription {
    const { passInterval } = this.#parts.supervisor
    const beats$ = passInterval === undefined ? of(0) : timer(0, passInterval)
    return paused$.pipe(switchMap((paused) => (paused ? beats$ : EMPTY))).subscribe(() => this.tell())
  }

  /** Once, when the daemon is. */
  announceReady(): void {
    const { status, supervisor, logger } = this.#parts
    status.lookForReadiness()
    if (this.#ready || !status.isReady) return
    this.#ready = true
    const line = this.#line()
    logger.info(`ready: ${line}`)
    supervisor.ready(line)
  }

  #line(): string {
    const { stuck, paused, withoutData } = this.#parts.status
    if (stuck !== undefined) return `stuck: ${stuck}`
    const services = counted(this.#services().length, 'service')
    return `${paused === undefined ? '' : `${paused}; `}${services}, ${withoutData.length} without data`
  }
}
