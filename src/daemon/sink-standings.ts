import type { SinkReport } from '../admin/status-schema.ts'
import type { PassReport } from '../sinks/sink.ts'

/** How a pass of one sink ended. Milliseconds since the epoch. */
export interface SinkPass {
  readonly sink: string
  readonly at: number
  /** Why nothing at all could be done. */
  readonly failure?: string
  /** Absent where nothing could be done. */
  readonly report?: Pick<PassReport, 'failed' | 'driftRepaired' | 'foreign' | 'draining'>
  /** Whether it did any good. */
  readonly good: boolean
}

/** How each sink stands after its last pass. */
export class SinkStandings {
  readonly #sinks = new Map<string, SinkReport>()

  note({ sink, at, failure, report, good }: SinkPass): void {
    const before = this.#sinks.get(sink)
    const lastSuccess = good ? new Date(at).toISOString() : before?.last_success
    this.#sinks.set(sink, {
      sink,
      state: failure !== undefined || (report?.failed.length ?? 0) > 0 ? 'failing' : 'good',
      last_pass: new Date(at).toISOString(),
      ...(lastSuccess !== undefined && { last_success: lastSuccess }),
      ...(failure !== undefined && { failure }),
      failing_objects: report?.failed.length ?? before?.failing_objects ?? 0,
      drift_repaired: (before?.drift_repaired ?? 0) + (report?.driftRepaired ?? 0),
      foreign: report?.foreign ?? before?.foreign ?? 0,
      draining: report?.draining ?? before?.draining ?? 0,
    })
  }

  /** `stuck`: the kernel does not come back, so that none of them does anything. */
  all(stuck: boolean): SinkReport[] {
    return [...this.#sinks.values()].map((standing) => (stuck ? { ...standing, state: 'stuck' } : standing))
  }
}
