import { BehaviorSubject, map, type Observable } from 'rxjs'
import { PointsmanError } from '../errors.ts'
import type { Pause } from '../model/pause.ts'
import { wallTime } from '../steady-scheduler.ts'
import type { PauseStore } from '../store/pause.ts'
import { alarmAt } from './alarm.ts'

export interface PausingOptions {
  /** Milliseconds since the epoch, of the steady clock. */
  readonly now: () => number
  /** Told of each pause that begins or is another one, and of its end; `ranOut`: nobody took it back. */
  readonly onChange: (pause: Pause | undefined, ranOut: boolean) => void
}

/** Whether this daemon may write, by the operator's word. */
export class Pausing implements Disposable {
  readonly #store: PauseStore
  readonly #options: PausingOptions
  readonly #pause$: BehaviorSubject<Pause | undefined>
  #timer: NodeJS.Timeout | undefined

  constructor(store: PauseStore, options: PausingOptions) {
    this.#store = store
    this.#options = options
    this.#pause$ = new BehaviorSubject<Pause | undefined>(undefined)
    if (store.found !== undefined) this.#become(store.found)
    this.#expire()
  }

  /** Undefined while this daemon writes. */
  get pause(): Pause | undefined {
    return this.#pause$.value
  }

  /** Now and at each change. */
  get paused$(): Observable<boolean> {
    return this.#pause$.pipe(map((pause) => pause !== undefined))
  }

  /** Begins a pause, or says another reason and end of the one that there is. Resolves with whether a restart keeps it. */
  async begin(terms: Pick<Pause, 'until' | 'reason'>): Promise<{ readonly pause: Pause; readonly kept: boolean }> {
    const pause: Pause = { ...terms, at: this.pause?.at ?? this.#options.now() }
    this.#become(pause)
    this.#expireLater()
    return { pause, kept: await kept(this.#store.keep(pause)) }
  }

  /** Gives the pause that ends; undefined where there was none. */
  async end(): Promise<Pause | undefined> {
    const { pause } = this
    clearTimeout(this.#timer)
    if (pause !== undefined) this.#become(undefined)
    await this.#store.forget()
    return pause
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer)
    this.#pause$.complete()
  }

  #become(pause: Pause | undefined, ranOut = false): void {
    this.#pause$.next(pause)
    this.#options.onChange(pause, ranOut)
  }

  #expire(): void {
    const { until } = this.pause ?? {}
    if (until === undefined || this.#options.now() < until) {
      this.#expireLater()
      return
    }
    this.#become(undefined, true)
    void this.#store.forget()
  }

  #expireLater(): void {
    clearTimeout(this.#timer)
    const { until } = this.pause ?? {}
    if (until !== undefined) this.#timer = alarmAt(until, this.#options.now(), () => this.#expire())
  }
}

/** `paused until 2026-01-01T00:00:00.000Z: works on the table` */
export function pauseText({ until, reason }: Pick<Pause, 'until' | 'reason'>): string {
  return `paused${until === undefined ? '' : ` until ${wallTime(until)}`}${reason === undefined ? '' : `: ${reason}`}`
}

async function kept(writing: Promise<void>): Promise<boolean> {
  try {
    await writing
    return true
  } catch (error) {
    if (!(error instanceof PointsmanError)) throw error
    return false
  }
}
