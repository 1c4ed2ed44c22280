import type { SnatReport } from '../../../src/sinks/snat/snat-sink.ts'
import { inCheckout, type Lab, type LabProcess } from '../../lab/lab.ts'
import { unpackedIptables } from '../../peers/iptables.ts'
import type { SnatOrder } from '../guest/snat-sink.ts'

interface Passed {
  readonly opened: SnatReport
  readonly closed: SnatReport
}

/** The source NAT sink in a namespace of the lab. */
export class SnatSinkInLab implements AsyncDisposable {
  readonly #process: LabProcess
  #orders = 0

  private constructor(process: LabProcess) {
    this.#process = process
  }

  /** `by`: `libnftables`, `nft`, `iptables-nft` or `iptables-legacy`; with `heal` it makes a full pass whenever somebody else changed its table. */
  static async start(lab: Lab, netns: string, by = 'libnftables', heal = ''): Promise<SnatSinkInLab> {
    const script = inCheckout('test/kernel/guest/snat-sink.ts')
    const { path, env } = by.startsWith('iptables') ? await unpackedIptables() : { path: '', env: {} }
    const process = await lab.spawnScript(script, { netns, env, args: [by, heal, path], keepInput: true })
    await process.waitForLine((line) => line.includes('"ready"'), 60_000)
    return new SnatSinkInLab(process)
  }

  async pass(order: Omit<SnatOrder & { do: 'pass' }, 'do' | 'id'>): Promise<Passed> {
    return (await this.#order({ do: 'pass', ...order })) as Passed
  }

  async connections(): Promise<Readonly<Record<string, number>>> {
    return (await this.#order({ do: 'connections' })) as Readonly<Record<string, number>>
  }

  async remove(): Promise<void> {
    await this.#order({ do: 'remove' })
  }

  /** The nth full pass that it makes by itself. */
  async healed(nth: number): Promise<{ readonly report: Passed; readonly milliseconds: number }> {
    return JSON.parse(await this.#process.waitForLine((line) => line.startsWith(`{"healed":${nth},`))) as never
  }

  async disturbed(nth: number): Promise<void> {
    await this.#process.waitForLine((line) => line === `{"disturbed":${nth}}`)
  }

  kill(): void {
    this.#process.kill('SIGKILL')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.kill()
    await this.#process.exited
  }

  async #order(order: Record<string, unknown>): Promise<unknown> {
    const id = ++this.#orders
    this.#process.write(`${JSON.stringify({ id, ...order })}\n`)
    const line = await this.#process.waitForLine((text) => text.startsWith(`{"id":${id},`), 180_000)
    return (JSON.parse(line) as { answer: unknown }).answer
  }
}
