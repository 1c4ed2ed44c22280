import { describe, expect, it } from 'vitest'
import { serviceKey } from '../../../../src/model/virtual-service.ts'
import { decide } from '../../../../src/pipeline/decide.ts'
import { held, identity, key, service, state, virtual, wanted } from '../../../support/desired.ts'
import { spec } from '../../pipeline/makers.ts'
import { rig } from './rig.ts'

const WEB = 'tcp/10.0.0.1:80'
const webKey = serviceKey(identity(WEB))

it('weights that the kernel has a hundred times are told as they are written', async () => {
  const { sink, written, transitions } = rig()
  const web = (weight: number) => state([service(WEB, [wanted('10.1.0.1:80', { weight })], { weightScale: 100 })])
  await sink.reconcile(web(100), 'changes', 1_000)
  await sink.reconcile(web(250), 'changes', 2_000)
  await sink.reconcile(state([]), 'changes', 3_000)
  expect(written().filter((text) => text.includes('destination'))).toEqual([
    'add-destination tcp/10.0.0.1:80 10.1.0.1:80 weight 100',
    'edit-destination tcp/10.0.0.1:80 10.1.0.1:80 weight 250',
    'edit-destination tcp/10.0.0.1:80 10.1.0.1:80 weight 0',
  ])
  const turns = transitions.filter((one) => one.destination !== undefined).map(({ from, to }) => `${from} -> ${to}`)
  expect(turns).toEqual(['absent -> weight 1', 'weight 1 -> weight 2.5', 'weight 2.5 -> draining'])
})

describe('the IPVS sink', () => {
  it('creates a service before its backends, after recording the intent', async () => {
    const { sink, ownership, kernel, written } = rig()
    const order: string[] = []
    ownership.onWrite = () => order.push('record')
    kernel.onWrite = () => order.push('kernel')
    const report = await sink.reconcile(state([service(WEB, ['10.1.0.1:80', '10.1.0.2:80'])]), 'changes', 1_000)
    const commands = written()
    expect(commands[0]).toBe(`add-service ${WEB} wlc`)
    expect(commands.slice(1).sort()).toEqual([
      `add-destination ${WEB} 10.1.0.1:80 weight 1`,
      `add-destination ${WEB} 10.1.0.2:80 weight 1`,
    ])
    expect(order).toEqual(['record', 'kernel'])
    expect(report).toEqual({
      applied: { 'add-service': 1, 'add-destination': 2 },
      failed: [],
      driftRepaired: 0,
      foreign: 0,
      draining: 0,
    })
    expect([...(ownership.record.services.get(webKey)?.destinations ?? [])].sort()).toEqual(['10.1.0.1:80', '10.1.0.2:80'])
  })

  it('writes nothing when nothing differs, in either scope, nor after a restart', async () => {
    const first = rig()
    const desired = state([service(WEB, ['10.1.0.1:80'], { scheduler: 'sh', persistence: { timeout: 300, mask: 0xffffffff } })])
    await first.sink.reconcile(desired, 'changes', 1_000)
    first.written()
    const records = first.ownership.writes.length
    await first.sink.reconcile(desired, 'full', 2_000)
    await first.sink.reconcile(desired, 'changes', 3_000)
    const second = rig({ kernel: first.kernel, ownership: first.ownership })
    const report = await second.sink.reconcile(desired, 'changes', 4_000)
    expect(second.written()).toEqual([])
    expect(report.driftRepaired).toBe(0)
    expect(first.ownership.writes.length).toBe(records)
    expect(second.transitions).toEqual([])
  })

  it('records the new names of all services along with the next thing that it records', async () => {
    const { sink, ownership } = rig()
    const [web, other] = [service(WEB, ['10.1.0.1:80']), service('tcp/10.0.0.2:80', ['10.1.0.9:80'])]
    await sink.reconcile(state([web, other]), 'changes', 1_000)
    const renamed = [
      { ...web, name: 'shop' },
      { ...other, name: 'mail' },
    ] as const
    await sink.reconcile(state(renamed), 'changes', 2_000)
    await sink.reconcile(state([renamed[0], { ...renamed[1], name: 'post' }]), 'changes', 3_000)
    expect(ownership.record.services.get(webKey)?.name).toBe(WEB)
    const grown = { ...service(WEB, ['10.1.0.1:80', '10.1.0.2:80']), name: 'shop' }
    await sink.reconcile(state([grown, { ...renamed[1], name: 'post' }]), 'changes', 4_000)
    expect([...ownership.record.services.values()].map(({ name }) => name)).toEqual(['shop', 'post'])
  })

  it('renames without a write to the kernel', async () => {
    const { sink, written } = rig()
    const pool = service(WEB, ['10.1.0.1:80'])
    await sink.reconcile(state([pool]), 'changes', 1_000)
    written()
    await sink.reconcile(state([{ ...pool, name: 'shop' }]), 'changes', 2_000)
    await sink.reconcile(state([{ ...pool, name: 'shop' }]), 'full', 3_000)
    expect(written()).toEqual([])
  })

  it('writes one command for one change in a pass for changes, and reads nothing', async () => {
    const { sink, kernel, written, ownership } = rig()
    const pool = service(
      WEB,
      Array.from({ length: 50 }, (_, index) => `10.1.0.${index + 1}:80`),
    )
    await sink.reconcile(state([pool]), 'changes', 1_000)
    written()
    const reads = kernel.reads
    const records = ownership.writes.length
    const destinations = pool.destinations.with(key('10.1.0.7:80'), wanted('10.1.0.7:80', { weight: 9 }))
    await sink.reconcile(state([{ ...pool, destinations }]), 'changes', 2_000)
    expect(written()).toEqual([`edit-destination ${WEB} 10.1.0.7:80 weight 9`])
    expect(kernel.reads).toBe(reads)
    expect(ownership.writes.length, 'a weight is never recorded').toBe(records)
  })

  it('edits in place and carries along what is not ours', async () => {
    const { sink, kernel, written } = rig()
    kernel.tamper(
      {
        kind: 'add-service',
        service: virtual(WEB, {
          scheduler: 'rr',
          flags: { flag1: false, flag2: true, flag3: true },
          persistence: { timeout: 60, mask: 0xffffff00 },
        }),
      },
      {
        kind: 'add-destination',
        service: identity(WEB),
        destination: held('10.1.0.1:80', { upperThreshold: 100, lowerThreshold: 80 }),
      },
    )
    await sink.reconcile(state([service(WEB, [wanted('10.1.0.1:80', { weight: 5 })], { scheduler: 'sh' })]), 'changes', 1_000)
    expect(written()).toEqual([`edit-service ${WEB} sh`, `edit-destination ${WEB} 10.1.0.1:80 weight 5`])
    expect(kernel.service(webKey)).toEqual(
      virtual(WEB, {
        scheduler: 'sh',
        // sh gets its fallback flag; the others and the persistence were there and stay.
        flags: { flag1: true, flag2: true, flag3: true },
        persistence: { timeout: 60, mask: 0xffffff00 },
      }),
    )
    expect(kernel.destination(webKey, key('10.1.0.1:80'))).toEqual(
      held('10.1.0.1:80', { weight: 5, upperThreshold: 100, lowerThreshold: 80 }),
    )
  })

  it.each(['sh', 'mh'] as const)(
    'keeps a flag of %s that was set by hand where the configuration writes no flags',
    async (scheduler) => {
      const { sink, kernel, written } = rig()
      const { service: desired } = decide(spec({ identity: identity(WEB), scheduler }), new Map(), true)
      const desiredState = { services: new Map([[webKey, desired]]) }
      await sink.reconcile(desiredState, 'full', 1_000)
      expect(kernel.service(webKey)?.flags).toEqual({ flag1: true, flag2: false, flag3: false })
      const flags = { flag1: true, flag2: true, flag3: false }
      kernel.tamper({ kind: 'edit-service', service: virtual(WEB, { scheduler, flags }) })
      written()
      expect(await sink.reconcile(desiredState, 'full', 2_000)).toMatchObject({ driftRepaired: 0 })
      expect(written()).toEqual([])
      kernel.tamper({ kind: 'edit-service', service: virtual(WEB, { scheduler, flags: { ...flags, flag1: false } }) })
      await sink.reconcile(desiredState, 'full', 3_000)
      expect(kernel.service(webKey)?.flags, 'the fallback is ours').toEqual(flags)
    },
  )

  it('takes persistence away only when told', async () => {
    const { sink, kernel } = rig()
    kernel.tamper({ kind: 'add-service', service: virtual(WEB, { persistence: { timeout: 60, mask: 0xffffffff } }) })
    await sink.reconcile(state([service(WEB, [], { persistence: 'none' })]), 'changes', 1_000)
    expect(kernel.service(webKey)?.persistence).toBeUndefined()
  })

  it('adds before it removes, and raises before it lowers', async () => {
    const { sink, written } = rig()
    const before = [wanted('10.1.0.1:80', { weight: 5 }), wanted('10.1.0.2:80', { weight: 0 }), '10.1.0.3:80']
    await sink.reconcile(state([service('udp/10.0.0.1:53', before)]), 'changes', 1_000)
    written()
    const after = [wanted('10.1.0.1:80', { weight: 0 }), wanted('10.1.0.2:80', { weight: 5 }), '10.1.0.4:80']
    await sink.reconcile(state([service('udp/10.0.0.1:53', after)]), 'changes', 2_000)
    expect(written()).toEqual([
      'add-destination udp/10.0.0.1:53 10.1.0.4:80 weight 1',
      'edit-destination udp/10.0.0.1:53 10.1.0.2:80 weight 5',
      'edit-destination udp/10.0.0.1:53 10.1.0.1:80 weight 0',
      'delete-destination udp/10.0.0.1:53 10.1.0.3:80',
    ])
  })

  it('raises every weight from 0 before it lowers one', async () => {
    const { sink, written } = rig()
    const pool = (odd: number, even: number) =>
      Array.from({ length: 20 }, (_, index) => wanted(`10.1.0.${index + 1}:80`, { weight: index % 2 === 0 ? odd : even }))
    await sink.reconcile(state([service(WEB, pool(5, 0))]), 'changes', 1_000)
    written()
    await sink.reconcile(state([service(WEB, pool(0, 5))]), 'changes', 2_000)
    expect(written().map((line) => line.split(' ').at(-1))).toEqual([...Array(10).fill('5'), ...Array(10).fill('0')])
  })

  it('touches nothing of a service of which nothing is known yet', async () => {
    const first = rig()
    await first.sink.reconcile(state([service(WEB, ['10.1.0.1:80'])]), 'changes', 1_000)
    first.written()
    const second = rig({ kernel: first.kernel, ownership: first.ownership })
    const pending = service(WEB, [], { complete: false, scheduler: 'rr' })
    await second.sink.reconcile(state([pending, service('tcp/10.0.0.2:80', [], { complete: false })]), 'full', 2_000)
    expect(second.written()).toEqual([])
  })

  it('adds and removes nothing while a source has not answered', async () => {
    const first = rig()
    await first.sink.reconcile(state([service(WEB, ['10.1.0.1:80'])]), 'changes', 1_000)
    const second = rig({ kernel: first.kernel, ownership: first.ownership })
    first.written()
    await second.sink.reconcile(state([service(WEB, ['10.1.0.2:80'], { complete: false })]), 'changes', 2_000)
    expect(second.written()).toEqual([`add-destination ${WEB} 10.1.0.2:80 weight 1`])
    await second.sink.reconcile(state([service(WEB, ['10.1.0.2:80'])]), 'changes', 3_000)
    expect(second.written(), 'once complete, the absent one drains').toEqual([`edit-destination ${WEB} 10.1.0.1:80 weight 0`])
  })

  it('moves a service to another address: the new one first, then the old one drains', async () => {
    const { sink, written } = rig()
    await sink.reconcile(state([service(WEB, ['10.1.0.1:80'])]), 'changes', 1_000)
    written()
    await sink.reconcile(state([service('tcp/10.0.0.2:80', ['10.1.0.1:80'])]), 'changes', 2_000)
    expect(written()).toEqual([
      'add-service tcp/10.0.0.2:80 wlc',
      'add-destination tcp/10.0.0.2:80 10.1.0.1:80 weight 1',
      `edit-destination ${WEB} 10.1.0.1:80 weight 0`,
    ])
  })

  it('works for firewall marks', async () => {
    const { sink, written } = rig()
    await sink.reconcile(
      state([service('fwmark/7/ipv4', ['10.1.0.1:0']), service('fwmark/7/ipv6', ['[2001:db8::1]:0'])]),
      'changes',
      1_000,
    )
    expect(written()).toEqual([
      'add-service fwmark/7/ipv4 wlc',
      'add-destination fwmark/7/ipv4 10.1.0.1:0 weight 1',
      'add-service fwmark/7/ipv6 wlc',
      'add-destination fwmark/7/ipv6 [2001:db8::1]:0 weight 1',
    ])
  })
})
