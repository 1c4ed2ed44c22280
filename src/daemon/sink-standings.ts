import type { SinkReport } from '../admin/status-schema.ts'
import type { PassReport } from '../sinks/sink.ts'
import { wallTime } from '../steady-scheduler.ts'

/** How a pass of one sink ended. */
export interface SinkPass {
  readonly sink: string
  /** Milliseconds since the epoch, of the steady clock. */
  readonly at: number
  /** Why nothing at all could be done. */
  readonly failure?: string
  /** How many objects failed with it; absent: not known. */
  readonly failing?: number
  /** Absent where nothing could be done. */
  readonly report?: Pick<PassReport, 'failed' | 'driftRepaired' | 'foreign' | 'draining'>
  /** Whether it did any good. */
  readonly good: boolean
}

interface Standing extends Omit<SinkPass, 'good'> {
  readonly lastSuccess: number | undefined
  /** Of the last pass that could do anything. */
  readonly report?: NonNullable<SinkPass['report']>
  readonly driftRepaired: number
}

/** How each sink stands after its last pass. */
export class SinkStandings {
  readonly #sinks = new Map<string, Standing>()

  note({ good, ...pass }: SinkPass): void {
    const before = this.#sinks.get(pass.sink)
    this.#sinks.set(pass.sink, {
      ...(before?.report !== undefined && { report: before.report }),
      ...pass,
      lastSuccess: good ? pass.at : before?.lastSuccess,
      driftRepaired: (before?.driftRepaired ?? 0) + (pass.report?.driftRepaired ?? 0),
    })
  }

  /** `stuck`: the kernel does not come back, so that none of them does anything. */
  all(stuck: boolean): SinkReport[] {
    return [...this.#sinks.values()].map(({ sink, at, failure, failing: halted, report, lastSuccess, driftRepaired }) => {
      const failing = halted ?? report?.failed.length ?? 0
      return {
        sink,
        state: stuck ? 'stuck' : failure !== undefined || failing > 0 ? 'failing' : 'good',
        last_pass: wallTime(at),
        ...(lastSuccess !== undefined && { last_success: wallTime(lastSuccess) }),
        ...(failure !== undefined && { failure }),
        failing_objects: failing,
        drift_repaired: driftRepaired,
        foreign: report?.foreign ?? 0,
        draining: report?.draining ?? 0,
      }
    })
  }
}
