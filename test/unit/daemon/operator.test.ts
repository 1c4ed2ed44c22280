import { readFileSync } from 'node:fs'
import { mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { controlSocket } from '../../../src/admin/control-socket-name.ts'
import type { StatusAnswer, WhyAnswer } from '../../../src/admin/standing.ts'
import { serviceKey } from '../../../src/model/virtual-service.ts'
import { currentPlace } from '../../../src/store/ownership.ts'
import { wordsFile } from '../../../src/store/words.ts'
import { identity, key } from '../../support/desired.ts'
import { command } from './command.ts'
import { type DaemonRig, startDaemon, temporaryDirectory, yamlOf } from './rig.ts'

const WEB = serviceKey(identity('tcp/10.0.0.1:80'))
const until = (look: () => unknown) => expect.poll(look, { interval: 10, timeout: 4_000 })

const SERVICES = `
  - { name: web, listen: 10.0.0.1:80, scheduler: wrr, health_check: { enabled: false }, backends: [10.0.1.1:80, 10.0.1.2:80, 10.0.1.10:80] }
  - { name: mail, listen: 10.0.0.2:25, health_check: { enabled: false }, backends: [10.0.1.1:25, { address: "10.0.1.2:25", weight: 5 }] }`

interface Rig extends DaemonRig {
  /** A command with the state directory of this daemon. */
  pointsman(...args: string[]): ReturnType<typeof command>
  status(): Promise<StatusAnswer>
}

async function daemon(options: Parameters<typeof startDaemon>[1] = {}, services = SERVICES): Promise<Rig> {
  const rig = await startDaemon((d, port) => yamlOf(d, port, services), options)
  const pointsman = (...args: string[]) => command(...args, '--state-dir', join(rig.directory, 'state'))
  await until(() => rig.log.some(({ msg }) => msg.startsWith('ready'))).toBe(true)
  return { ...rig, pointsman, status: async () => JSON.parse((await pointsman('status', '--json')).out) as StatusAnswer }
}

const wordsPath = async ({ directory }: DaemonRig) => join(directory, 'state', wordsFile(await currentPlace()))

function adminOf(status: StatusAnswer, service: string, backend: string) {
  return status.services.find((each) => each.service === service)?.backends.find((each) => each.backend === backend)?.admin
}

describe('what the operator says', () => {
  test('counts at once, is on disk, in the log and in the status, and outlives a restart', async () => {
    const rig = await daemon()
    const said = await rig.pointsman('drain', 'web', '10.0.1.1:80', '--reason', 'new disk', '--for', '1h')
    expect(said).toMatchObject({ code: 0, err: '' })
    expect(said.out).toMatch(/^web 10\.0\.1\.1:80: drain until \d{4}-\S+Z\n$/)
    expect(await readFile(await wordsPath(rig), 'utf8')).toContain('"reason":"new disk"')
    expect(rig.log.find(({ cause }) => cause === 'operator')).toMatchObject({
      level: 'info',
      service: 'web',
      vip: WEB,
      backend: '10.0.1.1:80',
      from: 'ready',
      to: 'drain',
      reasons: [expect.stringMatching(/^drain because new disk until \d{4}/)],
    })
    const before = adminOf(await rig.status(), 'web', '10.0.1.1:80')
    expect(before).toMatchObject({ state: 'drain', reason: 'new disk' })
    await rig.stop()
    const again = await daemon({ directory: rig.directory })
    expect(adminOf(await again.status(), 'web', '10.0.1.1:80')).toEqual(before)
    expect(await again.pointsman('undrain', 'web', '10.0.1.1:80')).toEqual({
      code: 0,
      out: 'web 10.0.1.1:80: ready\n',
      err: '',
    })
    expect(adminOf(await again.status(), 'web', '10.0.1.1:80')).toEqual({ state: 'ready' })
    expect((await again.pointsman('undrain', 'web', '10.0.1.1:80')).out).toBe('web 10.0.1.1:80: nothing was said of it before\n')
  })

  test('is in the kernel, with the reason, and still there after a restart, which writes nothing', async () => {
    const rig = await daemon()
    const weight = (of = rig) => of.host.kernel.destination(WEB, key('10.0.1.1:80'))?.weight
    await until(() => weight()).toBe(1)
    await rig.pointsman('drain', 'web', '10.0.1.1:80', '--reason', 'new disk')
    await until(() => weight()).toBe(0)
    expect(rig.log.find(({ backend, to }) => backend === '10.0.1.1:80' && to === 'weight 0')).toMatchObject({ service: 'web' })
    expect((await rig.pointsman('why', 'web', '10.0.1.1:80')).out).toMatch(/wanted {7}weight 0\n.*because .*new disk/)
    await rig.stop()
    const again = await daemon({ directory: rig.directory })
    await until(() => again.host.kernel.destination(WEB, key('10.0.1.2:80'))?.weight).toBe(1)
    expect(weight(again)).toBe(0)
    await again.pointsman('undrain', 'web', '10.0.1.1:80')
    await until(() => weight(again)).toBe(1)
  })

  test('is waited for as long as connections are open', async () => {
    const rig = await daemon()
    const backend = key('10.0.1.1:80')
    await until(() => rig.host.kernel.destination(WEB, backend)?.weight).toBe(1)
    rig.host.kernel.setConnections(WEB, backend, { active: 2 })
    expect(await rig.pointsman('drain', 'web', backend, '--wait', '--timeout', '1s')).toMatchObject({
      code: 49,
      err: 'pointsman: Not drained: web 10.0.1.1:80 (2 active), after 1s; the drain stays in force.\n',
    })
    const waiting = rig.pointsman('drain', 'web', backend, '--wait')
    await new Promise((resolve) => setTimeout(resolve, 100))
    rig.host.kernel.setConnections(WEB, backend, { active: 0 })
    expect((await waiting).code).toBe(0)
  })

  test('of a weight stands beside what it says of the state', async () => {
    const rig = await daemon()
    await rig.pointsman('maintenance', 'mail', '10.0.1.1:25')
    const { code, out } = await rig.pointsman('weight', 'mail', '10.0.1.1:25', '9', '--over', '10m', '--steps', '4', '--json')
    expect(code).toBe(0)
    expect(JSON.parse(out)).toEqual({
      changed: [{ service: 'mail', backend: '10.0.1.1:25', state: 'maintenance', weight: 9 }],
      unchanged: [],
      kept: true,
    })
    expect(adminOf(await rig.status(), 'mail', '10.0.1.1:25')).toMatchObject({
      state: 'maintenance',
      weight: { weight: 9, ramp: { steps: 4, ends: expect.any(String) } },
    })
    await rig.pointsman('weight', 'mail', '10.0.1.1:25', '--unset')
    expect(adminOf(await rig.status(), 'mail', '10.0.1.1:25')).not.toHaveProperty('weight')
  })

  test('ends by itself, which is said as well, and also when nobody ran meanwhile', async () => {
    const rig = await daemon()
    await rig.pointsman('drain', 'web', '10.0.1.1:80', '--for', '1s')
    await until(() => rig.log.some(({ cause }) => cause === 'expired')).toBe(true)
    expect(rig.log.find(({ cause }) => cause === 'expired')).toMatchObject({ from: 'drain', to: 'ready', backend: '10.0.1.1:80' })
    expect(adminOf(await rig.status(), 'web', '10.0.1.1:80')).toEqual({ state: 'ready' })
    await rig.pointsman('drain', 'web', '10.0.1.2:80', '--for', '1s')
    await rig.stop()
    await new Promise((resolve) => setTimeout(resolve, 1_100))
    const again = await daemon({ directory: rig.directory })
    expect(again.log.find(({ cause }) => cause === 'expired')).toMatchObject({ backend: '10.0.1.2:80', to: 'ready' })
    expect(adminOf(await again.status(), 'web', '10.0.1.2:80')).toEqual({ state: 'ready' })
  })

  test('of a host means it wherever it is a backend', async () => {
    const rig = await daemon()
    const { out } = await rig.pointsman('drain', '--all-services', '10.0.1.1')
    expect(out).toBe('web 10.0.1.1:80: drain\nmail 10.0.1.1:25: drain\n')
    expect((await rig.pointsman('undrain', '--all-services', '10.0.1.1:25')).out).toBe('mail 10.0.1.1:25: ready\n')
    expect(await rig.pointsman('drain', '--all-services', '10.9.9.9')).toMatchObject({
      code: 33,
      err: 'pointsman: No service has a backend at 10.9.9.9; `pointsman status` lists them all.\n',
    })
  })

  test('may not leave a service without anybody, unless that is meant', async () => {
    const rig = await daemon()
    await rig.pointsman('drain', 'mail', '10.0.1.1:25')
    expect(await rig.pointsman('drain', 'mail', '10.0.1.2:25')).toEqual({
      code: 48,
      out: '',
      err: 'pointsman: 10.0.1.2:25 is the only backend that serves mail: nobody would take its connections; add --force if that is meant.\n',
    })
    expect(await rig.pointsman('weight', 'mail', '10.0.1.2:25', '0')).toMatchObject({ code: 48 })
    expect((await rig.pointsman('maintenance', 'web')).err).toBe(
      'pointsman: These 3 backends are all that serve web: nobody would take its connections; add --force if that is meant.\n',
    )
    expect(adminOf(await rig.status(), 'web', '10.0.1.1:80')).toEqual({ state: 'ready' })
    expect(await rig.pointsman('maintenance', 'web', '--force')).toMatchObject({ code: 0 })
    expect(adminOf(await rig.status(), 'web', '10.0.1.10:80')).toMatchObject({ state: 'maintenance' })
    expect(await rig.pointsman('weight', 'mail', '10.0.1.2:25', '0', '--force')).toMatchObject({ code: 0 })
  })

  test('of something unknown is answered with what may be meant', async () => {
    const rig = await daemon()
    expect((await rig.pointsman('drain', 'wep')).err).toBe('pointsman: There is no service named "wep"; did you mean web?\n')
    expect(await rig.pointsman('drain', 'web', '10.0.1.3:80')).toMatchObject({
      code: 33,
      err: 'pointsman: Service web has no backend 10.0.1.3:80; did you mean 10.0.1.1:80?\n',
    })
    expect((await rig.pointsman('why', 'web', '192.168.200.200:1')).err).toBe(
      'pointsman: Service web has no backend 192.168.200.200:1; `pointsman status web` lists its backends.\n',
    )
    expect((await rig.pointsman('drain', 'web', '10.0.1.1')).err).toMatch(/^pointsman: Backend: "10\.0\.1\.1" has no port; /)
  })

  test('stays when the service is called otherwise or is not there for a while, and can be taken back then', async () => {
    const rig = await daemon()
    await rig.pointsman('drain', 'web', '10.0.1.1:80', '--reason', 'disk')
    await rig.reconfigure(yamlOf(rig.directory, 1, SERVICES.replace('name: web', 'name: shop')))
    await until(async () => adminOf(await rig.status(), 'shop', '10.0.1.1:80')?.state).toBe('drain')
    const mail = SERVICES.slice(SERVICES.indexOf('\n', 1))
    await rig.reconfigure(yamlOf(rig.directory, 1, mail))
    await until(async () => (await rig.status()).absent_words).toMatchObject([
      { service: WEB, backend: '10.0.1.1:80', admin: { state: 'drain', reason: 'disk' } },
    ])
    expect((await rig.pointsman('status')).out).toMatch(
      /said of services that are not wanted now:\n {2}tcp\/10\.0\.0\.1:80 10\.0\.1\.1:80: drain for \ds: disk\n/,
    )
    expect((await rig.pointsman('why', WEB, '10.0.1.1:80')).out).toContain('the service is not wanted now')
    await rig.reconfigure(yamlOf(rig.directory, 1, SERVICES.replace('[10.0.1.1:80, ', '[')))
    await until(async () => adminOf(await rig.status(), 'web', '10.0.1.1:80')?.state).toBe('drain')
    expect((await rig.pointsman('undrain', 'web', '10.0.1.1:80')).out).toBe('web 10.0.1.1:80: ready\n')
  })

  test('counts although it cannot be written, which is said', async () => {
    const rig = await daemon()
    await mkdir(await wordsPath(rig))
    const { code, err } = await rig.pointsman('drain', 'web', '10.0.1.1:80')
    expect(code).toBe(0)
    expect(err).toMatch(/^pointsman: It counts, but could not be written to the state directory: /)
    expect(rig.log.find(({ code }) => code === 'STATE_UNWRITABLE')).toMatchObject({ level: 'error' })
    expect(adminOf(await rig.status(), 'web', '10.0.1.1:80')).toMatchObject({ state: 'drain' })
    await rm(await wordsPath(rig), { recursive: true })
  })

  test('that is lost with a line of the file is said at the start', async () => {
    const directory = await temporaryDirectory()
    await mkdir(join(directory, 'state'))
    const path = join(directory, 'state', wordsFile(await currentPlace()))
    await writeFile(path, '{"format":"pointsman-operator-words","version":1}\n{"do":"say"}\n')
    const rig = await daemon({ directory })
    expect(rig.log.find(({ msg }) => msg.startsWith(`Line 2 of ${path} cannot be understood`))).toMatchObject({ level: 'error' })
  })

  test('comes over a socket that nobody else may use', async () => {
    const rig = await daemon()
    const socket = join(rig.directory, 'state', controlSocket((await currentPlace()).netns))
    expect((await stat(socket)).mode & 0o777).toBe(0o600)
    expect((await stat(join(rig.directory, 'state'))).mode & 0o022).toBe(0)
  })
})

describe('command lines that make no sense', () => {
  test.each<[string[], number, RegExp]>([
    [['drain'], 33, /^pointsman: No service is named: write `pointsman drain SERVICE`/],
    [['drain', 'web', '--all-services', '10.0.1.1'], 33, /leave web out/],
    [['drain', 'web', '--for', '5'], 33, /^pointsman: --for: 5 has no unit; write 5s/],
    [['drain', 'web', '--reason', 'a\nb'], 33, /^pointsman: --reason: the text holds line breaks/],
    [['drain', 'web', '--timeout', '-1s'], 33, /^pointsman: --timeout: -1s is negative/],
    [['weight', 'web', '10.0.1.1:80'], 33, /^pointsman: No weight is given/],
    [['weight', 'web', '10.0.1.1:80', '65536'], 33, /^pointsman: weight: "65536" is no whole number from 0 to 65535/],
    [['weight', 'web', '10.0.1.1:80', '1', '--steps', '3'], 33, /--steps says how --over is divided/],
    [['weight', 'web', '10.0.1.1:80', '1', '--over', '30m', '--for', '10m'], 33, /--for 10m ends before the last step/],
    [['weight', 'web', '10.0.1.1:80', '1', '--over', '30m', '--for', '30m'], 33, /make --for longer than --over/],
    [['weight', 'web', '10.0.1.1:80', '1', '--over', '30m', '--for', '31m'], 45, /daemon/i],
    [['weight', 'web', '10.0.1.1:80', '1', '--unset'], 33, /leave 1 out/],
    [['weight', 'web', '10.0.1.1:80', '--unset', '--for', '5m'], 33, /leave --for out/],
    [['weight', 'web'], 2, /missing required argument 'backend'/],
    [['why', 'web'], 2, /missing required argument 'backend'/],
    [['status', 'web', 'more'], 2, /too many arguments/],
  ])('%o', async (args, code, sentence) => {
    const outcome = await command(...args, '--state-dir', await temporaryDirectory())
    expect(outcome).toMatchObject({ code, out: '', err: expect.stringMatching(sentence) })
  })

  test('without a daemon', async () => {
    expect(await command('status', '--state-dir', await temporaryDirectory())).toMatchObject({ code: 45 })
  })
})

describe('the examples of the documentation', () => {
  const pages = ['drain', 'maintenance', 'undrain', 'weight', 'status', 'why']
  const examples = pages.flatMap((page) =>
    [...readFileSync(`docs/commands/${page}.md`, 'utf8').matchAll(/^pointsman .*$/gm)].map(([text]) => text),
  )

  test('are found, for each command', () => {
    for (const page of pages) expect(examples.filter((text) => text.startsWith(`pointsman ${page}`))).not.toEqual([])
  })

  test.each(examples)('%s is understood', async (text) => {
    const [, ...args] = [...text.replace(/ +#.*$/, '').matchAll(/"([^"]*)"|(\S+)/g)].map(
      ([, quoted, plain]) => quoted ?? plain ?? '',
    )
    const { code, err } = await command(...args, '--state-dir', await temporaryDirectory())
    expect({ code, err }).toEqual({ code: 45, err: expect.stringContaining('No daemon answers') })
  })
})

describe('status and why', () => {
  test('show the three states apart, the weight wanted and the weight there, with connections', async () => {
    const rig = await daemon()
    rig.host.kernel.setConnections(WEB, key('10.0.1.2:80'), { active: 3, inactive: 1 })
    await rig.pointsman('drain', 'web', '10.0.1.1:80', '--reason', 'new disk')
    const { out } = await rig.pointsman('status', 'web')
    expect(out).not.toContain('\u001B')
    const lines = out.split('\n')
    expect(lines[0]).toMatch(/^web {2}tcp\/10\.0\.0\.1:80 {2}wrr, \d of 3 serve$/)
    expect(lines[1]).toMatch(/^ {2}BACKEND +ADMIN +DISCOVERED +OPERATIONAL +WEIGHT +KERNEL +CONNECTIONS +WHY$/)
    expect(lines[2]).toMatch(/^ {2}10\.0\.1\.1:80 +drain +listed +/)
    expect(lines[3]).toMatch(/^ {2}10\.0\.1\.2:80 +ready +listed +\S+ +1 +1 +3 active, 1 inactive +service weight 1$/)
    expect(lines[4]).toMatch(/^ {2}10\.0\.1\.10:80 +ready/)
    expect(lines[5]).toMatch(/^ {2}operator: 10\.0\.1\.1:80: drain for \ds: new disk$/)
    expect(out).not.toContain('mail')
    expect((await rig.pointsman('status', '--color', 'always')).out).toContain('\u001B')
  })

  test('why goes from the source to the kernel, with times', async () => {
    const rig = await daemon()
    const { out } = await rig.pointsman('why', 'mail', '10.0.1.2:25')
    expect(out.split('\n').map((line) => line.trimEnd())).toEqual([
      'mail 10.0.1.2:25  tcp/10.0.0.2:25',
      '  discovered   listed by static',
      '  operational  no probe asks it',
      '  admin        ready',
      '  wanted       weight 5',
      '    because    backend weight 5',
      '               listed by static',
      '  kernel       weight 5, 0 active and 0 inactive connections',
      expect.stringMatching(/^ {15}absent -> weight 5 at \d{4}-\S+Z, \ds ago \(\S+\)$/),
      '',
    ])
    const json = JSON.parse((await rig.pointsman('why', 'mail', '10.0.1.2:25', '--json')).out) as WhyAnswer
    expect(json).toMatchObject({
      service: 'mail',
      backend: '10.0.1.2:25',
      weight: 5,
      kernel: { weight: 5, active: 0 },
      changed: { from: 'absent', to: 'weight 5' },
      times_down: 0,
      downtime: { seconds: 0 },
    })
  })

  test('know of an answer that says the same again', async () => {
    const directory = await temporaryDirectory()
    const list = join(directory, 'web.yaml')
    await writeFile(list, '[10.0.1.1:80]')
    const services = `\n  - { name: web, listen: 10.0.0.1:80, health_check: { enabled: false }, source: { file: { path: ${list} } } }`
    const rig = await startDaemon((d, port) => yamlOf(d, port, services, 'watch_poll: 1s'), { directory })
    const source = async () => {
      const { out } = await command('status', '--json', '--state-dir', join(directory, 'state'))
      return (JSON.parse(out) as StatusAnswer).services[0]?.sources[0]
    }
    await until(async () => (await source())?.state).toBe('up')
    const first = (await source())?.answered ?? ''
    await until(async () => ((await source())?.answered ?? '') > first).toBe(true)
    expect(await source()).toMatchObject({ source: `file ${list}`, records: 1, held_removals: 0 })
    await rig.stop()
  })

  test('answer without the kernel, and say so', async () => {
    const rig = await daemon()
    rig.host.kernel.break('KERNEL_REFUSED')
    const { code, out } = await rig.pointsman('status')
    expect(code).toBe(0)
    expect(out).toMatch(/the kernel could not be asked: /)
    expect(out).toMatch(/10\.0\.1\.1:80 +ready +listed +\S+ +1 +\?/)
    expect((await rig.pointsman('why', 'web', '10.0.1.1:80')).out).toMatch(/kernel {7}could not be asked: /)
  })

  test('stay readable with a thousand backends', async () => {
    const backends = Array.from({ length: 1_000 }, (_, index) => `10.2.${index >> 8}.${index & 255}:80`).join(', ')
    const rig = await daemon(
      {},
      `\n  - { name: web, listen: 10.0.0.1:80, health_check: { enabled: false }, backends: [${backends}] }`,
    )
    const { out } = await rig.pointsman('status')
    const rows = out.split('\n').filter((line) => line.startsWith('  10.2.'))
    expect(rows).toHaveLength(1_000)
    expect(rows[999]).toMatch(/^ {2}10\.2\.3\.231:80 /)
    expect(new Set(rows.map((row) => row.indexOf('ready'))).size).toBe(1)
    expect(Math.max(...rows.map((row) => row.length))).toBeLessThan(140)
  })
})
