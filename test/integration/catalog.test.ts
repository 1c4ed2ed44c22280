import { readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { loadConfiguration } from '../../src/config/load.ts'
import { askDaemon } from '../../src/daemon/ask-daemon.ts'
import { passOnce, planNow } from '../../src/daemon/one-shot.ts'
import { serviceKey } from '../../src/model/virtual-service.ts'
import { type ConsulAgent, startConsul } from '../peers/consul.ts'
import { identity, key } from '../support/desired.ts'
import { FakeHost } from '../unit/daemon/fake-host.ts'
import { type DaemonRig, startDaemon, temporaryDirectory, yamlOf } from '../unit/daemon/rig.ts'

const WEB = serviceKey(identity('tcp/10.0.0.1:80'))
const STATIC = '\n  - { name: fixed, listen: 10.0.0.1:80, drain: { timeout: 0s }, backends: [10.9.9.9:80] }'
const PATIENCE = { interval: 20, timeout: 10_000 }
const until = (look: () => unknown) => expect.poll(look, PATIENCE)

const catalogOf = (agent: ConsulAgent) =>
  [
    'defaults: { drain: { timeout: 0s }, debounce: { min: 0s, max: 0s } }',
    'catalog:',
    `  - consul: { address: '${agent.url}', wait: 2s }`,
    '    allow: [{ service: web*, listen: [10.0.0.0/28:80] }]',
    '',
  ].join('\n')

const yaml =
  (agent: ConsulAgent, services = ' []') =>
  (directory: string, port: number) =>
    yamlOf(directory, port, services) + catalogOf(agent)

const instance = (number: number, meta: Readonly<Record<string, string>>, service = 'web') => ({
  name: service,
  id: `${service}-${number}`,
  address: `10.1.1.${number}`,
  port: 8000,
  meta,
})

const listens = (address = '10.0.0.1', more: Readonly<Record<string, string>> = {}) => ({
  'pointsman-listen': `${address}:80`,
  ...more,
})

const said = (rig: DaemonRig, words: string) => rig.log.filter(({ msg }) => msg.includes(words)).length
const backend = (number: number) => key(`10.1.1.${number}:8000`)

describe('a service of Consul', () => {
  it('becomes a virtual service by its meta, is edited in place, and keeps the last good definition', async () => {
    await using agent = await startConsul()
    const rig = await startDaemon(yaml(agent))
    await agent.register(instance(1, listens('10.0.0.1', { 'pointsman-weight': '7' })))
    await until(() => rig.host.kernel.destination(WEB, backend(1))?.weight).toBe(7)
    expect(rig.host.kernel.service(WEB)?.scheduler).toBe('wlc')
    const before = rig.host.kernel.written.length
    await agent.register(instance(1, listens('10.0.0.1', { 'pointsman-weight': '7', 'pointsman-scheduler': 'wrr' })))
    await until(() => rig.host.kernel.service(WEB)?.scheduler).toBe('wrr')
    expect(rig.host.kernel.written.slice(before).map(({ kind }) => kind)).toEqual(['edit-service'])
    await agent.register(instance(1, listens('10.0.0.1', { 'pointsman-scheduler': 'wrrr' })))
    await until(() => said(rig, 'service web of consul is refused: scheduler: "wrrr" is not known; did you mean wrr?')).toBe(1)
    await until(() => rig.host.kernel.destination(WEB, backend(1))?.weight).toBe(1)
    expect(rig.host.kernel.service(WEB)?.scheduler).toBe('wrr')
    expect((await rig.fetch('/metrics')).text).toContain('pointsman_catalog_refused{catalog="consul",service="web"} 1')
    await agent.register(instance(1, listens()))
    await until(() => rig.host.kernel.service(WEB)?.scheduler).toBe('wlc')
    const { text } = await rig.fetch('/metrics')
    expect(text).not.toContain('pointsman_catalog_refused{')
    expect(text).toContain('pointsman_catalog_claims{catalog="consul",state="serving"} 1')
  })

  it('does not get what another was first to hold, nor what it is not allowed, until that changes', async () => {
    await using agent = await startConsul()
    const rig = await startDaemon(yaml(agent))
    await agent.register(instance(1, listens()))
    await until(() => rig.host.kernel.destination(WEB, backend(1))?.weight).toBe(1)
    await agent.register(instance(2, listens(), 'web-b'))
    await until(() => said(rig, 'service web-b of consul is refused: tcp/10.0.0.1:80 is held by web of consul')).toBe(1)
    await agent.register({ ...instance(3, {}, 'web-c'), tags: ['pointsman.listen=10.0.0.99:80'] })
    await until(() => said(rig, 'web-c of consul is refused: tcp/10.0.0.99:80 is not among what the configuration allows')).toBe(
      1,
    )
    await agent.register(instance(4, listens('10.0.0.4'), 'db'))
    expect(rig.host.kernel.written.filter(({ kind }) => kind === 'add-service')).toHaveLength(1)
    await agent.register(instance(1, listens('10.0.0.2')))
    await until(() => rig.host.kernel.destination(WEB, backend(2))?.weight).toBe(1)
    expect(rig.host.kernel.service(serviceKey(identity('tcp/10.0.0.2:80')))).toBeDefined()
    expect(rig.host.kernel.service(serviceKey(identity('tcp/10.0.0.4:80')))).toBeUndefined()
  })

  it('outlives its instances, its agent and a restart, and goes when the operator or its instances say so', async () => {
    await using agent = await startConsul()
    const directory = await temporaryDirectory()
    const rig = await startDaemon(yaml(agent), { directory })
    await agent.register(instance(1, listens()))
    await until(() => rig.host.kernel.destination(WEB, backend(1))?.weight).toBe(1)
    await agent.restart({ wipe: true })
    await until(() => said(rig, 'service web of consul has no instance any more')).toBe(1)
    expect(rig.host.kernel.destination(WEB, backend(1))?.weight).toBe(1)
    await agent.kill()
    await rig.stop()
    const again = await startDaemon(yaml(agent), { directory, host: rebooted(rig) })
    await until(() => again.host.told.some((each) => each.startsWith('READY=1'))).toBe(true)
    await until(() => again.host.kernel.destination(WEB, backend(1))?.weight).toBe(1)
    expect(again.host.kernel.written).toEqual([])
    await agent.restart()
    await agent.register(instance(2, listens()))
    await until(() => again.host.kernel.destination(WEB, backend(2))?.weight).toBe(1)
    await agent.register(instance(2, {}))
    await until(() => again.host.kernel.service(WEB)).toBeUndefined()
    expect(said(again, 'service web of consul holds tcp/10.0.0.1:80 no longer')).toBe(1)
  })

  it('stays as a service without members when the last of them was down, until the operator lets it go', async () => {
    await using agent = await startConsul()
    const rig = await startDaemon(yaml(agent))
    await agent.register(instance(1, listens()))
    await until(() => rig.host.kernel.destination(WEB, backend(1))?.weight).toBe(1)
    await agent.setCheck('web-1', 'critical')
    await until(() => rig.host.kernel.destination(WEB, backend(1))?.weight).toBe(0)
    await agent.deregister('web-1')
    await until(() => rig.host.kernel.destination(WEB, backend(1))).toBeUndefined()
    await until(() => said(rig, '`pointsman approve web` lets it go')).toBe(1)
    expect(rig.host.kernel.service(WEB)).toBeDefined()
    expect((await rig.fetch('/metrics')).text).toContain('pointsman_catalog_claims{catalog="consul",state="held"} 1')
    const answer = await askDaemon(join(rig.directory, 'state'), 'POST', '/approve?service=web')
    expect(answer).toEqual({ service: 'web', approved: [] })
    await until(() => rig.host.kernel.service(WEB)).toBeUndefined()
  })

  it('leaves alone what it may have made while nobody knows any more', async () => {
    await using agent = await startConsul()
    const directory = await temporaryDirectory()
    const rig = await startDaemon(yaml(agent), { directory })
    await agent.register(instance(1, listens()))
    await until(() => rig.host.kernel.destination(WEB, backend(1))?.weight).toBe(1)
    await agent.kill()
    await rig.stop()
    for (const name of await readdir(join(directory, 'state'))) {
      if (name.startsWith('claims-')) await writeFile(join(directory, 'state', name), 'nonsense')
    }
    const again = await startDaemon(yaml(agent), { directory, host: rebooted(rig) })
    await until(() => again.host.told.some((each) => each.startsWith('READY=1'))).toBe(true)
    expect(said(again, 'What services of catalogs held cannot be read')).toBe(1)
    expect(again.host.kernel.written).toEqual([])
    await agent.restart()
    await until(() => said(again, 'service web of consul holds tcp/10.0.0.1:80')).toBe(1)
    expect(again.host.kernel.written).toEqual([])
    await agent.register(instance(1, {}))
    await until(() => again.host.kernel.service(WEB)).toBeUndefined()
  })

  it('yields to a service of the configuration, also to one that comes later, and comes back', async () => {
    await using agent = await startConsul()
    let port = 0
    const rig = await startDaemon((directory, adminPort) => {
      port = adminPort
      return yaml(agent)(directory, port)
    })
    await agent.register(instance(1, listens()))
    await until(() => rig.host.kernel.destination(WEB, backend(1))?.weight).toBe(1)
    await rig.reconfigure(yaml(agent, STATIC)(rig.directory, port))
    await until(() => rig.host.kernel.destination(WEB, key('10.9.9.9:80'))?.weight).toBe(1)
    await until(() => rig.host.kernel.destination(WEB, backend(1))).toBeUndefined()
    await rig.reconfigure(yaml(agent)(rig.directory, port))
    await until(() => rig.host.kernel.destination(WEB, backend(1))?.weight).toBe(1)
    await until(() => rig.host.kernel.destination(WEB, key('10.9.9.9:80'))).toBeUndefined()
  })

  it('is seen by plan and once, which say who is refused', async () => {
    await using agent = await startConsul()
    await agent.register(instance(1, listens()))
    await agent.register(instance(2, listens(), 'web-b'))
    const directory = await temporaryDirectory()
    const bytes = Buffer.from(`global: { state_dir: ${directory}/state }\nservices: []\n${catalogOf(agent)}`)
    const loaded = loadConfiguration({ path: `${directory}/c.yaml`, bytes })
    if (!loaded.ok) throw new Error(JSON.stringify(loaded.issues))
    const host = new FakeHost()
    const { plan, notes } = await planNow(host, loaded.configuration)
    expect(plan.changes.map(({ kind }) => kind)).toEqual(['add-service', 'add-destination'])
    expect(notes).toMatchObject([
      expect.stringMatching(/^The service web.* of consul is refused: tcp\/10\.0\.0\.1:80 is held by web/),
      expect.stringContaining('no backend was asked'),
    ])
    host.kernel.break(undefined)
    await passOnce(host, 'once', loaded.configuration)
    expect(host.kernel.service(WEB)).toBeDefined()
    await agent.kill()
    const later = new FakeHost()
    Object.assign(later, { kernel: host.kernel })
    host.kernel.break(undefined)
    const before = host.kernel.written.length
    const second = await passOnce(later, 'once', loaded.configuration)
    expect(second.notes).toMatchObject([expect.stringMatching(/^A catalog does not answer: /)])
    expect(host.kernel.written.length).toBe(before)
  })
})

/** The same table under another process. */
function rebooted(rig: DaemonRig): FakeHost {
  const host = new FakeHost()
  Object.assign(host, { kernel: rig.host.kernel })
  rig.host.kernel.break(undefined)
  rig.host.kernel.written.length = 0
  return host
}
