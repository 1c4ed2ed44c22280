import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeEach, describe, expect, test } from 'vitest'
import { foundJson } from '../../../src/cli/plan-json.ts'
import { probingOf } from '../../../src/cli/probing.ts'
import { loadConfiguration } from '../../../src/config/load.ts'
import { passOnce, planNow } from '../../../src/daemon/one-shot.ts'
import type { ProbeResult } from '../../../src/model/probe-result.ts'
import { serviceKey } from '../../../src/model/virtual-service.ts'
import { held as heldBy, identity, key, virtual } from '../../support/desired.ts'
import { FakeHost } from './fake-host.ts'
import { temporaryDirectory } from './rig.ts'

const ID = identity('tcp/10.0.0.1:80')
const WEB = serviceKey(ID)
const BACKENDS = ['10.0.1.1:80', '10.0.1.2:80', '10.0.1.3:80']
const CHECK = 'health_check: { interval: 1s, fast_interval: 100ms, fall: 2 }'
const REFUSED: ProbeResult = { outcome: 'failed', failure: 'refused', message: 'refuses connections' }
const STATUS: ProbeResult = { outcome: 'failed', failure: 'wrong-answer', message: 'answers 503' }
const NOTHING: ProbeResult = { outcome: 'unknown', message: 'no file descriptor is left' }

let host: FakeHost
let directory: string

beforeEach(async () => {
  host = new FakeHost()
  directory = await temporaryDirectory()
})

/** Each backend has the weight of its last number times ten. */
function configuration(more = CHECK, backends = BACKENDS, others = '') {
  const list = backends.map((each) => `{ address: ${each}, weight: ${weightOf(each)} }`).join(', ')
  const text = `global: { state_dir: ${directory}/state }\nservices:\n  - { name: web, listen: 10.0.0.1:80, ${more}, backends: [${list}] }\n${others}`
  const loaded = loadConfiguration({ path: join(directory, 'c.yaml'), bytes: Buffer.from(text) })
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.issues))
  return loaded.configuration
}

function weightOf(backend: string): number {
  return Number(/(\d):/.exec(backend)?.[1]) * 10
}

function answer(result: ProbeResult, ...backends: string[]): void {
  for (const backend of backends) host.probes.set(backend, result)
}

/** A kernel that a daemon has left. */
function kernelHolds(...weights: number[]): void {
  host.kernel.tamper({ kind: 'add-service', service: virtual('tcp/10.0.0.1:80') })
  for (const [index, weight] of weights.entries()) {
    host.kernel.tamper({ kind: 'add-destination', service: ID, destination: heldBy(`10.0.1.${index + 1}:80`, { weight }) })
  }
}

function weights(): (number | undefined)[] {
  return BACKENDS.map((each) => host.kernel.destination(WEB, key(each))?.weight)
}

describe('once', () => {
  test('brings a pool in with weight 0 for the backend that is down', async () => {
    answer(REFUSED, '10.0.1.2:80')
    const { found, notes } = await passOnce(host, 'once', configuration())
    expect(weights()).toEqual([10, 0, 30])
    expect(host.probed.filter((each) => each === '10.0.1.2:80')).toHaveLength(2)
    expect(foundJson(found)).toEqual([
      { service: WEB, name: 'web', destination: '10.0.1.1:80', state: 'up' },
      {
        service: WEB,
        name: 'web',
        destination: '10.0.1.2:80',
        state: 'down',
        failure: 'refused',
        message: 'refuses connections',
      },
      { service: WEB, name: 'web', destination: '10.0.1.3:80', state: 'up' },
    ])
    expect(notes).toEqual([])
  })

  test('gives nobody a weight where all are down from the beginning', async () => {
    answer(REFUSED, ...BACKENDS)
    await passOnce(host, 'once', configuration())
    expect(weights()).toEqual([0, 0, 0])
  })

  test('lets the sorry server answer for a pool that is down', async () => {
    answer(REFUSED, ...BACKENDS)
    await passOnce(host, 'once', configuration(`${CHECK}, sorry_server: 10.0.9.9:80`))
    expect(weights()).toEqual([0, 0, 0])
    expect(host.kernel.destination(WEB, key('10.0.9.9:80'))?.weight).toBeGreaterThan(0)
  })

  test('keeps in panic those that served until now', async () => {
    kernelHolds(10, 0, 30)
    answer(REFUSED, ...BACKENDS)
    const { report } = await passOnce(host, 'once', configuration())
    expect(weights()).toEqual([10, 0, 30])
    expect(report.applied).toEqual({})
  })

  test('holds failures above connect that hit too many of those that served', async () => {
    kernelHolds(10, 20, 30)
    answer(STATUS, '10.0.1.1:80', '10.0.1.2:80')
    await passOnce(host, 'once', configuration())
    expect(weights()).toEqual([10, 20, 30])
  })

  test('gives back its weight to a backend that has recovered, and takes that of one that has not', async () => {
    kernelHolds(0, 20, 30)
    answer(REFUSED, '10.0.1.3:80')
    await passOnce(host, 'once', configuration())
    expect(weights()).toEqual([10, 20, 0])
  })

  test('leaves a backend as the kernel holds it when its probes come to no verdict, and says so', async () => {
    kernelHolds(0, 20)
    answer(NOTHING, ...BACKENDS)
    const { notes, report } = await passOnce(host, 'once', configuration())
    expect(weights()).toEqual([0, 20, 0])
    expect(report.applied).toEqual({ 'add-destination': 1 })
    expect(notes).toEqual([expect.stringMatching(/^web: probes came to no verdict on 3 of 3 backends, which count as unknown: /)])
  })

  test('removes a backend of a persistent service that is down, unless the kernel lets its clients go', async () => {
    answer(REFUSED, '10.0.1.2:80')
    await passOnce(host, 'once', configuration(`${CHECK}, persistence: 60s`))
    expect(weights()).toEqual([10, undefined, 30])
    host = new FakeHost()
    answer(REFUSED, '10.0.1.2:80')
    host.sysctls.set('net.ipv4.vs.expire_quiescent_template', 1)
    await passOnce(host, 'once', configuration(`${CHECK}, persistence: 60s`))
    expect(weights()).toEqual([10, 0, 30])
  })

  test('ends in time when a backend never answers', async () => {
    host.probeFor = () => () => new Promise(() => {})
    const begun = performance.now()
    const { notes } = await passOnce(host, 'once', configuration(), { probing: 200 })
    expect(performance.now() - begun).toBeLessThan(2_000)
    expect(weights()).toEqual([10, 20, 30])
    expect(notes).toEqual([expect.stringContaining('(it has not answered yet)')])
  })

  test('without probes a backend that was set to 0 stays there, and others keep what they have', async () => {
    kernelHolds(0, 20)
    answer(REFUSED, '10.0.1.2:80')
    const { notes } = await passOnce(host, 'once', configuration(CHECK, BACKENDS.slice(0, 2)), { probing: 'off' })
    expect(weights()).toEqual([0, 20, undefined])
    expect([host.probed, notes]).toEqual([[], []])
  })

  test('lets go of what the guard holds only what its own health check finds down', async () => {
    const list = join(directory, 'web.yaml')
    const listed = (backends: readonly string[]) => writeFile(list, `[${backends.join(', ')}]`)
    const fromFile = () => configuration(`${CHECK}, drain: { timeout: 0s }, source: { file: { path: ${list} } }`, [])
    const all = Array.from({ length: 12 }, (_, index) => `10.0.2.${index + 1}:80`)
    await listed(all)
    await passOnce(host, 'once', fromFile())
    await listed(all.slice(0, 6))
    host.kernel.break(undefined)
    const { held: kept } = await planNow(host, fromFile())
    const [up, down] = [...(kept[0]?.held.keys() ?? [])]
    if (up === undefined || down === undefined) throw new Error('the guard does not hold two')
    answer(REFUSED, down)
    host.kernel.break(undefined)
    const { held } = await passOnce(host, 'once', fromFile())
    expect([...(held[0]?.held.keys() ?? [])]).toEqual([up])
    expect(host.kernel.destination(WEB, up)?.weight).toBe(1)
    expect(host.kernel.destination(WEB, down)?.weight).toBe(0)
    host.kernel.break(undefined)
    await passOnce(host, 'once', fromFile())
    expect(host.kernel.destination(WEB, down)).toBeUndefined()
  })

  test('a run that lasts long does not count as a wait in vain for a first success', async () => {
    kernelHolds(0, 20)
    const { probeFor } = host
    host.probeFor = (kind, target) =>
      target.address === '10.0.9.9' ? () => new Promise(() => {}) : probeFor.call(host, kind, target)
    answer(NOTHING, '10.0.1.1:80')
    const other = '  - { name: other, listen: 10.0.0.2:80, backends: [10.0.9.9:80] }\n'
    const quick = 'health_check: { interval: 100ms, timeout: 10ms, fall: 1 }'
    await passOnce(host, 'once', configuration(quick, BACKENDS.slice(0, 2), other), { probing: 700 })
    expect(weights()).toEqual([0, 20, undefined])
  })
})

describe('plan', () => {
  test('asks nobody and says so; what the kernel holds of a backend that is down is no change', async () => {
    kernelHolds(0, 20, 30)
    const { plan, notes, found } = await planNow(host, configuration())
    expect(plan.changes).toEqual([])
    expect(found).toEqual([])
    expect(host.probed).toEqual([])
    expect(notes).toEqual([
      '1 service has health checks, and no backend was asked: weights are those before the first answers. plan --probes asks.',
    ])
  })

  test('says nothing of probes where no service has checks', async () => {
    expect((await planNow(host, configuration('health_check: { enabled: false }'))).notes).toEqual([])
  })

  test('with probes shows what once would do', async () => {
    kernelHolds(0, 20, 30)
    answer(REFUSED, '10.0.1.3:80')
    const { plan, notes } = await planNow(host, configuration(), 10_000)
    const edits = plan.changes.flatMap((change) => (change.kind === 'edit-destination' ? [change.after] : []))
    expect(edits.map(({ address, weight }) => [address, weight])).toEqual([
      ['10.0.1.1', 10],
      ['10.0.1.3', 0],
    ])
    expect(notes).toEqual([])
    expect(host.kernel.written).toEqual([])
  })
})

test('apply asks nobody: its file says what every backend is to be', async () => {
  kernelHolds(0, 20)
  answer(REFUSED, ...BACKENDS)
  const { notes, found } = await passOnce(host, 'apply', configuration(`${CHECK.replace(' }', ', initial: down }')}`))
  expect(weights()).toEqual([10, 20, 30])
  expect(host.probed).toEqual([])
  expect([notes, found]).toEqual([[], []])
})

test('the options say how long is asked, if at all', () => {
  expect([probingOf(true, undefined), probingOf(true, '500ms'), probingOf(false, undefined)]).toEqual([10_000, 500, 'off'])
  expect(() => probingOf(true, '0s')).toThrow(expect.objectContaining({ code: 'BAD_INPUT' }))
  expect(() => probingOf(false, '5s')).toThrow('--probe-timeout is for probes')
})
