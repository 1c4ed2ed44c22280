import { describe, expect, test } from 'vitest'
import type { ProbeResult } from '../../../src/model/probe-result.ts'
import { serviceKey } from '../../../src/model/virtual-service.ts'
import { held, identity, key, virtual } from '../../support/desired.ts'
import { FakeHost } from './fake-host.ts'
import { type DaemonRig, startDaemon, temporaryDirectory, yamlOf } from './rig.ts'

const WEB = serviceKey(identity('tcp/10.0.0.1:80'))
const BACKENDS = ['10.0.1.1:80', '10.0.1.2:80', '10.0.1.3:80']
const REFUSED: ProbeResult = { outcome: 'failed', failure: 'refused', message: 'connection refused' }
const WRONG: ProbeResult = { outcome: 'failed', failure: 'wrong-answer', message: 'status 404' }
const CHECK = 'health_check: { interval: 100ms, timeout: 50ms, fall: 1, rise: 1, jitter: 0% }'

function weights({ kernel }: FakeHost): (number | undefined)[] {
  return BACKENDS.map((backend) => kernel.destination(WEB, key(backend))?.weight)
}

async function daemon(keys: string, options: Parameters<typeof startDaemon>[1] = {}): Promise<DaemonRig> {
  const service = `\n  - { name: web, listen: 10.0.0.1:80, debounce: { min: 0s, max: 0s }, weight: 5, ${keys}, backends: [${BACKENDS.join(', ')}] }`
  return startDaemon((directory, port) => yamlOf(directory, port, service), options)
}

const until = (host: FakeHost) => expect.poll(() => weights(host), { interval: 10, timeout: 5_000 })

/** All have been asked. */
async function asked({ host }: DaemonRig): Promise<void> {
  await expect.poll(() => new Set(host.probed).size, { interval: 10, timeout: 5_000 }).toBe(BACKENDS.length)
}

describe('a backend that fails its probes', () => {
  test('loses its weight and gets it back', async () => {
    const rig = await daemon(CHECK)
    await until(rig.host).toEqual([5, 5, 5])
    await asked(rig)
    rig.host.probes.set('10.0.1.1:80', REFUSED)
    await until(rig.host).toEqual([0, 5, 5])
    rig.host.probes.clear()
    await until(rig.host).toEqual([5, 5, 5])
  })

  test('goes on with weight 0 over a restart, which writes nothing', async () => {
    const host = new FakeHost()
    host.kernel.tamper(
      { kind: 'add-service', service: virtual('tcp/10.0.0.1:80') },
      ...BACKENDS.map((backend, index) => ({
        kind: 'add-destination' as const,
        service: identity('tcp/10.0.0.1:80'),
        destination: held(backend, { weight: index === 0 ? 0 : 5 }),
      })),
    )
    host.probes.set('10.0.1.1:80', REFUSED)
    const rig = await daemon(CHECK, { host })
    await asked(rig)
    await expect.poll(() => host.probed.length, { timeout: 5_000 }).toBeGreaterThan(9)
    expect(host.kernel.written).toEqual([])
    host.probes.clear()
    await until(host).toEqual([5, 5, 5])
    expect(host.kernel.written).toHaveLength(1)
  })

  test('is deleted at once where weight 0 is not enough, with the reasons in the log', async () => {
    const rig = await daemon(`${CHECK}, persistence: 300s`)
    await until(rig.host).toEqual([5, 5, 5])
    await asked(rig)
    rig.host.kernel.setConnections(WEB, key('10.0.1.2:80'), { active: 3 })
    rig.host.probes.set('10.0.1.2:80', REFUSED)
    await until(rig.host).toEqual([5, undefined, 5])
    const line = rig.log.find(({ backend, to }) => backend === '10.0.1.2:80' && to === 'absent')
    expect(line?.['reasons']).toEqual([
      'persistent clients stay with weight 0 while expire_quiescent_template is 0',
      expect.stringContaining('connection refused'),
      'service weight 5',
      'listed by static',
    ])
  })

  test('keeps its connections there once the kernel is set otherwise', async () => {
    const host = new FakeHost()
    host.sysctls.set('net.ipv4.vs.expire_quiescent_template', 1)
    const rig = await daemon(`${CHECK}, persistence: 300s`, { host })
    await until(host).toEqual([5, 5, 5])
    await asked(rig)
    host.probes.set('10.0.1.2:80', REFUSED)
    await until(host).toEqual([5, 0, 5])
  })
})

describe('all at once', () => {
  test('that answer wrongly serve on; that cannot be reached serve in panic', async () => {
    const rig = await daemon(CHECK)
    await until(rig.host).toEqual([5, 5, 5])
    await asked(rig)
    for (const backend of BACKENDS) rig.host.probes.set(backend, WRONG)
    await expect.poll(() => JSON.stringify(rig.log), { timeout: 5_000 }).toContain('status 404')
    await until(rig.host).toEqual([5, 5, 5])
    for (const backend of BACKENDS) rig.host.probes.set(backend, REFUSED)
    await expect.poll(() => JSON.stringify(rig.log), { timeout: 5_000 }).toContain('panic')
    await until(rig.host).toEqual([5, 5, 5])
  })

  test('give way to the sorry server', async () => {
    const rig = await daemon(`${CHECK}, sorry_server: 10.0.9.1:80`)
    const sorry = () => rig.host.kernel.destination(WEB, key('10.0.9.1:80'))?.weight
    await until(rig.host).toEqual([5, 5, 5])
    await asked(rig)
    for (const backend of BACKENDS) rig.host.probes.set(backend, REFUSED)
    await until(rig.host).toEqual([0, 0, 0])
    await expect.poll(sorry).toBe(1)
    rig.host.probes.delete('10.0.1.3:80')
    await until(rig.host).toEqual([0, 0, 5])
    await expect.poll(() => sorry() ?? 0).toBe(0)
  })
})

test('slow start: the kernel has every weight a hundred times', async () => {
  const directory = await temporaryDirectory()
  const rig = await daemon(`${CHECK}, scheduler: wrr, slow_start: 1s`, { directory })
  await until(rig.host).toEqual([500, 500, 500])
  await asked(rig)
  rig.host.probes.set('10.0.1.1:80', REFUSED)
  await until(rig.host).toEqual([0, 500, 500])
  await new Promise((resolve) => setTimeout(resolve, 1_000))
  rig.host.probes.clear()
  const seen = new Set<number | undefined>()
  await expect
    .poll(
      () => {
        const [weight] = weights(rig.host)
        seen.add(weight)
        return weight
      },
      { interval: 10, timeout: 5_000 },
    )
    .toBe(500)
  expect(seen.size).toBeGreaterThan(4)
})
