/** How late probes began, as the daemon itself counts it. */

/** Probes that began at most so many milliseconds late, by that number. */
export type Lateness = ReadonlyMap<number, number>

/** `metrics`: a whole scrape. */
export function readLateness(metrics: string): Lateness {
  const rows = metrics.matchAll(/^pointsman_probe_lateness_seconds_bucket\{le="([^"]+)"\} (\d+)$/gm)
  return new Map([...rows].map(([, bound, count]) => [bound === '+Inf' ? Infinity : Number(bound) * 1000, Number(count)]))
}

/** The bound within which so large a share of the probes between two looks began. */
export function latenessOf(before: Lateness, after: Lateness, share: number): number {
  const counts = [...after].map(([bound, count]) => [bound, count - (before.get(bound) ?? 0)] as const)
  const all = Math.max(...counts.map(([, count]) => count))
  return Math.min(...counts.filter(([, count]) => count >= share * all).map(([bound]) => bound))
}
