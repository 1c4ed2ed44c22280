import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { serviceKey } from '../../../src/model/virtual-service.ts'
import { identity, key } from '../../support/desired.ts'
import { FakeHost } from './fake-host.ts'
import { type DaemonRig, startDaemon, temporaryDirectory, yamlOf } from './rig.ts'

const WEB = serviceKey(identity('tcp/10.0.0.1:80'))
const ONE = key('10.0.1.1:8080')
const web = (weight: number) =>
  `\n  - { name: web, listen: 10.0.0.1:80, health_check: { enabled: false }, backends: [{ address: 10.0.1.1:8080, weight: ${weight} }] }`
const ready = (rig: DaemonRig) =>
  expect.poll(() => rig.host.told.some((each) => each.startsWith('READY=1')), { interval: 50, timeout: 30_000 }).toBe(true)

/** As on a full disk: the file that a start tries the directory with cannot be written. */
const fill = (directory: string) => mkdir(join(directory, 'state', `.pointsman-probe-${process.pid}`, 'x'), { recursive: true })

describe('a state directory that cannot be written at the start', { timeout: 60_000 }, () => {
  test('is told and no more where the record of this table can be read', async () => {
    const directory = await temporaryDirectory()
    const first = await startDaemon((d, port) => yamlOf(d, port, web(1)), { directory })
    await ready(first)
    await first.stop()
    await fill(directory)
    first.host.kernel.break(undefined)
    const host = Object.assign(new FakeHost(), { kernel: first.host.kernel })
    const second = await startDaemon((d, port) => yamlOf(d, port, web(9)), { directory, host })
    await ready(second)
    expect(host.kernel.destination(WEB, ONE)?.weight).toBe(9)
    expect(second.log.filter(({ level, code }) => level === 'error' && code === 'STATE_UNWRITABLE')).toMatchObject([
      { msg: expect.stringMatching(/state cannot be written \(E\w+\): make it writable/) },
    ])
  })

  test('ends it where there is none: nobody would know later what is ours', async () => {
    const directory = await temporaryDirectory()
    await fill(directory)
    const rig = await startDaemon((d, port) => yamlOf(d, port, web(1)), { directory })
    await expect(rig.ended).rejects.toMatchObject({ code: 'STATE_UNWRITABLE' })
    expect(rig.host.kernel.written).toEqual([])
  })
})
