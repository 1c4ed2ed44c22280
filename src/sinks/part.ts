import type { ServiceKey } from '../model/virtual-service.ts'
import type { OpenedLater, Standstill } from './opened-later.ts'
import { type HalfReport, joinedHalves, joinedReports } from './reports.ts'
import type { ObjectFailure, PartOutcome, PassReport } from './sink.ts'

/** The share of one sink in one pass, half by half. */
export class Part<S extends AsyncDisposable & { onDisturbed(listener: () => void): () => void }> {
  readonly sink: string
  readonly isWanted: boolean
  standstill: Standstill | undefined
  readonly #later: OpenedLater<S>
  readonly #wanting: ReadonlySet<ServiceKey>
  readonly #now: number
  readonly #untold: Map<string, PassReport>
  #milliseconds = 0

  /** `untold`: by its name, what it did in passes of which there was no report; it is told with this one's. */
  constructor(
    sink: string,
    later: OpenedLater<S>,
    wanting: ReadonlySet<ServiceKey>,
    now: number,
    untold: Map<string, PassReport>,
  ) {
    this.sink = sink
    this.#later = later
    this.#wanting = wanting
    this.#now = now
    this.#untold = untold
    this.isWanted = wanting.size > 0 || later.isInUse
  }

  /** Undefined where the sink is not wanted, or stands still. */
  async run<R extends HalfReport>(work: (sink: S) => Promise<R>, scope?: 'changes' | 'full'): Promise<R | undefined> {
    if (!this.isWanted || this.standstill !== undefined) return undefined
    const began = performance.now()
    const result = await this.#later.run(this.#now, (sink) => this.#noted(work(sink)), scope)
    this.#milliseconds += performance.now() - began
    if ('standstill' in result) {
      this.standstill = result.standstill
      return undefined
    }
    return result.done
  }

  /** Also where no pass waits for it any more: what comes late is told by the next one. */
  async #noted<R extends HalfReport>(working: Promise<R>): Promise<R> {
    const done = await working
    this.#untold.set(this.sink, joinedHalves([this.#done(), done]))
    return done
  }

  /** With what no report has told yet; also where it stood still: then every service that needs it has failed. */
  report(): PassReport {
    const report = this.#done()
    if (this.standstill === undefined) return report
    const { late: _, ...halted } = this.standstill
    const failed = this.#needing().map((object): ObjectFailure => ({ object, ...halted }))
    return joinedReports([report, joinedHalves([{ applied: {}, failed, driftRepaired: 0, wakeAt: halted.retryAt }])])
  }

  /** `waiting`: what could not be done elsewhere for want of this sink. */
  outcome(waiting: readonly ObjectFailure[]): PartOutcome {
    const part = { sink: this.sink, seconds: this.#milliseconds / 1000 }
    if (this.standstill === undefined) {
      const report = this.report()
      return { ...part, ok: true, report: waiting.length === 0 ? report : { ...report, failed: [...report.failed, ...waiting] } }
    }
    const { code, late } = this.standstill
    return { ...part, ok: false, code, failing: this.#needing().length, ...(late && { late }) }
  }

  /** Its report is on its way to those who count. */
  isTold(): void {
    this.#untold.delete(this.sink)
  }

  #needing(): readonly string[] {
    return this.#wanting.size > 0 ? [...this.#wanting] : [this.sink]
  }

  #done(): PassReport {
    return this.#untold.get(this.sink) ?? joinedHalves([])
  }
}
