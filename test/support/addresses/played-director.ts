/**
 * The address sink as a daemon plays it, in the network namespace that this process is started in. Argument: state directory. Every line on standard
 * input is a command: `want` the services of the line and no others, `open` only those of them in IPVS (all where it is left out), `remove` everything
 * and end. Every line on standard output is what a pass did, or `{"removed":true}`.
 */
import { createServer } from 'node:http'
import { createInterface } from 'node:readline'
import { openRouteKernel } from '../../../src/kernel/open-route-kernel.ts'
import type { ServiceKey } from '../../../src/model/virtual-service.ts'
import type { AddressReport } from '../../../src/sinks/addresses/address-sink.ts'
import { createAddressSink } from '../../../src/sinks/addresses/create-address-sink.ts'
import { openAddresses } from '../../../src/store/addresses.ts'
import { service, state } from '../desired.ts'

/** A service by its key, and what it wants of its address. */
export interface WantedLine {
  readonly key: string
  readonly interface?: string
  /** True where it is left out. */
  readonly announced?: boolean
}

export type Command =
  | { readonly do: 'want'; readonly services: readonly WantedLine[]; readonly open?: readonly string[] }
  | { readonly do: 'remove' }

/** Port of the HTTP server that says who answers. */
export const PORT = 8080

class PlayedDirector {
  readonly #kernel = openRouteKernel()
  readonly #sink
  #desired = state([])
  #open: ReadonlySet<string> | undefined
  #timer: NodeJS.Timeout | undefined
  #passes: Promise<unknown> = Promise.resolve()

  constructor(store: Awaited<ReturnType<typeof openAddresses>>) {
    this.#sink = createAddressSink({ kernel: this.#kernel, store, instance: 'pointsman' })
    this.#sink.onDisturbed(() => this.pass('full'))
  }

  obey(command: Command): void {
    if (command.do === 'remove') {
      this.#passes = this.#passes.then(() => this.#end())
      return
    }
    const { services, open } = command
    this.#desired = state(
      services.map(({ key, announced = true, ...where }) => service(key, [], { virtualAddress: { announced, ...where } })),
    )
    this.#open = open === undefined ? undefined : new Set(open)
    this.pass('changes')
  }

  pass(scope: 'changes' | 'full'): void {
    this.#passes = this.#passes.then(() => this.#pass(scope))
  }

  async #pass(scope: 'changes' | 'full'): Promise<void> {
    const now = Date.now()
    await this.#sink.withdraw(this.#desired, now)
    const opened = (key: ServiceKey) => this.#open?.has(key) ?? this.#desired.services.has(key)
    const report = await this.#sink.hold(this.#desired, opened, scope, now)
    this.#say({ report, facts: this.#sink.facts() })
    clearTimeout(this.#timer)
    if (report.wakeAt !== undefined) this.#timer = setTimeout(() => this.pass('changes'), report.wakeAt - Date.now())
  }

  async #end(): Promise<void> {
    await this.#sink.remove()
    this.#say({ removed: true })
    await this.#kernel[Symbol.asyncDispose]()
    process.exit(0)
  }

  #say(line: { readonly report: AddressReport; readonly facts: object } | { readonly removed: true }): void {
    process.stdout.write(`${JSON.stringify(line)}\n`)
  }
}

if (import.meta.main) {
  const [directory = ''] = process.argv.slice(2)
  const director = new PlayedDirector(await openAddresses({ directory }))
  // Whoever is reached says so; a second one in the same namespace has nothing to say.
  createServer((_, response) => response.end('director'))
    .on('error', () => undefined)
    .listen(PORT, '::')
  for await (const line of createInterface(process.stdin)) director.obey(JSON.parse(line) as Command)
}
