import { settle } from '../daemon/settle.ts'
import { PointsmanError } from '../errors.ts'
import type { Change } from '../model/change.ts'
import type { DesiredState } from '../model/desired-state.ts'
import type { IpvsTable } from '../model/ipvs-table.ts'
import { createIpvsSink, type IpvsSink, type IpvsSinkOptions } from '../sinks/ipvs/ipvs-sink.ts'
import type { Transition } from '../sinks/ipvs/transition.ts'
import { steadyScheduler } from '../steady-scheduler.ts'
import type { OwnershipRecord, OwnershipStore } from '../store/ownership.ts'
import { Turns } from '../turns.ts'
import type { ApplyResult } from './apply-result.ts'
import { assertPlanned, resultsOf } from './carried-out.ts'
import type { Ipvs, ReadOptions } from './ipvs.ts'
import { LEAVING_TIMEOUT, type PlanOptions, plan, type TablePlan } from './plan.ts'

interface Parts {
  readonly kernel: IpvsSinkOptions['kernel']
  readonly ownership: OwnershipStore
  readonly access: 'read' | 'write'
  /** Disposed of with the handle. */
  readonly parts: AsyncDisposable
}

/** A table that was opened, whoever opened it. */
export class OpenedIpvs implements Ipvs {
  readonly #parts: Parts
  readonly #sink: IpvsSink
  #transitions: Transition[] = []
  /** Passes never overlap. */
  readonly #turns = new Turns()

  constructor(parts: Parts) {
    const { kernel, ownership } = parts
    this.#parts = parts
    const onTransition = (each: Transition) => void this.#transitions.push(each)
    this.#sink = createIpvsSink({ kernel, ownership, onTransition, drainTimeout: LEAVING_TIMEOUT })
  }

  get owned(): OwnershipRecord {
    return this.#parts.ownership.record
  }

  readTable(options: ReadOptions = {}): Promise<IpvsTable> {
    const { statistics = false } = options
    return this.#sink.readTable({ statistics })
  }

  async plan(desired: DesiredState, options: Omit<PlanOptions, 'owned'> = {}): Promise<TablePlan> {
    return plan(await this.readTable(), desired, { ...options, owned: this.owned })
  }

  apply(planned: TablePlan): Promise<ApplyResult> {
    return this.#turns.take(() => this.#apply(planned))
  }

  async #apply({ changes, desired, keepWeights }: TablePlan): Promise<ApplyResult> {
    if (this.#parts.access !== 'write')
      throw new PointsmanError('BAD_INPUT', "The table was opened to be read: open it with { access: 'write' } to apply a plan.")
    this.#transitions = []
    const options = { keepWeights }
    let found: readonly Change[] = []
    const inspect = (now: readonly Change[]): void => {
      assertPlanned(changes, now, this.owned)
      found = now
    }
    const first = await this.#sink.reconcile(desired, 'full', steadyScheduler.now(), { ...options, inspect })
    const report = await settle(this.#sink, desired, options, first)
    return resultsOf(changes, { found, transitions: this.#transitions }, report)
  }

  async close(): Promise<void> {
    await this.#turns.over()
    await this.#parts.parts[Symbol.asyncDispose]()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}
