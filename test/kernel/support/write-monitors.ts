import { expect } from 'vitest'
import type { LabProcess } from '../../lab/lab.ts'
import type { Topology } from '../../lab/topology.ts'

interface Mark {
  /** What is done to be told of. */
  readonly command: string
  /** What is told of it, and of nothing else. */
  readonly told: string
}

const MONITORS = [
  {
    command: ['nft', 'monitor'],
    mark: (name: string): Mark => ({ command: `nft add table inet ${name} && nft delete table inet ${name}`, told: name }),
  },
  {
    command: ['ip', '-o', 'monitor', 'address'],
    mark: (name: string): Mark => {
      const address = name === 'mark-begin' ? '127.77.0.1' : '127.77.0.2'
      return { command: `ip addr add ${address}/32 dev lo && ip addr del ${address}/32 dev lo`, told: address }
    },
  },
] as const

interface Listening {
  readonly process: LabProcess
  readonly mark: (name: string) => Mark
}

/** What anybody writes of rules and addresses on the director, as the kernel tells nft and ip. */
export class WriteMonitors {
  readonly #net: Topology
  readonly #monitors: readonly Listening[]

  private constructor(net: Topology, monitors: readonly Listening[]) {
    this.#net = net
    this.#monitors = monitors
  }

  static async start(net: Topology): Promise<WriteMonitors> {
    const monitors = MONITORS.map(({ command, mark }) => ({ process: net.spawn(net.director, [...command]), mark }))
    for (const { process, mark } of monitors) {
      const { command, told } = mark('mark-begin')
      // It is listened to once it has told of something.
      await expect
        .poll(
          async () => {
            await net.check(net.director, command)
            return process.stdout
          },
          { timeout: 60_000 },
        )
        .toContain(told)
    }
    return new WriteMonitors(net, monitors)
  }

  /** The lines since the start, but for those about the marks; it ends with that. */
  async writes(): Promise<string[]> {
    const lines: string[] = []
    for (const { process, mark } of this.#monitors) {
      const { command, told } = mark('mark-end')
      await this.#net.check(this.#net.director, command)
      await process.waitForLine((line) => line.includes(told), 60_000)
      process.kill('SIGKILL')
      const all = process.stdout.split('\n')
      const end = all.findIndex((line) => line.includes(told))
      lines.push(
        ...all
          .slice(0, end)
          .filter(
            (line) => line.trim() !== '' && !line.startsWith('# new generation') && !line.includes(mark('mark-begin').told),
          ),
      )
    }
    return lines
  }
}
