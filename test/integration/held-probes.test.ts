import { rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { type DaemonRig, freePort, startDaemon, yamlOf } from '../unit/daemon/rig.ts'
import { LoopbackPool, ProbingHost, range } from './loopback-pool.ts'
import { pause, scratchDirectory } from './scratch.ts'

interface Stage {
  readonly rig: DaemonRig
  readonly pool: LoopbackPool
  /** The source names these from now on. */
  name(...numbers: number[]): Promise<void>
  /** Those that the kernel would send new connections to. */
  serving(): number[]
  said(text: string): boolean
  /** Backends in the lines that say something, in order. */
  named(text: string): string[]
}

async function stage(guard: string, ...numbers: number[]): Promise<Stage> {
  const directory = await scratchDirectory()
  const pool = new LoopbackPool(await freePort())
  const list = join(directory, 'web.yaml')
  const name = async (...named: number[]) => {
    await writeFile(`${list}.new`, JSON.stringify(named.map((number) => pool.backend(number))))
    await rename(`${list}.new`, list)
  }
  await pool.open(...numbers)
  await name(...numbers)
  const service = `\n  - { name: web, listen: 10.0.0.1:80, drain: { timeout: 0s }, guard: ${guard}, source: { file: { path: ${list} } } }`
  const yaml = (at: string, port: number) => yamlOf(at, port, service, 'watch_poll: 1s')
  const rig = await startDaemon(yaml, { directory, host: new ProbingHost() })
  const serving = () => pool.servingIn(rig.host, '10.0.0.1:80')
  await expect.poll(serving, { timeout: 10_000 }).toEqual(numbers)
  const lines = (text: string) => rig.log.filter(({ msg }) => msg.includes(text))
  const named = (text: string) =>
    lines(text)
      .flatMap(({ backends }) => backends as string[])
      .sort()
  return { rig, pool, name, serving, named, said: (text) => lines(text).length > 0 }
}

describe('blue and green: a pool of 12 is doubled, then its old half leaves', () => {
  test('is out of the kernel within three seconds when nobody listens there any more', async () => {
    const { pool, name, serving, said, named } = await stage('{ window: 60s }', ...range(1, 12))
    await pool.open(...range(13, 24))
    await name(...range(1, 24))
    await expect.poll(serving, { timeout: 10_000 }).toEqual(range(1, 24))
    await pool.close(...range(1, 12))
    await name(...range(13, 24))
    await expect.poll(() => said('4 removals held'), { interval: 10, timeout: 5_000 }).toBe(true)
    await expect.poll(serving, { interval: 20, timeout: 3_000 }).toEqual(range(13, 24))
    expect(named('held no longer, let go: they fail their probes')).toEqual(
      range(9, 12)
        .map((one) => pool.backend(one))
        .sort(),
    )
  })

  test('is held where it still listens, until answers have repeated it for the window; one that closes meanwhile goes at once', async () => {
    const { rig, pool, name, serving, said, named } = await stage('{ window: 12s }', ...range(1, 12))
    await pool.open(...range(13, 24))
    await name(...range(1, 24))
    await expect.poll(serving, { timeout: 10_000 }).toEqual(range(1, 24))
    await name(...range(13, 24))
    await expect.poll(() => said('4 removals held, because'), { interval: 10, timeout: 5_000 }).toBe(true)
    await pause(4_000)
    expect(serving()).toEqual(range(9, 24))
    expect(named('alive')).toHaveLength(4)
    expect(said('held no longer')).toBe(false)
    await pool.close(10)
    await expect.poll(serving, { interval: 20, timeout: 3_000 }).toEqual([9, ...range(11, 24)])
    expect(said(`1 removal held no longer, let go: they fail their probes: ${pool.backend(10)}`)).toBe(true)
    const metrics = (await rig.fetch('/metrics')).text
    expect(metrics).toMatch(/pointsman_source_held_removals\{service="web",source="[^"]+"\} 3/)
    expect(metrics).toMatch(/pointsman_probes_total\{type="tcp",result="passed"\} \d/)
    await expect.poll(serving, { interval: 50, timeout: 20_000 }).toEqual(range(13, 24))
    expect(said('3 removals held no longer, let go: fresh answers have repeated it')).toBe(true)
  })
})

test('an empty answer is believed when the last of its members listens no more, and not before', async () => {
  const { pool, name, serving, said, named } = await stage('{ on_empty: hold }', 1, 2, 3)
  await pool.close(1, 2)
  await name()
  await expect.poll(() => said('3 removals held, because'), { interval: 10, timeout: 5_000 }).toBe(true)
  await pause(4_000)
  expect(serving()).toEqual([1, 2, 3])
  expect(named('dead')).toEqual([pool.backend(1), pool.backend(2)])
  await pool.close(3)
  await expect.poll(serving, { interval: 20, timeout: 3_500 }).toEqual([])
  expect(said('3 removals held no longer, let go: they fail their probes')).toBe(true)
})
