import type { TrafficCounters } from '../../model/ipvs-table.ts'
import { AttributeCursor } from '../netlink/attribute-cursor.ts'
import { protocolError } from '../netlink/protocol-error.ts'
import { STATS } from './constants.ts'

/** Reads the 64-bit statistics nest that `nest` stands on; the rates in it are left alone. */
export function decodeCounters(nest: AttributeCursor): TrafficCounters {
  const attributes = new AttributeCursor(nest.bytes)
  attributes.over(nest.start, nest.start + nest.length)
  const totals: (bigint | undefined)[] = []
  while (attributes.next()) if (attributes.type <= STATS.bytesOut) totals[attributes.type] = attributes.uint64()
  const total = (type: number): bigint => {
    const value = totals[type]
    if (value === undefined) throw protocolError(`the statistics lack their total number ${type}`)
    return value
  }
  return {
    connections: total(STATS.connections),
    packetsIn: total(STATS.packetsIn),
    packetsOut: total(STATS.packetsOut),
    bytesIn: total(STATS.bytesIn),
    bytesOut: total(STATS.bytesOut),
  }
}
