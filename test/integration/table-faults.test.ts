/** The whole daemon on a kernel in memory, behind a network that fails: what the kernel holds meanwhile, and when it is right again. */

import { describe, expect, it } from 'vitest'
import { serviceKey } from '../../src/model/virtual-service.ts'
import type { DnsFault } from '../peers/dns-fault-proxy.ts'
import type { Fault } from '../peers/fault-proxy.ts'
import { identity } from '../support/desired.ts'
import { startDaemon, yamlOf } from '../unit/daemon/rig.ts'
import { key } from '../unit/pipeline/makers.ts'
import { ROADS } from './registry-roads.ts'
import { pause } from './scratch.ts'

const WEB = serviceKey(identity('tcp/10.0.0.1:80'))
const PATIENCE = { interval: 20, timeout: 15_000 }

/** Milliseconds, in which a back-off that doubles has grown beyond a second. */
const OUTAGE = 5_000

const FAULTS: Readonly<Record<string, readonly (Fault | DnsFault)[]>> = {
  http: [{ kind: 'refuse' }, { kind: 'half-body', ending: 'hang' }],
  consul: [{ kind: 'refuse' }, { kind: 'half-body', ending: 'hang' }],
  dns_srv: [{ kind: 'answer', rcode: 'SERVFAIL' }, { kind: 'black-hole' }],
}

const cases = ROADS.flatMap(([name, open]) => (FAULTS[name] ?? []).map((fault) => [name, fault, open] as const))

describe('the table', () => {
  it.each(cases)('from %s behind %j serves on untouched, and is exact within a second of its end', async (_, fault, open) => {
    await using road = await open()
    await road.know(1, 2, 3)
    const rig = await startDaemon((directory, port) =>
      yamlOf(
        directory,
        port,
        `\n  - { name: web, listen: 10.0.0.1:80, drain: { timeout: 0s }, health_check: { enabled: false }, source: { ${road.yaml} } }`,
      ),
    )
    const { kernel } = rig.host
    const table = async () => {
      const destinations = (await kernel.readTable()).get(WEB)?.destinations ?? new Map()
      return [...destinations].map(([name, { destination }]) => `${name} ${destination.weight}`).sort()
    }
    const serving = (...members: number[]) => members.map((number) => `${key(number)} 1`).sort()
    await expect.poll(table, PATIENCE).toEqual(serving(1, 2, 3))
    const before = kernel.written.length
    await road.harm(fault)
    const isUp = async () => /pointsman_source_up\{[^}]*\} 1/.test((await rig.fetch('/metrics')).text)
    await expect.poll(isUp, PATIENCE).toBe(false)
    await road.know(1, 4, 5)
    await pause(OUTAGE)
    expect(kernel.written.slice(before)).toEqual([])
    await road.harm({ kind: 'pass' })
    const healed = performance.now()
    await expect.poll(table, PATIENCE).toEqual(serving(1, 4, 5))
    expect(performance.now() - healed).toBeLessThan(1_000)
  })
})
