/** The programs that Pointsman is compared with, run as the processes that they are. */

import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { keepalivedText, type Reweighted, restoreText, weightArguments } from '../peer-tables.ts'
import { objectsIn, type Shape, WEIGHT } from '../shape.ts'
import { countDestinations, firstListed } from './kernel-module.ts'

/** Milliseconds of a line for the shell, by the shell's own clock: starting it through Node would add to what it takes. */
export function timed(line: string): number {
  const script = `began=$EPOCHREALTIME; ${line} || exit 1; echo "$began $EPOCHREALTIME"`
  const [began = 0, ended = 0] = execFileSync('bash', ['-c', script], { encoding: 'utf8' }).trim().split(' ').map(Number)
  return (ended - began) * 1000
}

export class Ipvsadm {
  readonly #shape: Shape
  readonly #file: string

  constructor(shape: Shape, directory: string) {
    this.#shape = shape
    this.#file = join(directory, 'restore.txt')
    writeFileSync(this.#file, restoreText(shape))
  }

  restore(): number {
    return timed(`ipvsadm --restore <${this.#file}`)
  }

  list(): number {
    return timed('ipvsadm -Ln >/dev/null')
  }

  save(): number {
    return timed('ipvsadm -Sn >/dev/null')
  }

  /** The first backend gets another weight and has the old one again. */
  change(): number {
    const milliseconds = timed(`ipvsadm ${this.changeArguments(WEIGHT + 3).join(' ')}`)
    timed(`ipvsadm ${this.changeArguments(WEIGHT).join(' ')}`)
    return milliseconds
  }

  changeArguments(weight: number): readonly string[] {
    return weightArguments(this.#shape, weight)
  }
}

/** Milliseconds between two looks at the kernel. */
const LOOK = 1
const LONGEST = 300_000

/** keepalived with its checker process alone. */
export class Keepalived implements AsyncDisposable {
  readonly #shape: Shape
  readonly #file: string
  readonly #child: ChildProcess
  readonly #began: number

  constructor(shape: Shape, directory: string) {
    this.#shape = shape
    this.#file = join(directory, 'keepalived.conf')
    writeFileSync(this.#file, keepalivedText(shape))
    const pids = ['-p', join(directory, 'keepalived.pid'), '-c', join(directory, 'checkers.pid')]
    this.#began = performance.now()
    this.#child = spawn('keepalived', ['-n', '-C', '-G', '-f', this.#file, ...pids], { stdio: 'ignore' })
  }

  /** Milliseconds until the kernel holds the whole table. */
  async full(): Promise<number> {
    await untilFull(this.#shape)
    return performance.now() - this.#began
  }

  /** Milliseconds from the signal to reload until the kernel has the new weight of one backend. */
  async change(): Promise<number> {
    const listed = firstListed()
    if (listed === undefined) throw new Error('the kernel lists no destination')
    const weight = listed.weight === WEIGHT ? WEIGHT + 1 : WEIGHT
    writeFileSync(this.#file, keepalivedText(this.#shape, { ...numbersOf(this.#shape, listed), weight }))
    const began = performance.now()
    this.#child.kill('SIGHUP')
    await until(() => firstListed()?.weight === weight)
    return performance.now() - began
  }

  /** The process that speaks to the kernel. */
  checker(): number {
    const children = execFileSync('pgrep', ['-P', String(this.#child.pid)], { encoding: 'utf8' })
      .trim()
      .split('\n')
    return Number(children[0])
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const exited = new Promise<void>((resolve) => this.#child.once('exit', () => resolve()))
    this.#child.kill('SIGTERM')
    await exited
  }
}

/** Service and backend numbers of a destination that the kernel listed. */
export function numbersOf(
  shape: Shape,
  listed: { readonly service: number; readonly backend: number },
): Omit<Reweighted, 'weight'> {
  const service = (listed.service & 0xffff) - 1
  const FIRST = 0x0a010001
  return { service, backend: listed.backend - FIRST - service * shape.backends }
}

/** Waits until the kernel holds the whole table. Looking at it takes time too: at most a fifth of it is spent so. */
export async function untilFull(shape: Shape): Promise<void> {
  const wanted = objectsIn(shape) - shape.services
  const deadline = performance.now() + LONGEST
  for (;;) {
    const began = performance.now()
    if (countDestinations() === wanted) return
    if (began > deadline) throw new Error('the table was never complete')
    await sleep(Math.max(LOOK, 4 * (performance.now() - began)))
  }
}

export async function until(condition: () => boolean): Promise<void> {
  const deadline = performance.now() + LONGEST
  while (!condition()) {
    if (performance.now() > deadline) throw new Error('what was waited for never came')
    await sleep(LOOK)
  }
}
