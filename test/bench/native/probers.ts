/** Who asks the backends: the whole daemon, and HAProxy. */

import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Haproxy, haproxyPrograms } from '../../peers/haproxy.ts'
import { PeerProcess } from '../../peers/peer-process.ts'
import { peerFolder } from '../../peers/place.ts'
import { YOUNG_GENERATION } from '../node-options.ts'
import { type Lateness, readLateness } from '../probe-lateness.ts'
import type { ProbeCase } from '../probe-plan.ts'
import { haproxySections, type ProbeTable, probingConfigurationText } from '../probe-tables.ts'

const PROGRAM = fileURLToPath(new URL('./probing-daemon.ts', import.meta.url))
const ADMIN_PORT = 9097
const STATS_PORT = 9098

export interface Prober extends AsyncDisposable {
  readonly pid: number
  /** How late its probes began since its start; undefined where it does not tell. */
  lateness(): Promise<Lateness | undefined>
}

/** Who takes turns, by their names. */
export function probersOf({
  table,
  threads = [0],
}: Pick<ProbeCase, 'table' | 'threads'>): ReadonlyMap<string, () => Promise<Prober>> {
  const daemons = threads.map((count) => [daemonName(count), () => startDaemon(table, count)] as const)
  return new Map([...daemons, ['HAProxy', () => startHaproxy(table)] as const])
}

function daemonName(threads: number): string {
  return threads === 0 ? 'pointsman' : `pointsman, ${threads} threads`
}

/** Asks its backends when this resolves. */
export async function startDaemon(table: ProbeTable, threads: number, nodeOptions: readonly string[] = []): Promise<Prober> {
  const place = peerFolder('probing')
  const path = join(place.path, 'pointsman.json')
  const stateDirectory = join(place.path, 'state')
  mkdirSync(stateDirectory)
  writeFileSync(path, probingConfigurationText(table, { stateDirectory, adminPort: ADMIN_PORT, threads }))
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
