import { setImmediate as nextTurn } from 'node:timers/promises'
import { beforeEach, describe, expect, it } from 'vitest'
import type { DesiredService, DesiredState, WantedAddress } from '../../../../src/model/desired-state.ts'
import { type ServiceKey, serviceKey } from '../../../../src/model/virtual-service.ts'
import type { AddressReport, AddressSink } from '../../../../src/sinks/addresses/address-sink.ts'
import { createAddressSink } from '../../../../src/sinks/addresses/create-address-sink.ts'
import { service, state } from '../../../support/desired.ts'
import { FakeAddresses } from '../../../support/fake-addresses.ts'
import { FakeRouteKernel, interfaceAddress, ip, networkLink } from '../../../support/fake-route-kernel.ts'

const ETH0 = networkLink('eth0', 2)
const ETH1 = networkLink('eth1', 3)
const HOLDER = '02:00:00:00:00:99'
const VIP = ip('10.0.0.50')
const VIP6 = ip('2001:db8::50')

let kernel: FakeRouteKernel
let store: FakeAddresses
let sink: AddressSink
let opened: Set<ServiceKey> | 'all'
let logged: { level: string; message: string }[]
let timers: { at: number; work: () => void }[]
let now: number

function newSink(instance = 'pointsman'): AddressSink {
  const line = (level: string) => (_: object, message: string) => void logged.push({ level, message })
  const log = { info: line('info'), warn: line('warn'), error: line('error') }
  const schedule = (at: number, work: () => void) => {
    const timer = { at, work }
    timers.push(timer)
    return () => void timers.splice(timers.indexOf(timer), 1)
  }
  return createAddressSink({ kernel, store, instance, log, random: () => 0.5, clock: () => now, schedule })
}

beforeEach(() => {
  kernel = new FakeRouteKernel()
  kernel.plug(ETH0)
  kernel.plug(ETH1)
  kernel.addresses.push(interfaceAddress(2, '10.0.0.1/24'), interfaceAddress(2, '2001:db8::1/64'))
  kernel.addresses.push(interfaceAddress(3, '10.1.0.1/16'))
  store = new FakeAddresses()
  opened = 'all'
  logged = []
  timers = []
  now = 1_000_000
  sink = newSink()
})

const at = (text: string, virtualAddress?: Partial<WantedAddress>): DesiredService =>
  service(text, [], virtualAddress && { virtualAddress: { announced: true, ...virtualAddress } })
const WEB = at('tcp/10.0.0.50:80', {})
const DNS = at('udp/10.0.0.50:53', {})
const WEB6 = at('tcp/[2001:db8::50]:80', {})
const AWAY = at('tcp/192.0.2.7:80', {})

function hold(desired: DesiredState, scope: 'changes' | 'full' = 'changes'): Promise<AddressReport> {
  return sink.hold(desired, (key) => opened === 'all' || opened.has(key), scope, now)
}

/** Calls as the daemon does until nobody is being asked any more. */
async function settle(desired: DesiredState, scope: 'changes' | 'full' = 'changes'): Promise<AddressReport> {
  let report = await hold(desired, scope)
  const applied = { ...report.applied }
  let { driftRepaired } = report
  for (let turn = 0; report.pending > 0 && turn < 20; turn++) {
    await nextTurn()
    now = Math.max(now + 1, report.wakeAt ?? now)
    report = await hold(desired)
    driftRepaired += report.driftRepaired
    for (const [kind, count] of Object.entries(report.applied)) applied[kind] = (applied[kind] ?? 0) + count
  }
  expect(report.pending).toBe(0)
  return { ...report, applied, driftRepaired }
}

const owned = () => [...store.record.addresses.keys()].sort()
const messages = (level: string) => logged.filter((line) => line.level === level).map(({ message }) => message)

describe('adding', () => {
  it('asks the neighbours, records, adds and announces, and then leaves everything as it is', async () => {
    const order: string[] = []
    kernel.onWrite = (write) => order.push(`${write}, recorded ${store.record.addresses.size}`)
    const first = await hold(state([WEB, WEB6]))
    expect(first).toMatchObject({ applied: {}, pending: 2 })
    expect(first.wakeAt).toBeGreaterThan(now)
    expect(kernel.writes).toEqual([])
    expect((await settle(state([WEB, WEB6]))).applied).toEqual({ 'add-address': 2, announce: 10 })
    expect(order).toEqual(['add 10.0.0.50 eth0, recorded 2', 'add 2001:db8::50 eth0, recorded 2'])
    expect(kernel.addresses).toContainEqual({ link: 2, address: VIP, prefixLength: 32, deprecated: false, label: 'eth0:pm' })
    expect(kernel.addresses).toContainEqual({ link: 2, address: VIP6, prefixLength: 128, deprecated: true })
    const { reads } = kernel
    expect((await hold(state([WEB, WEB6]))).applied).toEqual({})
    expect(kernel.reads).toBe(reads)
    expect((await settle(state([WEB, WEB6]), 'full')).applied).toEqual({})
    expect(sink.facts()).toEqual({ held: 2, foreign: 0, conflicts: 0, conflictsSeen: 0, repairs: 0, announcements: 10 })
  })

  it('announces five times, and five times more after five seconds', async () => {
    const report = await settle(state([WEB]))
    expect(kernel.announced).toEqual(['10.0.0.50 eth0 5'])
    expect(report.wakeAt).toBe(now + 5_000)
    now += 4_999
    await hold(state([WEB]))
    expect(kernel.announced).toHaveLength(1)
    now += 1
    const last = await hold(state([WEB]))
    expect(kernel.announced).toEqual(['10.0.0.50 eth0 5', '10.0.0.50 eth0 5'])
    expect(last.wakeAt).toBeUndefined()
  })

  it('waits until IPVS holds a service of the address', async () => {
    opened = new Set()
    await settle(state([WEB]))
    expect([kernel.asked, kernel.writes, owned()]).toEqual([[], [], []])
    opened = new Set([serviceKey(WEB.identity)])
    await settle(state([WEB]))
    expect(kernel.hosts).toEqual(['10.0.0.50 eth0'])
  })

  it('makes a dummy of its own for addresses of no network, and asks and tells nobody there', async () => {
    await settle(state([AWAY]))
    expect(kernel.writes).toEqual(['add-link pointsman', 'add 192.0.2.7 pointsman'])
    expect([kernel.asked, kernel.announced]).toEqual([[], []])
    expect([...store.record.links]).toEqual(['pointsman'])
    expect((await settle(state([AWAY]), 'full')).applied).toEqual({})
  })

  it('keeps the dummy of an earlier name of the instance as long as an address is on it', async () => {
    await settle(state([AWAY]))
    sink = newSink('director')
    await settle(state([AWAY]), 'full')
    expect(kernel.hosts).toEqual(['192.0.2.7 pointsman'])
    await settle(state([AWAY, at('tcp/192.0.2.8:80', {})]), 'full')
    expect(kernel.hosts).toEqual(['192.0.2.7 pointsman', '192.0.2.8 director'])
    const former = [...kernel.links.values()].find(({ name }) => name === 'pointsman')
    if (former !== undefined) kernel.plug({ ...former, up: false })
    await settle(state([AWAY, at('tcp/192.0.2.8:80', {})]), 'full')
    expect(kernel.links.get(former?.index ?? 0)?.up).toBe(true)
    opened = new Set(['tcp/192.0.2.8:80' as ServiceKey])
    await settle(state([at('tcp/192.0.2.8:80', {})]), 'full')
    expect(kernel.hosts).toEqual(['192.0.2.8 director'])
    expect([...kernel.links.values()].map(({ name }) => name)).not.toContain('pointsman')
    expect([...store.record.links]).toEqual(['director'])
  })

  it('takes lo where the kernel has no dummies, and does not try again', async () => {
    kernel.dummies = false
    await settle(state([AWAY]))
    await settle(state([AWAY, at('tcp/192.0.2.8:80', {})]), 'full')
    expect(kernel.hosts).toEqual(['192.0.2.7 lo', '192.0.2.8 lo'])
    expect(kernel.writes.filter((write) => write.startsWith('add-link'))).toHaveLength(1)
    expect([...store.record.links]).toEqual([])
  })

  it('goes where the configuration says, and waits for that interface', async () => {
    const desired = state([at('tcp/10.0.0.50:80', { interface: 'vlan7' })])
    const report = await settle(desired)
    expect(report.failed).toEqual([expect.objectContaining({ object: VIP, code: 'ADDRESS_UNPLACED' })])
    sink.onDisturbed(() => undefined)
    kernel.plug(networkLink('vlan7', 7))
    expect(timers).toHaveLength(1)
    const after = await settle(desired, 'full')
    expect([kernel.hosts, after.failed]).toEqual([['10.0.0.50 vlan7'], []])
  })

  it('refuses an interface that is down', async () => {
    kernel.plug({ ...ETH0, up: false })
    const report = await settle(state([WEB]))
    expect(report.failed).toEqual([expect.objectContaining({ code: 'ADDRESS_UNPLACED' })])
    expect(report.failed[0]?.message).toContain('eth0 is down')
    expect(kernel.writes).toEqual([])
  })

  it('waits for the carrier of an interface, without which nobody can be asked', async () => {
    const unplugged = { ...ETH0, carrier: false }
    kernel.plug(unplugged)
    kernel.holders.set(VIP, HOLDER)
    const report = await settle(state([WEB, WEB6]))
    expect(report.failed.map(({ code }) => code)).toEqual(['ADDRESS_UNPLACED', 'ADDRESS_UNPLACED'])
    expect(report.failed[0]?.message).toContain('eth0 has no carrier')
    expect([kernel.asked, kernel.writes]).toEqual([[], []])
    sink.onDisturbed(() => undefined)
    kernel.plug(ETH0)
    expect(timers).toHaveLength(1)
    const after = await settle(state([WEB, WEB6]), 'full')
    expect([kernel.hosts, after.failed.map(({ code }) => code)]).toEqual([['2001:db8::50 eth0'], ['ADDRESS_CONFLICT']])
  })

  it('does not wait for that of a bridge, which has no ports then', async () => {
    kernel.plug({ ...ETH0, carrier: false, kind: 'bridge' })
    expect((await settle(state([WEB]))).failed).toEqual([])
    expect(kernel.hosts).toEqual(['10.0.0.50 eth0'])
  })

  it('moves an address to another interface: there before it goes here', async () => {
    await settle(state([WEB]))
    await settle(state([at('tcp/10.0.0.50:80', { interface: 'eth1' })]))
    expect(kernel.writes).toEqual(['add 10.0.0.50 eth0', 'add 10.0.0.50 eth1', 'delete 10.0.0.50 eth0'])
    expect(owned()).toEqual(['10.0.0.50 3'])
    expect(kernel.announced).toEqual(['10.0.0.50 eth0 5', '10.0.0.50 eth1 5'])
  })

  it('does not take its own other interface for a conflict', async () => {
    await settle(state([WEB]))
    kernel.holders.set(VIP, ETH0.neighbourAddress ?? '')
    await settle(state([at('tcp/10.0.0.50:80', { interface: 'eth1' })]))
    expect(kernel.hosts).toEqual(['10.0.0.50 eth1'])
  })

  it('stays where it is while the interface has no network of its own for a moment', async () => {
    await settle(state([WEB]))
    kernel.takeOff(ip('10.0.0.1'), 2)
    expect((await settle(state([WEB]), 'full')).applied).toEqual({})
  })

  it('fails one address alone when the kernel refuses it, forgets it, and tries again', async () => {
    kernel.refuse = (write) => (write === 'add 10.0.0.50 eth0' ? 'EACCES' : undefined)
    const report = await settle(state([WEB, WEB6]))
    expect(report.failed).toEqual([expect.objectContaining({ object: VIP, code: 'KERNEL_REFUSED', retryAt: now + 1_000 })])
    expect(owned()).toEqual(['2001:db8::50 2'])
    kernel.refuse = () => undefined
    now += 999
    await settle(state([WEB, WEB6]))
    expect(kernel.hosts).not.toContain('10.0.0.50 eth0')
    now += 1
    expect((await settle(state([WEB, WEB6]))).failed).toEqual([])
    expect(kernel.hosts).toContain('10.0.0.50 eth0')
  })

  it('adds nothing while the record cannot be written', async () => {
    store.unwritable = true
    const report = await settle(state([WEB]))
    expect([kernel.writes, report.failed[0]?.code]).toEqual([[], 'STATE_UNWRITABLE'])
    store.unwritable = false
    now += 1_000
    expect((await settle(state([WEB]))).failed).toEqual([])
    expect(kernel.hosts).toEqual(['10.0.0.50 eth0'])
  })
})

describe('a conflict', () => {
  beforeEach(() => {
    kernel.holders.set(VIP, HOLDER)
  })

  it('is refused loudly and tried again, less and less often, until the other host lets go', async () => {
    const report = await settle(state([WEB, WEB6]))
    expect(report.failed).toEqual([expect.objectContaining({ object: VIP, code: 'ADDRESS_CONFLICT', retryAt: now + 1_000 })])
    expect(report.failed[0]?.message).toContain(HOLDER)
    expect(messages('error')).toEqual([report.failed[0]?.message])
    expect([kernel.hosts, owned()]).toEqual([['2001:db8::50 eth0'], ['2001:db8::50 2']])
    expect(sink.facts()).toMatchObject({ conflicts: 1, conflictsSeen: 1 })
    now += 1_000
    const second = await settle(state([WEB, WEB6]))
    expect(second.failed[0]?.retryAt).toBe(now + 2_000)
    expect(messages('error')).toHaveLength(2)
    kernel.holders.clear()
    now += 2_000
    expect((await settle(state([WEB, WEB6]))).failed).toEqual([])
    expect(kernel.hosts).toContain('10.0.0.50 eth0')
    expect(sink.facts()).toMatchObject({ conflicts: 0, conflictsSeen: 2 })
  })

  it('while it is asked again does not wake the daemon at once over and over', async () => {
    await settle(state([WEB]))
    now += 1_000
    kernel.answers = new Promise(() => undefined)
    const report = await hold(state([WEB]))
    expect(report.pending).toBe(1)
    expect(report.wakeAt).toBeGreaterThanOrEqual(now + 50)
  })

  it('is over when nobody wants the address any more', async () => {
    await settle(state([WEB]))
    const report = await settle(state([]))
    expect([report.failed, report.wakeAt]).toEqual([[], undefined])
    expect(sink.facts().conflicts).toBe(0)
  })

  it('that comes up when ours was taken away makes it nobody of ours', async () => {
    kernel.holders.clear()
    await settle(state([WEB]))
    kernel.holders.set(VIP, HOLDER)
    kernel.takeOff(VIP, 2)
    await settle(state([WEB]), 'full')
    expect([kernel.hosts, owned()]).toEqual([[], []])
  })
})

describe('what others do', () => {
  it('an address that is there already is left, whatever becomes of the service', async () => {
    kernel.addresses.push(interfaceAddress(2, '10.0.0.50/24'))
    const report = await settle(state([WEB]))
    expect([report.foreign, kernel.writes, owned()]).toEqual([1, [], []])
    expect(messages('info')).toEqual([expect.stringContaining('left to whoever put it there')])
    await settle(state([]), 'full')
    await sink.remove()
    expect(kernel.writes).toEqual([])
    expect(logged).toHaveLength(1)
  })

  it('an address that somebody adds between our look and our write is theirs', async () => {
    kernel.onWrite = () => {
      kernel.onWrite = () => undefined
      kernel.addresses.push(interfaceAddress(2, '10.0.0.50/32'))
    }
    await settle(state([WEB]))
    expect(owned()).toEqual([])
    expect((await settle(state([WEB]), 'full')).foreign).toBe(1)
    await settle(state([]), 'full')
    expect(kernel.hosts).toEqual(['10.0.0.50 eth0'])
  })

  it('an address of ours that somebody takes to another interface is theirs', async () => {
    await settle(state([WEB]))
    kernel.takeOff(VIP, 2)
    kernel.addresses.push(interfaceAddress(3, '10.0.0.50/32'))
    expect((await settle(state([WEB]), 'full')).foreign).toBe(1)
    expect([kernel.hosts, owned(), sink.facts().held]).toEqual([['10.0.0.50 eth1'], [], 0])
  })

  it('an address that was taken away is told of, put back, counted and announced again', async () => {
    await settle(state([WEB]))
    now += 5_000
    await settle(state([WEB]))
    let disturbed = 0
    sink.onDisturbed(() => disturbed++)
    kernel.takeOff(VIP, 2)
    kernel.say({ kind: 'lost' })
    expect(timers.map(({ at: after }) => after)).toEqual([50])
    timers[0]?.work()
    expect(disturbed).toBe(1)
    const report = await settle(state([WEB]), 'full')
    expect(report).toMatchObject({ applied: { 'add-address': 1, announce: 5 }, driftRepaired: 1 })
    expect(sink.facts()).toMatchObject({ held: 1, repairs: 1, announcements: 15 })
    expect(messages('warn')).toEqual([expect.stringContaining('taken off eth0 and is back')])
  })

  it('what was taken away is put back once IPVS holds its service again', async () => {
    await settle(state([WEB]))
    kernel.takeOff(VIP, 2)
    opened = new Set()
    await settle(state([WEB]), 'full')
    expect([kernel.hosts, owned()]).toEqual([[], ['10.0.0.50 2']])
    opened = 'all'
    expect((await settle(state([WEB]))).driftRepaired).toBe(1)
    expect(kernel.hosts).toEqual(['10.0.0.50 eth0'])
  })

  it('the same address without our label is not ours', async () => {
    await settle(state([WEB]))
    kernel.takeOff(VIP, 2)
    kernel.addresses.push(interfaceAddress(2, '10.0.0.50/32'))
    expect((await settle(state([WEB]), 'full')).foreign).toBe(1)
    expect([kernel.hosts, owned()]).toEqual([['10.0.0.50 eth0'], []])
  })

  it('an IPv6 address that could become the own source is deprecated again', async () => {
    await settle(state([WEB6]))
    kernel.addresses = kernel.addresses.map((one) => (one.address === VIP6 ? { ...one, deprecated: false } : one))
    expect(await settle(state([WEB6]), 'full')).toMatchObject({ applied: { 'deprecate-address': 1 }, driftRepaired: 1 })
  })

  it('own writes and strange interfaces disturb nobody', async () => {
    sink.onDisturbed(() => undefined)
    await settle(state([WEB, AWAY]))
    opened = new Set()
    await settle(state([]))
    expect(kernel.hosts).toEqual([])
    kernel.plug(networkLink('veth1', 9))
    kernel.unplug(9)
    kernel.plug({ ...ETH1, carrier: false })
    kernel.takeOff(ip('10.1.0.1'), 3)
    expect(timers).toEqual([])
  })

  it('a link that comes back is announced on', async () => {
    await settle(state([WEB]))
    sink.onDisturbed(() => undefined)
    kernel.plug({ ...ETH0, carrier: false })
    expect(timers).toHaveLength(1)
    await settle(state([WEB]), 'full')
    expect(kernel.announced).toHaveLength(1)
    kernel.plug(ETH0)
    kernel.asked.splice(0)
    await settle(state([WEB]), 'full')
    expect([kernel.asked, kernel.announced.length]).toEqual([[VIP], 2])
    await settle(state([WEB]), 'full')
    expect([kernel.asked, kernel.announced.length]).toEqual([[VIP], 2])
  })

  it('an address that another host has taken while the link was away is left to it, and taken back when that lets go', async () => {
    await settle(state([WEB, WEB6]))
    kernel.plug({ ...ETH0, carrier: false })
    await settle(state([WEB, WEB6]), 'full')
    kernel.holders.set(VIP, HOLDER)
    kernel.announced.splice(0)
    kernel.plug(ETH0)
    const report = await settle(state([WEB, WEB6]), 'full')
    expect([kernel.hosts, owned()]).toEqual([['2001:db8::50 eth0'], ['2001:db8::50 2']])
    expect(kernel.announced).toEqual(['2001:db8::50 eth0 5'])
    expect(report.failed).toEqual([expect.objectContaining({ object: VIP, code: 'ADDRESS_CONFLICT' })])
    expect(messages('error')[0]).toContain(`is taken off eth0, because the host with the hardware address ${HOLDER}`)
    expect(sink.facts()).toMatchObject({ held: 1, conflicts: 1, conflictsSeen: 2, repairs: 0 })
    kernel.holders.clear()
    now += 1_000
    expect((await settle(state([WEB, WEB6]))).failed).toEqual([])
    expect(kernel.hosts).toContain('10.0.0.50 eth0')
    expect(sink.facts().repairs).toBe(0)
  })

  it('our own link is made again, switched on again, and kept while somebody else uses it', async () => {
    await settle(state([AWAY]))
    const own = [...kernel.links.values()].find(({ name }) => name === 'pointsman')
    if (own === undefined) throw new Error('there is no link of our own')
    kernel.plug({ ...own, up: false })
    expect((await settle(state([AWAY]), 'full')).driftRepaired).toBe(1)
    kernel.unplug(own.index)
    expect((await settle(state([AWAY]), 'full')).driftRepaired).toBe(1)
    expect(kernel.hosts).toEqual(['192.0.2.7 pointsman'])
    const again = [...kernel.links.values()].find(({ name }) => name === 'pointsman')
    kernel.addresses.push(interfaceAddress(again?.index ?? 0, '192.0.2.99/32'))
    opened = new Set()
    await settle(state([]), 'full')
    expect(kernel.hosts).toEqual(['192.0.2.99 pointsman'])
    kernel.takeOff(ip('192.0.2.99'), again?.index ?? 0)
    await settle(state([]), 'full')
    expect([[...kernel.links.values()].map(({ name }) => name), [...store.record.links]]).toEqual([['lo', 'eth0', 'eth1'], []])
  })
})

describe('taking away', () => {
  it('happens when the last of the services that share an address has left', async () => {
    await settle(state([WEB, DNS]))
    expect(kernel.writes).toEqual(['add 10.0.0.50 eth0'])
    opened = new Set([serviceKey(DNS.identity)])
    await settle(state([DNS]))
    expect(kernel.hosts).toEqual(['10.0.0.50 eth0'])
    opened = new Set()
    expect((await settle(state([]))).applied).toEqual({ 'delete-address': 1 })
    expect([kernel.hosts, owned()]).toEqual([[], []])
  })

  it('waits until IPVS has let go of a service that has left the configuration, also after a restart', async () => {
    await settle(state([WEB]))
    await settle(state([]))
    expect(kernel.hosts).toEqual(['10.0.0.50 eth0'])
    sink = newSink()
    await settle(state([]), 'full')
    expect(kernel.hosts).toEqual(['10.0.0.50 eth0'])
    opened = new Set()
    await settle(state([]))
    expect(kernel.hosts).toEqual([])
  })

  it('waits while nobody knows whether the service has left', async () => {
    await settle(state([WEB]))
    opened = new Set()
    await settle(state([], { undecided: new Set([serviceKey(WEB.identity)]) }), 'full')
    expect(kernel.hosts).toEqual(['10.0.0.50 eth0'])
  })

  it.each([
    ['one address', '10.0.0.50', '10.0.0.50'],
    ['a range', '10.0.0.9', '10.0.0.200'],
  ])('waits for services whose source NAT uses the address, and for their connections: %s', async (_, first, last) => {
    const sourceNat = { first: ip(first), last: ip(last) }
    const shop = service('tcp/10.1.0.60:80', [], { sourceNat })
    const other = service('tcp/10.1.0.61:80', [], { sourceNat: { first: ip('10.0.0.51'), last: ip('10.0.0.99') } })
    await settle(state([WEB, shop, other]))
    const written = [...kernel.writes]
    await settle(state([shop, other]))
    await settle(state([shop, other]), 'full')
    sink = newSink()
    await settle(state([shop, other]), 'full')
    opened = new Set([serviceKey(shop.identity)])
    await settle(state([other]))
    expect(kernel.writes).toEqual(written)
    opened = new Set()
    await settle(state([other]))
    expect([kernel.hosts, owned()]).toEqual([[], []])
  })

  it('waits for no service that takes its connections from another address, nor adds one for source NAT alone', async () => {
    const shop = service('tcp/10.1.0.60:80', [], { sourceNat: { first: ip('10.0.0.70'), last: ip('10.0.0.70') } })
    await settle(state([WEB, shop, service('tcp/10.1.0.61:80', [], { sourceNat: 'masquerade' })]))
    expect(kernel.hosts).toEqual(['10.0.0.50 eth0'])
    opened = new Set([serviceKey(shop.identity)])
    await settle(state([shop]))
    expect(kernel.hosts).toEqual([])
  })

  it('happens at once when the service stays and wants no address any more', async () => {
    await settle(state([WEB]))
    await settle(state([at('tcp/10.0.0.50:80')]))
    expect(kernel.hosts).toEqual([])
  })

  it('comes before IPVS when nobody is to reach the address for now', async () => {
    const silent = at('tcp/10.0.0.50:80', { announced: false })
    await settle(state([WEB, DNS]))
    expect((await sink.withdraw(state([silent, DNS]), now)).applied).toEqual({})
    const quiet = state([silent, at('udp/10.0.0.50:53', { announced: false })])
    const report = await sink.withdraw(quiet, now)
    expect([report.applied, report.wakeAt]).toEqual([{ 'delete-address': 1 }, undefined])
    expect([kernel.hosts, owned()]).toEqual([[], []])
    expect((await settle(quiet, 'full')).applied).toEqual({})
    await settle(state([WEB, DNS]))
    expect(kernel.hosts).toEqual(['10.0.0.50 eth0'])
  })

  it('leaves what somebody put there in place of ours, which is known by its label', async () => {
    await settle(state([WEB]))
    kernel.takeOff(VIP, 2)
    kernel.addresses.push(interfaceAddress(2, '10.0.0.50/32'))
    await sink.withdraw(state([at('tcp/10.0.0.50:80', { announced: false })]), now)
    expect([kernel.hosts, owned()]).toEqual([['10.0.0.50 eth0'], []])
  })

  it('is by the label that the link gives it now', async () => {
    await settle(state([WEB]))
    kernel.plug(networkLink('wan', 2))
    kernel.addresses = kernel.addresses.map((one) => (one.label === undefined ? one : { ...one, label: 'wan:pm' }))
    await sink.withdraw(state([at('tcp/10.0.0.50:80', { announced: false })]), now)
    expect([kernel.hosts, owned()]).toEqual([[], []])
  })

  it('does not come where nothing is decided, and neither does the address where it is not', async () => {
    const web = at('tcp/10.0.0.50:80', { announced: 'undecided' })
    const dns = at('udp/10.0.0.50:53', { announced: 'undecided' })
    await settle(state([web, dns]), 'full')
    expect([kernel.hosts, owned()]).toEqual([[], []])
    await settle(state([WEB]))
    sink = newSink()
    const { writes } = kernel
    const before = writes.length
    await sink.withdraw(state([web, dns]), now)
    await settle(state([web, dns]), 'full')
    expect([kernel.hosts, writes.slice(before)]).toEqual([['10.0.0.50 eth0'], []])
    kernel.takeOff(VIP, 2)
    await settle(state([web, dns]), 'full')
    expect(kernel.hosts).toEqual(['10.0.0.50 eth0'])
  })

  it('comes before IPVS when only services that never had the address are undecided', async () => {
    await settle(state([WEB]))
    const silent = state([at('tcp/10.0.0.50:80', { announced: false }), at('udp/10.0.0.50:53', { announced: 'undecided' })])
    expect((await sink.withdraw(silent, now)).applied).toEqual({ 'delete-address': 1 })
    await settle(silent, 'full')
    expect([kernel.hosts, owned()]).toEqual([[], []])
  })

  it('of a withdrawn address waits for a service that drains on it', async () => {
    await settle(state([WEB, DNS]))
    const silent = state([at('tcp/10.0.0.50:80', { announced: false })])
    expect((await sink.withdraw(silent, now)).applied).toEqual({})
    await settle(silent)
    expect(kernel.hosts).toEqual(['10.0.0.50 eth0'])
    opened = new Set([serviceKey(WEB.identity)])
    await settle(silent)
    expect(kernel.hosts).toEqual([])
  })

  it('of all of it leaves nothing of ours', async () => {
    await settle(state([WEB, WEB6, AWAY]))
    await sink.remove()
    expect([kernel.hosts, [...kernel.links.keys()], owned(), [...store.record.links]]).toEqual([[], [1, 2, 3], [], []])
  })

  it('that the kernel refuses is said, and tried again', async () => {
    await settle(state([WEB]))
    kernel.refuse = (write) => (write.startsWith('delete') ? 'EBUSY' : undefined)
    opened = new Set()
    const report = await settle(state([]))
    expect([report.failed[0]?.object, owned(), sink.facts().held]).toEqual([VIP, ['10.0.0.50 2'], 1])
    await expect(sink.remove()).rejects.toMatchObject({ code: 'APPLY_FAILED' })
    kernel.refuse = () => undefined
    now += 60_000
    await settle(state([]))
    expect([kernel.hosts, owned()]).toEqual([[], []])
  })
})

it('services by firewall mark have no address', async () => {
  await settle(state([service('fwmark/7/ipv4', [], { virtualAddress: { announced: true } })]))
  expect([kernel.writes, kernel.asked]).toEqual([[], []])
})

it('an unreadable record is told of', async () => {
  store = new FakeAddresses({ kind: 'corrupt', reason: 'line 1', setAside: '/x' })
  sink = newSink()
  expect(messages('error')).toEqual([expect.stringContaining('set aside as /x')])
})
