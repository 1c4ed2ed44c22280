import { describe, expect, test } from 'vitest'
import { PointsmanError } from '../../../src/errors.ts'
import type { ServiceKey } from '../../../src/model/virtual-service.ts'
import { createFirewallSink } from '../../../src/sinks/firewall/firewall-sink.ts'
import { createSinksInOrder } from '../../../src/sinks/in-order.ts'
import { service, state } from '../../support/desired.ts'
import { FakeFirewall } from '../../support/fake-firewall.ts'
import { FakeAddressSink, FakeSnatSink } from '../../support/fake-sinks.ts'
import { commandText, rig } from './ipvs/rig.ts'

const WEB = 'tcp/10.0.0.1:80' as ServiceKey
const web = (backends = ['10.1.0.1:80']) => state([service(WEB, backends, { name: 'web' })])

/** All sinks, with a chain at INPUT that drops; filters written and IPVS written are told in one list. */
function inOrder({ isOn = true, usedBefore = false } = {}) {
  const steps: string[] = []
  const ipvs = rig()
  ipvs.kernel.onWrite = (commands) => void steps.push(...commands.map(commandText))
  const filters = new FakeFirewall()
  filters.table('inet', 'site')
  for (const hook of ['input', 'output']) filters.chain('inet site', hook, { hook, policy: 'drop' })
  const { apply } = filters.nftables
  filters.nftables.apply = async (commands) => {
    await apply(commands)
    steps.push('filters')
  }
  const setting = { isOn }
  const snat = new FakeSnatSink(steps)
  const addresses = new FakeAddressSink(steps)
  const sink = createSinksInOrder({
    ipvs: ipvs.sink,
    snat: { usedBefore: false, open: async () => snat },
    addresses: { usedBefore: false, open: async () => addresses },
    firewall: {
      usedBefore,
      isOn: () => setting.isOn,
      open: async () => createFirewallSink({ kernel: filters, tracked: () => true, random: () => 0.5 }),
      emptied: async () => void steps.push('no filters'),
    },
    random: () => 0.5,
  })
  return { sink, ipvs, filters, snat, addresses, setting, did: () => steps.splice(0) }
}

describe('rules in filters', () => {
  test('come before the service, and go after it', async () => {
    const { sink, filters, did } = inOrder()
    const before = structuredClone(filters.objects)
    const report = await sink.reconcile(web(), 'full', 0)
    expect(did()).toEqual(['filters', `add-service ${WEB} wlc`, `add-destination ${WEB} 10.1.0.1:80 weight 1`])
    expect(report.parts.map((part) => part.sink)).toEqual(['ipvs', 'firewall'])
    expect(report).toMatchObject({ applied: { 'open-chain': 2, 'add-rule': 2 }, failed: [] })
    await sink.reconcile(state([]), 'changes', 400_000)
    await sink.reconcile(state([]), 'changes', 800_000)
    expect(did().at(-1)).toBe('filters')
    expect(filters.objects).toEqual(before)
  })

  test('let a backend that drains through to its end', async () => {
    const { sink, ipvs, filters } = inOrder()
    await sink.reconcile(web(['10.1.0.1:80', '10.1.0.2:80']), 'full', 0)
    ipvs.kernel.setConnections(WEB, [...web(['10.1.0.2:80']).services.values()][0]?.destinations.keys().next().value as never, {
      active: 1,
    })
    await sink.reconcile(web(), 'changes', 1_000)
    expect(filters.elements('pointsman-output4')).toHaveLength(2)
    await sink.reconcile(web(), 'changes', 400_000)
    expect(filters.elements('pointsman-output4')).toEqual([{ concat: ['tcp', '10.1.0.1', 80] }])
  })

  test('that cannot be written stop no service, and are told', async () => {
    const { sink, ipvs, filters } = inOrder()
    filters.failure = new PointsmanError('NO_PERMISSION', 'No right to nftables.')
    const report = await sink.reconcile(web(), 'full', 0)
    expect(ipvs.sink.holds(WEB)).toBe(true)
    expect(report.failed).toMatchObject([{ object: WEB, code: 'NO_PERMISSION' }])
    filters.failure = undefined
    expect((await sink.reconcile(web(), 'changes', 60_000)).applied).toMatchObject({ 'add-rule': 2 })
  })

  test('are taken out once where the setting is switched off, and put in again', async () => {
    const { sink, filters, setting, did } = inOrder()
    const before = structuredClone(filters.objects)
    await sink.reconcile(web(), 'full', 0)
    did()
    setting.isOn = false
    await sink.reconcile(web(), 'full', 1_000)
    expect(did()).toEqual(['filters', 'no filters'])
    expect(filters.objects).toEqual(before)
    await sink.reconcile(web(), 'full', 2_000)
    expect(did()).toEqual([])
    setting.isOn = true
    await sink.reconcile(web(), 'full', 3_000)
    expect(filters.elements('pointsman-input4')).toHaveLength(1)
  })

  test('of an earlier process go where nobody asks for them; a host without any is not looked at', async () => {
    const { sink, filters, did } = inOrder()
    await sink.reconcile(web(), 'full', 0)
    did()
    const later = inOrder({ isOn: false, usedBefore: true })
    later.filters.objects = filters.objects
    await later.sink.reconcile(web(), 'full', 0)
    expect(later.filters.rules('input')).toEqual([])
    const never = inOrder({ isOn: false })
    never.filters.failure = new PointsmanError('NO_PERMISSION', 'Nobody may ask.')
    expect((await never.sink.reconcile(web(), 'full', 0)).failed).toEqual([])
  })

  test.each(['remove', 'drain'] as const)('are gone after an exit by %s', async (mode) => {
    const { sink, filters, did } = inOrder()
    const before = structuredClone(filters.objects)
    await sink.reconcile(web(), 'full', 0)
    await sink.exit(mode)
    expect(filters.objects).toEqual(before)
    expect(did().at(-1)).toBe('no filters')
  })

  test('stay after an exit that keeps', async () => {
    const { sink, filters } = inOrder()
    await sink.reconcile(web(), 'full', 0)
    await sink.exit('keep')
    expect(filters.elements('pointsman-input4')).toHaveLength(1)
  })
})

test('a full pass gives way between filters and source NAT, tells later what it did there, and leaves the change no more to read', async () => {
  const { sink, ipvs, filters, snat, addresses, did } = inOrder()
  const placed = { sourceNat: 'masquerade', virtualAddress: { announced: true } } as const
  const one = service(WEB, ['10.1.0.1:80'], { name: 'web', ...placed })
  const other = service('tcp/10.0.0.2:80' as ServiceKey, ['10.1.0.9:80'], { name: 'shop' })
  await sink.reconcile(state([one]), 'full', 0)
  const [reads, { apply }] = [ipvs.kernel.reads, filters.nftables]
  did()
  const asking = new AbortController()
  filters.nftables.apply = async (commands) => {
    asking.abort()
    await apply(commands)
  }
  const given = await sink.reconcile(state([one, other]), 'full', 1_000, { signal: asking.signal })
  expect(given).toMatchObject({ gaveWay: true, applied: {}, failed: [] })
  expect(did()).toEqual(['filters'])
  const next = await sink.reconcile(state([one, other]), 'changes', 1_010)
  expect(next.parts.find(({ sink }) => sink === 'firewall')).toMatchObject({ report: { applied: { 'add-rule': 2 } } })
  expect([snat.scopes, addresses.scopes, ipvs.kernel.reads - reads]).toEqual([['full', 'changes'], ['full', 'changes'], 0])
  expect(did()).toEqual(['add-service tcp/10.0.0.2:80 wlc', 'add-destination tcp/10.0.0.2:80 10.1.0.9:80 weight 1'])
  await sink.reconcile(state([one, other]), 'full', 2_000, { signal: new AbortController().signal })
  expect([snat.scopes.at(-1), addresses.scopes.at(-1)]).toEqual(['full', 'full'])
})

test('a full pass does not give way there while the table is not known', async () => {
  const { sink } = inOrder()
  const report = await sink.reconcile(web(), 'full', 0, { signal: AbortSignal.abort() })
  expect(report).toMatchObject({ applied: { 'add-service': 1, 'add-rule': 2 } })
  expect(report.gaveWay).toBeUndefined()
})
