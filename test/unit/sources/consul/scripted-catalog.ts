/** A catalog of services that a scripted agent serves with blocking queries, as Consul 1.8.7 was seen to. */

import { type Asked, entry, LED, type Said, type ScriptedAgent, scripted } from './scripted-agent.ts'

interface Listed {
  index: number
  weight: number
  state: 'passing' | 'warning' | 'critical'
  instances: number
}

export class ScriptedCatalog implements AsyncDisposable {
  agent!: ScriptedAgent
  readonly #services = new Map<string, Listed>()
  #index = 10
  #checks = 10
  #registrations = 10
  readonly #waiting = new Set<() => void>()
  /** Answers given to questions about a service, with and without content. */
  reads = 0
  probes = 0

  static async with(count: number): Promise<ScriptedCatalog> {
    const catalog = new ScriptedCatalog()
    for (let number = 1; number <= count; number++)
      catalog.#services.set(`svc-${number}`, { index: 10, weight: 1, state: 'passing', instances: 1 })
    catalog.agent = await scripted((asked) => catalog.#answer(asked))
    return catalog
  }

  /** Changes a weight or the number of instances: a registration. */
  register(name: string, change: { readonly weight?: number; readonly instances?: number }): void {
    this.#change(name, change)
    this.#registrations = this.#index
    if (change.instances !== undefined) this.#checks = this.#index
    this.#tell()
  }

  /** Sets the check of a service. */
  check(name: string, state: Listed['state']): void {
    this.#change(name, { state })
    this.#checks = this.#index
    this.#tell()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.agent[Symbol.asyncDispose]()
  }

  #change(name: string, change: Partial<Listed>): void {
    const listed = this.#services.get(name)
    if (listed === undefined) throw new Error(`${name} is not in the catalog`)
    this.#index++
    Object.assign(listed, change, { index: this.#index })
  }

  #tell(): void {
    for (const wake of [...this.#waiting]) wake()
  }

  async #answer({ path, parameters }: Asked): Promise<Said> {
    const held = Number(parameters.get('index') ?? 0)
    const wait = Number.parseInt(parameters.get('wait') ?? '0', 10)
    const until = performance.now() + wait
    while (held > 0 && this.#indexOf(path) <= held && performance.now() < until) {
      await new Promise<void>((resolve) => {
        const wake = () => {
          clearTimeout(timer)
          this.#waiting.delete(wake)
          resolve()
        }
        const timer = setTimeout(wake, Math.max(0, until - performance.now()))
        this.#waiting.add(wake)
      })
    }
    const body = this.#bodyOf(path, parameters)
    return { headers: { ...LED, 'X-Consul-Index': String(this.#indexOf(path)) }, body: JSON.stringify(body) }
  }

  #indexOf(path: string): number {
    if (path.startsWith('/v1/health/service/')) return this.#services.get(nameIn(path))?.index ?? this.#index
    if (path.startsWith('/v1/health/state/')) return this.#checks
    return path === '/v1/catalog/services' ? this.#registrations : 10
  }

  #bodyOf(path: string, parameters: URLSearchParams): unknown {
    if (path === '/v1/agent/self') return { DebugConfig: { HTTPMaxConnsPerClient: 200 } }
    if (path === '/v1/catalog/services') return Object.fromEntries([...this.#services.keys()].map((name) => [name, []]))
    if (path === '/v1/catalog/nodes') return []
    if (path.startsWith('/v1/health/state/')) return this.#checksIn(path.slice('/v1/health/state/'.length))
    if (parameters.has('filter')) this.probes++
    else this.reads++
    return parameters.has('filter') ? [] : this.#instancesOf(nameIn(path))
  }

  #checksIn(state: string): unknown[] {
    return [...this.#services].flatMap(([name, listed]) =>
      listed.state === state
        ? numbers(listed).map((number) => ({ Node: `n${number}`, CheckID: `${name}-${number}`, ServiceName: name }))
        : [],
    )
  }

  #instancesOf(name: string): unknown[] {
    const listed = this.#services.get(name)
    if (listed === undefined) return []
    const { weight, state } = listed
    return numbers(listed).map((number) =>
      entry(number, { service: { ID: `${name}-${number}`, Weights: { Passing: weight, Warning: 1 } }, checks: { http: state } }),
    )
  }
}

function nameIn(path: string): string {
  return path.slice('/v1/health/service/'.length)
}

function numbers({ instances }: Listed): number[] {
  return Array.from({ length: instances }, (_, at) => at + 1)
}
