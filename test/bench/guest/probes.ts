/** Asks backends that all answer, every program in its turn, and says what it cost and how late it was. */

import { setTimeout as sleep } from 'node:timers/promises'
import { NginxServer } from '../../peers/nginx.ts'
import type { ProbeLabTask } from '../probe-lab-plan.ts'
import { latenessOf } from '../probe-lateness.ts'
import { probeTableName, TARGET_PATH } from '../probe-tables.ts'
import { allProcesses, connectionsBegun, familyOf, memoryOf, processorTime, sumOf } from '../process-facts.ts'
import type { Measure } from '../sample.ts'
import { slowestOfHundred } from '../series.ts'
import { LAB_PROBERS, type LabProber, type LabProberName } from './probers.ts'
import { RequestLog } from './request-log.ts'
import { say } from './say.ts'

/** Milliseconds; a probe that is later is said to be so late. */
const LATEST = 10_000

export async function measureProbesBeside(task: ProbeLabTask): Promise<void> {
  const { rounds, settled, table } = task.one
  const log = new RequestLog()
  await using nginx = new NginxServer(task.nginx, {
    address: '0.0.0.0',
    http: log.format,
    server: `location = ${TARGET_PATH} { ${log.directive} return 200 "ok\\n"; }`,
  })
  await nginx.start()
  const names = Object.keys(LAB_PROBERS) as LabProberName[]
  for (let round = 0; round < rounds; round++) {
    for (const name of names) {
      say({ kind: 'progress', text: `${probeTableName(table)}, ${task.place}: ${name}, round ${round + 1} of ${rounds}` })
      await using prober = await LAB_PROBERS[name](task)
      await sleep(settled)
      await watch(prober, name, task, log)
    }
  }
}

async function watch(prober: LabProber, name: LabProberName, { one, place }: ProbeLabTask, log: RequestLog): Promise<void> {
  const shape = `${probeTableName(one.table)}, ${place}`
  const sample = (measure: Measure, subject: string, value: number) => say({ kind: 'sample', measure, shape, subject, value })
  const [family, everybody] = [familyOf(prober.pid), allProcesses()]
  const look = () => ({
    at: Date.now(),
    own: sumOf(family, processorTime),
    all: sumOf(everybody, processorTime),
    connections: connectionsBegun(),
  })
  const late = await prober.lateness()
  say({ kind: 'window-begins' })
  const before = look()
  await sleep(one.window)
  const after = look()
  const [own, count, seconds] = [after.own - before.own, after.connections - before.connections, (after.at - before.at) / 1000]
  const cpu = { kind: 'sample', measure: 'lab-probe-cpu', shape, subject: name, value: (own / count) * 1e6 } as const
  say({ kind: 'window-ends', sample: cpu, count, share: own / (after.all - before.all) })
  sample('lab-probe-rate', name, count / seconds)
  sample(
    'lab-probe-memory',
    name,
    sumOf(family, (pid) => memoryOf(pid, 'VmRSS')),
  )
  const later = await prober.lateness()
  if (late !== undefined && later !== undefined)
    sample('lab-probe-late', `${name}, 99% of all`, Math.min(LATEST, latenessOf(late, later, 0.99)))
  const { requests, gaps } = await log.between(before.at, after.at)
  sample('lab-probe-rate', `${name}, HTTP answered`, requests / seconds)
  sample('lab-probe-gap', `${name}, 99% of all`, slowestOfHundred(gaps.map((gap) => Math.max(0, gap - one.table.interval))))
}
