/** Runs the bench's program on a kernel with IPVS and takes in what it says. */

import { execFile } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { cpus, tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { bundle } from '../lab/bundle.ts'
import { inCheckout, type Lab, LabError, openLab } from '../lab/lab.ts'
import { UserMode } from '../lab/user-mode.ts'
import { guestAccounts, hostAccounts } from './host-accounts.ts'
import type { Kernel } from './options.ts'
import type { Programs } from './plan.ts'
import type { GuestMessage, Message, Task } from './sample.ts'

const ENTRY = 'test/bench/guest/entry.ts'
const WATCH = 'test/bench/guest/loop-watch.ts'

/** A kernel to measure on. */
export interface Rig extends AsyncDisposable {
  /** What kind of kernel it is, for the heading. */
  readonly where: string
  /** As `uname -r` says it. */
  readonly kernel: string
  /** Whether JavaScript runs on an emulated processor there, ten times slower than on a director. */
  readonly emulated: boolean
  run(makeTask: (programs: Programs) => Task, take: (message: Message) => void): Promise<void>
}

/** The kernels of a run, each opened when it is first needed and for as long as the run lasts. */
export class Rigs implements AsyncDisposable {
  readonly #opened = new Map<Kernel, Rig>()

  async get(kernel: Kernel): Promise<Rig> {
    const rig = this.#opened.get(kernel) ?? (await (kernel === 'vm' ? virtualMachine() : userModeLinux()))
    this.#opened.set(kernel, rig)
    return rig
  }

  /** Those that were needed. */
  get opened(): readonly Rig[] {
    return [...this.#opened.values()]
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const rig of this.#opened.values()) await rig[Symbol.asyncDispose]()
  }
}

/** Always a machine of its own: the module is unloaded for each first pass. */
async function virtualMachine(): Promise<Rig> {
  const lab = await openLab({ mode: 'vm' })
  const model = await lab.check("sed -n 's/^model name.*: //p' /proc/cpuinfo | head -1")
  const emulated = model.trim() !== (cpus()[0]?.model ?? '').trim()
  return {
    where: `virtual machine${emulated ? ', emulated processor' : ''}`,
    kernel: lab.kernel,
    emulated,
    run: async (makeTask, take) => inVirtualMachine(lab, makeTask(await installPrograms(lab)), take),
    [Symbol.asyncDispose]: () => lab.close(),
  }
}

/** Programs run at their own speed there and system calls are slow; each run boots anew. */
async function userModeLinux(): Promise<Rig> {
  const { release } = await UserMode.unpacked()
  return {
    where: 'user-mode Linux: programs at their own speed, slow system calls',
    kernel: release,
    emulated: false,
    run: inUserMode,
    [Symbol.asyncDispose]: async () => undefined,
  }
}

async function installPrograms(lab: Lab): Promise<Programs> {
  const watch = await lab.installScript(inCheckout(WATCH))
  // koffi is found from where the lab puts scripts.
  const daemon = join(dirname(watch), 'pointsman.mjs')
  await lab.writeFile(daemon, await daemonBundle(), 0o755)
  return { daemon, watch }
}

/** The program as it is shipped. */
async function daemonBundle(): Promise<Buffer> {
  const directory = mkdtempSync(join(tmpdir(), 'pointsman-bench-'))
  try {
    const file = join(directory, 'pointsman.mjs')
    await promisify(execFile)(process.execPath, [inCheckout('tools/bundle.mjs'), file])
    return readFileSync(file)
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

async function inVirtualMachine(lab: Lab, task: Task, take: (message: Message) => void): Promise<void> {
  const account = guestAccounts(take)
  const running = await lab.spawnScript(inCheckout(ENTRY), { args: ['conduct', JSON.stringify(task)] })
  running.onLine((line, stream) => {
    if (stream === 'stdout') account(JSON.parse(line) as GuestMessage)
    else process.stderr.write(`${line}\n`)
  })
  const { code, signal } = await running.exited
  if (code !== 0) throw new LabError(`the bench ended with ${signal ?? code} in the lab; what it said is above`)
}

const inUserMode: Rig['run'] = async (makeTask, take) => {
  await using machine = await UserMode.open()
  const entry = machine.install('bench.mjs', await bundle(inCheckout(ENTRY)))
  const watch = machine.install('loop-watch.mjs', await bundle(inCheckout(WATCH)))
  const daemon = machine.install('pointsman.mjs', await daemonBundle())
  const task = JSON.stringify(makeTask({ daemon, watch }))
  const account = hostAccounts(() => machine.pid, take)
  const code = await machine.run([process.execPath, entry, 'conduct', task], (line) => {
    if (line.startsWith('{')) account(JSON.parse(line) as GuestMessage)
    else process.stderr.write(`${line}\n`)
  })
  if (code !== 0) throw new LabError(`the bench ended with ${code} in user-mode Linux; what it said is above`)
}
