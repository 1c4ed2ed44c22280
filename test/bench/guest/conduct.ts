/** Measures one table after the other, every program in its turn, and says each value as it comes. */

import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { monotonic, type Window } from '../monotonic.ts'
import type { Plan, Programs, TablePlan, TableStep } from '../plan.ts'
import type { Measure, Profile, ProfileCase } from '../sample.ts'
import { type Shape, shapeName } from '../shape.ts'
import { summariseProfiles } from '../summarise-profile.ts'
import type { CeilingOffer } from './ceiling.ts'
import { measureBlocked, measureMemory, measureStart, type Recorder } from './daemon.ts'
import { freshIpvs } from './kernel-module.ts'
import type { OursOffer } from './ours.ts'
import { Ipvsadm, Keepalived } from './peers.ts'
import { Remote } from './remote.ts'
import { progress, sample } from './say.ts'
import { traceCommand, traceProcess } from './trace.ts'

const NAMESPACE = 'bench-small'
/** Changes in one call, so that asking for them does not count. */
const CHANGES = 20
/** Rounds of a profile that are not looked at. */
const WARM_UP = 3

interface Subject {
  readonly name: string
  readonly run: () => Promise<number> | number
  /** A program that starts anew each time: there is nothing to warm up. */
  readonly startsAnew?: true
}

function recorder(shape: Shape): Recorder {
  return (measure, subject, value) => sample(measure, shape, subject, value)
}

export class Conductor implements AsyncDisposable {
  readonly #program: string
  readonly #directory = mkdtempSync(join(tmpdir(), 'bench-'))
  readonly #ours: Remote<OursOffer>
  readonly #ceiling: Remote<CeilingOffer>
  /** Pointsman on a small table, in a namespace of its own, beside the one on the table that is measured. */
  readonly #oursSmall: Remote<OursOffer>
  /** Whether the kernel holds the table as `ours` left it. */
  #isFilled = false

  constructor(program: string) {
    this.#program = program
    freshIpvs()
    execFileSync('ip', ['netns', 'add', NAMESPACE])
    execFileSync('ip', ['-n', NAMESPACE, 'link', 'set', 'lo', 'up'])
    this.#ours = new Remote<OursOffer>(program, ['ours'])
    this.#oursSmall = new Remote<OursOffer>(program, ['ours', `/run/netns/${NAMESPACE}`])
    this.#ceiling = new Remote<CeilingOffer>(program, ['ceiling'])
  }

  async run(plan: Plan, programs: Programs): Promise<void> {
    await this.#oursSmall.call('load', plan.small)
    for (const table of plan.tables) await this.#table(table, plan.small, programs)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const remote of [this.#ours, this.#oursSmall, this.#ceiling]) await remote[Symbol.asyncDispose]()
    execFileSync('ip', ['netns', 'delete', NAMESPACE])
  }

  async #table(table: TablePlan, small: Shape, programs: Programs): Promise<void> {
    const { shape } = table
    const ipvsadm = new Ipvsadm(shape, this.#directory)
    await this.#ours.call('load', shape)
    await this.#ceiling.call('load', shape)
    this.#isFilled = false
    const steps: Record<TableStep, () => Promise<void>> = {
      apply: () => this.#apply(table, ipvsadm),
      resync: () => this.#resync(table, ipvsadm),
      change: () => this.#change(table, ipvsadm, small),
      count: () => this.#count(shape, ipvsadm),
      blocked: () => this.#blocked(table),
      start: () => this.#start(table, programs),
      daemon: () => this.#daemon(table, programs),
    }
    for (const step of table.steps) await steps[step]()
  }

  /** The table in the kernel, put there by a pass, unless it is there already. */
  async #filled(): Promise<void> {
    if (this.#isFilled) return
    await this.#fresh()
    await this.#ours.call('prepare')
    await this.#ours.call('pass')
    this.#isFilled = true
  }

  async #fresh(): Promise<void> {
    freshIpvs()
    this.#isFilled = false
    await this.#ours.call('find')
    await this.#ceiling.call('find')
  }

  /** Each in its turn into an empty kernel; the pass comes last and leaves its table there. */
  async #apply(table: TablePlan, ipvsadm: Ipvsadm): Promise<void> {
    const subjects: readonly Subject[] = [
      { name: 'ipvsadm --restore', run: () => ipvsadm.restore(), startsAnew: true },
      { name: 'ceiling', run: () => this.#ceiling.call('apply') },
      { name: 'write', run: () => this.#ours.call('write') },
      { name: 'pass', run: () => this.#ours.call('pass') },
    ]
    const before = async () => {
      await this.#fresh()
      await this.#ours.call('prepare')
    }
    await this.#interleaved(table, 'apply', subjects, before)
    this.#isFilled = true
  }

  async #resync(table: TablePlan, ipvsadm: Ipvsadm): Promise<void> {
    await this.#filled()
    await this.#interleaved(table, 'resync', [
      { name: 'ipvsadm -Ln', run: () => ipvsadm.list(), startsAnew: true },
      { name: 'ipvsadm -Sn', run: () => ipvsadm.save(), startsAnew: true },
      { name: 'read', run: () => this.#ours.call('read') },
      { name: 'pass', run: () => this.#ours.call('resync') },
    ])
  }

  async #change(table: TablePlan, ipvsadm: Ipvsadm, small: Shape): Promise<void> {
    await this.#filled()
    await this.#oursSmall.call('find')
    await this.#oursSmall.call('prepare')
    await this.#oursSmall.call('pass')
    await this.#interleaved(table, 'change', [
      { name: 'ipvsadm -e', run: () => ipvsadm.change(), startsAnew: true },
      { name: 'ceiling', run: async () => median(await this.#ceiling.call('change', CHANGES)) },
      { name: 'write', run: async () => median(await this.#ours.call('writeChange', CHANGES)) },
      { name: `pass, ${shapeName(small)} alone`, run: async () => median(await this.#oursSmall.call('change', CHANGES)) },
      { name: 'pass', run: async () => median(await this.#ours.call('change', CHANGES)) },
    ])
  }

  async #interleaved(
    { shape, warmUp, rounds }: TablePlan,
    measure: Measure,
    subjects: readonly Subject[],
    before: () => Promise<void> = async () => undefined,
  ): Promise<void> {
    for (let round = -warmUp; round < rounds; round++) {
      progress(shape, `${measure}, ${round < 0 ? 'warming up' : `round ${round + 1} of ${rounds}`}`)
      for (const { name, run, startsAnew } of subjects) {
        if (round < 0 && startsAnew) continue
        await before()
        const milliseconds = await run()
        if (round >= 0) sample(measure, shape, name, milliseconds)
      }
    }
  }

  /** System calls and bytes of one change. */
  async #count(shape: Shape, ipvsadm: Ipvsadm): Promise<void> {
    progress(shape, 'system calls of a change')
    await this.#filled()
    const file = join(this.#directory, 'strace.txt')
    const { calls, bytes } = await traceProcess(this.#ours.pid, file, async () => {
      await this.#ours.call('change', CHANGES)
    })
    this.#counted(shape, 'pass', { calls: calls / CHANGES, bytes: bytes / CHANGES })
    this.#counted(shape, 'ipvsadm -e', traceCommand(['ipvsadm', ...ipvsadm.changeArguments(11)], file))
  }

  #counted(shape: Shape, subject: string, { calls, bytes }: { readonly calls: number; readonly bytes: number }): void {
    sample('change-calls', shape, subject, calls)
    sample('change-bytes', shape, subject, bytes)
  }

  /** The watch takes time itself, so that what is watched is not timed. */
  async #blocked({ shape, rounds }: TablePlan): Promise<void> {
    await this.#ours.call('watch')
    const watched = async (subject: string, work: () => Promise<unknown>) => {
      await this.#ours.call('blocked')
      await work()
      sample('blocked', shape, subject, await this.#ours.call('blocked'))
    }
    for (let round = 0; round < rounds; round++) {
      progress(shape, `main thread, round ${round + 1} of ${rounds}`)
      await this.#fresh()
      await this.#ours.call('prepare')
      await watched('first pass', () => this.#ours.call('pass'))
      // The first resync decodes the whole table for the first time.
      await watched('first resync', () => this.#ours.call('resync'))
      await watched('unchanged resync', () => this.#ours.call('resync'))
      await watched('one change', () => this.#ours.call('change', CHANGES))
    }
    await this.#ours.call('unwatch')
  }

  async #daemon({ shape, rounds }: TablePlan, programs: Programs): Promise<void> {
    const record = recorder(shape)
    progress(shape, 'memory of the daemon')
    await measureMemory(programs.daemon, shape, false, rounds, record)
    await measureMemory(programs.daemon, shape, true, rounds, record)
    progress(shape, 'main thread of the daemon')
    await measureBlocked(programs.daemon, programs.watch, shape, record)
    this.#isFilled = false
  }

  async #start({ shape, rounds }: TablePlan, programs: Programs): Promise<void> {
    const record = recorder(shape)
    this.#isFilled = false
    for (let round = 0; round < Math.min(rounds, 3); round++) {
      progress(shape, `start of the programs, round ${round + 1}`)
      await measureStart(programs.daemon, shape, record)
      await this.#keepalived(shape)
    }
  }

  async #keepalived(shape: Shape): Promise<void> {
    freshIpvs()
    await using keepalived = new Keepalived(shape, this.#directory)
    sample('start', shape, 'keepalived', await keepalived.full())
    for (let change = 0; change < 3; change++) sample('change', shape, 'keepalived', await keepalived.change())
    const file = join(this.#directory, 'strace.txt')
    const counted = await traceProcess(keepalived.checker(), file, async () => {
      await keepalived.change()
    })
    this.#counted(shape, 'keepalived', counted)
  }

  /** A case once more under the profiler, in a process of its own. */
  async profile({ measure, shape }: ProfileCase, rounds: number): Promise<Profile> {
    progress(shape, `profile of ${measure}`)
    const directory = join(this.#directory, `profile-${measure}-${shape.services}-${shape.backends}`)
    mkdirSync(directory)
    const windows: Window[] = []
    {
      await using ours = new Remote<OursOffer>(this.#program, ['ours'], ['--cpu-prof', `--cpu-prof-dir=${directory}`])
      const fresh = async () => {
        freshIpvs()
        await ours.call('find')
        await ours.call('prepare')
      }
      const before = measure === 'apply' ? fresh : async () => undefined
      const work = {
        apply: () => ours.call('pass'),
        resync: () => ours.call('resync'),
        change: () => ours.call('change', CHANGES),
      }[measure]
      await ours.call('load', shape)
      await fresh()
      if (measure !== 'apply') await ours.call('pass')
      for (let round = -WARM_UP; round < rounds; round++) {
        await before()
        const from = monotonic()
        await work()
        if (round >= 0) windows.push({ from, to: monotonic() })
      }
    }
    const text = `${measure}, ${shapeName(shape)}: ${rounds} rounds of a warm process`
    return { kind: 'profile', text, threads: summariseProfiles(directory, windows) }
  }
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN
}
