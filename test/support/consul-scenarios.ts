/** What the Consul source must do with a real Consul, wherever that runs: as processes here, or in containers. */

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { ConsulSourceSpec } from '../../src/model/consul-source-spec.ts'
import type { SourceEvent } from '../../src/model/source-event.ts'
import { openSourceWith } from '../../src/sources/registry.ts'
import { Listener, pause, scratchDirectory } from '../integration/scratch.ts'
import type { ConsulApi } from '../peers/consul-api.ts'
import { spec } from '../unit/pipeline/makers.ts'

/** One agent that is its own server. */
export interface LoneAgent extends ConsulApi, AsyncDisposable {
  /** Kills it without a last word. */
  kill(): Promise<void>
  /** Starts it again, having forgotten everything, and waits until it is ready. */
  restartEmpty(): Promise<void>
}

/** Three servers, and a client agent that the source asks. */
export interface Cluster extends AsyncDisposable {
  readonly client: ConsulApi
  killLeader(): Promise<unknown>
  killServers(): Promise<void>
  startServers(): Promise<void>
}

export interface ConsulPlace {
  startAgent(options?: { readonly acl?: boolean }): Promise<LoneAgent>
  startCluster(): Promise<Cluster>
}

/** Milliseconds until the source must be exact, from when the agent itself is. */
const EXACT_WITHIN = 1_000

/** Milliseconds that Consul may take to notice that it is dead, or to be well again. */
const CONSUL_TAKES = 60_000

/** Milliseconds, in which a back-off that doubles would have grown far beyond a second. */
const LONG_OUTAGE = 12_000

function source(agent: ConsulApi, more: Partial<ConsulSourceSpec> = {}): ConsulSourceSpec {
  return {
    kind: 'consul',
    service: 'web',
    agents: [agent.url],
    consistency: 'default',
    maxStale: 10_000,
    tags: [],
    nodeMeta: {},
    passingOnly: false,
    wait: 5_000,
    maxWatches: 100,
    ...more,
  }
}

const instance = (number: number) => ({
  name: 'web',
  id: `web-${number}`,
  address: `10.1.1.${number}`,
  port: 8000,
  weights: { Passing: 10, Warning: 2 },
})

/** `fresh 10.1.1.1 passing 10, 10.1.1.2 critical`: the weight of those that serve. */
function words(event: SourceEvent): string {
  if (event.kind === 'pending') return 'pending'
  const members = [...event.set.backends.values()].map(({ address, state, weight }) => {
    const serves = state === 'passing' || state === 'warning'
    return `${address} ${state}${serves ? ` ${weight}` : ''}`
  })
  return `${event.kind} ${members.sort().join(', ')}`
}

const passing = (...numbers: readonly number[]) => numbers.map((number) => `10.1.1.${number} passing 10`).join(', ')

const isEmpty = (event: SourceEvent) => event.kind !== 'pending' && event.set.backends.size === 0

class Followed {
  readonly #listener: Listener<SourceEvent>

  constructor(spec_: ConsulSourceSpec) {
    this.#listener = new Listener(openSourceWith()(spec_, spec()))
  }

  get heard(): readonly SourceEvent[] {
    return this.#listener.heard
  }

  says(wanted: string, patience = EXACT_WITHIN): Promise<SourceEvent> {
    return this.#listener.until((last) => words(last) === wanted, wanted, patience)
  }

  /** The first word after `from` that is stale, with the members as they were. */
  async goesStale(members: string, from: number): Promise<void> {
    await this.#listener.until(() => this.heard.slice(from).some(({ kind }) => kind === 'stale'), 'a stale set', CONSUL_TAKES)
    for (const event of this.heard.slice(from)) expect(words(event)).toMatch(new RegExp(`^(fresh|stale) ${members}$`))
  }
}

/** Waits until the agent itself answers with these instances: then all is well, and the time of the source begins. */
async function isWell(agent: ConsulApi, ...numbers: readonly number[]): Promise<void> {
  const ids = async () => {
    const entries = (await agent.ask('GET', '/v1/health/service/web')) as readonly { readonly Service: { readonly ID: string } }[]
    return entries.map(({ Service }) => Service.ID).sort()
  }
  const wanted = numbers.map((number) => `web-${number}`)
  await expect.poll(ids, { timeout: CONSUL_TAKES, interval: 20 }).toEqual(wanted)
}

export function testConsulSource(where: string, { startAgent, startCluster }: ConsulPlace): void {
  describe(`the Consul source with ${where}`, () => {
    it('follows what is registered, its checks and maintenance, each within a second', async () => {
      await using agent = await startAgent()
      await agent.register(instance(1))
      const followed = new Followed(source(agent))
      await followed.says(`fresh ${passing(1)}`, 5_000)
      await agent.register(instance(2))
      await followed.says(`fresh ${passing(1, 2)}`)
      await agent.setCheck('web-2', 'critical')
      await followed.says(`fresh ${passing(1)}, 10.1.1.2 critical`)
      await agent.setCheck('web-2', 'warning')
      await followed.says(`fresh ${passing(1)}, 10.1.1.2 warning 2`)
      await agent.setCheck('web-2', 'passing')
      await followed.says(`fresh ${passing(1, 2)}`)
      await agent.maintenance('web-1', true)
      await followed.says(`fresh 10.1.1.1 maintenance, ${passing(2)}`)
      await agent.maintenance('web-1', false)
      await followed.says(`fresh ${passing(1, 2)}`)
      await agent.maintenance(undefined, true)
      await followed.says('fresh 10.1.1.1 maintenance, 10.1.1.2 maintenance')
      await agent.maintenance(undefined, false)
      await followed.says(`fresh ${passing(1, 2)}`)
      await agent.deregister('web-1')
      await followed.says(`fresh ${passing(2)}`)
      expect(followed.heard.filter(isEmpty)).toEqual([])
    })

    it('keeps the set while the agent is dead, and is not blind when it comes back empty', async () => {
      await using agent = await startAgent()
      await agent.register(instance(1))
      await agent.register(instance(2))
      const followed = new Followed(source(agent))
      await followed.says(`fresh ${passing(1, 2)}`, 5_000)
      const before = followed.heard.length
      await agent.kill()
      await followed.goesStale(passing(1, 2), before)
      await agent.restartEmpty()
      // The agent knows its leader and says that nothing is registered: the guard judges that, not the source.
      await isWell(agent)
      await followed.says('fresh ')
      await agent.register(instance(3))
      await followed.says(`fresh ${passing(3)}`)
    })

    it('is exact within a second also after a long outage', async () => {
      await using agent = await startAgent()
      await agent.register(instance(1))
      const followed = new Followed(source(agent))
      await followed.says(`fresh ${passing(1)}`, 5_000)
      const before = followed.heard.length
      await agent.kill()
      await followed.goesStale(passing(1), before)
      await pause(LONG_OUTAGE)
      await agent.restartEmpty()
      await agent.register(instance(2))
      await isWell(agent, 2)
      await followed.says(`fresh ${passing(2)}`)
    })

    it('keeps the set while its token is revoked, and takes a new one from the file', async () => {
      await using agent = await startAgent({ acl: true })
      const rules = 'service_prefix "" { policy = "read" } node_prefix "" { policy = "read" }'
      const tokenFile = join(await scratchDirectory(), 'token')
      const first = await agent.createToken(rules)
      writeFileSync(tokenFile, first.secret)
      await agent.register(instance(1))
      const followed = new Followed(source(agent, { tokenFile, wait: 1_000 }))
      await followed.says(`fresh ${passing(1)}`, 5_000)
      const before = followed.heard.length
      await agent.revokeToken(first.accessor)
      await followed.goesStale(passing(1), before)
      await agent.register(instance(2))
      await agent.deregister('web-1')
      const second = await agent.createToken(rules)
      writeFileSync(tokenFile, second.secret)
      await followed.says(`fresh ${passing(2)}`)
      expect(JSON.stringify(followed.heard)).not.toContain(first.secret)
      expect(followed.heard.filter(isEmpty)).toEqual([])
    })

    it('keeps the set while the leader is killed and another is elected', async () => {
      await using cluster = await startCluster()
      await cluster.client.register(instance(1))
      await cluster.client.register(instance(2))
      await isWell(cluster.client, 1, 2)
      const followed = new Followed(source(cluster.client))
      await followed.says(`fresh ${passing(1, 2)}`, 5_000)
      await cluster.killLeader()
      await cluster.client.register(instance(3))
      await cluster.client.deregister('web-1')
      await isWell(cluster.client, 2, 3)
      await followed.says(`fresh ${passing(2, 3)}`)
      // Consul itself may tell of the one that left before the one that came.
      const known = followed.heard.filter(({ kind }) => kind !== 'pending')
      for (const event of known) expect(words(event)).toContain(passing(2))
    })

    it('keeps the set while every server is dead, and is exact when they are back', async () => {
      await using cluster = await startCluster()
      await cluster.client.register(instance(1))
      await cluster.client.register(instance(2))
      await isWell(cluster.client, 1, 2)
      const followed = new Followed(source(cluster.client))
      await followed.says(`fresh ${passing(1, 2)}`, 5_000)
      const before = followed.heard.length
      await cluster.killServers()
      await followed.goesStale(passing(1, 2), before)
      await cluster.client.register(instance(3))
      await cluster.client.deregister('web-1')
      await cluster.startServers()
      await isWell(cluster.client, 2, 3)
      await followed.says(`fresh ${passing(2, 3)}`)
      expect(followed.heard.filter(isEmpty)).toEqual([])
    })
  })
}
