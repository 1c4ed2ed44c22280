/**
 * Asks thousands of backends in a network namespace of its own, where nobody else connects to anything. Arguments: a plan as JSON, and
 * a folder for a profile of the daemon in place of measuring. Prints messages, one a line.
 */

import { setTimeout as sleep } from 'node:timers/promises'
import { startNginx } from '../../peers/nginx.ts'
import { monotonic } from '../monotonic.ts'
import { type Lateness, latenessOf } from '../probe-lateness.ts'
import type { ProbeCase, ProbePlan } from '../probe-plan.ts'
import { probeTableName, TARGET_PATH } from '../probe-tables.ts'
import { connectionsBegun, mainThreadTime, memoryOf, processorTime } from '../process-facts.ts'
import type { Measure, Message } from '../sample.ts'
import { type Prober, probersOf, startDaemon } from './probers.ts'

const say = (message: Message) => process.stdout.write(`${JSON.stringify(message)}\n`)

/** Milliseconds; a probe that is later is said to be so late. */
const LATEST = 10_000

const [planText = '', profileFolder] = process.argv.slice(2)
const plan = JSON.parse(planText) as ProbePlan

/** All addresses of 127.0.0.0/8 are its own. */
await using nginx = await startNginx({
  address: '0.0.0.0',
  server: `location = ${TARGET_PATH} { return 200 "ok\\n"; } location = /status { stub_status; }`,
})

async function measure(): Promise<void> {
  for (const one of plan.cases) {
    for (let round = 0; round < one.rounds; round++) {
      for (const [name, start] of probersOf(one)) {
        const shape = probeTableName(one.table)
        say({ kind: 'progress', text: `${shape}: ${name}, round ${round + 1} of ${one.rounds}` })
        await using prober = await start()
        await sleep(one.settled)
        await watch(prober, name, one)
      }
    }
  }
}

async function watch(prober: Prober, name: string, { table, window }: ProbeCase): Promise<void> {
  const sample = (measure: Measure, subject: string, value: number) =>
    say({ kind: 'sample', measure, shape: probeTableName(table), subject, value })
  const before = await prober.lateness()
  const asked = await requests()
  const [began, used, connected] = [performance.now(), processorTime(prober.pid), connectionsBegun()]
  const usedByMain = mainThreadTime(prober.pid)
  await sleep(window)
  const seconds = (performance.now() - began) / 1000
  const probes = connectionsBegun() - connected
  sample('probe-cpu', name, ((processorTime(prober.pid) - used) / probes) * 1e6)
  sample('probe-main', name, ((mainThreadTime(prober.pid) - usedByMain) / seconds) * 100)
  sample('probe-rate', name, probes / seconds)
  sample('probe-rate', `${name}, HTTP answered`, ((await requests()) - asked - 1) / seconds)
  sample('probe-memory', name, memoryOf(prober.pid, 'VmRSS'))
  const after = await prober.lateness()
  if (before !== undefined && after !== undefined) tellLateness(sample, name, before, after)
}

type Sampler = (measure: Measure, subject: string, value: number) => void

function tellLateness(sample: Sampler, name: string, before: Lateness, after: Lateness): void {
  const among = (share: number) => Math.min(LATEST, latenessOf(before, after, share))
  sample('probe-late', `${name}, half of all`, among(0.5))
  sample('probe-late', `${name}, 99% of all`, among(0.99))
}

/** HTTP requests that nginx has answered, this one included. */
async function requests(): Promise<number> {
  const text = await (await fetch(`${nginx.url}/status`)).text()
  return Number(/^ \d+ \d+ (\d+) $/m.exec(text)?.[1])
}

/** Prints the window, in microseconds of the monotonic clock. */
async function profile(folder: string): Promise<void> {
  const [one] = plan.cases
  if (one === undefined) throw new Error('there is nothing to profile')
  await using _ = await startDaemon(one.table, 0, ['--cpu-prof', '--cpu-prof-interval=200', `--cpu-prof-dir=${folder}`])
  await sleep(one.settled)
  const from = monotonic()
  await sleep(one.window)
  process.stdout.write(`${JSON.stringify({ from, to: monotonic() })}\n`)
}

if (profileFolder === undefined) await measure()
else await profile(profileFolder)
