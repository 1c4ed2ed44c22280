/** A director with systemd as its process 1: a copy of the lab's machine that is forgotten at its end, in a network namespace of the lab. */

import { copyFileSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { command } from '../../lab/command.ts'
import { inCheckout, type Lab, LabError, type LabProcess, type RunOptions, type RunResult } from '../../lab/lab.ts'
import type { Host } from '../../lab/topology.ts'

/** As a login of root has it. */
const ENVIRONMENT = [
  ...['env', '-i', 'PATH=/usr/sbin:/usr/bin:/sbin:/bin', 'HOME=/root', 'DEBIAN_FRONTEND=noninteractive'],
  // What the processor of the lab has compiled once it need not compile again.
  'NODE_COMPILE_CACHE=/run/compile-cache',
]

/** Where the Debian package of this checkout lies in the copy. */
export const PACKAGE = '/given/pointsman.deb'

/** A folder with the package, which the lab sees at the same path: its root is this machine's. */
async function folderWithPackage(): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'pointsman-systemd-test-'))
  const deb = (await command(['node', 'tools/deb.mjs', '--fast', folder], { timeoutMs: 200_000 })).trim()
  // Unpacked here: the lab's emulated processor takes many times as long.
  await command(['dpkg-deb', '--raw-extract', deb, join(folder, 'tree')], { timeoutMs: 100_000 })
  await command(['dpkg-deb', '--root-owner-group', '-Znone', '--build', join(folder, 'tree'), join(folder, 'pointsman.deb')])
  rmSync(join(folder, 'tree'), { recursive: true })
  rmSync(deb)
  copyFileSync(inCheckout('test/kernel/guest/systemd-inside.sh'), join(folder, 'inside.sh'))
  return folder
}

export class SystemdMachine implements AsyncDisposable {
  readonly #lab: Lab
  readonly #folder: string
  readonly #process: LabProcess
  /** Of its process 1, in the lab. */
  readonly #pid: string

  private constructor(lab: Lab, folder: string, process: LabProcess, pid: string) {
    this.#lab = lab
    this.#folder = folder
    this.#process = process
    this.#pid = pid
  }

  /** Resolves when systemd has brought up what it brings up before the first service. */
  static async boot(lab: Lab, { netns }: Host): Promise<SystemdMachine> {
    const folder = await folderWithPackage()
    const process = lab.spawn(['unshare', '--mount', 'sh', inCheckout('test/support/systemd.sh'), folder], { netns })
    const up = lab.check(`until grep -qs up ${folder}/out; do sleep 0.3; done; cat ${folder}/pid`, { timeoutMs: 180_000 })
    const ended = process.exited.then(({ code, signal }) => {
      throw new LabError(`systemd ended with ${signal ?? code} while it came up: ${process.stderr.trim()}`)
    })
    return new SystemdMachine(lab, folder, process, (await Promise.race([up, ended])).trim())
  }

  /** Runs a line of shell as root in it, whatever its exit code. */
  run(line: string, options: RunOptions = {}): Promise<RunResult> {
    const enter = ['nsenter', '--target', this.#pid, '--mount', '--pid', '--ipc', '--uts', '--cgroup', '--net', '--root', '--wd']
    return this.#lab.run([...enter, ...ENVIRONMENT, 'sh', '-c', line], { timeoutMs: 280_000, ...options })
  }

  /** Runs a line of shell that must succeed; its standard output. */
  async check(line: string, options: RunOptions = {}): Promise<string> {
    const { code, signal, stdout, stderr } = await this.run(line, options)
    if (code === 0) return stdout
    throw new LabError(`'${line}' ended with ${signal ?? code} under systemd: ${stderr.trim() || stdout.trim()}`)
  }

  /** Properties of the unit, as `systemctl show` tells them. */
  async unit<Name extends string>(...names: readonly Name[]): Promise<Record<Name, string>> {
    const text = await this.check(`systemctl show --property=${names.join(',')} pointsman.service`)
    const lines = text.trim().split('\n')
    return Object.fromEntries(lines.map((line) => line.split(/=(.*)/s))) as Record<Name, string>
  }

  /** Runs a line of shell after which the unit, by and by, runs with another main process. */
  async replaced(line: string): Promise<void> {
    const { MainPID } = await this.unit('MainPID')
    await this.check(line)
    const show = 'systemctl show --property=ActiveState,MainPID pointsman.service | sort | tr "\\n" " "'
    const again = `case $(${show}) in "ActiveState=active MainPID=${MainPID} " | *MainPID=0*) false ;; ActiveState=active*) true ;; *) false ;; esac`
    await this.check(`until ${again}; do sleep 1; done`)
  }

  /** What systemd says that the daemon has told it, message by message, as often as it was told; its log level must be `debug`. */
  async told(): Promise<string[]> {
    const text = await this.check('journalctl --quiet --unit=pointsman.service --output=cat')
    return [...text.matchAll(/Got notification message from PID \d+ \((.*)\)/g)].map(([, message]) => message ?? '')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#lab.run(['kill', '-KILL', this.#pid])
    await this.#process.exited.catch(() => undefined)
    rmSync(this.#folder, { recursive: true, force: true })
  }
}
