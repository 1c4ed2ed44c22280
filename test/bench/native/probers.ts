/** Who asks the backends: the whole daemon, and HAProxy. */

import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Haproxy, haproxyPrograms } from '../../peers/haproxy.ts'
import { PeerProcess } from '../../peers/peer-process.ts'
import { peerFolder } from '../../peers/place.ts'
import { YOUNG_GENERATION } from '../node-options.ts'
import { haproxySections, type ProbeTable, probingConfigurationText } from '../probe-tables.ts'

const PROGRAM = fileURLToPath(new URL('./probing-daemon.ts', import.meta.url))
const ADMIN_PORT = 9097
const STATS_PORT = 9098

export interface Prober extends AsyncDisposable {
  readonly pid: number
  /** How late its probes began since its start; undefined where it does not tell. */
  lateness(): Promise<Lateness | undefined>
}

/** Probes that began at most so many milliseconds late, by that number. */
export type Lateness = ReadonlyMap<number, number>

export type ProberName = 'pointsman' | 'HAProxy'

export const PROBERS: Readonly<Record<ProberName, (table: ProbeTable) => Promise<Prober>>> = {
  pointsman: (table) => startDaemon(table, []),
  HAProxy: startHaproxy,
}

/** Asks its backends when this resolves. */
export async function startDaemon(table: ProbeTable, nodeOptions: readonly string[]): Promise<Prober> {
  const place = peerFolder('probing')
  const path = join(place.path, 'pointsman.json')
  const stateDirectory = join(place.path, 'state')
  mkdirSync(stateDirectory)
  writeFileSync(path, probingConfigurationText(table, { stateDirectory, adminPort: ADMIN_PORT }))
  const process_ = new PeerProcess([process.execPath, YOUNG_GENERATION, ...nodeOptions, PROGRAM, path])
  const ask = async (page: string) => fetch(`http://127.0.0.1:${ADMIN_PORT}${page}`)
  await process_.until(async () => (await ask('/readyz')).status === 200, 'ready', 60_000)
  return {
    pid: process_.pid,
    lateness: async () => readLateness(await (await ask('/metrics')).text()),
    [Symbol.asyncDispose]: async () => {
      await process_.stop(20_000)
      place.remove()
    },
  }
}

async function startHaproxy(table: ProbeTable): Promise<Prober> {
  const haproxy = new Haproxy(await haproxyPrograms(), haproxySections(table, STATS_PORT))
  await haproxy.answers(`http://127.0.0.1:${STATS_PORT}/nothing`)
  return {
    pid: haproxy.pid,
    lateness: async () => undefined,
    [Symbol.asyncDispose]: () => haproxy[Symbol.asyncDispose](),
  }
}

function readLateness(metrics: string): Lateness {
  const rows = metrics.matchAll(/^pointsman_probe_lateness_seconds_bucket\{le="([^"]+)"\} (\d+)$/gm)
  return new Map([...rows].map(([, bound, count]) => [bound === '+Inf' ? Infinity : Number(bound) * 1000, Number(count)]))
}

/** The bound within which so large a share of the probes between two looks began. */
export function latenessOf(before: Lateness, after: Lateness, share: number): number {
  const counts = [...after].map(([bound, count]) => [bound, count - (before.get(bound) ?? 0)] as const)
  const all = Math.max(...counts.map(([, count]) => count))
  return Math.min(...counts.filter(([, count]) => count >= share * all).map(([bound]) => bound))
}
