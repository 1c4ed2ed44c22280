import { expect, test } from 'vitest'
import { loadConfiguration } from '../../../src/config/load.ts'
import { passOnce, planNow } from '../../../src/daemon/one-shot.ts'
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
