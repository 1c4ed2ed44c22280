import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Subscription } from 'rxjs'
import { describe, expect, it } from 'vitest'
import type { ConsulSourceSpec } from '../../src/model/consul-source-spec.ts'
import type { SourceEvent } from '../../src/model/source-event.ts'
import { openSourceWith } from '../../src/sources/registry.ts'
import { makeAuthority } from '../peers/certificates.ts'
import { type ConsulAgent, startConsul } from '../peers/consul.ts'
import { loopbackAddress } from '../peers/place.ts'
import { spec } from '../unit/pipeline/makers.ts'
import { consulSpec } from '../unit/sources/consul/scripted-agent.ts'
import { scratchDirectory } from './scratch.ts'

const SECOND = { timeout: 1_000, interval: 5 }
const PATIENT = { timeout: 15_000, interval: 20 }

/** What a source said last, in words: `10.1.1.1:80 passing 1`. */
class Followed implements Disposable {
  event: SourceEvent | undefined
  readonly heard: SourceEvent[] = []
  readonly #subscription: Subscription

  constructor(source: ConsulSourceSpec, open = openSourceWith()) {
    this.#subscription = open(source, spec()).subscribe((event) => {
      this.event = event
      this.heard.push(event)
    })
  }

  get members(): string[] {
    if (this.event === undefined || this.event.kind === 'pending') return ['nothing is known']
    return [...this.event.set.backends].map(([key, { state, weight }]) => `${key} ${state} ${weight}`).sort()
  }

  get failure(): string | undefined {
    return this.event !== undefined && 'failure' in this.event ? this.event.failure?.message : undefined
  }

  [Symbol.dispose](): void {
    this.#subscription.unsubscribe()
  }
}

const instance = (number: number, name = 'web') => ({ name, id: `${name}-${number}`, address: `10.1.1.${number}`, port: 80 })

describe('the Consul source with a real agent', () => {
  it('takes weights from service meta, then from a tag, then from Consul, and meta has no dots', async () => {
    await using agent = await startConsul()
    const weights = { Passing: 10, Warning: 2 }
    await agent.register({ ...instance(1), weights })
    using followed = new Followed(consulSpec([agent.url]))
    await expect.poll(() => followed.members, PATIENT).toEqual(['10.1.1.1:80 passing 10'])
    await agent.register({ ...instance(1), weights, tags: ['pointsman.weight=20'] })
    await expect.poll(() => followed.members, SECOND).toEqual(['10.1.1.1:80 passing 20'])
    await agent.register({ ...instance(1), weights, tags: ['pointsman.weight=20'], meta: { 'pointsman-weight': '30' } })
    await expect.poll(() => followed.members, SECOND).toEqual(['10.1.1.1:80 passing 30'])
    await expect(agent.register({ ...instance(1), meta: { 'pointsman.weight': '40' } })).rejects.toThrow('invalid characters')
  })

  it('narrows by tags, node meta and filter, and takes tagged addresses', async () => {
    await using agent = await startConsul()
    const wan = { wan_ipv4: { Address: '192.0.2.1', Port: 8080 } }
    await agent.registerInCatalog({
      ...instance(1),
      node: 'n1',
      nodeAddress: '10.0.0.1',
      nodeMeta: { rack: 'r1' },
      tags: ['a', 'b'],
      taggedAddresses: wan,
    })
    await agent.registerInCatalog({ ...instance(2), node: 'n2', nodeAddress: '10.0.0.2', nodeMeta: { rack: 'r2' }, tags: ['a'] })
    await agent.registerInCatalog({ name: 'web', id: 'web-3', node: 'n3', nodeAddress: '10.0.0.3', port: 81 })
    const found = async (more: Partial<ConsulSourceSpec>) => {
      using followed = new Followed(consulSpec([agent.url], more))
      await expect.poll(() => followed.event?.kind, PATIENT).toBe('fresh')
      return followed.members.map((words) => words.split(' ')[0])
    }
    expect(await found({})).toEqual(['10.0.0.3:81', '10.1.1.1:80', '10.1.1.2:80'])
    expect(await found({ tags: ['a'] })).toEqual(['10.1.1.1:80', '10.1.1.2:80'])
    expect(await found({ tags: ['a', 'b'] })).toEqual(['10.1.1.1:80'])
    expect(await found({ nodeMeta: { rack: 'r2' } })).toEqual(['10.1.1.2:80'])
    expect(await found({ filter: 'Service.Port == 81', near: '_agent', consistency: 'stale' })).toEqual(['10.0.0.3:81'])
    expect(await found({ taggedAddress: 'wan_ipv4', consistency: 'consistent' })).toEqual([
      '10.0.0.3:81',
      '10.1.1.2:80',
      '192.0.2.1:8080',
    ])
  })

  it('says what Consul says about a namespace that it does not know, and about a filter that is none', async () => {
    await using agent = await startConsul()
    using narrowed = new Followed(consulSpec([agent.url], { filter: 'Service.Port ==' }))
    await expect.poll(() => narrowed.failure, PATIENT).toMatch(/answered 500: .*(parse|match).*|answered 400/)
    using named = new Followed(consulSpec([agent.url], { namespace: 'team' }))
    await expect.poll(() => named.failure, PATIENT).toMatch(/answered 400: .*"ns".*Enterprise/)
    expect(named.event?.kind).toBe('pending')
  })

  it('goes on with the next agent when the first dies, and stays with it', async () => {
    await using first = await startConsul()
    await using second = await startConsul({ node: 'node-2' })
    await first.register(instance(1))
    await second.register(instance(1))
    using followed = new Followed(consulSpec([first.url, second.url]))
    await expect.poll(() => followed.members, PATIENT).toEqual(['10.1.1.1:80 passing 1'])
    await first.kill()
    await second.register(instance(2))
    await expect.poll(() => followed.members, SECOND).toEqual(['10.1.1.1:80 passing 1', '10.1.1.2:80 passing 1'])
    await first.restart()
    await second.register(instance(3))
    await expect.poll(() => followed.members.length, SECOND).toBe(3)
  })

  it('reaches an agent over its unix socket', async () => {
    const socket = join(await scratchDirectory(), 'consul.sock')
    const address = loopbackAddress()
    await using agent = await startConsul({ address, config: { addresses: { http: `${address} unix://${socket}` } } })
    await agent.register(instance(1))
    using followed = new Followed(consulSpec([`unix://${socket}`]))
    await expect.poll(() => followed.members, PATIENT).toEqual(['10.1.1.1:80 passing 1'])
  })

  it('reaches an agent over TLS that asks for our certificate', async () => {
    using authority = await makeAuthority()
    const server = await authority.issue({ name: 'server.dc1.consul' })
    const client = await authority.issue({ name: 'pointsman' })
    const config = {
      ca_file: authority.certFile,
      cert_file: server.certFile,
      key_file: server.keyFile,
      verify_incoming_https: true,
    }
    await using agent = await startConsul({ ports: { https: 8501 }, config })
    await agent.register(instance(1))
    const url = `https://${agent.address}:8501`
    const tls = { caFile: authority.certFile, serverName: 'server.dc1.consul', verify: true }
    using known = new Followed(consulSpec([url], { tls: { ...tls, certFile: client.certFile, keyFile: client.keyFile } }))
    await expect.poll(() => known.members, PATIENT).toEqual(['10.1.1.1:80 passing 1'])
    using unknown = new Followed(consulSpec([url], { tls }))
    await expect.poll(() => unknown.failure, PATIENT).toMatch(/^Consul at https:.* does not take our certificate, or wants one;/)
    expect(unknown.event?.kind).toBe('pending')
    using untrusting = new Followed(consulSpec([url]))
    await expect.poll(() => untrusting.failure, PATIENT).toMatch(/ has a certificate that nobody known here has signed;/)
    using misnamed = new Followed(consulSpec([url], { tls: { caFile: authority.certFile, verify: true } }))
    await expect.poll(() => misnamed.failure, PATIENT).toMatch(/ has a certificate for another name;/)
    using plain = new Followed(consulSpec([`http://${agent.address}:8501`]))
    await expect.poll(() => plain.failure, PATIENT).toMatch(/ speaks TLS; write https:\/\/$/)
    using secure = new Followed(consulSpec([`https://${agent.address}:8500`]))
    await expect.poll(() => secure.failure, PATIENT).toMatch(/ does not speak TLS; write http:\/\//)
  })
})

describe('many services of an agent that takes few connections', () => {
  const SERVICES = 60
  const LIMIT = 20

  async function inCatalog(agent: ConsulAgent): Promise<void> {
    for (let number = 1; number <= SERVICES; number++)
      await agent.registerInCatalog({
        ...instance(number % 200, `svc-${number}`),
        node: `n${number % 5}`,
        nodeAddress: '10.0.0.1',
      })
  }

  it('are all followed within the limit: registrations, checks, maintenance of a node, weights, deregistrations', async () => {
    await using agent = await startConsul({ config: { limits: { http_max_conns_per_client: LIMIT } } })
    await inCatalog(agent)
    const open = openSourceWith()
    const followed = Array.from(
      { length: SERVICES },
      (_, at) => new Followed(consulSpec([agent.url], { service: `svc-${at + 1}`, maxWatches: 100 }), open),
    )
    try {
      await expect.poll(() => followed.filter(({ event }) => event?.kind === 'fresh').length, PATIENT).toBe(SERVICES)
      const last = followed.at(-1)
      const name = `svc-${SERVICES}`
      const entry = { ...instance(60, name), node: 'n0', nodeAddress: '10.0.0.1' }
      const says = (...members: readonly string[]) => expect.poll(() => last?.members, SECOND).toEqual(members)
      await agent.registerInCatalog({ ...entry, state: 'critical' })
      await says('10.1.1.60:80 critical 1')
      await agent.registerInCatalog({ ...entry, state: 'warning', weights: { Passing: 9, Warning: 4 } })
      await says('10.1.1.60:80 warning 4')
      await agent.registerInCatalog({ ...entry, weights: { Passing: 9, Warning: 4 } })
      await says('10.1.1.60:80 passing 9')
      await agent.ask('PUT', '/v1/catalog/register', {
        Node: 'n0',
        Address: '10.0.0.1',
        Check: { CheckID: '_node_maintenance', Name: 'Node Maintenance Mode', Status: 'critical' },
      })
      await says('10.1.1.60:80 maintenance 9')
      await agent.ask('PUT', '/v1/catalog/deregister', { Node: 'n0', CheckID: '_node_maintenance' })
      await says('10.1.1.60:80 passing 9')
      await agent.registerInCatalog({ ...instance(61, name), node: 'n1', nodeAddress: '10.0.0.1' })
      await says('10.1.1.60:80 passing 9', '10.1.1.61:80 passing 1')
      await agent.deregisterFromCatalog('n1', `${name}-61`)
      await says('10.1.1.60:80 passing 9')
      await agent.ask('PUT', '/v1/catalog/register', {
        Node: 'n2',
        Address: '10.0.0.1',
        Service: { ID: 'bare', Service: name, Port: 80, Address: '10.1.1.62' },
      })
      await expect.poll(() => last?.members.length, PATIENT).toBe(2)
      expect(connectionsTo(agent)).toBeLessThanOrEqual(LIMIT)
      expect(followed.flatMap(({ heard }) => heard).filter((event) => 'failure' in event)).toEqual([])
    } finally {
      for (const one of followed) one[Symbol.dispose]()
    }
  })

  it('have a blocking query each over one connection where the agent speaks TLS, and hence HTTP/2', async () => {
    using authority = await makeAuthority()
    const server = await authority.issue({ name: 'server.dc1.consul' })
    const tlsFiles = { ca_file: authority.certFile, cert_file: server.certFile, key_file: server.keyFile }
    const limits = { http_max_conns_per_client: LIMIT }
    await using agent = await startConsul({ ports: { https: 8501 }, config: { ...tlsFiles, limits } })
    await inCatalog(agent)
    const open = openSourceWith()
    const tls = { caFile: authority.certFile, serverName: 'server.dc1.consul', verify: true }
    const agents = [`https://${agent.address}:8501`]
    const followed = Array.from(
      { length: SERVICES },
      (_, at) => new Followed(consulSpec(agents, { service: `svc-${at + 1}`, tls }), open),
    )
    try {
      const fresh = () => followed.filter(({ event }) => event?.kind === 'fresh').length
      await expect.poll(fresh, PATIENT).toBe(SERVICES)
      const last = followed.at(-1)
      const entry = { ...instance(60, `svc-${SERVICES}`), node: 'n0', nodeAddress: '10.0.0.1' }
      for (let weight = 2; weight < 8; weight++) {
        await agent.registerInCatalog({ ...entry, weights: { Passing: weight, Warning: 1 } })
        await expect.poll(() => last?.members, SECOND).toEqual([`10.1.1.60:80 passing ${weight}`])
      }
      // One more for the package, which speaks HTTP/1.1 only.
      expect(connectionsTo(agent, 8501)).toBeLessThanOrEqual(2)
      await agent.restart()
      await expect.poll(() => followed.some(({ heard }) => heard.some(({ kind }) => kind === 'stale')), PATIENT).toBe(true)
      await expect.poll(fresh, PATIENT).toBe(SERVICES)
      expect(last?.members).toEqual(['10.1.1.60:80 passing 7'])
    } finally {
      for (const one of followed) one[Symbol.dispose]()
    }
    await expect.poll(() => connectionsTo(agent, 8501), PATIENT).toBe(0)
  })

  it('keep what they know while the agent is dead, and are exact within a second when it is back', async () => {
    await using agent = await startConsul({ config: { limits: { http_max_conns_per_client: LIMIT } } })
    await inCatalog(agent)
    const open = openSourceWith()
    const followed = Array.from(
      { length: SERVICES },
      (_, at) => new Followed(consulSpec([agent.url], { service: `svc-${at + 1}` }), open),
    )
    try {
      const fresh = () => followed.filter(({ event }) => event?.kind === 'fresh').length
      await expect.poll(fresh, PATIENT).toBe(SERVICES)
      await agent.kill()
      await expect.poll(() => followed.filter(({ event }) => event?.kind === 'stale').length, PATIENT).toBe(SERVICES)
      expect(followed.every(({ members }) => members.length === 1)).toBe(true)
      await agent.restart()
      await expect.poll(fresh, { timeout: 2_000, interval: 5 }).toBe(SERVICES)
      expect(followed.every(({ members }) => members.length === 1)).toBe(true)
    } finally {
      for (const one of followed) one[Symbol.dispose]()
    }
  })
})

/** Established TCP connections to an agent, from any process of this host. */
function connectionsTo({ address, httpPort }: ConsulAgent, port = httpPort): number {
  const [a = 0, b = 0, c = 0, d = 0] = address.split('.').map(Number)
  const hex = (number: number, digits: number) => number.toString(16).toUpperCase().padStart(digits, '0')
  const remote = `${[d, c, b, a].map((byte) => hex(byte, 2)).join('')}:${hex(port, 4)}`
  const rows = readFileSync('/proc/net/tcp', 'utf8')
    .split('\n')
    .map((row) => row.trim().split(/\s+/))
  return rows.filter(([, , to, state]) => to === remote && state === '01').length
}
