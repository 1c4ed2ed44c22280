import { setTimeout as sleep } from 'node:timers/promises'
import type { Subscription } from 'rxjs'
import { describe, expect, it } from 'vitest'
import type { CatalogEvent } from '../../../../src/model/catalog-event.ts'
import type { ConsulSourceSpec } from '../../../../src/model/consul-source-spec.ts'
import { consulNames } from '../../../../src/sources/consul/catalog.ts'
import type { HealthHeard } from '../../../../src/sources/consul/watch.ts'
import { ConsulWatches } from '../../../../src/sources/consul/watches.ts'
import { consulSpec, entry, LED, scripted } from './scripted-agent.ts'
import { ScriptedCatalog } from './scripted-catalog.ts'

/** What was heard of each service last: `1 passing`, `2 critical`, with the number of answers. */
class Audience implements Disposable {
  readonly #subscriptions: Subscription[] = []
  readonly last = new Map<string, HealthHeard>()
  readonly watches: ConsulWatches
  confirmations = 0
  faults = 0

  constructor(watches = new ConsulWatches()) {
    this.watches = watches
  }

  follow(count: number, url: string, more: Partial<ConsulSourceSpec> = {}): this {
    for (let number = 1; number <= count; number++) {
      const service = `svc-${number}`
      const spec = consulSpec([url], { service, wait: 1_000, ...more })
      this.#subscriptions.push(this.watches.watch(spec).subscribe((heard) => this.#hear(service, heard)))
    }
    return this
  }

  entries(service: string) {
    const heard = this.last.get(service)
    return heard?.kind === 'answer' ? heard.reading.content.flatMap((read) => (read.ok ? [read.entry] : [])) : []
  }

  weight(service: string): unknown {
    return this.entries(service)[0]?.Service.Weights?.['Passing']
  }

  state(service: string): string | undefined {
    return this.entries(service)[0]?.Checks?.find(({ CheckID }) => CheckID === 'http')?.Status
  }

  [Symbol.dispose](): void {
    for (const subscription of this.#subscriptions) subscription.unsubscribe()
  }

  #hear(service: string, heard: HealthHeard): void {
    if (heard.kind === 'fault') this.faults++
    else if (heard.reading.same) this.confirmations++
    this.last.set(service, heard)
  }
}

/** Resolves when the agent has not been asked anything for a while. */
async function quiet({ agent }: ScriptedCatalog): Promise<void> {
  for (let before = -1; before !== agent.asked.length; await sleep(250)) before = agent.asked.length
}

const MANY = 60
const FEW_CONNECTIONS = { maxWatches: 16 }

describe('watches over one agent', () => {
  it('have a blocking query each while there are few, and end with their listeners', async () => {
    await using catalog = await ScriptedCatalog.with(5)
    {
      using audience = new Audience().follow(5, catalog.agent.url)
      await expect.poll(() => audience.last.size).toBe(5)
      catalog.register('svc-3', { weight: 9 })
      await expect.poll(() => audience.weight('svc-3')).toBe(9)
      expect(catalog.agent.asked.every(({ path }) => path.startsWith('/v1/health/service/') || path === '/v1/agent/self')).toBe(
        true,
      )
    }
    // A question may still be on its way.
    await sleep(300)
    const { length } = catalog.agent.asked
    await sleep(1_300)
    expect(catalog.agent.asked).toHaveLength(length)
  })

  it('share one question that is asked twice', async () => {
    await using catalog = await ScriptedCatalog.with(1)
    using audience = new Audience().follow(1, catalog.agent.url).follow(1, catalog.agent.url)
    await expect.poll(() => audience.last.size).toBe(1)
    await expect.poll(() => catalog.agent.asked.length).toBe(2)
    expect(catalog.agent.connections).toBe(1)
  })

  it('tell a late listener what is known', async () => {
    await using catalog = await ScriptedCatalog.with(1)
    using audience = new Audience().follow(1, catalog.agent.url)
    await expect.poll(() => audience.last.size).toBe(1)
    const spec = consulSpec([catalog.agent.url], { service: 'svc-1', wait: 1_000 })
    let heard: HealthHeard | undefined
    audience.watches
      .watch(spec)
      .subscribe((word) => {
        heard = word
      })
      .unsubscribe()
    expect(heard).toBe(audience.last.get('svc-1'))
  })
})

describe('the names of all services', { timeout: 20_000 }, () => {
  it.each([
    ['1 namespace', 1, 4],
    ['3 namespaces', 3, 4],
    ['more namespaces than connections', 5, 6],
  ])('of %s are asked for over the connections that may be used, and no service is forgotten', async (_, namespaces, most) => {
    await using catalog = await ScriptedCatalog.with(4)
    using audience = new Audience()
    const known = new Map<number, CatalogEvent<ReadonlySet<string>>>()
    using subscription = new DisposableStack()
    for (let number = 1; number <= namespaces; number++) {
      const access = consulSpec([catalog.agent.url], { maxWatches: 4, namespace: `ns-${number}` })
      const asked = consulNames(access, audience.watches).subscribe((event) => known.set(number, event))
      subscription.defer(() => asked.unsubscribe())
    }
    audience.follow(4, catalog.agent.url, { maxWatches: 4, wait: 60_000 })
    await expect.poll(() => [known.size, audience.last.size]).toEqual([namespaces, 4])
    for (const event of known.values())
      expect(event).toMatchObject({ kind: 'answer', content: new Set(['svc-1', 'svc-2', 'svc-3', 'svc-4']), trust: 'fresh' })
    await sleep(300)
    expect(catalog.agent.mostConnections).toBeLessThanOrEqual(most)
  })

  it('leave their connection to the services when nobody wants to know them any more', async () => {
    await using catalog = await ScriptedCatalog.with(4)
    using audience = new Audience()
    const asked = consulNames(consulSpec([catalog.agent.url], { maxWatches: 4 }), audience.watches).subscribe()
    audience.follow(4, catalog.agent.url, { maxWatches: 4, wait: 60_000 })
    await expect.poll(() => audience.last.size).toBe(4)
    asked.unsubscribe()
    await quiet(catalog)
    const services = ['svc-1', 'svc-2', 'svc-3', 'svc-4']
    for (const service of services) catalog.register(service, { weight: 9 })
    await expect.poll(() => services.map((service) => audience.weight(service))).toEqual([9, 9, 9, 9])
  })

  it('are asked for while somebody listens, whoever else comes and goes', async () => {
    await using catalog = await ScriptedCatalog.with(1)
    const watches = new ConsulWatches()
    const heard: string[] = []
    const access = consulSpec([catalog.agent.url], { wait: 1_000 })
    const asked = consulNames(access, watches).subscribe(({ kind }) => heard.push(kind))
    await expect.poll(() => heard).toEqual(['answer'])
    watches
      .watch(consulSpec([catalog.agent.url], { service: 'svc-1' }))
      .subscribe()
      .unsubscribe()
    await expect.poll(() => heard.length, { timeout: 10_000 }).toBeGreaterThan(2)
    expect(new Set(heard)).toEqual(new Set(['answer']))
    asked.unsubscribe()
    // A question may still be on its way.
    await sleep(300)
    const { length } = catalog.agent.asked
    await sleep(1_300)
    expect(catalog.agent.asked).toHaveLength(length)
  })
})

describe('more services than connections', { timeout: 20_000 }, () => {
  it('never take more connections than they may, and are all known', async () => {
    await using catalog = await ScriptedCatalog.with(MANY)
    using audience = new Audience().follow(MANY, catalog.agent.url, FEW_CONNECTIONS)
    await expect.poll(() => audience.last.size, { timeout: 10_000 }).toBe(MANY)
    await sleep(1_500)
    expect(catalog.agent.mostConnections).toBeLessThanOrEqual(FEW_CONNECTIONS.maxWatches + 1)
    expect(audience.faults).toBe(0)
  })

  async function settled(use: (catalog: ScriptedCatalog, audience: Audience) => Promise<void>) {
    await using catalog = await ScriptedCatalog.with(MANY)
    using audience = new Audience().follow(MANY, catalog.agent.url, { ...FEW_CONNECTIONS, wait: 60_000 })
    await expect.poll(() => audience.last.size, { timeout: 10_000 }).toBe(MANY)
    await expect.poll(() => catalog.agent.asked.some(({ path }) => path === '/v1/health/state/passing')).toBe(true)
    await quiet(catalog)
    await use(catalog, audience)
  }

  it('read a service at once whose check enters or leaves a state', () =>
    settled(async (catalog, audience) => {
      for (const state of ['critical', 'warning', 'passing'] as const) {
        const { reads, probes } = catalog
        catalog.check(`svc-${MANY}`, state)
        await expect.poll(() => audience.state(`svc-${MANY}`)).toBe(state)
        expect(catalog.reads - reads).toBeLessThanOrEqual(2)
        expect(catalog.probes).toBe(probes)
      }
    }))

  it('find one that gained an instance by the list of passing checks', () =>
    settled(async (catalog, audience) => {
      catalog.register(`svc-${MANY}`, { instances: 2 })
      await expect.poll(() => audience.entries(`svc-${MANY}`).length).toBe(2)
      expect(catalog.agent.asked.some(({ path }) => path === '/v1/health/state/passing')).toBe(true)
    }))

  it('find one whose weight alone changed by its index', () =>
    settled(async (catalog, audience) => {
      const { reads } = catalog
      catalog.register(`svc-${MANY}`, { weight: 33 })
      await expect.poll(() => audience.weight(`svc-${MANY}`), { timeout: 8_000 }).toBe(33)
      expect(catalog.reads - reads).toBe(1)
    }))

  it('confirm all once in a wait although nothing happens', async () => {
    await using catalog = await ScriptedCatalog.with(MANY)
    using audience = new Audience().follow(MANY, catalog.agent.url, { ...FEW_CONNECTIONS, wait: 1_000 })
    await expect.poll(() => audience.last.size, { timeout: 10_000 }).toBe(MANY)
    // More than what the start asks for: its own questions, and those of the sweep once the triggers have answered.
    await expect.poll(() => audience.confirmations, { timeout: 8_000 }).toBeGreaterThanOrEqual(3 * MANY)
  })

  it('hear of an outage, all of them, and are exact when it is over', () =>
    settled(async (catalog, audience) => {
      const { script } = catalog.agent
      catalog.agent.script = () => ({ status: 500, headers: {}, body: 'No cluster leader' })
      catalog.agent.disconnect()
      await expect.poll(() => [...audience.last.values()].filter(({ kind }) => kind === 'fault').length).toBe(MANY)
      catalog.register(`svc-${MANY}`, { weight: 44 })
      catalog.agent.script = script
      await expect
        .poll(() => [...audience.last.values()].filter(({ kind }) => kind === 'answer').length, { timeout: 8_000 })
        .toBe(MANY)
      expect(audience.weight(`svc-${MANY}`)).toBe(44)
    }))

  it('do not wait for questions that an outage has swallowed', () =>
    settled(async (catalog, audience) => {
      const { script } = catalog.agent
      catalog.agent.script = async (asked, number) => (asked.parameters.has('index') ? script(asked, number) : 'hang')
      // All are due, and hang; so does the list of passing checks.
      catalog.register(`svc-${MANY}`, { instances: 2, weight: 66 })
      await sleep(500)
      catalog.agent.script = () => 'hang'
      catalog.agent.disconnect()
      await expect.poll(() => [...audience.last.values()].filter(({ kind }) => kind === 'fault').length).toBe(MANY)
      catalog.agent.script = script
      // Far below the deadline of a question.
      await expect
        .poll(() => [...audience.last.values()].filter(({ kind }) => kind === 'answer').length, { timeout: 4_000 })
        .toBe(MANY)
      await expect.poll(() => audience.weight(`svc-${MANY}`), { timeout: 1_000 }).toBe(66)
    }))

  it('go on with fewer listeners, each with a query of its own', async () => {
    await using catalog = await ScriptedCatalog.with(MANY)
    using audience = new Audience().follow(4, catalog.agent.url, FEW_CONNECTIONS)
    {
      using crowd = new Audience(audience.watches)
      crowd.follow(MANY, catalog.agent.url, FEW_CONNECTIONS)
      await expect.poll(() => crowd.last.size, { timeout: 10_000 }).toBe(MANY)
    }
    await sleep(1_200)
    const from = catalog.agent.asked.length
    catalog.register('svc-4', { weight: 55 })
    await expect.poll(() => audience.weight('svc-4')).toBe(55)
    await sleep(1_200)
    const paths = new Set(catalog.agent.asked.slice(from).map(({ path }) => path))
    expect([...paths].every((path) => path.startsWith('/v1/health/service/'))).toBe(true)
  })

  /** An agent that takes 20 questions at once, and tells of that or not; `busy` times it does not even answer. */
  async function crowded(tells: boolean, busy = 0) {
    const counts = { takes: 20, open: 0, most: 0, refused: 0, askedLimit: 0 }
    const agent = await scripted(async ({ path, parameters }) => {
      if (path === '/v1/agent/self' && counts.askedLimit++ < busy) return 'cut'
      if (path === '/v1/agent/self')
        return tells ? { body: JSON.stringify({ DebugConfig: { HTTPMaxConnsPerClient: 20 } }) } : { status: 403, headers: {} }
      if (counts.open >= counts.takes) {
        counts.refused++
        return { status: 429, headers: {}, body: 'Your IP is issuing too many concurrent connections' }
      }
      counts.open++
      counts.most = Math.max(counts.most, counts.open)
      if (parameters.has('index')) await sleep(400)
      counts.open--
      return { headers: LED, body: path === '/v1/catalog/services' ? '{}' : JSON.stringify([entry(1)]) }
    })
    return { agent, counts }
  }

  it('take no more than four fifths of what the agent says it takes', async () => {
    const { agent, counts } = await crowded(true)
    await using _ = agent
    using audience = new Audience().follow(40, agent.url)
    await expect.poll(() => audience.last.size, { timeout: 10_000 }).toBe(40)
    await sleep(1_000)
    expect(counts.most).toBeLessThanOrEqual(16)
    expect(counts.refused).toBe(0)
  })

  it('ask an agent again that was too busy to say what it takes', async () => {
    const { agent, counts } = await crowded(true, 1)
    await using _ = agent
    using audience = new Audience().follow(40, agent.url, { maxWatches: 18 })
    await expect.poll(() => audience.last.size, { timeout: 10_000 }).toBe(40)
    await expect.poll(() => counts.askedLimit, { timeout: 10_000 }).toBe(2)
    await sleep(1_000)
    counts.most = 0
    await sleep(1_000)
    expect(counts.most).toBeLessThanOrEqual(16)
    expect(counts.askedLimit).toBe(2)
  })

  it('make do with fewer and fewer when the agent is crowded and had not told', async () => {
    const { agent, counts } = await crowded(false)
    await using _ = agent
    using audience = new Audience().follow(40, agent.url, { maxWatches: 30 })
    await expect.poll(() => counts.refused, { timeout: 10_000 }).toBeGreaterThan(0)
    await expect
      .poll(() => [...audience.last.values()].filter(({ kind }) => kind === 'answer').length, { timeout: 8_000 })
      .toBe(40)
    await sleep(2_000)
    counts.refused = 0
    await sleep(1_000)
    expect(counts.refused).toBe(0)
  })

  it('take more connections again when nobody has been refused for a while', async () => {
    const { agent, counts } = await crowded(false)
    await using _ = agent
    using audience = new Audience(new ConsulWatches(2_000)).follow(40, agent.url, { maxWatches: 40 })
    await expect.poll(() => counts.refused, { timeout: 10_000 }).toBeGreaterThan(0)
    counts.takes = 100
    // More than are used after the first refusal: four fifths of 40.
    await expect.poll(() => counts.most, { timeout: 10_000 }).toBeGreaterThan(32)
    expect(audience.last.size).toBe(40)
  })
})
