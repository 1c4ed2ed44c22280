import { readFileSync } from 'node:fs'
import type { TrafficCounters } from '../model/ipvs-table.ts'

/**
 * What all of IPVS has done in this network namespace (ip_vs_stats_show in the kernel's ip_vs_ctl.c); undefined before ip_vs is
 * loaded and where the file is otherwise than expected. Services that were deleted are part of it.
 */
export function readIpvsTotals(): TrafficCounters | undefined {
  try {
    return parseIpvsTotals(readFileSync('/proc/net/ip_vs_stats', 'utf8'))
  } catch {
    return undefined
  }
}

/** The third line of /proc/net/ip_vs_stats: five numbers of base 16. */
export function parseIpvsTotals(text: string): TrafficCounters | undefined {
  const fields = text.split('\n')[2]?.trim().split(/\s+/) ?? []
  if (fields.length !== 5 || !fields.every((field) => /^[0-9a-f]+$/i.test(field))) return undefined
  const [connections = 0n, packetsIn = 0n, packetsOut = 0n, bytesIn = 0n, bytesOut = 0n] = fields.map((each) =>
    BigInt(`0x${each}`),
  )
  return { connections, packetsIn, packetsOut, bytesIn, bytesOut }
}
