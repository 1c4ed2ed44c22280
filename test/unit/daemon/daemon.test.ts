import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { PointsmanError } from '../../../src/errors.ts'
import { serviceKey } from '../../../src/model/virtual-service.ts'
import { currentPlace, ownershipFile } from '../../../src/store/ownership.ts'
import { identity, key } from '../../support/desired.ts'
import { parseExposition, sampleOf } from '../admin/exposition-parser.ts'
import { FakeHost } from './fake-host.ts'
import { type DaemonRig, freePort, startDaemon, temporaryDirectory, yamlOf } from './rig.ts'

const WEB = serviceKey(identity('tcp/10.0.0.1:80'))
const ONE = key('10.0.1.1:8080')
const TWO = key('10.0.1.2:8080')
const web = (...backends: string[]) =>
  `\n  - { name: web, listen: 10.0.0.1:80, debounce: { min: 0s, max: 0s }, drain: { timeout: 0s }, health_check: { enabled: false }, backends: [${backends.join(', ')}] }`
const B1 = '{ address: 10.0.1.1:8080, weight: 5 }'
const B2 = '{ address: 10.0.1.2:8080 }'
const until = (look: () => unknown) => expect.poll(look, { interval: 10, timeout: 4_000 })
const levels = (rig: DaemonRig, level: string) => rig.log.filter((line) => line.level === level).map(({ msg }) => msg)
const ready = (rig: DaemonRig) => until(() => rig.host.told.some((each) => each.startsWith('READY=1'))).toBe(true)

describe('start', () => {
  test('the table is written, systemd is told, readiness and metrics show it', async () => {
    const rig = await startDaemon((directory, port) => yamlOf(directory, port, web(B1, B2)))
    await ready(rig)
    expect(rig.host.kernel.destination(WEB, ONE)?.weight).toBe(5)
    expect(rig.host.held).toBe('start')
    expect(rig.host.told).toContain('READY=1\nSTATUS=1 service, 0 without data')
    expect(await rig.fetch('/readyz')).toEqual({ status: 200, text: '{"status":"ready","reasons":[]}\n' })
    expect((await rig.fetch('/healthz')).status).toBe(200)
    const families = parseExposition((await rig.fetch('/metrics')).text)
    expect(sampleOf(families, 'pointsman_backend_weight', { service: 'web', backend: '10.0.1.1:8080' })).toBe(5)
    expect(sampleOf(families, 'pointsman_sink_changes_total', { kind: 'add-destination' })).toBe(2)
    expect(await programmed(rig)).toBe(1)
    expect(sampleOf(families, 'pointsman_config_services')).toBe(1)
    expect(sampleOf(families, 'pointsman_expire_nodest_conn')).toBe(1)
    await rig.stop()
    expect(rig.host.told.at(-1)).toBe('STOPPING=1')
    expect(rig.host.held).toBeUndefined()
    expect(rig.host.kernel.service(WEB)).toBeDefined()
  })

  test('one line per transition, with its reasons', async () => {
    const rig = await startDaemon((directory, port) => yamlOf(directory, port, web(B1)))
    await ready(rig)
    const line = rig.log.find(({ backend }) => backend === '10.0.1.1:8080')
    expect(line).toMatchObject({
      level: 'info',
      service: 'web',
      vip: WEB,
      from: 'absent',
      to: 'weight 5',
      cause: 'configuration',
    })
    expect(line?.msg).toMatch(/^web 10\.0\.1\.1:8080: absent -> weight 5 \(configuration: /)
  })

  test('a restart with unchanged inputs writes nothing', async () => {
    const directory = await temporaryDirectory()
    const first = await startDaemon((d, port) => yamlOf(d, port, web(B1, B2)), { directory })
    await ready(first)
    await first.stop()
    const host = new FakeHost()
    const second = await startDaemon((d, port) => yamlOf(d, port, web(B1, B2)), {
      directory,
      host: withKernelOf(host, first.host),
    })
    await ready(second)
    expect(second.host.kernel.written).toEqual([])
  })

  test('no IPVS: the sentence and code of the kernel, nothing written, nothing held', async () => {
    const host = new FakeHost()
    host.missing = new PointsmanError('IPVS_MISSING', 'This kernel has no IPVS.')
    const rig = await startDaemon((directory, port) => yamlOf(directory, port, web(B1)), { host })
    await expect(rig.ended).rejects.toMatchObject({ code: 'IPVS_MISSING' })
    expect(host.held).toBeUndefined()
  })

  test('a table that another holds is not even opened', async () => {
    const host = new FakeHost()
    host.holder = { pid: 7, command: 'start', since: '2026-01-01T00:00:00Z' }
    const rig = await startDaemon((directory, port) => yamlOf(directory, port, web(B1)), { host })
    await expect(rig.ended).rejects.toMatchObject({ code: 'TABLE_HELD' })
    expect(host.opened).toBe(0)
  })

  test('a state directory that cannot be', async () => {
    const directory = await temporaryDirectory()
    await writeFile(join(directory, 'state'), 'a file')
    const rig = await startDaemon((d, port) => yamlOf(d, port, web(B1)), { directory })
    await expect(rig.ended).rejects.toMatchObject({ code: 'STATE_UNWRITABLE' })
    expect(rig.host.kernel.written).toEqual([])
  })

  test('a record of a later version stops the start and is left alone', async () => {
    const directory = await temporaryDirectory()
    await mkdir(join(directory, 'state'))
    await writeFile(
      join(directory, 'state', ownershipFile(await currentPlace())),
      '{"format":"pointsman-ownership","version":99}\n',
    )
    const rig = await startDaemon((d, port) => yamlOf(d, port, web(B1)), { directory })
    await expect(rig.ended).rejects.toMatchObject({ code: 'STATE_NEWER' })
    expect(rig.host.kernel.written).toEqual([])
  })

  test('a sysctl that harms is named with its cure', async () => {
    const host = new FakeHost()
    host.sysctls.set('net.ipv4.vs.expire_nodest_conn', 0)
    const rig = await startDaemon((directory, port) => yamlOf(directory, port, web(B1)), { host })
    await ready(rig)
    expect(levels(rig, 'warn').join('\n')).toContain('sysctl -w net.ipv4.vs.expire_nodest_conn=1')
  })
})

describe('a changed configuration', () => {
  test('is applied; a renamed service writes nothing; a service that leaves is removed', async () => {
    const rig = await startDaemon((directory, port) => yamlOf(directory, port, web(B1)))
    await ready(rig)
    const written = rig.host.kernel.written.length
    await rig.reconfigure(yamlOf(rig.directory, await freePort(), web(B1).replace('name: web', 'name: shop')))
    await until(() => levels(rig, 'info').includes('the new configuration is in force')).toBe(true)
    await rig.reconfigure(yamlOf(rig.directory, await freePort(), web(B1, B2).replace('name: web', 'name: shop')))
    await until(() => rig.host.kernel.destination(WEB, TWO)?.weight).toBe(1)
    expect(rig.host.kernel.written.slice(written).map(({ kind }) => kind)).toEqual(['add-destination'])
    await rig.reconfigure(yamlOf(rig.directory, await freePort(), ' []'))
    await until(() => rig.host.kernel.service(WEB)).toBeUndefined()
    expect(levels(rig, 'warn').join('\n')).toContain('the change of admin takes effect at the next restart')
  })

  test('that is bad changes nothing, is named sentence by sentence, and heals', async () => {
    const rig = await startDaemon((directory, port) => yamlOf(directory, port, web(B1)))
    await ready(rig)
    const written = rig.host.kernel.written.length
    await rig.reconfigure('services:\n  - { name: web, listen: 10.0.0.1:99999, backends: [] }\n')
    await until(() => levels(rig, 'error').join('\n')).toContain('pointsman.yaml:2:')
    const readyz = await rig.fetch('/readyz')
    expect(readyz.status).toBe(200)
    expect(JSON.parse(readyz.text)).toMatchObject({ status: 'degraded', reasons: [{ reason: 'config-rejected' }] })
    let families = parseExposition((await rig.fetch('/metrics')).text)
    expect(sampleOf(families, 'pointsman_config_last_load_successful')).toBe(0)
    expect(sampleOf(families, 'pointsman_config_loads_total', { result: 'rejected' })).toBe(1)
    await rig.reconfigure(yamlOf(rig.directory, 9, web(B1)).replace(/ {2}admin.*\n/, ''))
    await until(() => levels(rig, 'info').includes('the new configuration is in force')).toBe(true)
    families = parseExposition((await rig.fetch('/metrics')).text)
    expect(sampleOf(families, 'pointsman_config_last_load_successful')).toBe(1)
    expect(rig.host.kernel.written.length).toBe(written)
  })

  test('that is bad in every entry is told with its number, and a hundred sentences at the most', async () => {
    const rig = await startDaemon((directory, port) => yamlOf(directory, port, web(B1)))
    await ready(rig)
    const before = levels(rig, 'error').length
    const bad = Array.from({ length: 3_000 }, (_, index) => `{ address: 10.1.${index >> 8}.${index & 255}:80, weight: 70000 }`)
    await rig.reconfigure(yamlOf(rig.directory, 9, web(...bad)).replace(/ {2}admin.*\n/, ''))
    const told = () => levels(rig, 'error').slice(before)
    const last = `and 2900 more problems; pointsman validate -c ${join(rig.directory, 'pointsman.yaml')} names them all`
    await expect.poll(() => told().at(-1), { interval: 10, timeout: 25_000 }).toBe(last)
    expect(told()).toHaveLength(1 + 100 + 1)
    expect(told()[0]).toBe('the new configuration is rejected for 3000 problems, the running one stays')
    const [reason] = JSON.parse((await rig.fetch('/readyz')).text).reasons
    expect(reason).toMatchObject({
      reason: 'config-rejected',
      message: expect.stringMatching(/backends\[0\]\.weight: 70000 is above 65535; .* \(and 2999 more problems\)$/),
    })
    expect(reason.message.length).toBeLessThan(500)
  }, 30_000)

  test('SIGHUP on an unchanged file says so, tells systemd, and looks at the whole table', async () => {
    const rig = await startDaemon((directory, port) => yamlOf(directory, port, web(B1)))
    await ready(rig)
    rig.host.kernel.tamper({ kind: 'delete-service', service: identity('tcp/10.0.0.1:80') })
    rig.reload$.next()
    await until(() => rig.host.kernel.destination(WEB, ONE)?.weight).toBe(5)
    await until(() => levels(rig, 'info').includes('the configuration says what it said before')).toBe(true)
    const reloading = rig.host.told.findIndex((each) => each.startsWith('RELOADING=1\nMONOTONIC_USEC='))
    expect(reloading).toBeGreaterThan(0)
    expect(rig.host.told.slice(reloading)).toContain('READY=1\nSTATUS=1 service')
  })

  test('the log level changes at once', async () => {
    const rig = await startDaemon((directory, port) => yamlOf(directory, port, web(B1)))
    await ready(rig)
    await rig.reconfigure(yamlOf(rig.directory, 9, web(B1), 'log_level: error'))
    await until(() => levels(rig, 'warn').join()).toContain('the change of admin')
    rig.reload$.next()
    await until(() => rig.host.told.filter((each) => each.startsWith('RELOADING')).length).toBe(1)
    expect(levels(rig, 'info')).not.toContain('the configuration says what it said before')
  })
})

/** How many events the histogram of programming times has seen. */
async function programmed(rig: DaemonRig): Promise<number> {
  const families = parseExposition((await rig.fetch('/metrics')).text)
  const { samples } = families.get('pointsman_programming_duration_seconds') ?? { samples: [] }
  return samples.find(({ name }) => name.endsWith('_count'))?.value ?? 0
}

describe('file sources', () => {
  const fromFile = (directory: string) =>
    `\n  - { name: web, listen: 10.0.0.1:80, debounce: { min: 0s, max: 0s }, drain: { timeout: 0s }, health_check: { enabled: false }, source: { file: { path: ${directory}/web.yaml } } }`

  test('are followed; a bad list keeps the last good one, degrades and is counted', async () => {
    const directory = await temporaryDirectory()
    await writeFile(join(directory, 'web.yaml'), '[10.0.1.1:8080]')
    const rig = await startDaemon((d, port) => yamlOf(d, port, fromFile(d)), { directory })
    await ready(rig)
    expect(rig.host.kernel.destination(WEB, ONE)?.weight).toBe(1)
    const before = await programmed(rig)
    await writeFile(join(directory, 'web.yaml'), '[10.0.1.1:8080, 10.0.1.2:8080]')
    await until(() => rig.host.kernel.destination(WEB, TWO)?.weight).toBe(1)
    await until(() => programmed(rig)).toBe(before + 1)
    await writeFile(join(directory, 'web.yaml'), '[10.0.1.2:8080]')
    await until(() => rig.host.kernel.destination(WEB, ONE)).toBeUndefined()
    await writeFile(join(directory, 'web.yaml'), '[10.0.1.2:80')
    await until(async () => (await rig.fetch('/readyz')).text).toContain('source-failing')
    const families = parseExposition((await rig.fetch('/metrics')).text)
    expect(sampleOf(families, 'pointsman_source_up')).toBe(0)
    expect(sampleOf(families, 'pointsman_source_records')).toBe(1)
    expect(families.get('pointsman_source_errors_total')?.samples).toHaveLength(1)
    expect(rig.host.kernel.destination(WEB, TWO)?.weight).toBe(1)
  })

  test('a list that is not there leaves the service without data: ready, degraded, and the kernel alone', async () => {
    const rig = await startDaemon((d, port) => yamlOf(d, port, fromFile(d)))
    await ready(rig)
    const { status, text } = await rig.fetch('/readyz')
    expect(status).toBe(200)
    expect(JSON.parse(text).reasons.map(({ reason }: { reason: string }) => reason)).toEqual(['no-data', 'source-failing'])
  })
})

describe('trouble with the kernel', () => {
  test('stuck: not ready, not alive, loud, no further write, no sign of life', async () => {
    const host = new FakeHost()
    host.watchdog = 200
    const rig = await startDaemon((directory, port) => yamlOf(directory, port, web(B1)), { host })
    await ready(rig)
    await until(() => host.told.filter((each) => each.startsWith('WATCHDOG=1')).length).toBeGreaterThan(2)
    host.kernel.break('KERNEL_STUCK')
    await until(async () => (await rig.fetch('/readyz')).status).toBe(503)
    expect((await rig.fetch('/healthz')).status).toBe(503)
    expect(levels(rig, 'fatal')).toHaveLength(1)
    const families = parseExposition((await rig.fetch('/metrics')).text)
    expect(sampleOf(families, 'pointsman_kernel_stuck')).toBe(1)
    expect(sampleOf(families, 'pointsman_scrape_errors_total', { metric: 'traffic' })).toBe(1)
    const signs = host.told.filter((each) => each.startsWith('WATCHDOG=1')).length
    host.kernel.break(undefined)
    await rig.reconfigure(yamlOf(rig.directory, 9, web(B1, B2)))
    await until(() => levels(rig, 'info').includes('the new configuration is in force')).toBe(true)
    await new Promise((resolve) => setTimeout(resolve, 300))
    expect(host.kernel.destination(WEB, TWO)).toBeUndefined()
    expect(host.told.filter((each) => each.startsWith('WATCHDOG=1')).length).toBe(signs)
    await rig.stop()
  })

  test('a pass that can do nothing is reported and tried again', async () => {
    const host = new FakeHost()
    const rig = await startDaemon((directory, port) => yamlOf(directory, port, web(B1), 'resync_interval: 1s'), { host })
    await ready(rig)
    host.kernel.break('IPVS_MISSING')
    await until(() => levels(rig, 'error')).toContain('The kernel was made to fail.')
    expect(JSON.parse((await rig.fetch('/readyz')).text)).toMatchObject({
      status: 'degraded',
      reasons: [{ reason: 'sink-failing' }],
    })
    host.kernel.break(undefined)
    await until(async () => (await rig.fetch('/readyz')).text).toBe('{"status":"ready","reasons":[]}\n')
  })

  test('a service that the kernel refuses fails alone', async () => {
    const host = new FakeHost()
    host.kernel.schedulers.delete('mh')
    const both = `${web(B1)}\n  - { name: other, listen: 10.0.0.2:80, scheduler: mh, backends: [] }`
    const rig = await startDaemon((directory, port) => yamlOf(directory, port, both), { host })
    await ready(rig)
    expect(host.kernel.destination(WEB, ONE)?.weight).toBe(5)
    expect(JSON.parse((await rig.fetch('/readyz')).text)).toMatchObject({
      status: 'degraded',
      reasons: [{ reason: 'object-failing' }],
    })
    const families = parseExposition((await rig.fetch('/metrics')).text)
    expect(sampleOf(families, 'pointsman_sink_failing_objects')).toBe(1)
  })
})

describe('the end', () => {
  test.each([
    ['keep', true],
    ['remove', false],
    ['drain', false],
  ])('on_exit: %s', async (policy, stays) => {
    const rig = await startDaemon((directory, port) => yamlOf(directory, port, web(B1), `on_exit: ${policy}`))
    await ready(rig)
    await rig.stop()
    expect(rig.host.kernel.service(WEB) !== undefined).toBe(stays)
  })

  test('what has arrived is still written', async () => {
    const rig = await startDaemon((directory, port) => yamlOf(directory, port, web(B1)))
    await rig.stop()
    expect(rig.host.kernel.destination(WEB, ONE)?.weight).toBe(5)
  })

  test('on_exit of the newest configuration counts', async () => {
    const rig = await startDaemon((directory, port) => yamlOf(directory, port, web(B1)))
    await ready(rig)
    await rig.reconfigure(yamlOf(rig.directory, 9, web(B1), 'on_exit: remove'))
    await until(() => levels(rig, 'info').includes('the new configuration is in force')).toBe(true)
    await rig.stop()
    expect(rig.host.kernel.service(WEB)).toBeUndefined()
  })
})

/** The same table, seen by a new process. */
function withKernelOf(host: FakeHost, other: FakeHost): FakeHost {
  other.kernel.break(undefined)
  other.kernel.written.length = 0
  return Object.assign(host, { kernel: other.kernel })
}
