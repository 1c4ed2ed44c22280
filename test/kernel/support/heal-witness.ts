import { inCheckout, type Lab, type LabProcess } from '../../lab/lab.ts'
import type { Host } from '../../lab/topology.ts'
import type { Harm, Healed } from '../guest/heal-witness.ts'

/** Does harm on a host and measures there how long it lasts. */
export class HealWitness implements AsyncDisposable {
  readonly #process: LabProcess
  readonly #answers: Healed[] = []

  private constructor(process: LabProcess) {
    this.#process = process
    process.onLine((line, stream) => {
      if (stream === 'stdout' && line.startsWith('{"milliseconds"')) this.#answers.push(JSON.parse(line) as Healed)
    })
  }

  static async start(lab: Lab, { netns }: Host): Promise<HealWitness> {
    await lab.check('modprobe nlmon')
    const process = await lab.spawnScript(inCheckout('test/kernel/guest/heal-witness.ts'), { netns, keepInput: true })
    await process.waitForLine((line) => line === '{"ready":true}', 60_000)
    return new HealWitness(process)
  }

  async harm(harm: Harm): Promise<Healed> {
    const nth = this.#answers.length
    this.#process.write(`${JSON.stringify(harm)}\n`)
    await this.#process.waitForLine((line) => line.startsWith('{"milliseconds"') && this.#answers.length > nth, 60_000)
    return this.#answers[nth] as Healed
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#process.kill('SIGKILL')
    await this.#process.exited
  }
}
