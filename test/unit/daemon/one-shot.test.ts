import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test, vi } from 'vitest'
import { printPass } from '../../../src/cli/pass-text.ts'
import { unansweredText } from '../../../src/cli/unanswered.ts'
import { loadConfiguration } from '../../../src/config/load.ts'
import { passOnce, planNow, readKernelNow } from '../../../src/daemon/one-shot.ts'
import { EXIT } from '../../../src/errors.ts'
import { NO_WORDS, say } from '../../../src/model/operator-words.ts'
import { roadName } from '../../../src/model/probe-road.ts'
import { serviceKey } from '../../../src/model/virtual-service.ts'
import { createIpvsSink } from '../../../src/sinks/ipvs/ipvs-sink.ts'
import { currentPlace, openOwnership } from '../../../src/store/ownership.ts'
import { snapshotsFile } from '../../../src/store/snapshots.ts'
import { openWords } from '../../../src/store/words.ts'
import { held, identity, key, service, state, virtual } from '../../support/desired.ts'
import { entry, LED, scripted } from '../sources/consul/scripted-agent.ts'
import { FakeHost } from './fake-host.ts'
import { temporaryDirectory } from './rig.ts'

const ID = identity('tcp/10.0.0.1:80')
const WEB = serviceKey(ID)
const ONE = key('10.0.1.1:80')
const TWO = key('10.0.1.2:80')

async function rig(services: string) {
  const host = new FakeHost()
  const directory = await temporaryDirectory()
  return { host, directory, configure: (text = services) => configurationOf(directory, text) }
}

function configurationOf(directory: string, services: string) {
  const bytes = Buffer.from(`global: { state_dir: ${directory}/state }\nservices:\n${services.replaceAll('DIR', directory)}`)
  const loaded = loadConfiguration({ path: join(directory, 'c.yaml'), bytes })
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.issues))
  return loaded.configuration
}

const INLINE = '  - { name: web, listen: 10.0.0.1:80, drain: { timeout: 0s }, backends: [{ address: 10.0.1.1:80, weight: 5 }] }\n'
const FILE = '  - { name: web, listen: 10.0.0.1:80, source: { file: { path: DIR/web.yaml } } }\n'

describe('plan', () => {
  test('says what would change, shows what is foreign, writes nothing, beside a daemon', async () => {
    const { host, configure } = await rig(INLINE)
    host.holder = { pid: 7, command: 'start', since: 'x' }
    host.kernel.tamper({ kind: 'add-service', service: virtual('tcp/10.0.0.9:80') })
    const { plan } = await planNow(host, configure())
    expect(plan.changes.map(({ kind }) => kind)).toEqual(['add-service', 'add-destination'])
    expect(plan.foreign).toMatchObject([{ kind: 'service', service: { identity: identity('tcp/10.0.0.9:80') } }])
    expect(host.kernel.written).toEqual([])
    expect(host.held).toBeUndefined()
  })

  test('file sources are read', async () => {
    const { host, directory, configure } = await rig(FILE)
    await writeFile(join(directory, 'web.yaml'), '[10.0.1.1:80, 10.0.1.2:80]')
    const { plan, unanswered } = await planNow(host, configure())
    expect(plan.changes.map(({ kind }) => kind)).toEqual(['add-service', 'add-destination', 'add-destination'])
    expect(unanswered).toEqual([])
  })

  test('a source that cannot be read is named, and nothing is removed for it', async () => {
    const { host, configure } = await rig(FILE)
    host.kernel.tamper({ kind: 'add-service', service: virtual('tcp/10.0.0.1:80') })
    host.kernel.tamper({ kind: 'add-destination', service: ID, destination: held('10.0.1.1:80') })
    const { plan, unanswered } = await planNow(host, configure())
    expect(unanswered).toMatchObject([{ name: 'web', failure: { code: 'SOURCE_UNREADABLE' } }])
    expect(plan.changes).toEqual([])
  })
})

describe('a source whose answer may lack backends', () => {
  const LEADERLESS = { headers: { ...LED, 'X-Consul-Index': '7', 'X-Consul-Knownleader': 'false' } }

  test('is named, and counts as one that did not answer, for nothing is removed by it', async () => {
    await using agent = await scripted(async () => ({ ...LEADERLESS, body: JSON.stringify([entry(1)]) }))
    const consul = `  - { name: web, listen: 10.0.0.1:80, health_check: { enabled: false }, adopt: all, source: { consul: { service: web, address: "${agent.url}" } } }\n`
    const { host, configure } = await rig(consul)
    host.kernel.tamper({ kind: 'add-service', service: virtual('tcp/10.0.0.1:80') })
    host.kernel.tamper({ kind: 'add-destination', service: ID, destination: held('10.1.1.1:80') })
    host.kernel.tamper({ kind: 'add-destination', service: ID, destination: held('10.1.1.9:80') })
    const result = await passOnce(host, 'once', configure())
    expect(host.kernel.destination(WEB, key('10.1.1.9:80'))?.weight).toBe(1)
    expect(result.unanswered.map(unansweredText)).toEqual([
      `source consul web at ${agent.url} of web answers with what may lack backends; nothing is removed from web.`,
    ])
    expect(await printed(result, false)).toMatchObject({ code: EXIT.unreadable })
  })
})

describe('what the operator said to a daemon', () => {
  const PAIR = '  - { name: web, listen: 10.0.0.1:80, health_check: { enabled: false }, backends: [10.0.1.1:80, 10.0.1.2:80] }\n'

  async function drained() {
    const made = await rig(PAIR)
    await using words = await openWords({ directory: join(made.directory, 'state') })
    words.replace(say(NO_WORDS, { service: WEB, backend: ONE }, { verb: 'drain', reason: 'disk' }, 1))
    return made
  }

  test('counts for plan and once as well, for which it stays on disk', async () => {
    const { host, directory, configure } = await drained()
    await passOnce(host, 'once', configure())
    expect(host.kernel.destination(WEB, ONE)?.weight).toBe(0)
    expect(host.kernel.destination(WEB, TWO)?.weight).toBe(1)
    const { plan } = await planNow(new FakeHost(), configure())
    const added = plan.changes.flatMap((change) => (change.kind === 'add-destination' ? [change.after] : []))
    expect(added.map(({ address, weight }) => `${address} ${weight}`)).toEqual(['10.0.1.1 0', '10.0.1.2 1'])
    expect((await openWords({ directory: join(directory, 'state'), access: 'read' })).words.get(WEB)?.size).toBe(1)
  })

  test('does not count for apply, whose file says what every backend is to be', async () => {
    const { host, configure } = await drained()
    await passOnce(host, 'apply', configure())
    expect(host.kernel.destination(WEB, ONE)?.weight).toBe(1)
  })
})

describe('one pass', () => {
  test('brings the kernel there, says what it did, holds the table meanwhile', async () => {
    const { host, configure } = await rig(INLINE)
    let holding: string | undefined
    host.kernel.onWrite = () => {
      holding = host.held
    }
    const { report, transitions } = await passOnce(host, 'once', configure())
    expect(host.kernel.destination(WEB, ONE)?.weight).toBe(5)
    expect(report.applied).toEqual({ 'add-service': 1, 'add-destination': 1 })
    expect(transitions).toHaveLength(2)
    expect(holding).toBe('once')
    expect(host.held).toBeUndefined()
  })

  test('refuses beside a daemon before anything is opened', async () => {
    const { host, configure } = await rig(INLINE)
    host.holder = 'silent'
    await expect(passOnce(host, 'apply', configure())).rejects.toMatchObject({ code: 'TABLE_HELD' })
    expect(host.opened).toBe(0)
  })

  test('knows in the next run what is its own: what nobody uses goes at once, the rest is left draining', async () => {
    const { host, configure } = await rig(INLINE.replace('weight: 5 }]', 'weight: 5 }, 10.0.1.2:80]'))
    await passOnce(host, 'once', configure())
    host.kernel.setConnections(WEB, TWO, { active: 3 })
    reopen(host)
    const { report } = await passOnce(host, 'once', configure('  []\n'))
    expect(host.kernel.destination(WEB, ONE)).toBeUndefined()
    expect(host.kernel.destination(WEB, TWO)?.weight).toBe(0)
    expect(report).toMatchObject({ applied: { 'edit-destination': 2, 'delete-destination': 1 }, draining: 1 })
    host.kernel.setConnections(WEB, TWO, { active: 0 })
    reopen(host)
    await passOnce(host, 'once', configure('  []\n'))
    expect(host.kernel.service(WEB)).toBeUndefined()
  })

  test('keep-weights leaves a weight of 0 that somebody set by hand', async () => {
    const { host, configure } = await rig(INLINE)
    await passOnce(host, 'apply', configure())
    reopen(host)
    host.kernel.tamper({ kind: 'edit-destination', service: ID, destination: held('10.0.1.1:80', { weight: 0 }) })
    await passOnce(host, 'apply', configure(), { keepWeights: true })
    expect(host.kernel.destination(WEB, ONE)?.weight).toBe(0)
    reopen(host)
    await passOnce(host, 'apply', configure())
    expect(host.kernel.destination(WEB, ONE)?.weight).toBe(5)
  })

  test('one forbidden action: nothing at all is done', async () => {
    const { host, configure } = await rig(INLINE)
    const run = passOnce(host, 'apply', configure(), { allowedActions: new Set(['as']) })
    await expect(run).rejects.toMatchObject({ code: 'ACTION_NOT_ALLOWED', exitCode: 37 })
    expect(host.kernel.written).toEqual([])
  })

  test('what the kernel refuses is named, the rest is done, the exit code is 31', async () => {
    const { host, configure } = await rig(`${INLINE}  - { name: other, listen: 10.0.0.2:80, scheduler: mh, backends: [] }\n`)
    host.kernel.schedulers.delete('mh')
    const result = await passOnce(host, 'once', configure())
    expect(host.kernel.destination(WEB, ONE)?.weight).toBe(5)
    const { code, out, err } = await printed(result, false)
    expect(code).toBe(31)
    expect(out).toContain('2 changes, 1 failed.')
    expect(err).toMatch(/failed: tcp\/10\.0\.0\.2:80: /)
    expect(JSON.parse((await printed(result, true)).out)).toMatchObject({ failed: [{ object: 'tcp/10.0.0.2:80' }] })
  })

  test('a source without an answer gives its own exit code after everything else is done', async () => {
    const { host, configure } = await rig(`${INLINE}${FILE.replace('web,', 'files,').replace('.1:80', '.2:80')}`)
    const { code, err } = await printed(await passOnce(host, 'once', configure()), false)
    expect(code).toBe(30)
    expect(err).toContain('nothing is removed from files.')
    expect(host.kernel.destination(WEB, ONE)?.weight).toBe(5)
  })

  test('nothing to do is said, and is 0', async () => {
    const { host, configure } = await rig(INLINE)
    await passOnce(host, 'once', configure())
    reopen(host)
    expect(await printed(await passOnce(host, 'once', configure()), false)).toEqual({
      code: 0,
      out: 'Nothing to change.\n',
      err: '',
    })
  })
})

describe('last good answers', () => {
  const lists = async (directory: string, ...backends: number[]) =>
    writeFile(join(directory, 'web.yaml'), `[${backends.map((last) => `10.0.1.${last}:80`).join(', ')}]`)
  const twelve = Array.from({ length: 12 }, (_, index) => index + 1)

  test('stand in for a source that does not answer, in a later plan and in a later pass', async () => {
    const { host, directory, configure } = await rig(FILE)
    await lists(directory, 1, 2)
    await passOnce(host, 'once', configure())
    await rm(join(directory, 'web.yaml'))
    const rebooted = new FakeHost()
    const { plan, unanswered } = await planNow(rebooted, configure())
    expect(plan.changes.map(({ kind }) => kind)).toEqual(['add-service', 'add-destination', 'add-destination'])
    expect(unanswered).toMatchObject([{ state: 'stale', failure: { code: 'SOURCE_UNREADABLE' } }])
    reopen(rebooted)
    const { code, err } = await printed(await passOnce(rebooted, 'once', configure()), false)
    expect(code).toBe(30)
    expect(err).toMatch(
      /warning: source file .*web\.yaml of web does not answer: .*; its last good answer, of 20.*Z, stands in for it\./,
    )
    expect(rebooted.kernel.destination(WEB, TWO)).toBeDefined()
  })

  test('are not used when they are too old, which is said', async () => {
    const { host, directory, configure } = await rig(FILE)
    await lists(directory, 1)
    await passOnce(host, 'once', configure())
    await rm(join(directory, 'web.yaml'))
    const { plan, notes } = await planNow(
      new FakeHost(),
      configure(FILE.replace('source:', 'hold: { snapshot_max_age: 0 }, source:')),
    )
    expect(plan.changes).toEqual([])
    expect(notes).toEqual([
      expect.stringMatching(/The last good answer of file .* for web is \d+s old, above snapshot_max_age \(0s\)/),
      expect.stringContaining('no backend was asked'),
    ])
  })

  test('measure the next answer: plan shows what the guard would hold, once holds it, and neither forgets since when', async () => {
    const quick = FILE.replace('source:', 'drain: { timeout: 0s }, source:')
    const { host, directory, configure } = await rig(quick)
    await lists(directory, ...twelve)
    await passOnce(host, 'once', configure())
    await lists(directory, 1, 2, 3, 4, 5, 6)
    reopen(host)
    const { plan, held: shown } = await planNow(host, configure())
    expect(plan.changes).toHaveLength(4)
    expect(shown).toMatchObject([{ service: WEB, name: 'web' }])
    expect([...(shown[0]?.held.keys() ?? [])]).toEqual([key('10.0.1.11:80'), key('10.0.1.12:80')])
    reopen(host)
    const { err } = await printed(await passOnce(host, 'once', configure()), false)
    expect(err).toContain('held: web: 2 backends that sources no longer name stay')
    expect(host.kernel.destination(WEB, key('10.0.1.11:80'))?.weight).toBe(1)
    reopen(host)
    const since = shown[0]?.held.get(key('10.0.1.11:80'))?.since ?? 0
    const again = await passOnce(host, 'once', configure())
    expect([...(again.held[0]?.held.values() ?? [])].map((each) => each.since - since < 10_000)).toEqual([true, true])
    await new Promise((resolve) => setTimeout(resolve, 1_100))
    reopen(host)
    await passOnce(host, 'once', configure(quick.replace('source:', 'guard: { window: 1s }, source:')))
    expect(host.kernel.destination(WEB, key('10.0.1.11:80'))).toBeUndefined()
  })

  test('of a later version stop the pass before anything is written', async () => {
    const { host, directory, configure } = await rig(FILE)
    await lists(directory, 1)
    await mkdir(join(directory, 'state'))
    await writeFile(
      join(directory, 'state', snapshotsFile(await currentPlace())),
      '{"format":"pointsman-snapshots","version":99}\n',
    )
    await expect(passOnce(host, 'once', configure())).rejects.toMatchObject({ code: 'STATE_NEWER', exitCode: 41 })
    await expect(planNow(host, configure())).rejects.toMatchObject({ code: 'STATE_NEWER' })
    expect(host.kernel.written).toEqual([])
  })

  test('that cannot be understood are set aside, which is said', async () => {
    const { host, directory, configure } = await rig(FILE)
    await lists(directory, 1)
    await mkdir(join(directory, 'state'))
    await writeFile(join(directory, 'state', snapshotsFile(await currentPlace())), 'nonsense')
    expect((await planNow(host, configure())).notes).toEqual([
      expect.stringContaining('The last good answers cannot be read (line 1'),
      expect.stringContaining('no backend was asked'),
    ])
    reopen(host)
    expect((await passOnce(host, 'once', configure())).notes).toEqual([expect.stringContaining('The unreadable file is now ')])
    reopen(host)
    expect((await passOnce(host, 'once', configure())).notes).toEqual([])
  })
})

test('get reads table, timeouts and daemons, and names what is ours', async () => {
  const { host, configure } = await rig(INLINE)
  const configuration = configure()
  await passOnce(host, 'once', configuration)
  reopen(host)
  const { table, timeouts, names, syncDaemons } = await readKernelNow(host, configuration.settings)
  expect([...table.keys()]).toEqual([WEB])
  expect(names.get(WEB)).toBe('web')
  expect(timeouts.tcp).toBe(900)
  expect(syncDaemons).toEqual([])
})

/** A command closes the kernel when it ends; the next one opens it again. */
function reopen(host: FakeHost): void {
  host.kernel.break(undefined)
}

async function printed(result: Awaited<ReturnType<typeof passOnce>>, json: boolean) {
  let [out, err] = ['', '']
  const toOut = vi.spyOn(process.stdout, 'write').mockImplementation((text: unknown, done?: unknown) => {
    out += String(text)
    if (typeof done === 'function') (done as () => void)()
    return true
  })
  const toErr = vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
    err += text
    return true
  })
  try {
    return { code: await printPass(result, json), out, err }
  } finally {
    toOut.mockRestore()
    toErr.mockRestore()
  }
}

describe('services for probes alone', () => {
  const ROAD = serviceKey(identity('fwmark/100/ipv4'))
  const THROUGH = INLINE.replace('drain:', 'health_check: { via: vip }, drain:')

  /** As a daemon left them. */
  async function withRoad() {
    const set = await rig(THROUGH)
    const ownership = await openOwnership({ directory: join(set.directory, 'state') })
    await mkdir(join(set.directory, 'state'), { recursive: true })
    const sink = createIpvsSink({ kernel: set.host.kernel, ownership })
    const road = service(ROAD, ['10.0.1.1:80'], { name: roadName(WEB, ONE), scheduler: 'rr', drainTimeout: 0, adopt: 'never' })
    await sink.reconcile(state([road]), 'full', 0)
    set.host.kernel.written.splice(0)
    return set
  }

  test('are left to the daemon as long as their backends are probed that way', async () => {
    const { host, configure } = await withRoad()
    const { plan } = await planNow(host, configure())
    expect(plan.changes.map(({ name }) => name)).toEqual(['web', 'web'])
    expect(plan.foreign).toEqual([])
    host.kernel.break(undefined)
    const { transitions } = await passOnce(host, 'once', configure(), { probing: 'off' })
    expect(transitions.map(({ name }) => name)).toEqual(['web', 'web'])
    expect(host.kernel.destination(ROAD, ONE)?.weight).toBe(1)
  })

  test('go without a word when nobody is probed that way', async () => {
    const { host, configure } = await withRoad()
    const { plan } = await planNow(host, configure(INLINE))
    expect(plan.changes.map(({ name }) => name)).toContain(roadName(WEB, ONE))
    host.kernel.break(undefined)
    const { transitions } = await passOnce(host, 'once', configure(INLINE), { probing: 'off' })
    expect(transitions.map(({ name }) => name)).toEqual(['web', 'web'])
    expect(host.kernel.destination(ROAD, ONE)).toBeUndefined()
  })
})
