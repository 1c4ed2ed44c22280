import { afterEach, expect, it, vi } from 'vitest'
import { ConsulAgents } from '../../../../src/sources/consul/agents.ts'
import { readHealthEntries } from '../../../../src/sources/consul/health-entry.ts'
import { healthQuery } from '../../../../src/sources/consul/query.ts'
import { QueryReader } from '../../../../src/sources/consul/query-reader.ts'
import { consulToken } from '../../../../src/sources/consul/token.ts'
import { ConsulTransport } from '../../../../src/sources/consul/transport.ts'
import { consulSpec, entry, LED, scripted } from './scripted-agent.ts'

afterEach(() => vi.restoreAllMocks())

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
