import { once } from 'node:events'
import { rename, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:net'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { Probe } from '../../src/health/probe.ts'
import { probeFor } from '../../src/health/registry.ts'
import type { ProbeTarget } from '../../src/health/target.ts'
import type { ProbeKind } from '../../src/model/probe-spec.ts'
import { serviceKey } from '../../src/model/virtual-service.ts'
import { identity, key } from '../support/desired.ts'
import { FakeHost } from '../unit/daemon/fake-host.ts'
import { type DaemonRig, freePort, startDaemon, yamlOf } from '../unit/daemon/rig.ts'
import { pause, scratchDirectory } from './scratch.ts'

const WEB = serviceKey(identity('tcp/10.0.0.1:80'))

/** A table in memory, and real sockets. */
class Host extends FakeHost {
  override probeFor(kind: ProbeKind, target: ProbeTarget): Probe {
    return probeFor(kind, target)
  }
}

/** Backends that listen on addresses of loopback, 127.0.1.N, all on one port. */
class Pool {
  readonly port: number
  readonly #servers = new Map<number, Server>()

  constructor(port: number) {
    this.port = port
    onTestFinished(() => this.close(...this.#servers.keys()))
  }

  async open(...numbers: number[]): Promise<void> {
    for (const number of numbers) {
      const server = createServer((socket) => socket.on('error', () => {}).resume())
      server.listen(this.port, `127.0.1.${number}`)
      await once(server, 'listening')
      this.#servers.set(number, server)
    }
  }

  async close(...numbers: number[]): Promise<void> {
    for (const number of numbers) {
      const server = this.#servers.get(number)
      this.#servers.delete(number)
      await new Promise((resolve) => (server === undefined ? resolve(undefined) : server.close(resolve)))
    }
  }

  backend(number: number): string {
    return `127.0.1.${number}:${this.port}`
  }
}

interface Stage {
  readonly rig: DaemonRig
  readonly pool: Pool
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
  const pool = new Pool(await freePort())
  const list = join(directory, 'web.yaml')
  const name = async (...named: number[]) => {
    await writeFile(`${list}.new`, JSON.stringify(named.map((number) => pool.backend(number))))
    await rename(`${list}.new`, list)
  }
  await pool.open(...numbers)
  await name(...numbers)
  const service = `\n  - { name: web, listen: 10.0.0.1:80, drain: { timeout: 0s }, guard: ${guard}, source: { file: { path: ${list} } } }`
  const yaml = (at: string, port: number) => yamlOf(at, port, service, 'watch_poll: 1s')
  const rig = await startDaemon(yaml, { directory, host: new Host() })
  const serving = () =>
    range(1, 30).filter((number) => (rig.host.kernel.destination(WEB, key(pool.backend(number)))?.weight ?? 0) > 0)
  await expect.poll(serving, { timeout: 10_000 }).toEqual(numbers)
  const lines = (text: string) => rig.log.filter(({ msg }) => msg.includes(text))
  const named = (text: string) =>
    lines(text)
      .flatMap(({ backends }) => backends as string[])
      .sort()
  return { rig, pool, name, serving, named, said: (text) => lines(text).length > 0 }
}

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from + 1 }, (_, index) => from + index)
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
