import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { serviceKey } from '../../../src/model/virtual-service.ts'
import { currentPlace } from '../../../src/store/ownership.ts'
import { snapshotsFile } from '../../../src/store/snapshots.ts'
import { identity, key } from '../../support/desired.ts'
import { FakeHost } from './fake-host.ts'
import { type DaemonRig, startDaemon, temporaryDirectory, yamlOf } from './rig.ts'

const WEB = serviceKey(identity('tcp/10.0.0.1:80'))
const ONE = key('10.0.1.1:8080')
const TWO = key('10.0.1.2:8080')
const until = (look: () => unknown) => expect.poll(look, { interval: 10, timeout: 4_000 })
const ready = (rig: DaemonRig) => until(() => rig.host.told.some((each) => each.startsWith('READY=1'))).toBe(true)
const says = (rig: DaemonRig, words: string) => rig.log.find(({ msg }) => msg.includes(words))

const fromFile =
  (more = '') =>
  (directory: string, port: number) =>
    yamlOf(
      directory,
      port,
      `\n  - { name: web, listen: 10.0.0.1:80, debounce: { min: 0s, max: 0s }, drain: { timeout: 0s }${more}, source: { file: { path: ${directory}/web.yaml } } }`,
    )

/** A daemon that has followed a list and has ended; its directory stays. */
async function formerly(list: string): Promise<{ directory: string; host: FakeHost }> {
  const directory = await temporaryDirectory()
  await writeFile(join(directory, 'web.yaml'), list)
  const rig = await startDaemon(fromFile(), { directory })
  await ready(rig)
  await rig.stop()
  return { directory, host: rig.host }
}

describe('a start whose registry is dead', () => {
  test('uses the last good answer after a reboot, and says so with its age', async () => {
    const { directory } = await formerly('[10.0.1.1:8080, { address: 10.0.1.2:8080, weight: 7 }]')
    await rm(join(directory, 'web.yaml'))
    const rig = await startDaemon(fromFile(), { directory })
    await ready(rig)
    // On an empty kernel members of an old answer wait for their first success.
    await until(() => rig.host.kernel.destination(WEB, ONE)?.weight).toBe(1)
    await until(() => rig.host.kernel.destination(WEB, TWO)?.weight).toBe(7)
    expect(says(rig, 'stands in for it')).toMatchObject({
      level: 'warn',
      service: 'web',
      state: 'stale',
      code: 'SOURCE_UNREADABLE',
    })
    expect(JSON.parse((await rig.fetch('/readyz')).text)).toMatchObject({
      status: 'degraded',
      reasons: [{ reason: 'source-failing' }],
    })
    await writeFile(join(directory, 'web.yaml'), '[10.0.1.1:8080]')
    await until(() => rig.host.kernel.destination(WEB, TWO)).toBeUndefined()
  })

  test('writes nothing to a table that is still as it was', async () => {
    const { directory, host } = await formerly('[10.0.1.1:8080]')
    await rm(join(directory, 'web.yaml'))
    const again = new FakeHost()
    Object.assign(again, { kernel: host.kernel })
    host.kernel.break(undefined)
    const before = host.kernel.written.length
    const rig = await startDaemon(fromFile(), { directory, host: again })
    await ready(rig)
    expect(host.kernel.written.length).toBe(before)
  })

  test('uses one that is too old for members that pass their health check alone, and says so', async () => {
    const { directory } = await formerly('[10.0.1.1:8080, 10.0.1.2:8080]')
    await rm(join(directory, 'web.yaml'))
    const host = new FakeHost()
    host.probes.set('10.0.1.2:8080', { outcome: 'failed', failure: 'refused', message: 'refused' })
    const rig = await startDaemon(fromFile(', hold: { snapshot_max_age: 1ms }'), { directory, host })
    await ready(rig)
    expect(says(rig, 'each of its members serves only once it passes its health check')).toMatchObject({ level: 'warn' })
    await until(() => rig.host.kernel.destination(WEB, ONE)?.weight).toBe(1)
    expect(rig.host.kernel.destination(WEB, TWO)?.weight ?? 0).toBe(0)
  })

  test('uses none where that is switched off, says so, and touches nothing', async () => {
    const { directory } = await formerly('[10.0.1.1:8080]')
    await rm(join(directory, 'web.yaml'))
    const rig = await startDaemon(fromFile(', hold: { snapshot_max_age: 0 }'), { directory })
    await ready(rig)
    expect(says(rig, 'above snapshot_max_age')).toMatchObject({ level: 'warn' })
    expect(rig.host.kernel.service(WEB)).toBeUndefined()
  })
})

describe('the file of last good answers', () => {
  test('is set aside, loudly, when it cannot be understood', async () => {
    const directory = await temporaryDirectory()
    await mkdir(join(directory, 'state'))
    await writeFile(join(directory, 'state', snapshotsFile(await currentPlace())), 'nonsense')
    const rig = await startDaemon(fromFile(), { directory })
    await ready(rig)
    expect(says(rig, 'The last good answers cannot be read')).toMatchObject({ level: 'warn' })
  })

  test('forgets what the configuration names no longer', async () => {
    const { directory } = await formerly('[10.0.1.1:8080]')
    const path = join(directory, 'state', snapshotsFile(await currentPlace()))
    expect(await readFile(path, 'utf8')).toContain('10.0.1.1')
    const rig = await startDaemon((d, port) => yamlOf(d, port, ' []'), { directory })
    await ready(rig)
    await rig.stop()
    expect(await readFile(path, 'utf8')).toContain('"do":"forget"')
  })
})

test('an empty list at the start is held, and so it is after one more restart', async () => {
  const { directory } = await formerly('[10.0.1.1:8080, 10.0.1.2:8080]')
  await writeFile(join(directory, 'web.yaml'), '[]')
  for (const _ of ['first', 'second']) {
    const rig = await startDaemon(fromFile(), { directory })
    await ready(rig)
    expect(rig.host.kernel.destination(WEB, ONE)?.weight).toBe(1)
    expect(says(rig, 'service web: 2 removals held, because a source names no backend any more')).toMatchObject({
      level: 'warn',
      held: 2,
    })
    await rig.stop()
  }
})
