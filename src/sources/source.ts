import type { Observable } from 'rxjs'
import type { SourceEvent } from '../model/source-event.ts'

/** A place that knows which backends exist. */
export interface Source {
  /** Unique among the sources of one service: `file /etc/pointsman/web.yaml`. */
  readonly id: string
  /**
   * Emits `pending` at once and then every change of knowledge. An answer that says the same again is emitted with the
   * same `backends` map and a later `at`: it confirms, and costs nothing downstream. Never errors, never completes by
   * itself; unsubscribing ends all its input and output.
   */
  watch(): Observable<SourceEvent>
}
