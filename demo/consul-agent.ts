import type { LabProcess } from '../test/lab/lab.ts'
import type { Topology } from '../test/lab/topology.ts'
import type { Servers } from './scene.ts'
import type { Stagehand } from './stagehand.ts'

/** A Consul agent in the director's namespace that is its own server and keeps nothing on disk. */
export class ConsulAgent {
  readonly #binary: string
  readonly #topology: Topology
  readonly #stagehand: Stagehand
  readonly #servers: Servers
  #process: LabProcess | undefined

  /** `binary` is the path of a consul in the lab, which sees this machine's files. */
  constructor(binary: string, topology: Topology, stagehand: Stagehand, servers: Servers) {
    this.#binary = binary
    this.#topology = topology
    this.#stagehand = stagehand
    this.#servers = servers
  }

  start(): void {
    const words = ['agent', '-dev', '-node=director', '-bind=127.0.0.1', '-client=127.0.0.1', '-log-level=warn']
    this.#process = this.#topology.spawn(this.#topology.director, [this.#binary, ...words])
  }

  /** Resolves when it has a leader; rejects when it ends. */
  async ready(): Promise<void> {
    const process = this.#process
    if (process === undefined) throw new Error('the Consul agent was not started')
    await Promise.race([
      this.#stagehand.wish({ do: 'await-consul' }),
      process.exited.then(({ code, signal }) => {
        throw new Error(`the Consul agent ended with ${signal ?? code}: ${(process.stdout + process.stderr).slice(-500)}`)
      }),
    ])
  }

  async kill(): Promise<void> {
    this.#process?.kill('SIGKILL')
    await this.#process?.exited
    this.#process = undefined
  }

  /** The server's instance, with a check that is passing until it is told otherwise. */
  async register(server: string): Promise<void> {
    const [address = '', port] = this.#servers.get(server)?.split(':') ?? []
    const check = { CheckID: `service:${server}`, TTL: '24h', Status: 'passing' }
    await this.#put('service/register', { ID: server, Name: 'web', Address: address, Port: Number(port), Check: check })
  }

  setCheck(server: string, state: 'pass' | 'fail'): Promise<void> {
    return this.#put(`check/${state}/service:${server}`)
  }

  maintenance(server: string, on: boolean): Promise<void> {
    return this.#put(`service/maintenance/${server}?enable=${on}`)
  }

  deregister(server: string): Promise<void> {
    return this.#put(`service/deregister/${server}`)
  }

  async #put(path: string, body?: object): Promise<void> {
    await this.#stagehand.wish({ do: 'put', path, ...(body !== undefined && { body }) })
  }
}
