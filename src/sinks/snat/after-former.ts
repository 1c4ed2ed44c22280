import { PointsmanError } from '../../errors.ts'
import type { DesiredState } from '../../model/desired-state.ts'
import type { ServiceKey } from '../../model/virtual-service.ts'
import type { SinkLog } from '../ipvs/transition.ts'
import { joinedCounts } from '../reports.ts'
import { wantsTranslation } from './plan.ts'
import { CONNTRACK } from './snat-pass.ts'
import type { SnatReport, SnatSink, StillServed } from './snat-sink.ts'

/** A table of ours that an earlier process made in another way, or for another name of the instance. */
export interface FormerTable {
  /** As people know it. */
  readonly name: string
  /** Rejects where its way cannot be had. What it works with belongs into `parts`. */
  open(parts: AsyncDisposableStack): Promise<SnatSink>
  /** Called when it is gone. */
  gone(): Promise<void>
}

/**
 * A sink that takes the place of former tables: they translate on until everything that is asked for is in the new one, and then go. While nobody asks for
 * anything what they hold goes and they stay, or live connections would lose their translation.
 */
export function createSnatSinkAfter(former: readonly FormerTable[], sink: SnatSink, log?: SinkLog): SnatSink {
  return former.length === 0 ? sink : new SinkAfterFormer(former, sink, log)
}

class SinkAfterFormer implements SnatSink {
  readonly name = 'snat'
  readonly #sink: SnatSink
  readonly #log: SinkLog | undefined
  /** Those that may be there. */
  readonly #former: Set<FormerTable>
  /** Those that are left alone until the end: they could not be had, which is said once. */
  readonly #failed = new Set<FormerTable>()
  readonly #opened = new Map<FormerTable, SnatSink>()
  readonly #parts = new AsyncDisposableStack()
  #isInPlace = false

  constructor(former: readonly FormerTable[], sink: SnatSink, log: SinkLog | undefined) {
    this.#former = new Set(former)
    this.#sink = sink
    this.#log = log
  }

  async open(desired: DesiredState, scope: 'changes' | 'full', now: number): Promise<SnatReport> {
    const report = await this.#sink.open(desired, scope, now)
    // Entries of connections say nothing of what is in the table.
    this.#isInPlace = report.unconfirmed.size === 0 && report.failed.every(({ object }) => object === CONNTRACK)
    return report
  }

  async close(desired: DesiredState, still: StillServed, now: number): Promise<SnatReport> {
    let report = await this.#sink.close(desired, still, now)
    // What is not decided yet is translated by the former ones alone.
    if (!this.#isInPlace || (desired.undecided?.size ?? 0) > 0) return report
    for (const former of this.#former) {
      if (this.#failed.has(former)) continue
      try {
        if (wantsTranslation(desired)) await this.#remove(former)
        else report = together(report, await (await this.#open(former)).close(desired, still, now))
      } catch (error) {
        this.#fail(former, error)
      }
    }
    return report
  }

  async remove(): Promise<void> {
    await this.#sink.remove()
    for (const former of this.#former) await this.#remove(former)
  }

  onDisturbed(listener: () => void): () => void {
    return this.#sink.onDisturbed(listener)
  }

  settled(): Promise<void> {
    return this.#sink.settled()
  }

  connections(): ReadonlyMap<ServiceKey, bigint> {
    return this.#sink.connections()
  }

  readConnections(): Promise<ReadonlyMap<ServiceKey, bigint>> {
    return this.#sink.readConnections()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#parts.disposeAsync()
    await this.#sink[Symbol.asyncDispose]()
  }

  async #open(former: FormerTable): Promise<SnatSink> {
    const open = this.#opened.get(former)
    if (open !== undefined) return open
    await using parts = new AsyncDisposableStack()
    const sink = parts.use(await former.open(parts))
    this.#parts.use(parts.move())
    this.#opened.set(former, sink)
    return sink
  }

  async #remove(former: FormerTable): Promise<void> {
    await (await this.#open(former)).remove()
    await former.gone()
    this.#former.delete(former)
  }

  #fail(former: FormerTable, error: unknown): void {
    if (!(error instanceof PointsmanError)) throw error
    this.#failed.add(former)
    const { code, message } = error
    const sentence = `The ${former.name} of an earlier run cannot be removed, which is tried again at the next start: ${message}`
    this.#log?.warn({ code }, sentence)
  }
}

function together(report: SnatReport, former: SnatReport): SnatReport {
  const wakeAt = Math.min(report.wakeAt ?? Number.POSITIVE_INFINITY, former.wakeAt ?? Number.POSITIVE_INFINITY)
  return {
    ...report,
    applied: joinedCounts(report.applied, former.applied),
    failed: [...report.failed, ...former.failed],
    ...(wakeAt < Number.POSITIVE_INFINITY && { wakeAt }),
  }
}
