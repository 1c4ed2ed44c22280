import { expect, test } from 'vitest'
import { loadConfiguration } from '../../../src/config/load.ts'
import { openSinks } from '../../../src/daemon/sinks.ts'
import { service, state } from '../../support/desired.ts'
import { FakeFirewall } from '../../support/fake-firewall.ts'
import { rig } from '../sinks/ipvs/rig.ts'
import { FakeHost } from './fake-host.ts'
import { temporaryDirectory } from './rig.ts'

test('rules in filters that were switched off and on again are known to the next process, which takes them out', async () => {
  const host = new FakeHost()
  const filters = new FakeFirewall()
  filters.table('inet', 'site')
  filters.chain('inet site', 'input', { hook: 'input', policy: 'drop' })
  host.filters = filters
  const before = structuredClone(filters.objects)
  const directory = await temporaryDirectory()
  const bytes = Buffer.from(`global: { state_dir: ${directory}/state }\nservices: []\n`)
  const loaded = loadConfiguration({ path: 'c.yaml', bytes })
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.issues))
  const { configuration } = loaded
  const desired = state([service('tcp/10.0.0.1:80', ['10.1.0.1:80'])])
  {
    let isOn = true
    await using killed = await openSinks({ host, ipvs: rig().sink, configuration, managesFirewall: () => isOn })
    await killed.sink.reconcile(desired, 'full', 0)
    isOn = false
    await killed.sink.reconcile(desired, 'full', 1_000)
    expect(filters.objects).toEqual(before)
    isOn = true
    await killed.sink.reconcile(desired, 'full', 2_000)
    expect(filters.elements('pointsman-input4')).toHaveLength(1)
  }
  await using next = await openSinks({ host, ipvs: rig().sink, configuration, managesFirewall: () => false })
  await next.sink.reconcile(desired, 'full', 3_000)
  expect(filters.objects).toEqual(before)
})
