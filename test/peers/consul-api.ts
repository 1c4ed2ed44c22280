/** What tests ask of a Consul agent: its HTTP API, as an operator would use it. */

import { type HttpAnswer, httpCall } from './http-call.ts'

export type CheckState = 'passing' | 'warning' | 'critical'

/** A service instance as `PUT /v1/agent/service/register` takes it; it gets a check that `setCheck` sets, without which it would always pass. */
export interface ServiceInstance {
  readonly name: string
  /** Left out: the name. */
  readonly id?: string
  /** Left out: the node's address counts. */
  readonly address?: string
  readonly port: number
  readonly tags?: readonly string[]
  readonly meta?: Readonly<Record<string, string>>
  readonly weights?: { readonly Passing: number; readonly Warning: number }
  readonly taggedAddresses?: Readonly<Record<string, { readonly Address: string; readonly Port: number }>>
  /** The first state of its check; left out: passing. */
  readonly state?: CheckState
}

/** An instance on a node of its own, without an agent; nobody runs its checks. */
export interface CatalogInstance extends ServiceInstance {
  readonly node: string
  readonly nodeAddress: string
  readonly nodeMeta?: Readonly<Record<string, string>>
}

export class ConsulApi {
  /** `http://127.77.1.1:8500`. */
  readonly url: string
  /** The management token, where access lists are on. */
  readonly token: string | undefined

  constructor(url: string, token: string | undefined) {
    this.url = url
    this.token = token
  }

  /** Any request; throws only when there is no answer. `token` replaces the management token, '' leaves it out. */
  call(method: string, path: string, body?: unknown, options: { token?: string; timeout?: number } = {}): Promise<HttpAnswer> {
    const token = options.token ?? this.token ?? ''
    return httpCall(this.url + path, {
      method,
      headers: token === '' ? {} : { 'X-Consul-Token': token },
      ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
      ...(options.timeout !== undefined && { timeout: options.timeout }),
    })
  }

  /** The answer's JSON; throws with the agent's words when the status is not 200. */
  async ask(method: string, path: string, body?: unknown): Promise<unknown> {
    // An agent whose servers are dead tries them before it answers, each for ten seconds.
    const { status, text } = await this.call(method, path, body, { timeout: 60_000 })
    if (status !== 200) throw new Error(`${method} ${path} answered ${status}: ${text}`)
    return text === '' ? undefined : JSON.parse(text)
  }

  async register(instance: ServiceInstance): Promise<void> {
    const id = instance.id ?? instance.name
    await this.ask('PUT', '/v1/agent/service/register?replace-existing-checks=true', {
      ...definition(instance),
      Check: { CheckID: `service:${id}`, TTL: '24h', Status: instance.state ?? 'passing' },
    })
  }

  async deregister(id: string): Promise<void> {
    await this.ask('PUT', `/v1/agent/service/deregister/${encodeURIComponent(id)}`)
  }

  /** Sets the check that `register` gave the instance. */
  async setCheck(id: string, state: CheckState, output = `set to ${state} by the test`): Promise<void> {
    await this.ask('PUT', `/v1/agent/check/update/${encodeURIComponent(`service:${id}`)}`, { Status: state, Output: output })
  }

  /** Maintenance of one instance, or of the whole node when `id` is undefined. */
  async maintenance(id: string | undefined, on: boolean, reason = 'the test wants it'): Promise<void> {
    const path = id === undefined ? '/v1/agent/maintenance' : `/v1/agent/service/maintenance/${encodeURIComponent(id)}`
    await this.ask('PUT', `${path}?enable=${on}&reason=${encodeURIComponent(reason)}`)
  }

  /** Puts an instance on another node straight into the catalog; needs a leader. */
  async registerInCatalog(instance: CatalogInstance): Promise<void> {
    const { Name, ...service } = definition(instance)
    await this.ask('PUT', '/v1/catalog/register', {
      Node: instance.node,
      Address: instance.nodeAddress,
      ...(instance.nodeMeta !== undefined && { NodeMeta: instance.nodeMeta }),
      Service: { ...service, Service: Name },
      Check: {
        CheckID: `service:${service.ID}`,
        Name: `check of ${service.ID}`,
        ServiceID: service.ID,
        Status: instance.state ?? 'passing',
      },
    })
  }

  /** Takes an instance out of the catalog, or the whole node when `id` is undefined. */
  async deregisterFromCatalog(node: string, id?: string): Promise<void> {
    await this.ask('PUT', '/v1/catalog/deregister', { Node: node, ...(id !== undefined && { ServiceID: id }) })
  }

  /** A token with these rules (HCL): `service_prefix "" { policy = "read" }`. Node names need `node_prefix` read too. */
  async createToken(rules: string): Promise<{ readonly accessor: string; readonly secret: string }> {
    const name = `test-${crypto.randomUUID()}`
    await this.ask('PUT', '/v1/acl/policy', { Name: name, Rules: rules })
    const made = (await this.ask('PUT', '/v1/acl/token', { Policies: [{ Name: name }] })) as {
      AccessorID: string
      SecretID: string
    }
    return { accessor: made.AccessorID, secret: made.SecretID }
  }

  async revokeToken(accessor: string): Promise<void> {
    await this.ask('DELETE', `/v1/acl/token/${accessor}`)
  }

  /** The address of the leader (`127.77.1.1:8300`) as this agent sees it; undefined without one. */
  async leader(): Promise<string | undefined> {
    const { status, text } = await this.call('GET', '/v1/status/leader', undefined, { timeout: 2_000 })
    return status === 200 && text !== '""' ? (JSON.parse(text) as string) : undefined
  }
}

function definition({ name, id = name, address, port, tags, meta, weights, taggedAddresses }: ServiceInstance) {
  return {
    ID: id,
    Name: name,
    Port: port,
    ...(address !== undefined && { Address: address }),
    ...(tags !== undefined && { Tags: tags }),
    ...(meta !== undefined && { Meta: meta }),
    ...(weights !== undefined && { Weights: weights }),
    ...(taggedAddresses !== undefined && { TaggedAddresses: taggedAddresses }),
  }
}
