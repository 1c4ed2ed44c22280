/** An SRV record of the demo's zone and the address of its target. */
export interface SrvRecord {
  readonly target: string
  readonly address: string
  readonly port: number
  readonly weight: number
}

/** What the stagehand does for the scenes, a line of JSON each. */
export type Wish =
  /** The zone from now on. */
  | { readonly do: 'publish'; readonly records: readonly SrvRecord[] }
  /** Waits until the Consul agent has a leader and its own node is in the catalog. */
  | { readonly do: 'await-consul' }
  /** `PUT /v1/agent/…` of the Consul agent. */
  | { readonly do: 'put'; readonly path: string; readonly body?: object }
  /** The kernel's table, as /proc/net/ip_vs has it. */
  | { readonly do: 'read-table' }

/** The answer to the wish with this number. */
export interface Reply {
  readonly id: number
  readonly text?: string
  readonly error?: string
}
