import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import type { StatusAnswer } from '../../../src/admin/standing.ts'
import { loadConfiguration } from '../../../src/config/load.ts'
import { askDaemon } from '../../../src/daemon/ask-daemon.ts'
import { passOnce, planNow } from '../../../src/daemon/one-shot.ts'
import { PointsmanError } from '../../../src/errors.ts'
import type { NftCommand } from '../../../src/kernel/for-sinks.ts'
import { serviceKey } from '../../../src/model/virtual-service.ts'
import { currentPlace } from '../../../src/store/place.ts'
import { snatUseFile } from '../../../src/store/snat-use.ts'
import { held, identity } from '../../support/desired.ts'
import { interfaceAddress, networkLink } from '../../support/fake-route-kernel.ts'
import { parseExposition, sampleOf } from '../admin/exposition-parser.ts'
import { FakeHost } from './fake-host.ts'
import { type DaemonRig, startDaemon, temporaryDirectory, yamlOf } from './rig.ts'

const WEB = serviceKey(identity('tcp/10.0.0.1:80'))
const SHOP = serviceKey(identity('tcp/10.0.0.2:80'))
const TABLE = 'inet pointsman'
const WEB_ELEMENT = expect.stringContaining('10.0.0.1 80')

const common = 'debounce: { min: 0s, max: 0s }, drain: { timeout: 0s }, health_check: { enabled: false }'
const web = `\n  - { name: web, listen: 10.0.0.1:80, ${common}, full_nat: true, virtual_address: true, backends: [10.0.1.1:80] }`
const shop = `\n  - { name: shop, listen: 10.0.0.2:80, ${common}, backends: [10.0.1.2:80] }`
const NO_NFT = new PointsmanError('NFT_MISSING', 'There is no nftables here: install it.')
const NEITHER = `${NO_NFT.message} iptables, which would do instead, cannot be had either: There is no iptables here.`

const until = (look: () => unknown) => expect.poll(look, { interval: 10, timeout: 4_000 })
const ready = (rig: DaemonRig) => until(() => rig.host.told.some((each) => each.startsWith('READY=1'))).toBe(true)

/** A host whose eth0 has the network of the virtual addresses. */
function hostWithNetwork(): FakeHost {
  const host = new FakeHost()
  host.routes.plug(networkLink('eth0', 2))
  host.routes.addresses.push(interfaceAddress(2, '10.0.0.250/24'))
  return host
}

/** What `pointsman status` says that fails, by service. */
async function statusOf(rig: DaemonRig) {
  const { services } = (await askDaemon(join(rig.directory, 'state'), 'GET', '/status')) as StatusAnswer
  return services.map(({ key, failures }) => [key, failures])
}

describe('a daemon with source NAT and addresses', () => {
  test('translates, opens, places, shows all of it, and removes it at the end', async () => {
    const host = hostWithNetwork()
    const rig = await startDaemon((directory, port) => yamlOf(directory, port, web + shop, 'on_exit: remove'), { host })
    await ready(rig)
    expect(host.nftables.elements(TABLE)).toEqual([WEB_ELEMENT])
    await until(() => host.routes.hosts).toEqual(['10.0.0.1 eth0'])
    const families = parseExposition((await rig.fetch('/metrics')).text)
    const labels = { service: 'web', vip: '10.0.0.1:80' }
    expect(sampleOf(families, 'pointsman_service_translated_connections_total', labels)).toBe(0)
    expect(sampleOf(families, 'pointsman_addresses_held')).toBe(1)
    expect(sampleOf(families, 'pointsman_sink_changes_total', { sink: 'snat', kind: 'add-element' })).toBe(1)
    expect(sampleOf(families, 'pointsman_sink_changes_total', { sink: 'addresses', kind: 'add-address' })).toBe(1)
    await rig.stop()
    expect(host.nftables.tables()).toEqual([])
    expect(host.routes.hosts).toEqual([])
    expect(host.kernel.service(WEB)).toBeUndefined()
  })

  test('keeps everything by default, and a restart writes nothing', async () => {
    const host = hostWithNetwork()
    const directory = await temporaryDirectory()
    const yaml = (place: string, port: number) => yamlOf(place, port, web)
    const first = await startDaemon(yaml, { host, directory })
    await ready(first)
    await until(() => host.routes.hosts).toEqual(['10.0.0.1 eth0'])
    await first.stop()
    const [transactions, writes, written] = [
      host.nftables.transactions.length,
      host.routes.writes.length,
      host.kernel.written.length,
    ]
    host.told.splice(0)
    host.kernel.break(undefined)
    const second = await startDaemon(yaml, { host, directory })
    await ready(second)
    await second.stop()
    expect(host.nftables.elements(TABLE)).toEqual([WEB_ELEMENT])
    expect(host.routes.hosts).toEqual(['10.0.0.1 eth0'])
    expect([host.nftables.transactions.length, host.routes.writes.length, host.kernel.written.length]).toEqual([
      transactions,
      writes,
      written,
    ])
  })

  test('puts back within a second what others flush', async () => {
    const host = hostWithNetwork()
    const rig = await startDaemon((directory, port) => yamlOf(directory, port, web), { host })
    await ready(rig)
    await until(() => host.routes.hosts).toEqual(['10.0.0.1 eth0'])
    host.nftables.flushRuleset()
    await until(() => host.nftables.elements(TABLE)).toEqual([WEB_ELEMENT])
    host.routes.takeOff('10.0.0.1' as never, 2)
    await until(() => host.routes.hosts).toEqual(['10.0.0.1 eth0'])
  })

  test('takes away what an earlier process left although nobody asks for it now', async () => {
    const host = hostWithNetwork()
    const directory = await temporaryDirectory()
    const first = await startDaemon((place, port) => yamlOf(place, port, web), { host, directory })
    await ready(first)
    await until(() => host.routes.hosts).toEqual(['10.0.0.1 eth0'])
    await first.stop()
    host.kernel.break(undefined)
    await startDaemon((place, port) => yamlOf(place, port, shop), { host, directory })
    await until(() => host.nftables.elements(TABLE)).toEqual([])
    await until(() => host.routes.hosts).toEqual([])
    expect(host.kernel.service(WEB)).toBeUndefined()
  })

  test('without nftables opens the others, says why not all, and is degraded', async () => {
    const host = hostWithNetwork()
    host.noNftables = NO_NFT
    const rig = await startDaemon((directory, port) => yamlOf(directory, port, web + shop), { host })
    await ready(rig)
    expect(host.kernel.service(SHOP)).toBeDefined()
    expect(host.kernel.service(WEB)).toBeUndefined()
    expect(host.routes.hosts).toEqual([])
    const { status, text } = await rig.fetch('/readyz')
    expect(status).toBe(200)
    expect(JSON.parse(text)).toMatchObject({ status: 'degraded', reasons: [{ reason: 'object-failing' }] })
    expect(text).toContain(NO_NFT.message)
    expect(await statusOf(rig)).toEqual([
      [WEB, [NEITHER]],
      [SHOP, undefined],
    ])
    expect(rig.log).toContainEqual(expect.objectContaining({ level: 'error', object: WEB, code: 'NFT_MISSING' }))
  })

  describe('when nftables has come', () => {
    /** A host whose services an earlier daemon translated with iptables. */
    async function withIptablesBefore(services = web) {
      const host = hostWithNetwork()
      host.noNftables = NO_NFT
      host.iptables.failure = undefined
      const directory = await temporaryDirectory()
      const first = await startDaemon((place, port) => yamlOf(place, port, web), { host, directory })
      await ready(first)
      expect(host.iptables.rules('ipv4', 'POINTSMAN')).toEqual([expect.stringContaining('--ctorigdst 10.0.0.1')])
      expect(host.kernel.service(WEB)).toBeDefined()
      await first.stop()
      host.noNftables = undefined
      host.kernel.break(undefined)
      const next = (more = '') => startDaemon((place, port) => yamlOf(place, port, services, more), { host, directory })
      return { host, next }
    }

    const refused = (command: NftCommand) => JSON.stringify(command).startsWith('{"add":{"element"')

    test('takes out what it did without it, once it is done with it', async () => {
      const { host, next } = await withIptablesBefore()
      const rules = () => host.iptables.rules('ipv4', 'POINTSMAN')
      const apply = host.nftables.apply.bind(host.nftables)
      const before: unknown[] = []
      host.nftables.apply = async (commands) => {
        before.push(rules()?.length)
        await apply(commands)
      }
      await next()
      await until(rules).toBeUndefined()
      expect(before).toEqual([1])
      expect(host.nftables.elements(TABLE)).toEqual([WEB_ELEMENT])
    })

    test('keeps that while it cannot do it with it, and the next start knows of both', async () => {
      const { host, next } = await withIptablesBefore()
      host.nftables.refuse = refused
      const second = await next()
      await until(async () => (await statusOf(second))[0]?.[1]).toBeDefined()
      expect(host.iptables.rules('ipv4', 'POINTSMAN')).toHaveLength(1)
      await second.stop()
      host.nftables.refuse = undefined
      host.kernel.break(undefined)
      const third = await next('on_exit: remove')
      await until(() => host.iptables.rules('ipv4', 'POINTSMAN')).toBeUndefined()
      expect(host.nftables.elements(TABLE)).toEqual([WEB_ELEMENT])
      await third.stop()
      expect(host.nftables.tables()).toEqual([])
    })

    test('removes both at the end', async () => {
      const { host, next } = await withIptablesBefore()
      host.nftables.refuse = refused
      const second = await next('on_exit: remove')
      await until(async () => (await statusOf(second))[0]?.[1]).toBeDefined()
      await second.stop()
      expect(host.iptables.rules('ipv4', 'POINTSMAN')).toBeUndefined()
      expect(host.iptables.rules('ipv4', 'POSTROUTING')).toHaveLength(1)
    })

    test('empties that where nobody asks for source NAT any more', async () => {
      const { host, next } = await withIptablesBefore(shop)
      await next()
      await until(() => host.iptables.rules('ipv4', 'POINTSMAN')).toEqual([])
    })

    test('says once that it cannot take that out, and goes on', async () => {
      const { host, next } = await withIptablesBefore()
      host.iptables.failure = new PointsmanError('NFT_MISSING', 'There is no iptables here.')
      const second = await next()
      await until(() => host.nftables.elements(TABLE)).toEqual([WEB_ELEMENT])
      await second.fetch('/readyz')
      const warnings = () => second.log.filter(({ level, code }) => level === 'warn' && code === 'NFT_MISSING')
      await until(() => warnings().length).toBe(1)
      expect((await statusOf(second))[0]?.[1]).toBeUndefined()
    })
  })

  test('under another name of the instance takes out the table of the former name', async () => {
    const host = hostWithNetwork()
    const directory = await temporaryDirectory()
    const yaml = (more: string) => (place: string, port: number) => yamlOf(place, port, web, more)
    const first = await startDaemon(yaml(''), { host, directory })
    await ready(first)
    await first.stop()
    host.kernel.break(undefined)
    await startDaemon(yaml('instance: blue'), { host, directory })
    await until(() => host.nftables.tables()).toEqual(['inet pointsman-blue'])
    expect(host.nftables.elements('inet pointsman-blue')).toEqual([WEB_ELEMENT])
  })

  test('whose note cannot be written opens nothing of it, and leaves nothing open', async () => {
    const host = hostWithNetwork()
    const directory = await temporaryDirectory()
    await mkdir(join(directory, 'state', `${snatUseFile(await currentPlace())}.new`), { recursive: true })
    const open = { nftables: 0, conntrack: 0 }
    const counted = <T extends object>(name: keyof typeof open, kernel: T): T => {
      open[name] += 1
      return new Proxy(kernel, {
        get: (target, key) => {
          if (key === Symbol.asyncDispose || key === Symbol.dispose) return async () => void open[name]--
          const value = Reflect.get(target, key)
          return typeof value === 'function' ? value.bind(target) : value
        },
      })
    }
    const { openNftables, openConntrack } = host
    host.openNftables = async () => counted('nftables', await openNftables.call(host))
    host.openConntrack = () => counted('conntrack', openConntrack.call(host))
    const rig = await startDaemon((place, port) => yamlOf(place, port, web), { host, directory })
    await ready(rig)
    await until(() => rig.log.some(({ code }) => code === 'STATE_UNWRITABLE')).toBe(true)
    await until(() => open).toEqual({ nftables: 0, conntrack: 0 })
    expect(host.nftables.tables()).toEqual([])
    await rig.stop()
  })

  test('keeps source ports off what the host listens on, and a plan says nothing of it afterwards', async () => {
    const host = hostWithNetwork()
    host.listening = [22, 60_000]
    const rig = await startDaemon((directory, port) => yamlOf(directory, port, web), { host })
    await ready(rig)
    const table = await host.nftables.readTable('inet', 'pointsman')
    expect(JSON.stringify(table)).toContain('"port":{"range":[32768,59999]}')
  })

  test('with iptables alone, where the configuration says so', async () => {
    const host = hostWithNetwork()
    host.iptables.failure = undefined
    const rig = await startDaemon((directory, port) => yamlOf(directory, port, web, 'snat: { by: iptables }'), { host })
    await ready(rig)
    expect(host.nftables.tables()).toEqual([])
    expect(host.iptables.rules('ipv4', 'POINTSMAN')).toHaveLength(1)
  })

  test('without nftables and without a service that needs it is not disturbed by that', async () => {
    const host = new FakeHost()
    host.noNftables = NO_NFT
    const rig = await startDaemon((directory, port) => yamlOf(directory, port, shop, 'on_exit: remove'), { host })
    await ready(rig)
    expect((await rig.fetch('/readyz')).text).toContain('"ready"')
    await rig.stop()
    expect(rig.log.filter(({ level }) => level === 'error')).toEqual([])
  })

  test('sets sysctls where it is asked to, and puts them back at the end', async () => {
    const host = hostWithNetwork()
    host.sysctls.set('net.ipv4.vs.conntrack', 0)
    const global = 'manage_sysctls: true\non_exit: remove'
    const rig = await startDaemon((directory, port) => yamlOf(directory, port, web, global), { host })
    await ready(rig)
    expect(host.sysctls.get('net.ipv4.vs.conntrack')).toBe(1)
    await rig.stop()
    expect(host.sysctls.get('net.ipv4.vs.conntrack')).toBe(0)
  })

  test('sets sysctls again at the next resync where somebody set them back, and knows what they were at first', async () => {
    const host = hostWithNetwork()
    host.sysctls.set('net.ipv4.vs.conntrack', 0)
    const global = 'manage_sysctls: true\non_exit: remove\nresync_interval: 1s'
    const rig = await startDaemon((directory, port) => yamlOf(directory, port, web, global), { host })
    await ready(rig)
    host.sysctls.set('net.ipv4.vs.conntrack', 0)
    await until(() => host.sysctls.get('net.ipv4.vs.conntrack')).toBe(1)
    await rig.stop()
    expect(host.sysctls.get('net.ipv4.vs.conntrack')).toBe(0)
  })

  test('leaves sysctls as they are while the kernel keeps a service of ours', async () => {
    const host = hostWithNetwork()
    host.sysctls.set('net.ipv4.vs.conntrack', 0)
    const global = 'manage_sysctls: true\non_exit: remove'
    const rig = await startDaemon((directory, port) => yamlOf(directory, port, web, global), { host })
    await ready(rig)
    host.kernel.tamper({ kind: 'add-destination', service: identity('tcp/10.0.0.1:80'), destination: held('10.0.9.9:80') })
    await rig.stop()
    expect(host.kernel.service(WEB)).toBeDefined()
    expect(host.sysctls.get('net.ipv4.vs.conntrack')).toBe(1)
  })

  test('warns of sysctls where it is not', async () => {
    const host = hostWithNetwork()
    host.sysctls.set('net.ipv4.vs.conntrack', 0)
    const rig = await startDaemon((directory, port) => yamlOf(directory, port, web), { host })
    await ready(rig)
    expect(host.sysctls.get('net.ipv4.vs.conntrack')).toBe(0)
    expect(rig.log).toContainEqual(expect.objectContaining({ level: 'warn', sysctl: 'net.ipv4.vs.conntrack' }))
  })
})

describe('one pass', () => {
  async function oneShot(services: string) {
    const directory = await temporaryDirectory()
    const bytes = Buffer.from(`global: { state_dir: ${directory}/state }\nservices:${services}\n`)
    const loaded = loadConfiguration({ path: 'c.yaml', bytes })
    if (!loaded.ok) throw new Error(JSON.stringify(loaded.issues))
    return loaded.configuration
  }

  test('plan says what would change beside the table, and changes nothing', async () => {
    const host = hostWithNetwork()
    const { plan, notes } = await planNow(host, await oneShot(web))
    expect(plan.sinkChanges).toEqual([
      { sink: 'snat', kind: 'add-table', count: 1 },
      { sink: 'snat', kind: 'add-element', count: 1 },
      { sink: 'addresses', kind: 'add-address', count: 1 },
    ])
    expect(notes).toEqual([])
    expect(host.nftables.tables()).toEqual([])
    expect(host.routes.writes).toEqual([])
    expect(host.routes.asked).toEqual([])
  })

  test.each(['once', 'apply'] as const)('%s does it, and then there is nothing more to do', async (command) => {
    const host = hostWithNetwork()
    const configuration = await oneShot(web)
    const { report } = await passOnce(host, command, configuration, { probing: 'off' })
    expect(report.failed).toEqual([])
    expect(host.nftables.elements(TABLE)).toEqual([WEB_ELEMENT])
    expect(host.routes.hosts).toEqual(['10.0.0.1 eth0'])
    host.kernel.break(undefined)
    const { plan } = await planNow(host, configuration)
    expect(plan).not.toHaveProperty('sinkChanges')
    expect(plan.changes).toEqual([])
  })

  test('waits for neighbours that are slow to say that they do not hold an address', async () => {
    const host = hostWithNetwork()
    host.routes.answers = sleep(1_500)
    const { report, notes } = await passOnce(host, 'once', await oneShot(web), { probing: 'off' })
    expect(report).not.toHaveProperty('pending')
    expect(notes).toEqual([])
    expect(host.routes.hosts).toEqual(['10.0.0.1 eth0'])
  })

  test('plan writes nothing with iptables either', async () => {
    const host = hostWithNetwork()
    host.noNftables = NO_NFT
    host.iptables.failure = undefined
    const { plan } = await planNow(host, await oneShot(web))
    expect(plan.sinkChanges?.filter(({ sink }) => sink === 'snat')).not.toEqual([])
    expect(host.iptables.transactions).toEqual([])
  })

  test('plan and once say so where nftables cannot be had', async () => {
    const host = hostWithNetwork()
    host.noNftables = NO_NFT
    const configuration = await oneShot(web + shop)
    expect((await planNow(host, configuration)).notes).toEqual([`What becomes of source NAT cannot be said: ${NEITHER}`])
    host.kernel.break(undefined)
    const { report } = await passOnce(host, 'once', configuration, { probing: 'off' })
    expect(report.failed).toMatchObject([{ object: WEB, code: 'NFT_MISSING' }])
    expect(host.kernel.service(SHOP)).toBeDefined()
  })
})
