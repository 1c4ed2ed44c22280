/**
 * Networks of namespaces in the lab: a client, a director, real servers. Every host has an IPv4 and an IPv6 address; several
 * topologies may exist at once, told apart by name.
 */

import type { Lab, LabProcess, RunOptions, RunResult, SpawnOptions } from './lab.ts'
import { type Plan, planBridge, planRouted } from './topology-plan.ts'

/**
 * - `routed`: the director is a router between the client's link and one link per real server, whose default route it is. NAT
 *   works; direct and tunnel replies do not get back to the client.
 * - `bridge`: all on one link. Real servers hold the virtual addresses on `lo` without answering for them, and have tunnel
 *   devices up: direct routing and tunnels work; NAT does not (replies bypass the director).
 */
export type TopologyKind = 'routed' | 'bridge'

export interface TopologyOptions {
  /** Prefix of the namespaces' names; at most 20 characters. */
  readonly name: string
  readonly kind: TopologyKind
  /** Default 3, at most 50. */
  readonly realServers?: number
  /** How many virtual addresses of each family the director holds. Default 1, at most 50. */
  readonly virtualAddresses?: number
}

export interface Addresses {
  readonly ipv4: string
  readonly ipv6: string
}

/** One namespace of a topology. */
export interface Host {
  /** `client`, `director`, `rs1`, `rs2`, … */
  readonly role: string
  readonly netns: string
  readonly addresses: Addresses
}

export class Topology {
  readonly kind: TopologyKind
  readonly client: Host
  readonly director: Host
  readonly realServers: readonly Host[]
  /** The virtual addresses, the first of them `virtual[0]`. */
  readonly virtual: readonly Addresses[]
  readonly #lab: Lab
  readonly #plan: Plan

  constructor(lab: Lab, kind: TopologyKind, plan: Plan) {
    this.#lab = lab
    this.#plan = plan
    this.kind = kind
    this.client = plan.client
    this.director = plan.director
    this.realServers = plan.realServers
    this.virtual = plan.virtual
  }

  /** Runs a command that must succeed on one host; its standard output. */
  check(host: Host, command: string | readonly string[], options: RunOptions = {}): Promise<string> {
    return this.#lab.check(command, { ...options, netns: host.netns })
  }

  run(host: Host, command: string | readonly string[], options: RunOptions = {}): Promise<RunResult> {
    return this.#lab.run(command, { ...options, netns: host.netns })
  }

  spawn(host: Host, command: string | readonly string[], options: SpawnOptions = {}): LabProcess {
    return this.#lab.spawn(command, { ...options, netns: host.netns })
  }

  /** Kills what runs in the namespaces and removes them. */
  async close(): Promise<void> {
    await this.#lab.check(tearDown(this.#plan.namespaces))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }
}

const tearDown = (namespaces: readonly string[]): string =>
  `for ns in ${namespaces.join(' ')}; do
  [ -e /run/netns/$ns ] || continue
  for pid in $(ip netns pids $ns); do kill -KILL $pid; done
  ip netns del $ns
done`

/** Builds a topology, replacing one of the same name. */
export async function buildTopology(lab: Lab, options: TopologyOptions): Promise<Topology> {
  const { name, kind } = options
  const sizes = { realServers: options.realServers ?? 3, virtualAddresses: options.virtualAddresses ?? 1 }
  const plan = kind === 'routed' ? planRouted(name, sizes) : planBridge(name, sizes)
  await lab.check(['sh', '-e', '-c', `${tearDown(plan.namespaces)}\n${plan.script}`], { timeoutMs: 120_000 })
  return new Topology(lab, kind, plan)
}
