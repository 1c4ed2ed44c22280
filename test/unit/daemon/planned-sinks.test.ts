import { expect, test } from 'vitest'
import { loadConfiguration } from '../../../src/config/load.ts'
import { passOnce, planNow } from '../../../src/daemon/one-shot.ts'
import type { DestinationKey } from '../../../src/model/destination.ts'
import type { ServiceKey } from '../../../src/model/virtual-service.ts'
import { FakeFirewall } from '../../support/fake-firewall.ts'
import { interfaceAddress, networkLink } from '../../support/fake-route-kernel.ts'
import { FakeHost } from './fake-host.ts'
import { temporaryDirectory } from './rig.ts'

test('a plan counts each change once: of an address of no network, of one that moves, and of one that nobody wants any more', async () => {
  const host = new FakeHost()
  host.routes.plug(networkLink('eth0', 2))
  const directory = await temporaryDirectory()
  const configured = (more: string) => {
    const service = `{ name: away, listen: 192.0.2.1:80, health_check: { enabled: false }, ${more} backends: [10.0.1.1:80] }`
    const bytes = Buffer.from(`global: { state_dir: ${directory}/state }\nservices:\n  - ${service}\n`)
    const loaded = loadConfiguration({ path: 'c.yaml', bytes })
    if (!loaded.ok) throw new Error(JSON.stringify(loaded.issues))
    return loaded.configuration
  }
  const placed = configured('virtual_address: true,')
  const planned = async (configuration: typeof placed) => {
    const { writes } = host.routes
    const before = writes.length
    const { plan, notes } = await planNow(host, configuration)
    expect([writes.slice(before), notes, host.routes.asked]).toEqual([[], [], []])
    host.kernel.break(undefined)
    return plan.sinkChanges
  }
  expect(await planned(placed)).toEqual([
    { sink: 'addresses', kind: 'add-link', count: 1 },
    { sink: 'addresses', kind: 'add-address', count: 1 },
  ])
  await passOnce(host, 'once', placed, { probing: 'off' })
  host.kernel.break(undefined)
  expect(host.routes.hosts).toEqual(['192.0.2.1 pointsman'])
  expect(await planned(placed)).toBeUndefined()
  const gone = [
    { sink: 'addresses', kind: 'delete-address', count: 1 },
    { sink: 'addresses', kind: 'delete-link', count: 1 },
  ]
  expect(await planned(configured(''))).toEqual(gone)
  host.routes.addresses.push(interfaceAddress(2, '192.0.2.250/24'))
  expect(await planned(placed)).toEqual([{ sink: 'addresses', kind: 'add-address', count: 1 }, ...gone])
})

test('a plan tells what filters would be given and loses nothing of them; once does it, and a later one without the setting takes it out', async () => {
  const host = new FakeHost()
  const filters = new FakeFirewall()
  filters.table('inet', 'site')
  for (const hook of ['input', 'forward']) filters.chain('inet site', hook, { hook, policy: 'drop' })
  host.filters = filters
  const before = structuredClone(filters.objects)
  const directory = await temporaryDirectory()
  const configured = (isManaged: boolean) => {
    const service = '{ name: web, listen: 192.0.2.1:80, health_check: { enabled: false }, backends: [10.0.1.1:80] }'
    const bytes = Buffer.from(
      `global: { state_dir: ${directory}/state, manage_firewall: ${isManaged} }\nservices:\n  - ${service}\n`,
    )
    const loaded = loadConfiguration({ path: 'c.yaml', bytes })
    if (!loaded.ok) throw new Error(JSON.stringify(loaded.issues))
    return loaded.configuration
  }
  const planned = async (isManaged: boolean) => {
    const written = filters.transactions.length
    const { plan, notes } = await planNow(host, configured(isManaged))
    expect([notes, filters.transactions.length]).toEqual([[], written])
    host.kernel.break(undefined)
    return plan.sinkChanges
  }
  expect(await planned(false)).toBeUndefined()
  expect(await planned(true)).toEqual([
    { sink: 'firewall', kind: 'open-chain', count: 2 },
    { sink: 'firewall', kind: 'add-rule', count: 2 },
  ])
  await passOnce(host, 'once', configured(true), { probing: 'off' })
  host.kernel.break(undefined)
  expect(filters.elements('pointsman-forward4')).toEqual([{ concat: ['tcp', '10.0.1.1', 80] }])
  expect(await planned(true)).toBeUndefined()
  expect(await planned(false)).toEqual([{ sink: 'firewall', kind: 'close-chain', count: 2 }])
  await passOnce(host, 'once', configured(false), { probing: 'off' })
  expect(filters.objects).toEqual(before)
})

test('a plan keeps filters open for what drains, as the pass does', async () => {
  const host = new FakeHost()
  const filters = new FakeFirewall()
  filters.table('inet', 'site')
  filters.chain('inet site', 'forward', { hook: 'forward', policy: 'drop' })
  host.filters = filters
  const directory = await temporaryDirectory()
  const configured = (backends: string) => {
    const service = `{ name: web, listen: 192.0.2.1:80, health_check: { enabled: false }, backends: [${backends}] }`
    const bytes = Buffer.from(`global: { state_dir: ${directory}/state, manage_firewall: true }\nservices:\n  - ${service}\n`)
    const loaded = loadConfiguration({ path: 'c.yaml', bytes })
    if (!loaded.ok) throw new Error(JSON.stringify(loaded.issues))
    return loaded.configuration
  }
  const planned = async (configuration: ReturnType<typeof configured>) => {
    const { plan } = await planNow(host, configuration)
    host.kernel.break(undefined)
    return plan.sinkChanges
  }
  const pass = async (configuration: ReturnType<typeof configured>) => {
    await passOnce(host, 'once', configuration, { probing: 'off' })
    host.kernel.break(undefined)
    return filters.elements('pointsman-forward4').length
  }
  expect(await pass(configured('10.0.1.1:80, 10.0.1.2:80'))).toBe(2)
  host.kernel.setConnections('tcp/192.0.2.1:80' as ServiceKey, '10.0.1.2:80' as DestinationKey, { active: 1 })
  expect(await planned(configured('10.0.1.1:80'))).toBeUndefined()
  expect(await pass(configured('10.0.1.1:80'))).toBe(2)
  expect(await planned(configured('10.0.1.1:80'))).toBeUndefined()
})

test('a plan closes filters for what it deletes at once, as the pass does', async () => {
  const host = new FakeHost()
  const filters = new FakeFirewall()
  filters.table('inet', 'site')
  filters.chain('inet site', 'forward', { hook: 'forward', policy: 'drop' })
  host.filters = filters
  const directory = await temporaryDirectory()
  const configured = (backends: string) => {
    const service = `{ name: dns, protocol: udp, listen: 192.0.2.1:53, health_check: { enabled: false }, backends: [${backends}] }`
    const bytes = Buffer.from(`global: { state_dir: ${directory}/state, manage_firewall: true }\nservices:\n  - ${service}\n`)
    const loaded = loadConfiguration({ path: 'c.yaml', bytes })
    if (!loaded.ok) throw new Error(JSON.stringify(loaded.issues))
    return loaded.configuration
  }
  await passOnce(host, 'once', configured('10.0.1.1:53, 10.0.1.2:53'), { probing: 'off' })
  host.kernel.break(undefined)
  const { plan } = await planNow(host, configured('10.0.1.1:53'))
  host.kernel.break(undefined)
  expect(plan.sinkChanges).toEqual([{ sink: 'firewall', kind: 'delete-rule', count: 1 }])
  await passOnce(host, 'once', configured('10.0.1.1:53'), { probing: 'off' })
  expect(filters.elements('pointsman-forward4')).toEqual([{ concat: ['udp', '10.0.1.1', 53] }])
})
