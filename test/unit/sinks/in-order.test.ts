import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { PointsmanError } from '../../../src/errors.ts'
import type { DesiredService } from '../../../src/model/desired-state.ts'
import type { ServiceKey } from '../../../src/model/virtual-service.ts'
import type { AddressSink } from '../../../src/sinks/addresses/address-sink.ts'
import { createSinksInOrder } from '../../../src/sinks/in-order.ts'
import type { SnatSink } from '../../../src/sinks/snat/snat-sink.ts'
import { held, key, service, state, virtual } from '../../support/desired.ts'
import { FakeAddressSink, FakeSnatSink, NO_NFT } from '../../support/fake-sinks.ts'
import { commandText, rig } from './ipvs/rig.ts'

const WEB = 'tcp/10.0.0.1:80' as ServiceKey
const MARK = 'fwmark/7/ipv4' as ServiceKey
const SHOP = 'tcp/10.0.0.2:80' as ServiceKey

const translated = { sourceNat: 'masquerade' } as const
const placed = { virtualAddress: { announced: true } } as const

const web = (backends: readonly string[], more: Partial<DesiredService> = {}) =>
  service(WEB, backends, { name: 'web', ...translated, ...placed, ...more })
const shop = (more: Partial<DesiredService> = {}) => service(SHOP, ['10.1.0.9:80'], { name: 'shop', ...more })

function inOrder({ snatBefore = false, addressesBefore = false, patience = 5_000 } = {}) {
  const steps: string[] = []
  const ipvs = rig()
  ipvs.kernel.onWrite = (commands) => void steps.push(...commands.map(commandText))
  const snat = new FakeSnatSink(steps)
  const addresses = new FakeAddressSink(steps)
  const opened: string[] = []
  const unopenable = { snat: undefined as Error | undefined }
  const sink = createSinksInOrder({
    ipvs: ipvs.sink,
    snat: {
      usedBefore: snatBefore,
      open: async (): Promise<SnatSink> => {
        if (unopenable.snat !== undefined) throw unopenable.snat
        opened.push('snat')
        return snat
      },
      emptied: async () => void steps.push('snat is out of use'),
    },
    addresses: {
      usedBefore: addressesBefore,
      open: async (): Promise<AddressSink> => {
        opened.push('addresses')
        return addresses
      },
    },
    random: () => 0.5,
    patience,
  })
  return {
    sink,
    ipvs,
    snat,
    addresses,
    opened,
    unopenable,
    /** What was done since the last call, in order. */
    did: () => steps.splice(0),
  }
}

describe('the order of a pass', () => {
  test('adding: the translation, the service with its destinations, the address', async () => {
    const { sink, did } = inOrder()
    const report = await sink.reconcile(state([web(['10.1.0.1:80'])]), 'full', 0)
    expect(did()).toEqual([
      `translate ${WEB}`,
      `add-service ${WEB} wlc`,
      `add-destination ${WEB} 10.1.0.1:80 weight 1`,
      `place ${WEB}`,
    ])
    expect(report).toMatchObject({
      applied: { 'add-element': 1, 'add-service': 1, 'add-destination': 1, 'add-address': 1 },
      failed: [],
      foreign: 1,
    })
    expect(report.parts.map(({ sink, ok }) => [sink, ok])).toEqual([
      ['ipvs', true],
      ['snat', true],
      ['addresses', true],
    ])
  })

  test('removing: the service with its drains, then its translation, its address last', async () => {
    const { sink, ipvs, did } = inOrder()
    await sink.reconcile(state([web(['10.1.0.1:80'])]), 'full', 0)
    ipvs.kernel.setConnections(WEB, key('10.1.0.1:80'), { active: 1 })
    did()
    expect(await sink.reconcile(state([]), 'changes', 1_000)).toMatchObject({ draining: 1 })
    expect(did()).toEqual([`edit-destination ${WEB} 10.1.0.1:80 weight 0`])
    await sink.reconcile(state([]), 'changes', 400_000)
    expect(did()).toEqual([`delete-service ${WEB}`, `untranslate ${WEB}`, `take ${WEB}`])
  })

  test('an address that is no longer announced goes before the service is written, and the service stays', async () => {
    const { sink, did } = inOrder()
    await sink.reconcile(state([web(['10.1.0.1:80', '10.1.0.2:80'])]), 'full', 0)
    did()
    await sink.reconcile(state([web(['10.1.0.1:80', '10.1.0.3:80'], { virtualAddress: { announced: false } })]), 'changes', 1)
    expect(did()[0]).toBe(`take ${WEB}`)
    await sink.reconcile(state([web(['10.1.0.1:80', '10.1.0.3:80'])]), 'changes', 2)
    expect(did()).toEqual([`place ${WEB}`])
  })

  test('a second pass over the same writes nothing', async () => {
    const { sink, did } = inOrder()
    await sink.reconcile(state([web(['10.1.0.1:80'])]), 'full', 0)
    did()
    expect(await sink.reconcile(state([web(['10.1.0.1:80'])]), 'full', 1)).toMatchObject({ applied: {}, failed: [] })
    expect(did()).toEqual([])
  })
})

describe('a full pass that gives way', () => {
  test('leaves the report of what the other sinks did in it to the next one', async () => {
    const { sink, ipvs, snat, did } = inOrder()
    await sink.reconcile(state([web(['10.1.0.1:80'])]), 'full', 0)
    did()
    const open = snat.open.bind(snat)
    snat.open = async (...given) => {
      snat.open = open
      return { ...(await open(...given)), driftRepaired: 2 }
    }
    const asking = new AbortController()
    ipvs.kernel.onRead = () => asking.abort()
    const both = state([web(['10.1.0.1:80']), shop(translated)])
    const report = await sink.reconcile(both, 'full', 1_000, { signal: asking.signal })
    expect(report).toMatchObject({ gaveWay: true, applied: {}, driftRepaired: 0 })
    expect(did()).toEqual([`translate ${SHOP}`])
    const next = await sink.reconcile(both, 'changes', 1_010)
    expect(next).toMatchObject({ applied: { 'add-element': 1, 'add-service': 1, 'add-destination': 1 }, driftRepaired: 2 })
    expect(next.parts.find(({ sink }) => sink === 'snat')).toMatchObject({
      report: { applied: { 'add-element': 1 }, driftRepaired: 2 },
    })
    expect(await sink.reconcile(both, 'full', 2_000)).toMatchObject({ applied: {}, driftRepaired: 0 })
  })

  test('as does one that is rejected', async () => {
    const { sink, ipvs } = inOrder()
    await sink.reconcile(state([web(['10.1.0.1:80'])]), 'full', 0)
    const both = state([web(['10.1.0.1:80']), shop(translated)])
    ipvs.kernel.onRead = () => {
      throw new PointsmanError('KERNEL_STUCK', 'no answer')
    }
    await expect(sink.reconcile(both, 'full', 1_000)).rejects.toThrow('no answer')
    ipvs.kernel.onRead = () => {}
    expect(await sink.reconcile(both, 'full', 2_000)).toMatchObject({ applied: { 'add-element': 1, 'add-service': 1 } })
  })
})

describe('a service whose translation is not confirmed', () => {
  test('is not opened, others are, and it is opened once its translation is there', async () => {
    const { sink, snat, did } = inOrder()
    snat.refused.add(WEB)
    const wanted = state([web(['10.1.0.1:80']), shop()])
    const report = await sink.reconcile(wanted, 'full', 0)
    expect(did()).toEqual([`add-service ${SHOP} wlc`, `add-destination ${SHOP} 10.1.0.9:80 weight 1`])
    expect(report).toMatchObject({ failed: [{ object: WEB, code: 'KERNEL_REFUSED' }], wakeAt: 1_000 })
    snat.refused.clear()
    expect(await sink.reconcile(wanted, 'changes', 1_000)).toMatchObject({ failed: [] })
    expect(did()).toEqual([
      `translate ${WEB}`,
      `add-service ${WEB} wlc`,
      `add-destination ${WEB} 10.1.0.1:80 weight 1`,
      `place ${WEB}`,
    ])
  })

  test('that is open already gets the destinations that it is to have', async () => {
    const { sink, snat, ipvs } = inOrder()
    await sink.reconcile(state([web(['10.1.0.1:80', '10.1.0.2:80'])]), 'full', 0)
    snat.refused.add(WEB)
    await sink.reconcile(state([web(['10.1.0.3:80', '10.1.0.4:80'])]), 'changes', 1)
    expect(ipvs.kernel.destination(WEB, key('10.1.0.1:80'))?.weight ?? 0).toBe(0)
    expect(ipvs.kernel.destination(WEB, key('10.1.0.3:80'))?.weight).toBe(1)
    expect(ipvs.kernel.destination(WEB, key('10.1.0.4:80'))?.weight).toBe(1)
  })

  describe('by firewall mark, where each destination has one', () => {
    const marked = (backends: readonly string[]) => state([service(MARK, backends, { name: 'marked', ...translated })])

    test('keeps its destinations and gets no new ones', async () => {
      const { sink, snat, ipvs } = inOrder()
      await sink.reconcile(marked(['10.1.0.1:80', '10.1.0.2:80']), 'full', 0)
      snat.refused.add(MARK)
      await sink.reconcile(marked(['10.1.0.1:80', '10.1.0.3:80']), 'changes', 1)
      expect(ipvs.kernel.destination(MARK, key('10.1.0.1:80'))?.weight).toBe(1)
      expect(ipvs.kernel.destination(MARK, key('10.1.0.2:80'))?.weight ?? 0).toBe(0)
      expect(ipvs.kernel.destination(MARK, key('10.1.0.3:80'))).toBeUndefined()
      snat.refused.clear()
      await sink.reconcile(marked(['10.1.0.1:80', '10.1.0.3:80']), 'changes', 2)
      expect(ipvs.kernel.destination(MARK, key('10.1.0.3:80'))?.weight).toBe(1)
    })

    test('keeps those that it has where it would have none', async () => {
      const { sink, snat, ipvs, did } = inOrder()
      await sink.reconcile(marked(['10.1.0.1:80', '10.1.0.2:80']), 'full', 0)
      snat.refused.add(MARK)
      did()
      await sink.reconcile(marked(['10.1.0.3:80', '10.1.0.4:80']), 'changes', 1)
      expect(did()).toEqual([])
      await sink.reconcile(marked([]), 'changes', 2)
      expect(ipvs.kernel.destination(MARK, key('10.1.0.1:80'))?.weight ?? 0).toBe(0)
    })
  })

  test('and that an earlier process left in the kernel is left alone and stays ours', async () => {
    const before = inOrder()
    await before.sink.reconcile(state([web(['10.1.0.1:80'])]), 'full', 0)
    const { kernel, ownership } = before.ipvs
    const again = rig({ kernel, ownership })
    const snat = new FakeSnatSink()
    snat.refused.add(WEB)
    const sink = createSinksInOrder({
      ipvs: again.sink,
      snat: { usedBefore: true, open: async () => snat },
      addresses: { usedBefore: false, open: async () => new FakeAddressSink() },
    })
    kernel.written.splice(0)
    await sink.reconcile(state([web(['10.1.0.1:80', '10.1.0.2:80'])]), 'full', 1)
    expect(kernel.written).toEqual([])
    expect(ownership.record.services.has(WEB)).toBe(true)
    snat.refused.clear()
    await sink.reconcile(state([web(['10.1.0.1:80', '10.1.0.2:80'])]), 'full', 2)
    expect(kernel.written.map(commandText)).toEqual([`add-destination ${WEB} 10.1.0.2:80 weight 1`])
  })

  test('and that somebody deleted from the kernel is not made anew', async () => {
    const { sink, snat, ipvs, did } = inOrder()
    await sink.reconcile(state([web(['10.1.0.1:80'])]), 'full', 0)
    ipvs.kernel.tamper({ kind: 'delete-service', service: virtual(WEB).identity })
    snat.refused.add(WEB)
    did()
    // The first pass finds out, the second knows.
    await sink.reconcile(state([web(['10.1.0.1:80'], { scheduler: 'rr' })]), 'full', 1)
    await sink.reconcile(state([web(['10.1.0.1:80'], { scheduler: 'wlc' })]), 'full', 2)
    snat.refused.clear()
    await sink.reconcile(state([web(['10.1.0.1:80'])]), 'full', 3)
    expect(ipvs.kernel.service(WEB)).toBeDefined()
  })

  test('is told of, also where its sink says nothing', async () => {
    const { sink, snat } = inOrder()
    snat.open = async () => ({ applied: {}, failed: [], driftRepaired: 0, unconfirmed: new Set([WEB]) })
    const { failed, parts } = await sink.reconcile(state([web(['10.1.0.1:80'])]), 'full', 0)
    expect(failed).toEqual([
      {
        object: WEB,
        code: 'KERNEL_REFUSED',
        message: 'web is not opened yet, because its source NAT is not confirmed to be in the kernel.',
        retryAt: 0,
      },
    ])
    expect(parts.find((part) => part.sink === 'snat')).toMatchObject({ ok: true, report: { failed } })
  })
})

describe('a sink that nobody needs', () => {
  test('is not opened', async () => {
    const { sink, opened } = inOrder()
    const report = await sink.reconcile(state([shop()]), 'full', 0)
    await sink.exit('remove', { clock: () => 1 })
    expect(opened).toEqual([])
    expect(report.parts.map((part) => part.sink)).toEqual(['ipvs'])
  })

  test('is opened when somebody does, and then reads everything', async () => {
    const { sink, opened, snat, addresses } = inOrder()
    await sink.reconcile(state([shop()]), 'full', 0)
    await sink.reconcile(state([shop(translated)]), 'changes', 1)
    expect(opened).toEqual(['snat'])
    await sink.reconcile(state([shop({ ...translated, ...placed })]), 'changes', 2)
    expect(opened).toEqual(['snat', 'addresses'])
    await sink.reconcile(state([shop({ ...translated, ...placed })]), 'changes', 3)
    expect([snat.scopes, addresses.scopes]).toEqual([
      ['full', 'changes', 'changes'],
      ['full', 'changes'],
    ])
  })

  test('is opened where an earlier process may have left something', async () => {
    const { sink, opened } = inOrder({ snatBefore: true, addressesBefore: true })
    await sink.reconcile(state([shop()]), 'full', 0)
    expect(opened).toEqual(['snat', 'addresses'])
  })
})

describe('a sink that cannot be had', () => {
  test('stops its own services alone, and is tried again with back-off', async () => {
    const { sink, unopenable, ipvs, snat, did } = inOrder()
    unopenable.snat = NO_NFT
    const wanted = state([web(['10.1.0.1:80']), shop()])
    const report = await sink.reconcile(wanted, 'full', 0)
    expect(ipvs.kernel.service(SHOP)).toBeDefined()
    expect(ipvs.kernel.service(WEB)).toBeUndefined()
    expect(report.failed).toEqual([{ object: WEB, code: 'KERNEL_REFUSED', message: NO_NFT.message, retryAt: 1_000 }])
    expect(report.parts.find((part) => part.sink === 'snat')).toMatchObject({ ok: false, code: 'KERNEL_REFUSED' })
    expect(report.wakeAt).toBe(1_000)
    unopenable.snat = undefined
    did()
    expect((await sink.reconcile(wanted, 'changes', 999)).failed).toHaveLength(1)
    expect(did()).toEqual([])
    expect((await sink.reconcile(wanted, 'changes', 1_000)).failed).toEqual([])
    expect(snat.scopes).toEqual(['full'])
    expect(ipvs.kernel.service(WEB)).toBeDefined()
  })

  test('waits longer each time, and reads everything when it comes back', async () => {
    const { sink, snat } = inOrder()
    const wanted = state([shop(translated)])
    await sink.reconcile(wanted, 'full', 0)
    snat.broken = new PointsmanError('KERNEL_STUCK', 'nft does not come back.')
    expect(await sink.reconcile(wanted, 'changes', 10)).toMatchObject({ wakeAt: 1_010 })
    expect(await sink.reconcile(wanted, 'changes', 1_010)).toMatchObject({ wakeAt: 3_010 })
    snat.broken = undefined
    await sink.reconcile(wanted, 'changes', 3_010)
    expect(snat.scopes).toEqual(['full', 'full'])
  })

  test('by a defect is a failure like any other', async () => {
    const { sink, snat } = inOrder()
    snat.broken = new TypeError('no such thing')
    expect((await sink.reconcile(state([shop(translated)]), 'full', 0)).failed).toMatchObject([
      { object: SHOP, code: 'INTERNAL', message: 'Unexpected: no such thing.' },
    ])
  })

  test('for addresses leaves services open', async () => {
    const { sink, addresses, ipvs } = inOrder()
    addresses.broken = new PointsmanError('NO_PERMISSION', 'Addresses need CAP_NET_ADMIN.')
    const report = await sink.reconcile(state([web(['10.1.0.1:80'])]), 'full', 0)
    expect(ipvs.kernel.destination(WEB, key('10.1.0.1:80'))).toBeDefined()
    expect(report.failed).toMatchObject([{ object: WEB, code: 'NO_PERMISSION' }])
  })

  test('and another one that fails at the same service are told in one failure', async () => {
    const { sink, snat, addresses } = inOrder()
    snat.refused.add(WEB)
    addresses.broken = new PointsmanError('NO_PERMISSION', 'Addresses need CAP_NET_ADMIN.')
    expect((await sink.reconcile(state([web([])]), 'full', 0)).failed).toMatchObject([
      { object: WEB, message: `The translation of ${WEB} was refused. Addresses need CAP_NET_ADMIN.` },
    ])
  })

  test('for the table rejects the pass, as it does alone', async () => {
    const { sink, ipvs, did } = inOrder()
    ipvs.kernel.break('KERNEL_STUCK')
    await expect(sink.reconcile(state([web(['10.1.0.1:80'])]), 'full', 0)).rejects.toMatchObject({ code: 'KERNEL_STUCK' })
    expect(did()).toEqual([`translate ${WEB}`])
  })
})

describe('a sink that takes long', () => {
  test('is not waited for by the services of others, and is given more time once it was seen to need it', async () => {
    const { sink, snat, ipvs, did } = inOrder({ patience: 10 })
    const { promise: answers, resolve: answer } = Promise.withResolvers<void>()
    snat.answers = answers
    const wanted = state([web(['10.1.0.1:80']), shop()])
    const report = await sink.reconcile(wanted, 'full', 0)
    expect(ipvs.kernel.service(SHOP)).toBeDefined()
    expect(ipvs.kernel.service(WEB)).toBeUndefined()
    expect(report).toMatchObject({ failed: [{ object: WEB, code: 'KERNEL_STUCK' }], wakeAt: 1_000 })
    expect(report.failed[0]).not.toHaveProperty('late')
    expect(report.parts[1]).toMatchObject({ sink: 'snat', ok: false, failing: 1, late: true })
    did()
    expect((await sink.reconcile(wanted, 'changes', 1_000)).failed).toHaveLength(1)
    expect(did()).toEqual([])
    await sleep(300)
    answer()
    await expect.poll(() => snat.scopes).toEqual(['full'])
    snat.answers = sleep(100)
    const next = await sink.reconcile(wanted, 'changes', 2_000)
    expect(next).toMatchObject({ failed: [], applied: { 'add-service': 1 } })
    // What came too late for its own pass is told by this one, and no more.
    expect(next.parts[1]).toMatchObject({ sink: 'snat', ok: true, report: { applied: { 'add-element': 1 } } })
    snat.answers = Promise.resolve()
    expect((await sink.reconcile(wanted, 'changes', 3_000)).applied).toEqual({})
    expect(snat.scopes).toEqual(['full', 'changes', 'changes'])
    expect(ipvs.kernel.service(WEB)).toBeDefined()
  })

  test('reads everything once more where somebody disturbed it meanwhile', async () => {
    const { sink, snat } = inOrder({ patience: 10 })
    const { promise: answers, resolve: answer } = Promise.withResolvers<void>()
    snat.answers = answers
    const wanted = state([web(['10.1.0.1:80'])])
    await sink.reconcile(wanted, 'full', 0)
    expect(await sink.reconcile(wanted, 'full', 100)).toMatchObject({ wakeAt: 1_100 })
    answer()
    await expect.poll(() => snat.scopes).toEqual(['full'])
    await sink.reconcile(wanted, 'changes', 1_100)
    await sink.reconcile(wanted, 'changes', 1_200)
    expect(snat.scopes).toEqual(['full', 'full', 'changes'])
  })

  test('is waited for at the end', async () => {
    const { sink, snat, did } = inOrder({ patience: 10 })
    const { promise: answers, resolve: answer } = Promise.withResolvers<void>()
    snat.answers = answers
    await sink.reconcile(state([web(['10.1.0.1:80'])]), 'full', 0)
    const end = sink.exit('remove', { clock: () => 1 })
    answer()
    await end
    expect(did()).toEqual([`translate ${WEB}`, 'no translations', 'snat is out of use', 'no addresses'])
  })
})

describe('allowed actions', () => {
  test('are checked before anything is written anywhere', async () => {
    const { sink, did } = inOrder()
    const pass = sink.reconcile(state([web(['10.1.0.1:80'])]), 'full', 0, { allowedActions: new Set(['ud']) })
    await expect(pass).rejects.toMatchObject({ code: 'ACTION_NOT_ALLOWED' })
    expect(did()).toEqual([])
  })
})

describe('the end', () => {
  test('keep leaves everything', async () => {
    const { sink, did } = inOrder()
    await sink.reconcile(state([web(['10.1.0.1:80'])]), 'full', 0)
    did()
    await sink.exit('keep')
    expect(did()).toEqual([])
  })

  test.each(['remove', 'drain'] as const)('%s: the table, then translations, the addresses last', async (mode) => {
    const { sink, did } = inOrder()
    await sink.reconcile(state([web(['10.1.0.1:80'])]), 'full', 0)
    did()
    let now = 10_000
    const sleep = async (milliseconds: number) => {
      now += milliseconds
    }
    await sink.exit(mode, { clock: () => now, sleep })
    expect(did().slice(-4)).toEqual([`delete-service ${WEB}`, 'no translations', 'snat is out of use', 'no addresses'])
  })

  test('keeps the translation and the address of what is not ours alone', async () => {
    const { sink, ipvs, snat, addresses, did } = inOrder()
    await sink.reconcile(state([web(['10.1.0.1:80']), shop({ ...translated, ...placed })]), 'full', 0)
    ipvs.kernel.tamper({ kind: 'add-destination', service: virtual(WEB).identity, destination: held('10.9.0.1:80') })
    did()
    await sink.exit('remove', { clock: () => 10_000 })
    expect([...snat.translations.keys()]).toEqual([WEB])
    expect([...addresses.held]).toEqual([WEB])
  })

  test('removes what an earlier process left although nobody asks for it now', async () => {
    const { sink, did } = inOrder({ snatBefore: true })
    await sink.exit('remove', { clock: () => 0 })
    expect(did()).toEqual(['no translations', 'snat is out of use'])
  })

  test('says what could not be removed', async () => {
    const { sink, snat } = inOrder()
    await sink.reconcile(state([shop(translated)]), 'full', 0)
    snat.broken = NO_NFT
    const report = await sink.exit('remove', { clock: () => 0 })
    expect(report.failed).toMatchObject([{ object: 'snat', code: 'KERNEL_REFUSED', message: NO_NFT.message }])
  })

  test('closes what was opened', async () => {
    const { sink, snat, addresses } = inOrder()
    await sink.reconcile(state([web([])]), 'full', 0)
    await sink[Symbol.asyncDispose]()
    expect([snat.isClosed, addresses.isClosed]).toEqual([true, true])
  })
})

test('who listens is told of what others do, to either sink', async () => {
  const { sink, snat, addresses } = inOrder()
  let told = 0
  const end = sink.onDisturbed(() => told++)
  await sink.reconcile(state([web([])]), 'full', 0)
  snat.disturb()
  addresses.disturb()
  expect(told).toBe(2)
  end()
  snat.disturb()
  expect(told).toBe(2)
})
