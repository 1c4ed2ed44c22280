import { inCheckout, type Lab, type LabProcess } from '../test/lab/lab.ts'
import type { Host } from '../test/lab/topology.ts'
import type { Reply, Wish } from './wish.ts'

export const NAME_SERVER = '127.0.0.1'
export const DOMAIN = 'demo.test'
export const SRV_NAME = `_http._tcp.${DOMAIN}`
export const CONSUL_URL = 'http://127.0.0.1:8500'

interface Waiting {
  resolve(text: string): void
  reject(error: Error): void
}

/** The program in the director's namespace that does the work behind the scenes. */
export class Stagehand {
  readonly #process: LabProcess
  readonly #waiting = new Map<number, Waiting>()
  #wishes = 0

  private constructor(process: LabProcess) {
    this.#process = process
    process.onLine((line, stream) => {
      if (stream === 'stdout' && line.startsWith('{')) this.#take(JSON.parse(line) as Reply)
    })
    const end = () => {
      for (const { reject } of this.#waiting.values()) reject(new Error(`the stagehand has ended: ${process.stderr}`))
    }
    process.exited.then(end, end)
  }

  static async start(lab: Lab, director: Host): Promise<Stagehand> {
    const process = await lab.spawnScript(inCheckout('demo/guest/stagehand.ts'), {
      netns: director.netns,
      args: [NAME_SERVER, SRV_NAME, CONSUL_URL],
      keepInput: true,
    })
    await process.waitForLine((line) => line === 'ready', 60_000)
    return new Stagehand(process)
  }

  /** What came of it; rejects when it went wrong. */
  wish(wish: Wish): Promise<string> {
    const id = ++this.#wishes
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject })
      this.#process.write(`${JSON.stringify({ id, ...wish })}\n`)
    })
  }

  #take({ id, text, error }: Reply): void {
    const waiting = this.#waiting.get(id)
    this.#waiting.delete(id)
    if (error === undefined) waiting?.resolve(text ?? '')
    else waiting?.reject(new Error(error))
  }
}
