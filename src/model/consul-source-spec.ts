import type { TlsSpec } from './tls-spec.ts'

/** How far the servers may be behind: the leader's word, the leader's word after it has asked its followers, or any server's. */
export type ConsulConsistency = 'default' | 'consistent' | 'stale'

/** How a Consul agent is reached and what it is told of us. */
export interface ConsulAccess {
  /**
   * `http://127.0.0.1:8500`, `https://consul.example:8501`, `unix:///run/consul.sock`; without user name and password. The
   * first is asked; the next when it fails.
   */
  readonly agents: readonly string[]
  readonly tls?: TlsSpec
  /** The secret itself, or an absolute path of a file that holds nothing else; at most one of the two. */
  readonly token?: string
  readonly tokenFile?: string
  /** Absent: the agent's own. */
  readonly datacenter?: string
  /** Namespaces and partitions are features of Consul Enterprise. */
  readonly namespace?: string
  readonly partition?: string
  readonly consistency: ConsulConsistency
  /** Milliseconds since a server's last contact with the leader, above which its answer removes nothing. */
  readonly maxStale: number
  /** Milliseconds that one blocking query waits for a change, and the pace of confirmations. */
  readonly wait: number
  /** Connections that the agent may be asked over at once; the lowest of all services that share the agent counts. */
  readonly maxWatches: number
}

/** The instances of a Consul service. */
export interface ConsulSourceSpec extends ConsulAccess {
  readonly kind: 'consul'
  readonly service: string
  /** Expression in Consul's own filter language. */
  readonly filter?: string
  /** An instance must carry all of them. */
  readonly tags: readonly string[]
  readonly nodeMeta: Readonly<Record<string, string>>
  /** Node to sort by; `_agent` is the agent's own. */
  readonly near?: string
  /** Warning counts as critical. */
  readonly passingOnly: boolean
  /** Key of the tagged address to use where an instance or its node has one: `wan_ipv4`. */
  readonly taggedAddress?: string
}

/** Where an agent listens when nothing is written. */
export const CONSUL_DEFAULT_AGENT = 'http://127.0.0.1:8500'

/** `web`, `web dc2 tag prod at https://10.0.0.5:8501`: everything that makes two sources of the same service different. */
export function consulPlace(spec: ConsulSourceSpec): string {
  const { service, datacenter, namespace, partition, tags, nodeMeta, filter, taggedAddress, agents } = spec
  const nodes = Object.entries(nodeMeta).map(([key, value]) => `node-meta ${key}:${value}`)
  const elsewhere = agents.length === 1 && agents[0] === CONSUL_DEFAULT_AGENT ? [] : [`at ${agents.join(',')}`]
  return [
    service,
    ...(datacenter === undefined ? [] : [`dc ${datacenter}`]),
    ...(namespace === undefined ? [] : [`namespace ${namespace}`]),
    ...(partition === undefined ? [] : [`partition ${partition}`]),
    ...tags.map((tag) => `tag ${tag}`),
    ...nodes,
    ...(filter === undefined ? [] : [`filter ${filter}`]),
    ...(taggedAddress === undefined ? [] : [taggedAddress]),
    ...elsewhere,
  ].join(' ')
}
