import { execFile } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { inCheckout, type Lab, type LabProcess } from '../test/lab/lab.ts'
import type { Topology } from '../test/lab/topology.ts'
import { type Pool, type Servers, VIP, VIP_PORT } from './scene.ts'

/** The lab finds koffi from there. */
const PROGRAM = '/run/lab/scripts/pointsman.mjs'
const CONFIG = '/run/lab/demo/pointsman.yaml'

/** The program as it is shipped, in one file; made while the lab starts. */
export async function bundleProgram(): Promise<Buffer> {
  const folder = mkdtempSync(join(tmpdir(), 'pointsman-demo-'))
  try {
    const file = join(folder, 'pointsman.mjs')
    await promisify(execFile)(process.execPath, [inCheckout('tools/bundle.mjs'), file])
    return readFileSync(file)
  } finally {
    rmSync(folder, { recursive: true })
  }
}

export const installProgram = (lab: Lab, program: Buffer): Promise<void> => lab.writeFile(PROGRAM, program)

/** The director: the real `start` command, its configuration and its log, and a stranger beside it. */
export class Director {
  readonly #lab: Lab
  readonly #topology: Topology
  readonly #servers: Servers
  #daemon: LabProcess | undefined

  constructor(lab: Lab, topology: Topology, servers: Servers) {
    this.#lab = lab
    this.#topology = topology
    this.#servers = servers
  }

  /** Starts the installed program on the configuration that is there; resolves when the kernel holds it. */
  async start(): Promise<void> {
    const command = ['node', PROGRAM, 'start', '-c', CONFIG, '--state-dir', '/run/lab/demo/state']
    this.#daemon = this.#topology.spawn(this.#topology.director, command)
    await this.#daemon.waitForLine((line) => line.includes('"ready: '), 90_000)
  }

  configure(text: string): Promise<void> {
    return this.#lab.writeFile(CONFIG, text)
  }

  /** The lines of a configuration that list these members. */
  listOf(pool: Pool): string {
    const backends = Object.entries(pool).map(
      ([server, weight]) => `  - { address: ${this.#servers.get(server)}, weight: ${weight} }`,
    )
    return ['backends:', ...backends].join('\n')
  }

  /** Resolves when a line of the daemon's log, past or future, has these words. */
  async said(words: string): Promise<void> {
    await this.#daemon?.waitForLine((line) => line.includes(words))
  }

  /** Somebody else takes a server out of the table's service. */
  async strangerStops(server: string): Promise<void> {
    const words = ['-e', '-t', `${VIP}:${VIP_PORT}`, '-r', this.#servers.get(server) ?? '', '-m', '-w', '0']
    await this.#topology.check(this.#topology.director, ['ipvsadm', ...words])
  }

  /** Ends the daemon in good order. */
  async stop(): Promise<void> {
    this.#daemon?.kill('SIGTERM')
    const { code, signal } = (await this.#daemon?.exited) ?? { code: 0, signal: undefined }
    if (code !== 0) throw new Error(`pointsman start ended with ${signal ?? code}: ${this.#daemon?.stderr}`)
  }
}
