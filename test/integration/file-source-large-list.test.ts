import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import type { BackendListResult } from '../../src/document/backend-list.ts'
import { ListParser } from '../../src/sources/list-parser.ts'
import { key, spec } from '../unit/pipeline/makers.ts'
import { Listener } from './scratch.ts'

function list(count: number, tail = ''): Uint8Array {
  const lines = Array.from({ length: count }, (_, number) => `- { address: ${key(number + 1)}, weight: 3 }\n`)
  return Buffer.from(lines.join('') + tail)
}

const handles = (name: string) => process.getActiveResourcesInfo().filter((resource) => resource === name).length

function parsing(parser: ListParser, bytes: Uint8Array, path = 'web.yaml') {
  const listener = new Listener<BackendListResult>(parser.parse('backends', { path, bytes }, spec()))
  return { listener, result: () => listener.until(() => true, 'the list to be parsed', 60_000) }
}

describe('a large list', () => {
  it('is parsed to the same as on the spot, while the main thread goes on', async () => {
    const parser = new ListParser()
    const { listener, result } = parsing(parser, list(8_000))
    expect(listener.heard, 'nothing this large is parsed on the spot').toHaveLength(0)
    let ticks = 0
    const clock = setInterval(() => ticks++, 10)
    const parsed = await result()
    clearInterval(clock)
    expect(parsed).toMatchObject({ ok: true, warnings: [] })
    expect(parsed.ok && parsed.backends.size).toBe(8_000)
    expect(parsed.ok && parsed.backends.get(key(8_000))).toEqual({ address: '10.1.31.64', port: 8080, weight: 3 })
    expect(ticks).toBeGreaterThan(10)
  })

  it('is refused with line and column like a small one', async () => {
    const parsed = await parsing(new ListParser(), list(2_000, '- { address: 10.1.0.1:http }\n')).result()
    expect(parsed).toMatchObject({ ok: false, issues: [{ file: 'web.yaml', line: 2_001, path: '[2000].address' }] })
  })

  it('waits for its turn: many lists are parsed by one worker', async () => {
    const before = handles('MessagePort')
    const parser = new ListParser()
    const many = [1_000, 1_100, 1_200, 1_300].map((count) => parsing(parser, list(count)))
    const results = await Promise.all(many.map(({ result }) => result()))
    expect(results.map((parsed) => parsed.ok && parsed.backends.size)).toEqual([1_000, 1_100, 1_200, 1_300])
    expect(handles('MessagePort'), 'each worker has a port').toBeLessThanOrEqual(before + 1)
  })

  it('is given up when nobody wants it any more, and the next one is parsed', async () => {
    const parser = new ListParser()
    const first = parsing(parser, list(60_000))
    const second = parsing(parser, list(50_000))
    const third = parsing(parser, list(1_000))
    await sleep(50)
    second.listener.stop()
    first.listener.stop()
    const parsed = await third.result()
    expect(parsed.ok && parsed.backends.size).toBe(1_000)
    expect([first.listener.heard.length, second.listener.heard.length]).toEqual([0, 0])
  })

  it('is parsed on the spot when it is small', () => {
    expect(parsing(new ListParser(), list(10)).listener.heard).toHaveLength(1)
  })
})
