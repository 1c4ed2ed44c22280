import type { TrafficReport } from '../admin/status-schema.ts'
import { countOn, totals } from '../admin/true-counters.ts'
import type { IpvsTable, TrafficCounters } from '../model/ipvs-table.ts'

/** Milliseconds between two readings beyond which their difference says nothing of now. */
const TOO_LONG = 60_000

export interface TimedTable {
  readonly table: IpvsTable
  /** Milliseconds of a clock that never jumps. */
  readonly at: number
}

/** The table that rates are counted from; undefined where it is none of use. */
export function baseOf(before: TimedTable | undefined, now: TimedTable): TimedTable | undefined {
  if (before === undefined) return undefined
  const span = now.at - before.at
  return span > 0 && span <= TOO_LONG ? before : undefined
}

export function trafficReport({ connections, packetsIn, packetsOut, bytesIn, bytesOut }: TrafficCounters): TrafficReport {
  return {
    connections: Number(connections),
    packets_in: Number(packetsIn),
    packets_out: Number(packetsOut),
    bytes_in: Number(bytesIn),
    bytes_out: Number(bytesOut),
  }
}

/** A second, with a decimal where they are small. `span`: milliseconds. What began again from zero in between counts in full. */
export function ratesBetween(before: TrafficCounters, now: TrafficCounters, span: number): TrafficReport {
  const sum = totals(countOn({ before: undefined, now: before }, now))
  const each = (field: keyof TrafficCounters) => rounded((Number(sum[field] - before[field]) * 1_000) / span)
  return {
    connections: each('connections'),
    packets_in: each('packetsIn'),
    packets_out: each('packetsOut'),
    bytes_in: each('bytesIn'),
    bytes_out: each('bytesOut'),
  }
}

function rounded(rate: number): number {
  return rate < 100 ? Math.round(rate * 10) / 10 : Math.round(rate)
}
