/** Counts of one flow, by phase. */

import type { Counts, Failure, FailureKind, FlowReport, Phase } from './flow.ts'

interface OpenPhase {
  readonly name: string
  readonly from: number
  attempts: number
  successes: number
  failures: number
  readonly servers: Record<string, number>
}

const openPhase = (name: string, from: number): OpenPhase => ({ name, from, attempts: 0, successes: 0, failures: 0, servers: {} })

const keptFailures = 50

export function addTo(counts: Record<string, number>, key: string, n = 1): void {
  counts[key] = (counts[key] ?? 0) + n
}

function quantile(sorted: readonly number[], q: number): number {
  return Math.round(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? 0)
}

export class Tally {
  readonly #phases: Phase[] = []
  #open = openPhase('start', 0)
  readonly #latencies: number[] = []
  readonly #byKind: Partial<Record<FailureKind, number>> = {}
  readonly #first: Failure[] = []

  success(server: string, latencyMs: number): void {
    this.#open.attempts++
    this.#open.successes++
    addTo(this.#open.servers, server)
    this.#latencies.push(latencyMs)
  }

  /** Of a short connection: counted as an attempt. */
  failure(failure: Failure): void {
    this.#open.attempts++
    this.#open.failures++
    this.note(failure)
  }

  /** Kept for the report without being an attempt of its own. */
  note(failure: Failure): void {
    addTo(this.#byKind as Record<string, number>, failure.kind)
    if (this.#first.length < keptFailures) this.#first.push(failure)
  }

  mark(name: string, now: number): void {
    this.#phases.push({ ...this.#open, to: now })
    this.#open = openPhase(name, now)
  }

  total(): Counts {
    const total = { attempts: 0, successes: 0, failures: 0, servers: {} as Record<string, number> }
    for (const phase of [...this.#phases, this.#open]) {
      total.attempts += phase.attempts
      total.successes += phase.successes
      total.failures += phase.failures
      for (const [server, n] of Object.entries(phase.servers)) addTo(total.servers, server, n)
    }
    return total
  }

  report(id: string, now: number, held: FlowReport['held']): FlowReport {
    const sorted = this.#latencies.toSorted((a, b) => a - b)
    return {
      id,
      ...this.total(),
      phases: [...this.#phases, { ...this.#open, to: now }],
      failuresByKind: this.#byKind,
      firstFailures: this.#first,
      latency: { median: quantile(sorted, 0.5), p99: quantile(sorted, 0.99), max: quantile(sorted, 1) },
      held,
    }
  }
}
