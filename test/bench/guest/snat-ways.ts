/** The ways to have source NAT for many services: our own sink, and the predecessor's rule for each backend by both iptables of Debian. */

import { execFileSync } from 'node:child_process'
import { openNftablesKernel } from '../../../src/kernel/for-daemon.ts'
import type { DesiredState } from '../../../src/model/desired-state.ts'
import { createSnatSink, type SnatSink } from '../../../src/sinks/snat/snat-sink.ts'
import { state } from '../../support/desired.ts'
import { translated } from '../../support/source-nat.ts'
import { backendAddressOf, serviceAddressOf } from '../packet-plan.ts'
import { BACKEND_PORT, SERVICE_PORT } from './packet-network.ts'
import { timed } from './peers.ts'

export interface SnatWay {
  readonly name: string
  /** Source NAT for the services with numbers below `count`. */
  put(count: number): Promise<void>
  /** Milliseconds to add one more; it is gone again afterwards. */
  addOne?(count: number): Promise<number>
  remove(): Promise<void>
}

export const NONE: SnatWay = { name: 'no source NAT', put: async () => {}, remove: async () => {} }

const SERVED = { service: () => true, destination: () => true }

export class OurWay implements SnatWay, AsyncDisposable {
  readonly name = 'pointsman'
  readonly #sink: SnatSink
  readonly #kernel: AsyncDisposable
  #desired: DesiredState = state([])

  private constructor(kernel: Awaited<ReturnType<typeof openNftablesKernel>>) {
    this.#kernel = kernel
    this.#sink = createSnatSink({ kernel })
  }

  static async open(): Promise<OurWay> {
    return new OurWay(await openNftablesKernel())
  }

  async put(count: number): Promise<void> {
    this.#desired = desired(count)
    await this.#pass(this.#desired)
  }

  /** A whole pass of the sink. */
  async addOne(count: number): Promise<number> {
    const more = desired(count + 1)
    const began = performance.now()
    await this.#pass(more)
    const milliseconds = performance.now() - began
    await this.#pass(this.#desired)
    await this.#sink.close(this.#desired, { service: () => false, destination: () => false }, Date.now())
    return milliseconds
  }

  async remove(): Promise<void> {
    await this.#sink.remove()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#sink[Symbol.asyncDispose]()
    await this.#kernel[Symbol.asyncDispose]()
  }

  async #pass(wanted: DesiredState): Promise<void> {
    const { failed } = await this.#sink.open(wanted, 'changes', Date.now())
    if (failed.length > 0) throw new Error(failed.map(({ message }) => message).join(' '))
    await this.#sink.close(wanted, SERVED, Date.now())
  }
}

function desired(count: number): DesiredState {
  const names = Array.from({ length: count }, (_, number) => `udp/${serviceAddressOf(number)}:${SERVICE_PORT}`)
  return state(names.map((name, number) => translated(name, 'masquerade', [`${backendAddressOf(number)}:${BACKEND_PORT}`])))
}

/** Debian's programs, unpacked somewhere. */
export interface IptablesPrograms {
  readonly path: string
  readonly env: Readonly<Record<string, string>>
}

export class IptablesWay implements SnatWay {
  readonly name: string
  readonly #programs: IptablesPrograms

  constructor(variant: 'iptables-nft' | 'iptables-legacy', programs: IptablesPrograms) {
    this.name = variant
    this.#programs = programs
  }

  async put(count: number): Promise<void> {
    const rules = Array.from({ length: count }, (_, number) => `-A EZLB-SNAT ${ruleOf(number)}`)
    const lines = ['*nat', ':EZLB-SNAT - [0:0]', '-A POSTROUTING -j EZLB-SNAT', ...rules, 'COMMIT', '']
    const { path, env } = this.#programs
    execFileSync(`${path}/${this.name}-restore`, ['-n'], { input: lines.join('\n'), env: { ...process.env, ...env } })
  }

  async addOne(count: number): Promise<number> {
    const milliseconds = timed(this.#line(`-A EZLB-SNAT ${ruleOf(count)}`))
    timed(this.#line(`-D EZLB-SNAT ${ruleOf(count)}`))
    return milliseconds
  }

  async remove(): Promise<void> {
    for (const what of ['-F POSTROUTING', '-F EZLB-SNAT', '-X EZLB-SNAT']) timed(this.#line(what))
  }

  #line(what: string): string {
    const { path, env } = this.#programs
    const variables = Object.entries(env).map(([name, value]) => `${name}=${value}`)
    return `env ${variables.join(' ')} ${path}/${this.name} -t nat ${what}`
  }
}

function ruleOf(number: number): string {
  return `-d ${backendAddressOf(number)}/32 -p udp -m udp --dport ${BACKEND_PORT} -j MASQUERADE`
}
