import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { ConsulAgents } from '../../../../src/sources/consul/agents.ts'
import { follow } from '../../../../src/sources/consul/follow.ts'
import { type ReadEntry, readHealthEntries } from '../../../../src/sources/consul/health-entry.ts'
import { healthQuery } from '../../../../src/sources/consul/query.ts'
import { type Heard, QueryReader } from '../../../../src/sources/consul/query-reader.ts'
import { consulToken } from '../../../../src/sources/consul/token.ts'
import { ConsulTransport } from '../../../../src/sources/consul/transport.ts'
import { consulSpec, entry, LED, type Said, type Script, type ScriptedAgent, scripted } from './scripted-agent.ts'

type Entries = readonly ReadEntry[]

interface Following {
  readonly agent: ScriptedAgent
  readonly heard: Heard<Entries>[]
  /** The indexes that were asked for; undefined where none was. */
  indexes(): (string | undefined)[]
}

async function following(
  script: Script,
  use: (following: Following) => Promise<void>,
  others: readonly string[] = [],
): Promise<void> {
  await using agent = await scripted(script)
  const spec = consulSpec([agent.url, ...others], { wait: 1_000 })
  using transport = new ConsulTransport(new ConsulAgents(spec.agents, undefined))
  const reader = new QueryReader({ query: healthQuery(spec), access: spec, token: consulToken({}) }, transport, readHealthEntries)
  const heard: Heard<Entries>[] = []
  const subscription = follow(reader).subscribe((word) => heard.push(word))
  try {
    await use({ agent, heard, indexes: () => agent.asked.map(({ parameters }) => parameters.get('index') ?? undefined) })
  } finally {
    subscription.unsubscribe()
  }
}

const at = (index: string, ...entries: readonly object[]): Said => ({
  headers: { ...LED, 'X-Consul-Index': index },
  body: JSON.stringify(entries),
})

const trusts = (heard: readonly Heard<Entries>[]) =>
  heard.map((word) => (word.kind === 'answer' ? word.reading.trust : word.kind))

describe('a loop of blocking queries', () => {
  it('asks at once without an index and then waits above the last one', () =>
    following(
      (_, number) => (number === 1 ? at('12', entry(1)) : 'hang'),
      async ({ agent, indexes, heard }) => {
        await expect.poll(indexes).toEqual([undefined, '12'])
        const first = Number.parseInt(agent.asked[1]?.parameters.get('wait') ?? '', 10)
        expect(first).toBeGreaterThanOrEqual(250)
        expect(first).toBeLessThanOrEqual(1000)
        expect(trusts(heard)).toEqual(['fresh'])
      },
    ))

  it('starts over when the index falls', () =>
    following(
      (_, number) => [at('12'), at('9'), at('9')][number - 1] ?? 'hang',
      async ({ indexes }) => {
        await expect.poll(indexes).toEqual([undefined, '12', undefined, '9'])
      },
    ))

  it('never waits above 0', () =>
    following(
      (_, number) => [at('0'), at('-3'), { headers: { 'Content-Type': 'application/json' } }][number - 1] ?? 'hang',
      async ({ indexes }) => {
        await expect.poll(indexes).toEqual([undefined, '1', '1', undefined])
      },
    ))

  it('does not send an index again after a failure, to which an agent that lost its state would not answer', () =>
    following(
      (_, number) => (number === 1 ? at('500', entry(1)) : number === 2 ? 'cut' : number === 3 ? at('4') : 'hang'),
      async ({ indexes, heard }) => {
        await expect.poll(indexes).toEqual([undefined, '500', undefined, '4'])
        expect(trusts(heard)).toEqual(['fresh', 'fault', 'fresh'])
      },
    ))

  it('does not send the index of one agent to another', async () => {
    await using second = await scripted((_, number) => (number === 1 ? at('3', entry(2)) : 'hang'))
    await following(
      (_, number) => (number === 1 ? at('700', entry(1)) : 'cut'),
      async ({ heard }) => {
        await expect.poll(() => second.asked.map(({ parameters }) => parameters.get('index'))).toEqual([null, '3'])
        expect(trusts(heard)).toEqual(['fresh', 'fault', 'fresh'])
      },
      [second.url],
    )
  })

  it('asks an agent that does not wait some ten times a second', () =>
    following(
      (_, number) => at(String(number), entry(1)),
      async ({ agent }) => {
        await sleep(1_500)
        expect(agent.asked.length).toBeLessThan(35)
        expect(agent.asked.length).toBeGreaterThan(10)
      },
    ))

  it('hears of half an answer at once', () =>
    following(
      (_, number) => (number === 2 ? 'half' : number > 3 ? 'hang' : at('5', entry(1))),
      async ({ heard }) => {
        await expect.poll(() => trusts(heard)).toEqual(['fresh', 'fault', 'fresh'])
      },
    ))

  it('keeps the content where the bytes are the same', () =>
    following(
      (_, number) => (number < 4 ? at(String(number), entry(1)) : 'hang'),
      async ({ heard }) => {
        await expect.poll(() => heard.length).toBe(3)
        const contents = heard.map((word) => word.kind === 'answer' && word.reading.content)
        expect(contents[1]).toBe(contents[0])
        expect(contents[2]).toBe(contents[0])
      },
    ))

  it('outlives JSON that is no list, and HTML', () =>
    following(
      (_, number) => {
        if (number === 1) return { body: '{}' }
        if (number === 2) return { headers: { 'Content-Type': 'text/html' }, body: '<html>' }
        return number === 3 ? at('5', entry(1)) : 'hang'
      },
      async ({ heard }) => {
        await expect.poll(() => trusts(heard), { timeout: 5_000 }).toEqual(['fault', 'fault', 'fresh'])
        expect(heard[0]).toMatchObject({ fault: { code: 'SOURCE_INVALID' } })
      },
    ))

  it('does not wait for a question that was swallowed after a failure', () =>
    following(
      (_, number) => (number === 1 ? 'cut' : number < 5 ? 'hang' : at('7', entry(1))),
      async ({ heard }) => {
        await expect.poll(() => trusts(heard).slice(0, 2), { timeout: 4_000 }).toEqual(['fault', 'fresh'])
      },
    ))

  it('ends its question when nobody listens any more', async () => {
    await using agent = await scripted((_, number) => (number === 1 ? at('5') : 'hang'))
    const spec = consulSpec([agent.url])
    using transport = new ConsulTransport(new ConsulAgents(spec.agents, undefined))
    const reader = new QueryReader(
      { query: healthQuery(spec), access: spec, token: consulToken({}) },
      transport,
      readHealthEntries,
    )
    const subscription = follow(reader).subscribe()
    await expect.poll(() => agent.asked.length).toBe(2)
    subscription.unsubscribe()
    await sleep(300)
    expect(agent.asked).toHaveLength(2)
  })
})

describe('answers that cannot be believed', () => {
  const leaderless = (...entries: readonly object[]): Said => ({
    headers: { ...LED, 'X-Consul-Knownleader': 'false' },
    body: JSON.stringify(entries),
  })

  it('are told as such and asked again without waiting', () =>
    following(
      (_, number) => [at('10', entry(1)), leaderless(), at('10', entry(1))][number - 1] ?? 'hang',
      async ({ heard, indexes }) => {
        await expect.poll(indexes).toEqual([undefined, '10', undefined, '10'])
        expect(trusts(heard)).toEqual(['fresh', 'leaderless', 'fresh'])
      },
    ))

  const streamed = (index: string, ...entries: readonly object[]): Said => ({
    headers: { ...LED, 'X-Consul-Knownleader': 'false', 'X-Consul-Index': index, 'X-Consul-Query-Backend': 'streaming' },
    body: JSON.stringify(entries),
  })

  it('are confirmed by a server when they were streamed and tell something new', () =>
    following(
      (_, number) => [at('10', entry(1)), streamed('11'), at('11')][number - 1] ?? 'hang',
      async ({ heard, indexes }) => {
        await expect.poll(indexes).toEqual([undefined, '10', undefined, '11'])
        expect(trusts(heard)).toEqual(['fresh', 'leaderless', 'fresh'])
      },
    ))

  it('confirm what is known when they were streamed and tell nothing new', () =>
    following(
      (_, number) => [at('10', entry(1)), streamed('10', entry(1))][number - 1] ?? 'hang',
      async ({ heard, indexes }) => {
        await expect.poll(indexes).toEqual([undefined, '10', '10'])
        expect(trusts(heard)).toEqual(['fresh', 'fresh'])
      },
    ))
})
