/** What issue after issue has taken other daemons' pools down: the whole daemon, its own probes, backends on loopback, a table in memory. */

import { afterEach, describe, expect, test, vi } from 'vitest'
import { startKnot } from '../../peers/knot.ts'
import { type DaemonRig, freePort, startDaemon, yamlOf } from '../../unit/daemon/rig.ts'
import { answering, LoopbackPool, ProbingHost, range } from '../loopback-pool.ts'

const QUICK = 'interval: 200ms, fast_interval: 100ms, timeout: 500ms, fall: 2, rise: 2, jitter: 0%'
const LOOK = { interval: 20, timeout: 5_000 }

interface Stage {
  readonly rig: DaemonRig
  readonly host: ProbingHost
  serving(): number[]
  /** Reasons at /readyz. */
  reasons(): Promise<string[]>
  /** Waits until each of these backends has been asked so many times more. */
  asked(times: number, ...numbers: number[]): Promise<void>
}

/** `keys`: of the service, its source among them, but for the times of its check. */
async function stage(pool: LoopbackPool, keys: string, ...numbers: number[]): Promise<Stage> {
  const host = new ProbingHost()
  const service = `\n  - { name: web, listen: 10.0.0.1:80, debounce: { min: 0s, max: 0s }, ${keys} }`
  const rig = await startDaemon((directory, port) => yamlOf(directory, port, service), { host })
  const serving = () => pool.servingIn(host, '10.0.0.1:80')
  const made: Stage = {
    rig,
    host,
    serving,
    reasons: async () => {
      const { reasons } = JSON.parse((await rig.fetch('/readyz')).text) as { reasons: { reason: string }[] }
      return reasons.map(({ reason }) => reason)
    },
    asked: async (times, ...whom) => {
      const counts = () => whom.map((number) => host.outcomes(pool.backend(number)).length)
      const before = counts()
      await expect
        .poll(() => Math.min(...counts().map((count, at) => count - (before[at] ?? 0))), LOOK)
        .toBeGreaterThanOrEqual(times)
    },
  }
  await expect.poll(serving, LOOK).toEqual(numbers)
  await made.asked(2, ...numbers)
  return made
}

const backends = (pool: LoopbackPool, ...numbers: number[]) =>
  `backends: [${numbers.map((number) => `"${pool.backend(number)}"`).join(', ')}]`

afterEach(() => vi.restoreAllMocks())

describe('a check URL that is broken for all at once', () => {
  test('takes nobody out, is told, and hides nobody who dies meanwhile', async () => {
    let status = 200
    const pool = new LoopbackPool(
      await freePort(),
      answering(() => status),
    )
    await pool.open(...range(1, 6))
    const check = `health_check: { ${QUICK}, http: { path: /healthz } }, ${backends(pool, ...range(1, 6))}`
    const { host, serving, reasons, asked } = await stage(pool, check, ...range(1, 6))
    const written = host.kernel.written.length
    status = 404
    await asked(20, ...range(1, 6))
    expect(host.outcomes(pool.backend(1)).slice(-10)).toEqual(Array.from({ length: 10 }, () => 'failed'))
    expect(serving()).toEqual(range(1, 6))
    expect(host.kernel.written.slice(written)).toEqual([])
    expect(await reasons()).toContain('failures-held')
    await pool.close(3)
    await expect.poll(serving, LOOK).toEqual([1, 2, 4, 5, 6])
    status = 200
    await expect.poll(reasons, LOOK).not.toContain('failures-held')
    expect(serving()).toEqual([1, 2, 4, 5, 6])
  })
})

test('a rack that dies at once is out as soon as one backend alone would be', async () => {
  const pool = new LoopbackPool(await freePort())
  await pool.open(...range(1, 12))
  const check = `health_check: { ${QUICK}, type: tcp }, ${backends(pool, ...range(1, 12))}`
  const { host, serving, asked } = await stage(pool, check, ...range(1, 12))
  await pool.close(...range(1, 10))
  const failures = () =>
    range(1, 10).map((number) => host.outcomes(pool.backend(number)).filter((one) => one === 'failed').length)
  await expect.poll(serving, LOOK).toEqual([11, 12])
  // Two failures make one down; nobody was waited for until he had failed much more often.
  expect(Math.max(...failures())).toBeLessThan(10)
  await pool.open(...range(1, 10))
  await asked(2, ...range(1, 10))
  await expect.poll(serving, LOOK).toEqual(range(1, 12))
})

test('a backend that falls again and again costs a handful of writes, and is back when it has been quiet', async () => {
  const pool = new LoopbackPool(await freePort())
  await pool.open(1, 2)
  const check = 'health_check: { interval: 100ms, timeout: 500ms, fall: 1, rise: 1, jitter: 0%, type: tcp }'
  const { host, serving } = await stage(pool, `${check}, damping: { half_life: 2s }, ${backends(pool, 1, 2)}`, 1, 2)
  const last = () => host.outcomes(pool.backend(1)).at(-1)
  const written = host.kernel.written.length
  for (let fall = 0; fall < 30; fall++) {
    await pool.close(1)
    await expect.poll(last, LOOK).toBe('failed')
    await pool.open(1)
    await expect.poll(last, LOOK).toBe('passed')
  }
  const writes = host.kernel.written.length - written
  expect(writes).toBeGreaterThanOrEqual(1)
  expect(writes).toBeLessThanOrEqual(8)
  expect(serving()).toEqual([2])
  await expect.poll(serving, { ...LOOK, timeout: 20_000 }).toEqual([1, 2])
})

const HOUR = 3_600_000

describe('a wall clock that is stepped', () => {
  test.each([HOUR, -HOUR])(
    'by %i ms neither stops the probes nor hurries them, and lets nothing pass early or late',
    async (step) => {
      const pool = new LoopbackPool(await freePort())
      await pool.open(1, 2, 3)
      const check = `health_check: { ${QUICK}, type: tcp }, ${backends(pool, 1, 2, 3)}`
      const { host, serving, asked } = await stage(pool, check, 1, 2, 3)
      const falls = async (number: number, without: number[], afterwards: number[]) => {
        await pool.close(number)
        await expect.poll(serving, LOOK).toEqual(without)
        await pool.open(number)
        await expect.poll(serving, LOOK).toEqual(afterwards)
      }
      for (const afterwards of [
        [1, 2, 3],
        [1, 2, 3],
        [1, 2],
      ])
        await falls(3, [1, 2], afterwards)
      // It has fallen three times: it is up, and stays out for two minutes.
      await asked(4, 3)
      const written = host.kernel.written.length
      const real = Date.now
      vi.spyOn(Date, 'now').mockImplementation(() => real() + step)
      const begun = performance.now()
      const before = host.outcomes(pool.backend(1)).length
      await asked(8, 1, 2, 3)
      const due = (performance.now() - begun) / 200
      expect(host.outcomes(pool.backend(1)).length - before).toBeLessThanOrEqual(due + 2)
      expect(host.kernel.written.slice(written)).toEqual([])
      expect(serving()).toEqual([1, 2])
      await falls(2, [1], [1, 2])
    },
  )
})

describe('a name that stops resolving', () => {
  const addresses = (pool: LoopbackPool) =>
    range(1, 3)
      .map((number) => `www 1 A ${pool.address(number)}`)
      .join('\n')
  const source = (server: string, port: number) =>
    `source: { dns: { name: www.web.example, port: ${port}, servers: ["${server}"], on_nxdomain: 1s, refresh: { min: 200ms, max: 1s }, retry: { min: 200ms, max: 400ms } } }`

  test.each([
    ['gone', 'the name is not there any more'],
    ['broken', 'its server fails'],
  ])('%s: who answers serves on, who dies leaves, who returns is back', async (how) => {
    const pool = new LoopbackPool(await freePort())
    await pool.open(1, 2, 3)
    await using knot = await startKnot({ zones: { 'web.example': addresses(pool) } })
    const keys = `health_check: { ${QUICK}, type: tcp }, guard: { on_empty: hold }, ${source(knot.server, pool.port)}`
    const { serving, reasons, asked } = await stage(pool, keys, 1, 2, 3)
    if (how === 'gone') await knot.zone('web.example', 'other 1 A 127.0.0.1')
    else await knot.breakZone('web.example')
    await expect.poll(reasons, LOOK).toContain('source-failing')
    // Past on_nxdomain the answer is an empty one, which the guard holds.
    if (how === 'gone') await expect.poll(reasons, LOOK).toContain('removals-held')
    await asked(5, 1, 2, 3)
    expect(serving()).toEqual([1, 2, 3])
    await pool.close(2)
    await expect.poll(serving, LOOK).toEqual([1, 3])
    await pool.open(2)
    await knot.zone('web.example', addresses(pool))
    await expect.poll(serving, { ...LOOK, timeout: 10_000 }).toEqual([1, 2, 3])
    await expect.poll(reasons, LOOK).toEqual([])
  })
})
