/** `npm run bench`: measures Pointsman against ipvsadm and keepalived on a real kernel in the lab. */

import { loadavg } from 'node:os'
import { LabError } from '../lab/lab.ts'
import { consulBinary } from '../peers/consul.ts'
import { haproxyPrograms } from '../peers/haproxy.ts'
import { unpackedIptables } from '../peers/iptables.ts'
import { nginxPrograms } from '../peers/nginx.ts'
import { type Bar, judge } from './bars.ts'
import { type Rig, Rigs } from './in-lab.ts'
import { describeMachine } from './machine.ts'
import { measureIdle } from './native/consul-idle.ts'
import { measureHold, profileHold } from './native/hold.ts'
import { measureProbes, profileProbes } from './native/probes.ts'
import { type BenchOptions, readOptions, USAGE } from './options.ts'
import { packetPlanFor } from './packet-plan.ts'
import { consulPlanFor, planFor, sizesFor } from './plan.ts'
import { PROBE_PLACES, probeLabCaseFor } from './probe-lab-plan.ts'
import { probePlanFor } from './probe-plan.ts'
import { jsonReport, type Results, textReport } from './report.ts'
import type { Message, Profile } from './sample.ts'
import { SeriesBook } from './series.ts'
import type { Shape } from './shape.ts'

const USAGE_ERROR = 2
const FAILED = 1
const MISSED = 1
/** A round is a whole life of a daemon. */
const MOST_HOLD_ROUNDS = 3

async function measure(rigs: Rigs, options: BenchOptions): Promise<Results> {
  const loadBefore = loadavg()[0] ?? 0
  const sizes = sizesFor(options.quick)
  const book = new SeriesBook()
  const profiles: Profile[] = []
  const take = (message: Message) => {
    if (message.kind === 'sample') book.add(message)
    if (message.kind === 'profile') profiles.push(message)
    // Hundreds of registrations are one value to whoever waits.
    if (message.kind !== 'sample' || message.measure !== 'register') process.stderr.write(`${progressText(message)}\n`)
  }
  const tables = options.in ?? 'vm'
  const consul = consulPlanFor(options)
  // First, while no virtual machine is there to take processor time.
  if (options.only.includes('probes')) {
    await measureProbes(probePlanFor(options), take)
    await measureProbesInLab(rigs, options, take)
  }
  if (consul !== undefined) {
    const rig = await rigs.get(options.in ?? 'user-mode')
    const agent = await consulBinary()
    await rig.run((programs) => ({ kind: 'consul', plan: consul, programs, agent }), take)
    await measureIdle(consul, agent, take)
  }
  const plan = planFor(options)
  if (plan.tables.length > 0) {
    const rig = await rigs.get(tables)
    await rig.run((programs) => ({ kind: 'measure', plan, programs }), take)
  }
  if (options.only.includes('packets')) {
    // User-mode Linux has no NAT by nftables.
    const rig = await rigs.get('vm')
    const iptables = await unpackedIptables()
    await rig.run(() => ({ kind: 'packets', plan: packetPlanFor(options), iptables }), take)
  }
  const held = options.tables.filter((table) => !options.quick || table === 'large')
  if (options.only.includes('hold'))
    await hold(
      held.map((table) => sizes[table]),
      options.rounds,
      take,
    )
  const bars = judge(book, sizes, { consul: options.in !== 'vm' })
  if (!options.quick) await explain(() => rigs.get(tables), bars, options.rounds, take)
  return { machine: describeMachine(rigs.opened, loadBefore), bars: options.quick ? undefined : bars, book, profiles }
}

/** The same where keepalived can run, which is not judged: one processor is shared with the server that is asked. */
async function measureProbesInLab(rigs: Rigs, options: BenchOptions, take: (message: Message) => void): Promise<void> {
  const kernel = options.in ?? 'user-mode'
  const rig = await rigs.get(kernel)
  const peers = { haproxy: await haproxyPrograms(), nginx: await nginxPrograms() }
  const one = probeLabCaseFor(options, kernel)
  await rig.run((programs) => ({ kind: 'probes', one, place: PROBE_PLACES[kernel], programs, ...peers }), take)
}

/** One line for whoever waits. */
function progressText(message: Message): string {
  if (message.kind !== 'sample') return message.text
  return `  ${message.measure}, ${message.shape}, ${message.subject}: ${message.value.toFixed(1)}`
}

/** The lab waits meanwhile, so that its machine does not take processor time away. */
async function hold(shapes: readonly Shape[], rounds: number, take: (message: Message) => void): Promise<void> {
  for (const shape of shapes) await measureHold(shape, Math.min(rounds, MOST_HOLD_ROUNDS), take)
}

/** Profiles of the cases behind the bars that were missed, each once. */
async function explain(
  getRig: () => Promise<Rig>,
  bars: readonly Bar[],
  rounds: number,
  take: (message: Message) => void,
): Promise<void> {
  const missed = bars.flatMap(({ met, profile }) => (met || profile === undefined ? [] : [profile]))
  const cases = missed.flatMap((profile) => (profile.measure === 'hold' || profile.measure === 'probes' ? [] : [profile]))
  if (cases.length > 0) {
    const rig = await getRig()
    await rig.run(() => ({ kind: 'profile', cases, rounds }), take)
  }
  for (const profile of missed) if (profile.measure === 'hold') take(await profileHold(profile.shape))
  if (missed.some(({ measure }) => measure === 'probes')) take(await profileProbes())
}

async function main(): Promise<number> {
  const options = readOptions(process.argv.slice(2))
  if (options === undefined) {
    process.stderr.write(`${USAGE}\n`)
    return USAGE_ERROR
  }
  await using rigs = new Rigs()
  const results = await measure(rigs, options)
  process.stdout.write(options.json ? `${jsonReport(results)}\n` : textReport(results))
  return options.strict && results.bars?.some(({ met }) => !met) ? MISSED : 0
}

try {
  process.exitCode = await main()
} catch (error) {
  if (!(error instanceof LabError)) throw error
  process.stderr.write(`bench: ${error.message}\n`)
  process.exitCode = FAILED
}
