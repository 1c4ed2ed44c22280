import { describe, expect, it, vi } from 'vitest'
import { serviceKey } from '../../../../src/model/virtual-service.ts'
import { held, identity, key, virtual } from '../../../support/desired.ts'
import { ALL_SERVED, keys, NOTHING_SERVED, rig, service, state, TABLE, translated } from './rig.ts'

const NO_CONNECTIONS = { active: 0, inactive: 0, persistent: 0 }
const WEB = 'tcp/10.9.0.1:80'
const DNS = 'udp/10.9.0.1:53'
const MAIL = 'tcp/10.9.0.1:25'
const DESIRED = state([translated(WEB), translated(DNS, '10.0.0.9'), translated(MAIL, '10.0.0.1-10.0.0.3')])
const inTable = (name: string) => ({ family: 'inet', table: 'pointsman', name })
const element = (map: string, ...concat: unknown[]) => ({ delete: { element: { ...inTable(map), elem: [{ concat }] } } })

describe('what others do to the table', () => {
  it('nft flush ruleset is healed at once in one transaction, connections begun meanwhile are deleted, and the next pass counts it', async () => {
    const { pass, kernel, sink, elements, transactions, cleaned } = rig()
    await pass(DESIRED, 'changes', ALL_SERVED)
    const [before] = [elements(), transactions(), cleaned()]
    const disturbed = new Promise<void>((resolve) => sink.onDisturbed(resolve))
    kernel.flushRuleset()
    await disturbed
    expect(elements()).toEqual(before)
    expect(transactions()).toHaveLength(1)
    expect(cleaned().sort()).toEqual([WEB, DNS, MAIL].sort())
    const { opened } = await pass(DESIRED, 'full', ALL_SERVED)
    expect(opened).toMatchObject({ applied: { 'add-table': 1, 'add-element': 3, 'delete-connection': 3 }, driftRepaired: 4 })
    expect(opened.unconfirmed).toEqual(keys())
    const again = await pass(DESIRED, 'full', ALL_SERVED)
    expect([again.opened.driftRepaired, again.opened.applied, transactions(), cleaned()]).toEqual([0, {}, [], []])
  })

  it('while nothing may be written between passes it is told, and healed by the next full one', async () => {
    const { pass, kernel, sink, elements, transactions } = rig({ mayRepair: () => false })
    await pass(DESIRED, 'changes', ALL_SERVED)
    const [before] = [elements(), transactions()]
    const disturbed = new Promise<void>((resolve) => sink.onDisturbed(resolve))
    kernel.flushRuleset()
    await disturbed
    expect([kernel.tables(), transactions()]).toEqual([[], []])
    const { opened } = await pass(DESIRED, 'full', ALL_SERVED)
    expect(opened).toMatchObject({ applied: { 'add-table': 1, 'add-element': 3, 'delete-connection': 3 }, driftRepaired: 4 })
    expect([elements(), transactions().length]).toEqual([before, 1])
  })

  it('a repair that was begun can be waited for, and one that nftables refuses is tried again by a later pass', async () => {
    const { pass, kernel, sink, elements, wait } = rig()
    await pass(DESIRED, 'changes', ALL_SERVED)
    const before = elements()
    const apply = kernel.apply.bind(kernel)
    const [writing, mayWrite] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
    kernel.apply = async (commands) => {
      writing.resolve()
      await mayWrite.promise
      return apply(commands)
    }
    kernel.flushRuleset()
    await writing.promise
    const settled = sink.settled()
    mayWrite.resolve()
    await settled
    expect(elements()).toEqual(before)

    const disturbed = new Promise<void>((resolve) => sink.onDisturbed(resolve))
    kernel.refuse = () => true
    kernel.flushRuleset()
    await disturbed
    expect(kernel.tables()).toEqual([])
    kernel.refuse = undefined
    wait(2_000)
    await pass(DESIRED, 'full', ALL_SERVED)
    expect(elements()).toEqual(before)
  })

  it('a deleted element is put back, and only its connections are looked at', async () => {
    const { pass, kernel, transactions, cleaned } = rig()
    await pass(DESIRED, 'changes', ALL_SERVED)
    transactions()
    cleaned()
    kernel.byOthers([element('vip4', 'tcp', '10.9.0.1', 80)])
    const { opened } = await pass(DESIRED, 'full', ALL_SERVED)
    expect(opened).toMatchObject({ applied: { 'add-element': 1, 'delete-connection': 1 }, driftRepaired: 1 })
    expect(transactions()).toHaveLength(1)
    expect(cleaned()).toEqual([WEB])
  })

  it('an element that nobody wants is taken away, a changed one is changed back', async () => {
    const { pass, kernel, elements, cleaned } = rig()
    await pass(DESIRED, 'changes', ALL_SERVED)
    const before = elements()
    cleaned()
    kernel.byOthers([
      element('vip4_address', 'udp', '10.9.0.1', 53),
      {
        add: {
          element: { ...inTable('vip4'), elem: [[{ concat: ['udp', '10.9.0.1', 53] }, { goto: { target: 'snat_masquerade' } }]] },
        },
      },
      {
        add: {
          element: { ...inTable('vip4'), elem: [[{ concat: ['tcp', '10.8.8.8', 53] }, { goto: { target: 'snat_masquerade' } }]] },
        },
      },
    ])
    const { opened, closed } = await pass(DESIRED, 'full')
    expect([opened.driftRepaired, opened.applied]).toEqual([1, { 'edit-element': 1 }])
    expect([closed.driftRepaired, closed.applied]).toEqual([1, { 'delete-element': 1 }])
    expect(elements()).toEqual(before)
    expect(cleaned()).toEqual([])
  })

  it.each([
    ['a rule is missing', 'write-rules', [{ flush: { chain: inTable('ipv4') } }]],
    [
      'a rule is another with the same comment',
      'write-rules',
      (rules: Record<string, unknown>[]) => [
        { flush: { chain: inTable('snat_masquerade') } },
        { add: { rule: { ...rules.find(({ chain }) => chain === 'snat_masquerade'), expr: [{ accept: null }] } } },
      ],
    ],
    [
      'a rule of an older version',
      'rebuild-table',
      [
        { flush: { chain: inTable('snat_masquerade') } },
        {
          add: {
            rule: {
              family: 'inet',
              table: 'pointsman',
              chain: 'snat_masquerade',
              comment: 'pointsman 0 abc',
              expr: [{ accept: null }],
            },
          },
        },
      ],
    ],
    ['a chain too many', 'rebuild-table', [{ add: { chain: inTable('mine') } }]],
    [
      'a chain of other addresses',
      'rebuild-table',
      [{ add: { chain: { ...inTable('snat_10.0.0.7-10.0.0.8'), hook: 'input' } } }],
    ],
    ['a map too few', 'rebuild-table', [{ flush: { chain: inTable('ipv6') } }, { delete: { map: inTable('vip6') } }]],
    [
      'the same connections twice',
      'rebuild-table',
      [
        {
          add: {
            element: {
              ...inTable('vip4'),
              elem: [[{ concat: ['udp', '10.9.0.1', 53] }, { goto: { target: 'snat_masquerade' } }]],
            },
          },
        },
      ],
    ],
  ])('%s: %s in one transaction, nothing that is held is lost', async (_, kind, tampering) => {
    const { pass, kernel, elements, transactions, cleaned } = rig()
    await pass(DESIRED, 'changes', ALL_SERVED)
    await pass(DESIRED, 'full')
    const before = elements()
    transactions()
    cleaned()
    const rules = (await kernel.readTable('inet', 'pointsman'))?.flatMap(({ rule }) =>
      rule ? [rule as Record<string, unknown>] : [],
    )
    kernel.byOthers(typeof tampering === 'function' ? tampering(rules ?? []) : tampering)
    const { opened } = await pass(DESIRED, 'full')
    expect(opened.applied).toMatchObject({ [kind]: 1 })
    expect(opened.driftRepaired).toBeGreaterThan(0)
    expect(transactions()).toHaveLength(1)
    expect(elements()?.length).toBe(before?.length)
    expect(cleaned().length).toBeGreaterThan(0)
    expect((await pass(DESIRED, 'full')).opened).toMatchObject({ applied: {}, driftRepaired: 0 })
    expect(elements()).toEqual(before)
  })

  it('a service that has left and is served still gets its translation back', async () => {
    const { pass, kernel, elements } = rig()
    await pass(DESIRED, 'changes', ALL_SERVED)
    const left = state([translated(DNS, '10.0.0.9')])
    await pass(left, 'changes', ALL_SERVED)
    const before = elements()
    kernel.flushRuleset()
    await pass(left, 'full', ALL_SERVED)
    expect(elements()).toEqual(before)
    await pass(left, 'full', NOTHING_SERVED)
    expect(elements()).toEqual(['vip4_address udp 10.9.0.1 53 => 10.0.0.9'])
  })

  it('a table whose chain has a name that nft does not read, as earlier versions gave it, is made anew with all that it holds', async () => {
    const { pass, kernel, elements } = rig()
    await pass(state([translated(WEB), translated(DNS)]), 'changes', ALL_SERVED)
    const before = elements()
    const asBefore = JSON.parse(JSON.stringify(kernel.transactions[0]).replaceAll('snat_masquerade', 'masquerade'))
    kernel.flushRuleset()
    kernel.byOthers(asBefore)
    const later = rig({ kernel })
    later.transactions()
    // One of the two has left the configuration and drains.
    const { opened } = await later.pass(state([translated(DNS)]), 'full', ALL_SERVED)
    expect(opened).toMatchObject({ applied: { 'rebuild-table': 1 }, driftRepaired: 0, unconfirmed: keys() })
    expect([later.transactions().length, elements()]).toEqual([1, before])
  })

  it.each(['dormant', 'inet_proto'])(
    'a table that somebody has put to sleep is made anew (flags as nft prints them: %s)',
    async (flags) => {
      const { pass, kernel, elements, transactions } = rig()
      await pass(DESIRED, 'changes', ALL_SERVED)
      const [before] = [elements(), transactions()]
      const readTable = kernel.readTable.bind(kernel)
      kernel.readTable = async (...which) =>
        (await readTable(...which))?.map((object) => {
          const isAsleep = 'table' in object && kernel.transactions.length === 0
          return isAsleep ? { table: { ...(object['table'] as object), flags } } : object
        })
      const { opened } = await pass(DESIRED, 'full', ALL_SERVED)
      expect(opened).toMatchObject({ applied: { 'rebuild-table': 1 }, driftRepaired: 1 })
      expect([elements(), transactions().length]).toEqual([before, 1])
    },
  )

  it('other tables are no matter, and lost messages have the table looked at', async () => {
    vi.useFakeTimers()
    const { pass, kernel, sink } = rig()
    await pass(DESIRED, 'changes', ALL_SERVED)
    const disturbed = vi.fn()
    sink.onDisturbed(disturbed)
    kernel.byOthers([{ add: { table: { family: 'inet', name: 'firewalld' } } }])
    kernel.tell({ tables: undefined })
    await vi.runAllTimersAsync()
    expect(disturbed).not.toHaveBeenCalled()
    const { refuse } = kernel
    kernel.refuse = () => false
    await kernel.apply([{ delete: { table: { family: 'inet', name: 'pointsman' } } }])
    kernel.refuse = refuse
    kernel.tell({ tables: undefined })
    kernel.tell({ tables: undefined })
    await vi.runAllTimersAsync()
    expect(disturbed).toHaveBeenCalledTimes(1)
    await sink[Symbol.asyncDispose]()
    expect(kernel.watched).toBe(false)
    vi.useRealTimers()
  })
})

describe('connections that were tried before there was a translation', () => {
  it('are deleted once a new service is open, not before', async () => {
    const { open, sink, cleaned } = rig()
    await open(DESIRED)
    const onlyWeb = { ...NOTHING_SERVED, service: (key: string) => key === WEB }
    await sink.close(DESIRED, NOTHING_SERVED, 2_000_000)
    expect(cleaned()).toEqual([])
    await sink.close(DESIRED, onlyWeb, 2_000_000)
    expect(cleaned()).toEqual([WEB])
    await sink.close(DESIRED, ALL_SERVED, 2_000_000)
    expect(cleaned().sort()).toEqual([DNS, MAIL].sort())
    await sink.close(DESIRED, ALL_SERVED, 2_000_000)
    expect(cleaned()).toEqual([])
  })

  it('are found by their backend where the service is a firewall mark', async () => {
    const { pass, kernel, cleaned } = rig()
    const marked = state([translated('fwmark/7/ipv4', 'masquerade', ['10.2.0.2:53'])])
    await pass(marked, 'changes', ALL_SERVED)
    cleaned()
    kernel.flushRuleset()
    const { opened } = await pass(marked, 'full', ALL_SERVED)
    expect(opened.applied).toMatchObject({ 'delete-connection': 1 })
    expect(cleaned()).toEqual(['sent to 10.2.0.2:53'])
  })

  it('are not those of services by address with the same backend, ours or in the kernel', async () => {
    const foreign = (text: string, backend: string) => ({
      service: virtual(text),
      destinations: new Map([[key(backend), { destination: held(backend), connections: NO_CONNECTIONS }]]),
    })
    const table = new Map([
      [serviceKey(identity('udp/10.9.0.8:53')), foreign('udp/10.9.0.8:53', '10.2.0.2:5353')],
      [serviceKey(identity('udp/10.9.0.9:53')), foreign('udp/10.9.0.9:53', '10.2.0.3:53')],
      [serviceKey(identity('fwmark/8/ipv4')), foreign('fwmark/8/ipv4', '10.2.0.2:53')],
    ])
    const { pass, kernel, cleaned } = rig({ inKernel: () => table })
    const marked = translated('fwmark/7/ipv4', 'masquerade', ['10.2.0.2:53'])
    const desired = state([marked, service(DNS, ['10.2.0.2:53']), service(MAIL, ['10.2.0.3:25'])])
    await pass(desired, 'changes', ALL_SERVED)
    cleaned()
    kernel.flushRuleset()
    await pass(desired, 'full', ALL_SERVED)
    expect(cleaned()).toEqual(['sent to 10.2.0.2:53', `not by ${DNS}`, 'not by udp/10.9.0.8:53'])
  })

  it('are left alone where a service worked without source NAT until now', async () => {
    const { pass, cleaned } = rig()
    await pass(state([service(WEB)]), 'changes', ALL_SERVED)
    await pass(state([translated(WEB)]), 'changes', ALL_SERVED)
    expect(cleaned()).toEqual([])
  })

  it('are deleted at a later pass where that fails', async () => {
    const { PointsmanError } = await import('../../../../src/errors.ts')
    let failing = true
    const seen: unknown[] = []
    const conntrack = {
      deleteUntranslated: async (targets: readonly unknown[]) => {
        if (failing) throw new PointsmanError('KERNEL_REFUSED', 'no conntrack')
        seen.push(...targets)
        return 1
      },
    }
    const { pass, wait } = rig({ conntrack })
    const { closed } = await pass(DESIRED, 'changes', ALL_SERVED)
    expect(closed.failed.map(({ object }) => object)).toEqual(['conntrack'])
    expect(closed.unconfirmed).toEqual(keys())
    failing = false
    wait(2_000)
    expect((await pass(DESIRED, 'changes', ALL_SERVED)).closed).toMatchObject({
      failed: [],
      applied: { 'delete-connection': 1 },
    })
    expect(seen).toHaveLength(3)
    expect(TABLE).toBe('inet pointsman')
  })
})
