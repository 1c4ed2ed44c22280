import { existsSync } from 'node:fs'
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { serviceKey } from '../../../src/model/virtual-service.ts'
import { held, identity, key, virtual } from '../../support/desired.ts'
import { parseExposition, sampleOf } from '../admin/exposition-parser.ts'
import { FakeHost } from './fake-host.ts'
import { type DaemonRig, startDaemon, temporaryDirectory, yamlOf } from './rig.ts'

const WEB = identity('tcp/10.0.0.1:80')
const SERVICE =
  '\n  - { name: web, listen: 10.0.0.1:80, scheduler: rr, debounce: { min: 0s, max: 0s }, health_check: { enabled: false }, quorum: { min: 1 }, backends: [{ address: 10.0.1.1:8080, weight: 5 }, 10.0.1.2:8080] }'
const until = (look: () => unknown) => expect.poll(look, { interval: 10, timeout: 4_000 })
const would = (rig: DaemonRig) => rig.log.map(({ msg }) => msg).filter((msg) => msg.startsWith('would'))

/** The table of another balancer, which holds it: one backend has another weight, one is not in it. */
function beside(): FakeHost {
  const host = new FakeHost()
  host.holder = { pid: 7, command: 'another', since: '2026-01-01T00:00:00.000Z' }
  host.kernel.tamper(
    { kind: 'add-service', service: virtual('tcp/10.0.0.1:80', { scheduler: 'rr' }) },
    { kind: 'add-destination', service: WEB, destination: held('10.0.1.1:8080', { weight: 3 }) },
    { kind: 'add-destination', service: WEB, destination: held('10.0.1.9:8080', { weight: 1 }) },
  )
  return host
}

test('a shadow tells what it would do beside a holder of the table, and does nothing', async () => {
  const host = beside()
  const directory = await temporaryDirectory()
  const mark = join(directory, 'told')
  const global = `on_exit: remove\nhooks: { quorum_up: [/usr/bin/touch, ${mark}] }`
  const rig = await startDaemon((d, port) => yamlOf(d, port, SERVICE, global), { host, directory, shadow: true })
  await until(() => would(rig).length).toBe(2)
  expect(would(rig).toSorted()).toEqual([
    expect.stringMatching(/^would: web 10\.0\.1\.1:8080: weight 3, nat, thresholds 0\/0 -> weight 5, nat, thresholds 0\/0 \(/),
    expect.stringMatching(/^would: web 10\.0\.1\.2:8080: absent -> weight 1, nat, thresholds 0\/0 \(/),
  ])
  expect(rig.log.find(({ msg }) => msg.startsWith('would'))).toMatchObject({
    level: 'info',
    service: 'web',
    vip: serviceKey(WEB),
  })
  const families = parseExposition((await rig.fetch('/metrics')).text)
  expect(sampleOf(families, 'pointsman_shadow_changes', { kind: 'add-destination' })).toBe(1)
  expect(sampleOf(families, 'pointsman_shadow_changes', { kind: 'edit-destination' })).toBe(1)
  expect(sampleOf(families, 'pointsman_shadow_changes', { kind: 'delete-service' })).toBe(0)
  expect((await rig.fetch('/readyz')).status).toBe(200)
  await rig.stop()
  expect(host.kernel.written).toEqual([])
  expect(host.kernel.destination(serviceKey(WEB), key('10.0.1.1:8080'))?.weight).toBe(3)
  expect(existsSync(join(directory, 'state'))).toBe(false)
  expect(existsSync(mark)).toBe(false)
})

test('with slow_start both weights are those of the kernel', async () => {
  const slow = SERVICE.replace('scheduler: rr', 'scheduler: wlc, slow_start: 30s')
  const rig = await startDaemon((d, port) => yamlOf(d, port, slow), { host: beside(), shadow: true })
  await until(() => would(rig).length).toBe(3)
  expect(would(rig).toSorted()).toEqual([
    expect.stringMatching(/^would: web 10\.0\.1\.1:8080: weight 3, nat, thresholds 0\/0 -> weight 500, nat, thresholds 0\/0 \(/),
    expect.stringMatching(/^would: web 10\.0\.1\.2:8080: absent -> weight 100, nat, thresholds 0\/0 \(/),
    expect.stringMatching(/^would: web: rr -> wlc \(/),
  ])
})

test('what the other one does in the meantime is no longer told as wanted, and nothing is told twice', async () => {
  const host = beside()
  const rig = await startDaemon((d, port) => yamlOf(d, port, SERVICE), { host, shadow: true })
  await until(() => would(rig).length).toBe(2)
  host.kernel.tamper({ kind: 'edit-destination', service: WEB, destination: held('10.0.1.1:8080', { weight: 5 }) })
  rig.reload$.next()
  await until(() => would(rig).length).toBe(3)
  expect(would(rig)[2]).toMatch(/^would no longer: web 10\.0\.1\.1:8080: weight 3/)
  const families = parseExposition((await rig.fetch('/metrics')).text)
  expect(sampleOf(families, 'pointsman_shadow_changes', { kind: 'edit-destination' })).toBe(0)
  expect(host.kernel.written).toEqual([])
})

test('what happens to a backend is told as discovered, what stands is told once under the cause that it had', async () => {
  const host = beside()
  const list = (weight: number) =>
    JSON.stringify([
      { address: '10.0.1.1:8080', weight },
      { address: '10.0.1.2:8080', weight: 1 },
    ])
  const directory = await temporaryDirectory()
  const file = join(directory, 'list.json')
  await writeFile(file, list(5))
  const source = SERVICE.replace(/backends: .*\]/, `source: { file: ${file} }`)
  const rig = await startDaemon((d, port) => yamlOf(d, port, source), { host, directory, shadow: true })
  await until(() => would(rig).length).toBe(2)
  await writeFile(file, list(7))
  await until(() => would(rig).length).toBe(4)
  expect(would(rig)[2]).toMatch(/^would: web 10\.0\.1\.1:8080: weight 3, .* -> weight 7, .* \(\w+: /)
  expect(would(rig)[3]).toMatch(/^would no longer: web 10\.0\.1\.1:8080: weight 3, .* -> weight 5, /)
  host.kernel.tamper({ kind: 'delete-destination', service: WEB, destination: held('10.0.1.1:8080') })
  rig.reload$.next()
  await until(() => would(rig).length).toBe(6)
  expect(would(rig)[4]).toMatch(/^would: web 10\.0\.1\.1:8080: absent -> weight 7, .* \(discovery: /)
})

test('a reload of the configuration is followed', async () => {
  const host = beside()
  const rig = await startDaemon((d, port) => yamlOf(d, port, SERVICE), { host, shadow: true })
  await until(() => would(rig).length).toBe(2)
  await rig.reconfigure(yamlOf(rig.directory, rig.port, SERVICE.replace('scheduler: rr', 'scheduler: wlc')))
  await until(() => would(rig).some((line) => line.startsWith('would: web: rr -> wlc ('))).toBe(true)
  expect(host.kernel.written).toEqual([])
})

test('the state of a daemon is read and left as it is', async () => {
  const directory = await temporaryDirectory()
  const first = await startDaemon((d, port) => yamlOf(d, port, SERVICE), { directory })
  await until(() => first.host.told.some((each) => each.startsWith('READY=1'))).toBe(true)
  await first.stop()
  const state = join(directory, 'state')
  await mkdir(state, { recursive: true })
  await writeFile(join(state, 'mine'), 'mine')
  const contents = async () =>
    Promise.all((await readdir(state)).toSorted().map(async (name) => [name, await readFile(join(state, name), 'utf8')]))
  const before = await contents()
  const rig = await startDaemon((d, port) => yamlOf(d, port, SERVICE), { directory, host: beside(), shadow: true })
  await until(() => would(rig).length).toBeGreaterThan(0)
  await rig.stop()
  expect(await contents()).toEqual(before)
})
