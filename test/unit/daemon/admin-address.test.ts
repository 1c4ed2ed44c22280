import { createServer } from 'node:http'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { Health } from '../../../src/admin/health.ts'
import { askDaemon } from '../../../src/daemon/ask-daemon.ts'
import { serviceKey } from '../../../src/model/virtual-service.ts'
import { identity, key } from '../../support/desired.ts'
import { type DaemonRig, freePort, startDaemon, yamlOf } from './rig.ts'

const WEB = serviceKey(identity('tcp/10.0.0.1:80'))
const ONE = key('10.0.1.1:8080')
const web =
  '\n  - { name: web, listen: 10.0.0.1:80, health_check: { enabled: false }, backends: [{ address: 10.0.1.1:8080, weight: 5 }] }'
const until = (look: () => unknown) => expect.poll(look, { interval: 50, timeout: 30_000 })
const ready = (rig: DaemonRig) => until(() => rig.host.told.some((each) => each.startsWith('READY=1'))).toBe(true)

describe('an admin address that is taken', { timeout: 90_000 }, () => {
  async function squatter(): Promise<{ port: number; leave: () => Promise<void> }> {
    const port = await freePort()
    const server = createServer().listen(port, '127.0.0.1')
    onTestFinished(() => void server.close())
    return { port, leave: () => new Promise((resolve) => void server.close(() => resolve())) }
  }

  test('keeps nobody from writing the table, and is served as soon as it is free', async () => {
    const { port, leave } = await squatter()
    const rig = await startDaemon((directory) => yamlOf(directory, port, web))
    await ready(rig)
    expect(rig.host.kernel.destination(WEB, ONE)?.weight).toBe(5)
    const sentence = `The admin address 127.0.0.1:${port} cannot be used: another process listens there;`
    const told = () => rig.log.filter(({ code, msg }) => code === 'ADMIN_ADDRESS' && msg.startsWith(sentence))
    expect(told()).toHaveLength(1)
    const health = () => askDaemon(join(rig.directory, 'state'), 'GET', '/readyz')
    expect(await health()).toMatchObject({ status: 'degraded', reasons: [{ reason: 'admin-unserved' }] })
    const [first] = told()
    expect(await askDaemon(join(rig.directory, 'state'), 'GET', '/status')).toMatchObject({ admin_error: first?.msg })
    await leave()
    const answer = () => fetch(`http://127.0.0.1:${port}/readyz`).then(({ status }) => status)
    await expect.poll(() => answer().catch(() => 0), { timeout: 30_000 }).toBe(200)
    await until(async () => ((await health()) as Health).status).toBe('ready')
    expect(told()).toHaveLength(1)
    await rig.stop()
    await expect(answer()).rejects.toThrow()
  })

  test('is no reason not to end', async () => {
    const { port } = await squatter()
    const rig = await startDaemon((directory) => yamlOf(directory, port, web))
    await ready(rig)
    await rig.stop()
    expect(rig.host.told.at(-1)).toBe('STOPPING=1')
  })

  test('stops a shadow: beside a daemon with the same configuration it would wait for the address of that one', async () => {
    const { port } = await squatter()
    const rig = await startDaemon((directory) => yamlOf(directory, port, web), { shadow: true })
    await expect(rig.ended).rejects.toMatchObject({ code: 'ADMIN_ADDRESS' })
  })
})
