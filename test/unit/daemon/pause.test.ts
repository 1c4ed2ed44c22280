import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { askDaemon } from '../../../src/daemon/ask-daemon.ts'
import { PointsmanError } from '../../../src/errors.ts'
import { serviceKey } from '../../../src/model/virtual-service.ts'
import { held, identity, key, virtual } from '../../support/desired.ts'
import { parseExposition, sampleOf } from '../admin/exposition-parser.ts'
import { command } from './command.ts'
import { FakeHost } from './fake-host.ts'
import { type DaemonRig, startDaemon, temporaryDirectory, yamlOf } from './rig.ts'

const ID = identity('tcp/10.0.0.1:80')
const WEB = serviceKey(ID)
const until = (look: () => unknown) => expect.poll(look, { interval: 10, timeout: 4_000 })

const LIST = '\n  - { name: web, listen: 10.0.0.1:80, debounce: { min: 0s, max: 0s }, source: { file: { path: LIST } } }'

async function started(
  options: { host?: FakeHost; directory?: string; global?: string } = {},
): Promise<DaemonRig & { list: string }> {
  const directory = options.directory ?? (await temporaryDirectory())
  const list = join(directory, 'web.yaml')
  await writeFile(list, '[10.0.1.1:80]')
  const rig = await startDaemon((d, port) => yamlOf(d, port, LIST.replace('LIST', list), options.global), {
    directory,
    ...(options.host !== undefined && { host: options.host }),
  })
  return { ...rig, list }
}

const state = (rig: DaemonRig) => ['--state-dir', join(rig.directory, 'state')]
const weight = (rig: DaemonRig, at: string) => rig.host.kernel.destination(WEB, key(at))?.weight

async function pausedMetric(rig: DaemonRig): Promise<number | undefined> {
  return sampleOf(parseExposition((await rig.fetch('/metrics')).text), 'pointsman_paused')
}

async function settled(): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, 300))
}

describe('pointsman pause', () => {
  test('writes nothing, whatever sources say, until resume writes it all', async () => {
    const rig = await started()
    await until(() => weight(rig, '10.0.1.1:80')).toBe(1)
    expect(await pausedMetric(rig)).toBe(0)
    expect(await command('pause', '--reason', 'by hand', ...state(rig))).toMatchObject({
      code: 0,
      out: 'paused: nothing is written to the kernel until `pointsman resume`\n',
    })
    await writeFile(rig.list, '[10.0.1.1:80, 10.0.1.2:80]')
    await until(async () => (await command('status', ...state(rig))).out).toMatch(
      /^paused for \ds: by hand; nothing is written[\s\S]*10\.0\.1\.2:80 .* 1 +- /,
    )
    await settled()
    expect(weight(rig, '10.0.1.2:80')).toBeUndefined()
    expect(await pausedMetric(rig)).toBe(1)
    const health = await rig.fetch('/readyz')
    expect(health.status).toBe(200)
    expect(JSON.parse(health.text)).toEqual({
      status: 'degraded',
      reasons: [{ reason: 'paused', message: 'Nothing is written to the kernel (paused: by hand); pointsman resume ends that.' }],
    })
    expect((await command('why', 'web', '10.0.1.2:80', ...state(rig))).out).toMatch(/paused .*by hand/)
    // What somebody else changes meanwhile is seen by the resume.
    rig.host.kernel.tamper({ kind: 'edit-destination', service: ID, destination: held('10.0.1.1:80', { weight: 7 }) })
    expect((await command('resume', ...state(rig))).out).toMatch(/^the kernel is written again; it was paused since 20\S+Z\n$/)
    await until(() => [weight(rig, '10.0.1.1:80'), weight(rig, '10.0.1.2:80')]).toEqual([1, 1])
    expect(await pausedMetric(rig)).toBe(0)
    expect(JSON.parse((await rig.fetch('/readyz')).text)).toEqual({ status: 'ready', reasons: [] })
    expect(await command('resume', ...state(rig))).toMatchObject({ code: 0, out: 'it was not paused\n' })
    expect(rig.log.filter(({ msg }) => msg.includes('pause')).map(({ level }) => level)).toEqual(['warn', 'info'])
  })

  test('outlives a restart, which is ready, alive and writes nothing, and leaves all as it is at the end', async () => {
    const directory = await temporaryDirectory()
    const host = new FakeHost()
    const first = await started({ directory, host, global: 'on_exit: remove' })
    await until(() => weight(first, '10.0.1.1:80')).toBe(1)
    await command('pause', ...state(first))
    await first.stop()
    expect(weight(first, '10.0.1.1:80')).toBe(1)
    await writeFile(first.list, '[10.0.1.2:80]')
    host.watchdog = 100
    host.kernel.break(undefined)
    const from = host.told.length
    const second = await startDaemon((d, port) => yamlOf(d, port, LIST.replace('LIST', first.list)), { directory, host })
    const said = () => host.told.slice(from)
    await until(() => said().some((text) => text.startsWith('READY=1\nSTATUS=paused; 1 service'))).toBe(true)
    await until(() => said().filter((text) => text.startsWith('WATCHDOG=1')).length).toBeGreaterThan(3)
    expect(weight(second, '10.0.1.2:80')).toBeUndefined()
    expect((await second.fetch('/readyz')).status).toBe(200)
    await command('resume', ...state(second))
    await until(() => weight(second, '10.0.1.2:80')).toBe(1)
  })

  test('ends by itself at the end that was given, and says so', async () => {
    const rig = await started()
    await until(() => weight(rig, '10.0.1.1:80')).toBe(1)
    const { code, out } = await command('pause', '--for', '1s', '--json', ...state(rig))
    expect(code).toBe(0)
    const { paused, kept, settled: isSettled } = JSON.parse(out)
    expect(Date.parse(paused.until) - Date.parse(paused.since)).toBe(1_000)
    expect([kept, isSettled]).toEqual([true, true])
    await writeFile(rig.list, '[10.0.1.1:80, 10.0.1.2:80]')
    await settled()
    expect(weight(rig, '10.0.1.2:80')).toBeUndefined()
    await until(() => weight(rig, '10.0.1.2:80')).toBe(1)
    expect(rig.log.find(({ msg }) => msg.startsWith('the pause is over'))).toMatchObject({ cause: 'expired' })
  })

  test('returns when the pass that was under way has ended', async () => {
    const rig = await started()
    await until(() => weight(rig, '10.0.1.1:80')).toBe(1)
    const began = Promise.withResolvers<void>()
    rig.host.kernel.delay = 200
    rig.host.kernel.onRead = () => began.resolve()
    await writeFile(rig.list, '[10.0.1.1:80, 10.0.1.2:80]')
    rig.reload$.next()
    await began.promise
    await command('pause', ...state(rig))
    const { length } = rig.host.kernel.written
    await settled()
    expect(rig.host.kernel.written).toHaveLength(length)
  })

  test('says so where the kernel takes too long, and once more asked waits for the end', async () => {
    const rig = await started()
    await until(() => weight(rig, '10.0.1.1:80')).toBe(1)
    const began = Promise.withResolvers<void>()
    const goesOn = Promise.withResolvers<void>()
    const { kernel } = rig.host
    const write = kernel.write.bind(kernel)
    kernel.write = async (...args) => {
      began.resolve()
      await goesOn.promise
      return write(...args)
    }
    await writeFile(rig.list, '[10.0.1.1:80, 10.0.1.2:80]')
    rig.reload$.next()
    await began.promise
    expect(await command('pause', ...state(rig))).toMatchObject({
      code: 21,
      out: 'paused: nothing is written to the kernel until `pointsman resume`\n',
      err: expect.stringContaining('run the same command again'),
    })
    expect(await pausedMetric(rig)).toBe(1)
    const again = command('pause', '--json', ...state(rig))
    goesOn.resolve()
    const { code, out } = await again
    expect([code, JSON.parse(out).settled]).toEqual([0, true])
    expect(weight(rig, '10.0.1.2:80')).toBeDefined()
  }, 20_000)

  test('refuses what makes no sense, and changes nothing', async () => {
    const rig = await started()
    await until(() => weight(rig, '10.0.1.1:80')).toBe(1)
    expect(await command('pause', '--for', 'soon', ...state(rig))).toMatchObject({ code: 33 })
    expect(await pausedMetric(rig)).toBe(0)
    expect(await command('pause', '--state-dir', await temporaryDirectory())).toMatchObject({ code: 45 })
  })
})

describe('pointsman adopt', () => {
  async function withStranger(more = ''): Promise<DaemonRig> {
    const host = new FakeHost()
    host.kernel.tamper(
      { kind: 'add-service', service: virtual('tcp/10.0.0.1:80') },
      { kind: 'add-destination', service: ID, destination: held('10.0.1.1:80') },
      { kind: 'add-destination', service: ID, destination: held('10.0.1.9:80') },
    )
    const rig = await startDaemon(
      (d, port) =>
        yamlOf(d, port, `\n  - { name: web, listen: 10.0.0.1:80, backends: [10.0.1.1:80], drain: { timeout: 1s }${more} }`),
      { host },
    )
    await until(() => rig.log.some(({ msg }) => msg.startsWith('ready'))).toBe(true)
    return rig
  }

  test('takes over who is foreign now, and nobody who comes later', async () => {
    const rig = await withStranger()
    expect(weight(rig, '10.0.1.9:80')).toBe(1)
    const { services } = JSON.parse((await command('status', '--json', ...state(rig))).out)
    expect(services[0].backends[1]).toMatchObject({ backend: '10.0.1.9:80', reasons: ['no source names it'] })
    expect(await command('adopt', 'web', ...state(rig))).toMatchObject({
      code: 0,
      out: '1 foreign backend of web taken over, to drain: 10.0.1.9:80\n',
    })
    await until(() => weight(rig, '10.0.1.9:80')).toBe(0)
    await until(() => weight(rig, '10.0.1.9:80')).toBeUndefined()
    rig.host.kernel.tamper({ kind: 'add-destination', service: ID, destination: held('10.0.1.8:80') })
    rig.reload$.next()
    await settled()
    expect(weight(rig, '10.0.1.8:80')).toBe(1)
    expect(JSON.parse((await command('adopt', 'web', '--json', ...state(rig))).out)).toEqual({
      service: 'web',
      adopted: ['10.0.1.8:80'],
    })
    await until(() => weight(rig, '10.0.1.8:80')).toBeUndefined()
    expect(await command('adopt', 'web', ...state(rig))).toMatchObject({ code: 0, out: 'no backend of web is foreign\n' })
    expect(await command('adopt', 'wep', ...state(rig))).toMatchObject({ code: 33 })
  })

  test('is ended by a pause that comes before it is done, which says so', async () => {
    const rig = await withStranger()
    const { kernel } = rig.host
    const readTable = kernel.readTable.bind(kernel)
    const tried = Promise.withResolvers<void>()
    let reads = 0
    // The command itself reads what is foreign; the pass that follows it cannot.
    kernel.readTable = async (...args) => {
      reads += 1
      if (reads === 1) return readTable(...args)
      tried.resolve()
      throw new PointsmanError('KERNEL_REFUSED', 'The kernel refused: not now.')
    }
    expect(await command('adopt', 'web', ...state(rig))).toMatchObject({ code: 0, out: expect.stringContaining('10.0.1.9:80') })
    await tried.promise
    expect(await command('pause', ...state(rig))).toMatchObject({ code: 0 })
    expect(rig.log.map(({ msg }) => msg)).toContainEqual(
      expect.stringMatching(/^nothing foreign in web is taken over any more: .* run "pointsman adopt" again/),
    )
    kernel.readTable = readTable
    const before = kernel.reads
    await command('resume', ...state(rig))
    await until(() => kernel.reads).toBeGreaterThan(before)
    rig.reload$.next()
    await settled()
    expect(weight(rig, '10.0.1.9:80')).toBe(1)
  })

  test('is refused where a pause begins while it reads', async () => {
    const rig = await withStranger()
    const { kernel } = rig.host
    const readTable = kernel.readTable.bind(kernel)
    const reading = Promise.withResolvers<void>()
    const goesOn = Promise.withResolvers<void>()
    kernel.readTable = async (...args) => {
      reading.resolve()
      await goesOn.promise
      return readTable(...args)
    }
    const adopting = askDaemon(state(rig)[1] ?? '', 'POST', '/adopt?service=web')
    const refused = expect(adopting).rejects.toMatchObject({ message: expect.stringContaining('The daemon is paused') })
    await reading.promise
    await command('pause', ...state(rig))
    goesOn.resolve()
    await refused
  })

  test('refuses where nothing is written, and where nobody knows who is foreign', async () => {
    const rig = await withStranger(', source: { file: { path: /nowhere/web.yaml } }')
    expect(await command('adopt', 'web', ...state(rig))).toMatchObject({
      code: 33,
      err: expect.stringContaining('Not every source of web'),
    })
    await command('pause', ...state(rig))
    expect(await command('adopt', 'web', ...state(rig))).toMatchObject({ code: 33, err: expect.stringContaining('paused') })
    expect(weight(rig, '10.0.1.9:80')).toBe(1)
  })
})
