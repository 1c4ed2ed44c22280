import { afterEach, describe, expect, it, vi } from 'vitest'
import type { ConsulConsistency } from '../../../../src/model/consul-source-spec.ts'
import { ConsulAgents } from '../../../../src/sources/consul/agents.ts'
import { readHealthEntries } from '../../../../src/sources/consul/health-entry.ts'
import { healthQuery } from '../../../../src/sources/consul/query.ts'
import { QueryReader } from '../../../../src/sources/consul/query-reader.ts'
import { consulToken } from '../../../../src/sources/consul/token.ts'
import { ConsulTransport } from '../../../../src/sources/consul/transport.ts'
import { consulSpec, entry, LED, type Script, scripted } from './scripted-agent.ts'

afterEach(() => vi.restoreAllMocks())

it('waits for less than it may the first time, so that those who began together part', async () => {
  await using agent = await scripted(() => ({ headers: LED, body: '[]' }))
  using transport = new ConsulTransport(new ConsulAgents([agent.url], undefined))
  const spec = consulSpec([agent.url])
  const { signal } = new AbortController()
  const firstWaits = new Set<string | null | undefined>()
  for (const random of [0, 0.5, 0.999]) {
    vi.spyOn(Math, 'random').mockReturnValue(random)
    const reader = new QueryReader(
      { query: healthQuery(spec), access: spec, token: consulToken(spec) },
      transport,
      readHealthEntries,
    )
    await reader.ask(0n, signal)
    for (const expected of [String(Math.round(60_000 * (0.25 + 0.75 * random))), '60000']) {
      await reader.ask(10n, signal)
      expect(agent.asked.at(-1)?.parameters.get('wait')).toBe(`${expected}ms`)
    }
    // After a question that did not wait, as after an outage, all begin together once more.
    await reader.ask(0n, signal)
    await reader.ask(10n, signal)
    firstWaits.add(agent.asked.at(-1)?.parameters.get('wait'))
  }
  expect([...firstWaits]).toEqual(['15000ms', '37500ms', '59955ms'])
})

it('waits for a minute while the content has changed within three, and then as long as it may', async () => {
  let instances = 1
  await using agent = await scripted(() => ({
    headers: LED,
    body: JSON.stringify(Array.from({ length: instances }, (_, at) => entry(at + 1))),
  }))
  using transport = new ConsulTransport(new ConsulAgents([agent.url], undefined))
  const spec = consulSpec([agent.url])
  const reader = new QueryReader(
    { query: healthQuery(spec), access: spec, token: consulToken(spec) },
    transport,
    readHealthEntries,
  )
  const clock = vi.spyOn(performance, 'now')
  vi.spyOn(Math, 'random').mockReturnValue(1)
  const { signal } = new AbortController()
  const waited = async (minutes: number): Promise<string | null | undefined> => {
    clock.mockReturnValue(minutes * 60_000)
    await reader.ask(10n, signal)
    return agent.asked.at(-1)?.parameters.get('wait')
  }
  expect(await waited(10)).toBeNull()
  expect(await waited(12)).toBe('60000ms')
  expect(await waited(13)).toBe('300000ms')
  instances = 2
  expect(await waited(18)).toBe('300000ms')
  expect(await waited(20.9)).toBe('60000ms')
  expect(await waited(21)).toBe('300000ms')
})

describe('a question that nobody vouches for', () => {
  async function reading(script: Script, consistency: ConsulConsistency = 'default') {
    const parts = new AsyncDisposableStack()
    const agent = parts.use(await scripted(script))
    const transport = parts.use(new ConsulTransport(new ConsulAgents([agent.url], undefined)))
    const spec = consulSpec([agent.url], { consistency })
    const reader = new QueryReader(
      { query: healthQuery(spec), access: spec, token: consulToken(spec) },
      transport,
      readHealthEntries,
    )
    const { signal } = new AbortController()
    const ask = async (index: bigint) => {
      const { trust, content } = await reader.ask(index, signal)
      return `${trust} ${content.length}`
    }
    const flags = () => agent.asked.map(({ parameters }) => ['consistent', 'stale'].filter((flag) => parameters.has(flag)).join())
    return { ask, flags, [Symbol.asyncDispose]: () => parts.disposeAsync() }
  }

  const led = (index: number, instances: number) => ({
    headers: { ...LED, 'X-Consul-Index': String(index) },
    body: JSON.stringify(Array.from({ length: instances }, (_, at) => entry(at + 1))),
  })

  it('is confirmed by the followers: the first, and the first after trouble; no other', async () => {
    await using reader = await reading((_, number) => (number === 4 ? { status: 500, headers: {}, body: 'x' } : led(10, 2)))
    await reader.ask(0n)
    await reader.ask(10n)
    await reader.ask(0n)
    await expect(reader.ask(10n)).rejects.toThrow('500')
    await reader.ask(0n)
    await reader.ask(10n)
    expect(reader.flags()).toEqual(['consistent', '', '', '', 'consistent', ''])
  })

  it('is not believed where the index has fallen, and believed once that is confirmed', async () => {
    await using reader = await reading((_, number) => led(number === 1 ? 10 : 3, number === 1 ? 2 : 0))
    expect(await reader.ask(0n)).toBe('fresh 2')
    expect(await reader.ask(10n)).toBe('stale 0')
    expect(await reader.ask(0n)).toBe('fresh 0')
    expect(await reader.ask(3n)).toBe('fresh 0')
    expect(reader.flags()).toEqual(['consistent', '', 'consistent', ''])
  })

  it('is not confirmed where stale answers are wanted, some of them without a leader', async () => {
    await using reader = await reading((_, number) => led(number === 1 ? 10 : 3, 1), 'stale')
    expect(await reader.ask(0n)).toBe('fresh 1')
    expect(await reader.ask(0n)).toBe('fresh 1')
    expect(reader.flags()).toEqual(['stale', 'stale'])
  })
})
