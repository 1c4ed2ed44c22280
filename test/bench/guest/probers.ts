/** Who asks the backends in the lab: the whole daemon as it is shipped, HAProxy and keepalived. */

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Haproxy } from '../../peers/haproxy.ts'
import { PeerProcess } from '../../peers/peer-process.ts'
import { peerFolder } from '../../peers/place.ts'
import type { ProbeLabTask } from '../probe-lab-plan.ts'
import { type Lateness, readLateness } from '../probe-lateness.ts'
import { haproxySections, keepalivedProbesText, type ProbeTable, probingConfigurationText } from '../probe-tables.ts'
import { Daemon } from './daemon.ts'
import { countDestinations, freshIpvs } from './kernel-module.ts'

const STATS_PORT = 9098
/** Milliseconds. */
const LONGEST_START = 120_000

export interface LabProber extends AsyncDisposable {
  /** The process that was started; others may descend from it. */
  readonly pid: number
  /** How late its probes began since its start; undefined where it does not tell. */
  lateness(): Promise<Lateness | undefined>
}

export type LabProberName = 'pointsman' | 'HAProxy' | 'keepalived'

/** Each resolves when its program asks its backends, or soon will. */
export const LAB_PROBERS: Readonly<Record<LabProberName, (task: ProbeLabTask) => Promise<LabProber>>> = {
  pointsman: startDaemon,
  HAProxy: startHaproxy,
  keepalived: startKeepalived,
}

const silent = async (): Promise<undefined> => undefined

async function startDaemon({ programs, one: { table } }: ProbeLabTask): Promise<LabProber> {
  freshIpvs()
  const daemon = new Daemon({
    program: programs.daemon,
    shape: { services: 1, backends: backendsIn(table), scheduler: 'wlc' },
    configuration: (place) => probingConfigurationText(table, place),
  })
  await daemon.ready()
  return {
    pid: daemon.pid,
    lateness: async () => readLateness(await daemon.metrics()),
    [Symbol.asyncDispose]: () => daemon[Symbol.asyncDispose](),
  }
}

async function startHaproxy({ haproxy: programs, one: { table } }: ProbeLabTask): Promise<LabProber> {
  // What the others leave in the kernel would look at its packets.
  freshIpvs()
  const haproxy = new Haproxy(programs, haproxySections(table, STATS_PORT))
  await haproxy.answers(`http://127.0.0.1:${STATS_PORT}/nothing`)
  return { pid: haproxy.pid, lateness: silent, [Symbol.asyncDispose]: () => haproxy[Symbol.asyncDispose]() }
}

/** Its checker process alone, and the one that watches over it. */
async function startKeepalived({ one: { table } }: ProbeLabTask): Promise<LabProber> {
  freshIpvs()
  const place = peerFolder('keepalived')
  const file = join(place.path, 'keepalived.conf')
  writeFileSync(file, keepalivedProbesText(table))
  const pids = ['-p', join(place.path, 'keepalived.pid'), '-c', join(place.path, 'checkers.pid')]
  const keepalived = new PeerProcess(['keepalived', '-n', '-C', '-l', '-G', '-f', file, ...pids])
  await keepalived.until(async () => countDestinations() === backendsIn(table), 'all backends in the kernel', LONGEST_START)
  return {
    pid: keepalived.pid,
    lateness: silent,
    [Symbol.asyncDispose]: async () => {
      await keepalived.stop(20_000)
      place.remove()
    },
  }
}

function backendsIn({ tcp, http }: ProbeTable): number {
  return tcp + http
}
