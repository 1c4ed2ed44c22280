import type { TrafficCounters } from '../model/ipvs-table.ts'
import type { TrafficReport } from './status-schema.ts'

/**
 * Counters that only rise, made of kernel totals that start again whenever an object is re-created or zeroed
 * (`ipvsadm --zero`). The first reading counts in full, so a restart of the daemon is no reset; from then on each reading
 * adds its difference, and one that went backwards adds itself.
 */
export interface TrueCounters {
  /** What earlier lives of the object had counted; undefined while it has had one life only. */
  readonly before: TrafficCounters | undefined
  /** The newest reading of this life. */
  readonly now: TrafficCounters
}

/** The counters after one more reading. */
export function countOn(counters: TrueCounters | undefined, reading: TrafficCounters): TrueCounters {
  if (counters === undefined) return { before: undefined, now: reading }
  if (!wentBackwards(counters.now, reading)) return { before: counters.before, now: reading }
  return { before: totals(counters), now: reading }
}

/** What is exported: all lives together. */
export function totals({ before, now }: TrueCounters): TrafficCounters {
  if (before === undefined) return now
  return {
    connections: before.connections + now.connections,
    packetsIn: before.packetsIn + now.packetsIn,
    packetsOut: before.packetsOut + now.packetsOut,
    bytesIn: before.bytesIn + now.bytesIn,
    bytesOut: before.bytesOut + now.bytesOut,
  }
}

/** As the API and the lines of `traffic_log` have them. */
export function trafficReport({ connections, packetsIn, packetsOut, bytesIn, bytesOut }: TrafficCounters): TrafficReport {
  return {
    connections: Number(connections),
    packets_in: Number(packetsIn),
    packets_out: Number(packetsOut),
    bytes_in: Number(bytesIn),
    bytes_out: Number(bytesOut),
  }
}

/** The five totals of one object start again together: one of them going back is proof for all. */
function wentBackwards(last: TrafficCounters, next: TrafficCounters): boolean {
  return (
    next.connections < last.connections ||
    next.packetsIn < last.packetsIn ||
    next.packetsOut < last.packetsOut ||
    next.bytesIn < last.bytesIn ||
    next.bytesOut < last.bytesOut
  )
}
