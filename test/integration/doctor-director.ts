/** A director on a link with neighbours, in network and mount namespaces of its own, that the doctor looks at. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdir } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { text } from 'node:stream/consumers'
import { onTestFinished } from 'vitest'
import type { Finding } from '../../src/daemon/doctor/facts.ts'
import { type Host, LinkOfFour } from '../support/addresses/link-of-four.ts'
import { BundledProgram } from './bundled-program.ts'

/** Also root in a container may not make namespaces, and a kernel may lack bridges. */
export const namespacesHere = spawnSync('unshare', ['--net', 'ip', 'link', 'add', 'br0', 'type', 'bridge']).status === 0

export interface Look {
  /** Words in front of the program: who looks, and from where. */
  readonly under?: readonly string[]
  readonly host?: Host
}

export class DoctorsDirector implements AsyncDisposable {
  readonly link: LinkOfFour
  readonly #bundled: BundledProgram
  readonly #mounts: ChildProcess

  private constructor(link: LinkOfFour, bundled: BundledProgram, mounts: ChildProcess) {
    this.link = link
    this.#bundled = bundled
    this.#mounts = mounts
  }

  static async start(): Promise<DoctorsDirector> {
    const bundled = await BundledProgram.make()
    // Other users look, too.
    for (const path of [bundled.directory, dirname(bundled.path)]) await chmod(path, 0o755)
    const mounts = spawn('unshare', ['--mount', 'sh', '-c', 'echo made; exec cat'], { stdio: ['pipe', 'pipe', 'inherit'] })
    await once(mounts.stdout, 'data')
    return new DoctorsDirector(await LinkOfFour.start(), bundled, mounts)
  }

  /** A folder of its own. */
  async directory(name: string): Promise<string> {
    const path = join(this.#bundled.directory, name)
    await mkdir(path, { recursive: true })
    return path
  }

  file(name: string, content: string): Promise<string> {
    return this.#bundled.file(name, content)
  }

  configured(services: readonly object[], global: object = {}): Promise<string> {
    const common = { state_dir: join(this.#bundled.directory, 'state'), admin: 'off' }
    return this.file('doctor.yaml', JSON.stringify({ global: { ...common, ...global }, services }))
  }

  /** A shell command as root, with the program in its path. */
  async paste(command: string): Promise<string> {
    const alias = `pointsman() { '${process.execPath}' '${resolve(this.#bundled.path)}' "$@"; }`
    const shell = this.#spawn('director', ['sh', '-ec', `${alias}\n${command}`])
    const [said, [code]] = await Promise.all([text(shell.stdout as NodeJS.ReadableStream), once(shell, 'close')])
    if (code !== 0) throw new Error(`'${command}' ended with ${code}: ${said}`)
    return said
  }

  async looksAt(config: string, { under = [], host = 'director' }: Look = {}): Promise<Finding[]> {
    const doctor = this.#spawn(host, [...under, process.execPath, resolve(this.#bundled.path), 'doctor', '-c', config, '--json'])
    return (JSON.parse(await text(doctor.stdout as NodeJS.ReadableStream)) as { checks: Finding[] }).checks
  }

  /** A process that runs until the test ends; resolves when it has said this. */
  async beside(command: readonly string[], said: RegExp): Promise<ChildProcess> {
    const child = this.#spawn('director', command)
    onTestFinished(() => void child.kill('SIGKILL'))
    let heard = ''
    return new Promise((resolve, reject) => {
      child.stdout?.on('data', (part) => {
        heard += part
        if (said.test(heard)) resolve(child)
      })
      child.once('close', () => reject(new Error(`${command.join(' ')} ended after: ${heard}`)))
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#mounts.kill('SIGKILL')
    await this.link[Symbol.asyncDispose]()
    await this.#bundled[Symbol.asyncDispose]()
  }

  #spawn(host: Host, command: readonly string[]): ChildProcess {
    return this.link.spawn(host, ['nsenter', `--mount=/proc/${this.#mounts.pid}/ns/mnt`, `--wd=${process.cwd()}`, ...command])
  }
}
