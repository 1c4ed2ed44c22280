/**
 * A second kernel with IPVS: user-mode Linux, which runs programs at their own speed and system calls slowly. Good for what
 * the emulated machine says nothing about, the cost of JavaScript; no interactive lab, one script a boot.
 */

import { type ChildProcess, spawn } from 'node:child_process'
import {
  chmodSync,
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { unpackedPackages } from '../peers/debian-package.ts'
import { LabError } from './lab-error.ts'
import { makeRunDir, sweepDeadRuns } from './run-dir.ts'

export interface UserModeOptions {
  /** Memory of the guest in MiB. */
  readonly memoryMiB?: number
  /** A run that takes longer, in milliseconds, is killed and fails. */
  readonly timeoutMs?: number
}

const here = dirname(fileURLToPath(import.meta.url))
const checkout = dirname(dirname(here))
const END = 'LAB-EXIT '
const MODULES = 'usr/lib/uml/modules'
/** Milliseconds between two looks at what the guest has said. */
const LOOK = 50

const initScript = (dir: string, argv: readonly string[]): string => `#!/bin/sh
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
mkdir -p /dev/shm
mount -t tmpfs shm /dev/shm
mount -t tmpfs -o size=50% run /run
mkdir -p /run/lab /run/netns
export PATH=${dir}/bin:${checkout}/node_modules/.bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export HOME=/root LANG=C.UTF-8 TERM=dumb TMPDIR=/run/lab
echo ${dir}/bin/modprobe >/proc/sys/kernel/modprobe
stty -opost </dev/console
ip link set lo up
cd /
${argv.map(quote).join(' ')}
echo ${END}$?
echo o >/proc/sysrq-trigger
sleep 60
`

const quote = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`

/** One boot of it, and a folder that the host fills and the guest reads at the same path. */
export class UserMode implements AsyncDisposable {
  readonly #dir: string
  readonly #kernel: string
  readonly #memoryMiB: number
  readonly #timeoutMs: number
  #guard: ChildProcess | undefined

  private constructor(dir: string, unpacked: string, { memoryMiB = 3072, timeoutMs = 3_600_000 }: UserModeOptions) {
    this.#dir = dir
    this.#kernel = join(unpacked, 'usr/bin/linux.uml')
    this.#memoryMiB = memoryMiB
    this.#timeoutMs = timeoutMs
    mkdirSync(join(dir, 'bin'))
    mkdirSync(join(dir, 'lib'))
    symlinkSync(join(unpacked, MODULES), join(dir, 'lib/modules'))
    symlinkSync(join(checkout, 'node_modules'), join(dir, 'node_modules'))
    this.install('bin/modprobe', `#!/bin/sh\nexec /sbin/modprobe -d ${dir} "$@"\n`)
  }

  /** Throws a LabError when the package cannot be had. */
  static async open(options: UserModeOptions = {}): Promise<UserMode> {
    sweepDeadRuns()
    const { folder } = await UserMode.unpacked()
    return new UserMode(makeRunDir(), folder, options)
  }

  /** The kernel, unpacked into the cache, and its release as `uname -r` says it in the guest. */
  static async unpacked(): Promise<{ readonly folder: string; readonly release: string }> {
    const folder = await unpackedPackages({ name: 'user-mode-linux', suite: 'bookworm', packages: ['user-mode-linux'] })
    return { folder, release: readdirSync(join(folder, MODULES))[0] ?? '' }
  }

  /** Puts a file where the guest finds it; its path there. */
  install(name: string, content: string | Uint8Array): string {
    const path = join(this.#dir, name)
    writeFileSync(path, content)
    chmodSync(path, 0o755)
    return path
  }

  /** The process on this machine from which all of the running guest descend. */
  get pid(): number {
    return Number(readFileSync(join(this.#dir, 'child.pid'), 'utf8'))
  }

  /** Once: boots, runs a command to its end and gives its exit code. Every line that it prints, and few of the kernel's, go to `onLine`. */
  async run(argv: readonly string[], onLine: (line: string) => void): Promise<number> {
    const init = this.install('init.sh', initScript(this.#dir, argv))
    const words = [
      'root=/dev/root',
      'rootfstype=hostfs',
      'rootflags=/',
      'ro',
      'quiet',
      'con=null',
      'con0=null,fd:1',
      `init=${init}`,
    ]
    const machine = [this.#kernel, `mem=${this.#memoryMiB}M`, `uml_dir=${this.#dir}/`, ...words]
    const contained = ['unshare', '--pid', '--fork', '--kill-child=KILL', '--mount-proc', ...machine]
    this.#guard = spawn('sh', [join(here, 'guard.sh'), this.#dir, ...contained], {
      detached: true,
      stdio: ['ignore', 'ignore', 'ignore', 'pipe'],
    })
    const code = await this.#follow(onLine)
    await this.#end()
    return code
  }

  async #follow(onLine: (line: string) => void): Promise<number> {
    const deadline = performance.now() + this.#timeoutMs
    const consolePath = join(this.#dir, 'console.log')
    const page = Buffer.alloc(1 << 16)
    let file: number | undefined
    let rest = ''
    for (;;) {
      const ended = existsSync(join(this.#dir, 'exit'))
      if (file === undefined && existsSync(consolePath)) file = openSync(consolePath, 'r')
      for (let size = file === undefined ? 0 : readSync(file, page); size > 0; size = readSync(file ?? -1, page)) {
        const lines = `${rest}${page.toString('latin1', 0, size)}`.replaceAll('\r', '').split('\n')
        rest = lines.pop() ?? ''
        for (const line of lines) {
          const end = line.startsWith(END) ? Number(line.slice(END.length)) : undefined
          if (end === undefined) onLine(line)
          else {
            if (file !== undefined) closeSync(file)
            return end
          }
        }
      }
      if (ended)
        throw new LabError(`user-mode Linux ended before its script did; it said last: ${rest || lastLines(consolePath)}`)
      if (performance.now() > deadline)
        throw new LabError(`the script took longer than ${this.#timeoutMs / 1000} s in user-mode Linux`)
      await sleep(LOOK)
    }
  }

  /** The guard removes the folder with everything that was installed. */
  async #end(): Promise<void> {
    const guard = this.#guard
    if (guard === undefined) return rmSync(this.#dir, { recursive: true, force: true })
    this.#guard = undefined
    const exited = new Promise<void>((resolve) => guard.once('exit', () => resolve()))
    guard.stdio[3]?.destroy()
    await exited
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#end()
  }
}

function lastLines(path: string): string {
  return existsSync(path) ? readFileSync(path, 'latin1').trim().split('\n').slice(-5).join(' | ') : 'nothing'
}
