import { describe, expect, it } from 'vitest'
import { ALL_SERVED, keys, NOTHING_SERVED, rig, service, state, TABLE, translated } from './rig.ts'

const WEB = 'tcp/10.9.0.1:80'
const DNS = 'udp/10.9.0.1:53'

describe('the source NAT sink', () => {
  it('adds a table with what is wanted in one transaction, IPv4 and IPv6, by port, any port and mark', async () => {
    const { pass, elements, transactions } = rig()
    const desired = state([
      translated(WEB),
      translated('udp/[fd00:9::1]:53', 'fd00::9'),
      translated('sctp/10.9.0.1:9', '10.0.0.9'),
      translated('tcp/10.9.0.2:0', '10.0.0.9-10.0.0.12'),
      translated('fwmark/7/ipv4', '10.0.0.9', ['10.2.1.2:80', '10.2.2.2:0']),
      service('tcp/10.9.0.3:80'),
    ])
    const { opened } = await pass(desired)
    expect(opened).toMatchObject({ applied: { 'add-table': 1, 'add-element': 6 }, failed: [], driftRepaired: 0 })
    expect(opened.unconfirmed).toEqual(keys())
    expect(elements()).toEqual([
      'mark4_address 7 10.2.1.2 80 => 10.0.0.9',
      'mark4_any_port_address 7 10.2.2.2 => 10.0.0.9',
      'vip4 tcp 10.9.0.1 80 => snat_masquerade',
      'vip4_address sctp 10.9.0.1 9 => 10.0.0.9',
      'vip4_any_port tcp 10.9.0.2 => snat_10.0.0.9-10.0.0.12',
      'vip6_address udp fd00:9::1 53 => fd00::9',
    ])
    expect(transactions()).toHaveLength(1)
  })

  it('sends only what changed', async () => {
    const { pass, transactions, elements } = rig()
    const web = translated(WEB)
    await pass(state([web]))
    transactions()
    await pass(state([web, translated(DNS, '10.0.0.9')]))
    const concat = ['udp', '10.9.0.1', 53]
    expect(transactions()).toEqual([
      [{ add: { element: { family: 'inet', table: 'pointsman', name: 'vip4_address', elem: [[{ concat }, '10.0.0.9']] } } }],
    ])
    await pass(state([web]))
    expect(transactions()).toEqual([
      [{ delete: { element: { family: 'inet', table: 'pointsman', name: 'vip4_address', elem: [{ concat }] } } }],
    ])
    expect(elements()).toEqual(['vip4 tcp 10.9.0.1 80 => snat_masquerade'])
  })

  it('goes from one translation to another without a moment without', async () => {
    const { pass, transactions, elements } = rig()
    for (const nat of ['masquerade', '10.0.0.9', '10.0.0.9-10.0.0.12', '10.0.0.20-10.0.0.22', 'masquerade']) {
      await pass(state([translated(WEB, nat)]), 'changes', ALL_SERVED)
      expect(transactions()).toHaveLength(1)
      expect(elements()?.[0]?.split(' => ')[1]).toBe(/[-m]/.test(nat) ? `snat_${nat}` : nat)
    }
  })

  it('takes a range of addresses away with its last service', async () => {
    const { pass, kernel } = rig()
    await pass(state([translated(WEB, '10.0.0.9-10.0.0.12'), translated(DNS)]))
    const rules = kernel.ruleCount(TABLE)
    await pass(state([translated(WEB, '10.0.0.9'), translated(DNS)]))
    expect(kernel.ruleCount(TABLE)).toBe(rules - 1)
  })

  it('keeps what IPVS still serves of a service that has left, and what is not decided', async () => {
    const { pass, elements } = rig()
    await pass(state([translated(WEB), translated(DNS)]))
    await pass(state([translated(DNS)]), 'changes', ALL_SERVED)
    expect(elements()).toHaveLength(2)
    await pass(state([translated(DNS)], { undecided: keys(WEB) }))
    expect(elements()).toHaveLength(2)
    await pass(state([translated(DNS)]))
    expect(elements()).toEqual(['vip4 udp 10.9.0.1 53 => snat_masquerade'])
  })

  it('keeps a backend of a firewall mark while IPVS has it', async () => {
    const { pass, elements } = rig()
    const served = { ...NOTHING_SERVED, destination: (_: string, key: string) => key === '10.2.1.2:80' }
    await pass(state([translated('fwmark/7/ipv4', 'masquerade', ['10.2.1.2:80', '10.2.2.2:80'])]))
    await pass(state([translated('fwmark/7/ipv4', 'masquerade', ['10.2.3.2:80'])]), 'changes', served)
    expect(elements()).toEqual(['mark4 7 10.2.1.2 80 => snat_masquerade', 'mark4 7 10.2.3.2 80 => snat_masquerade'])
    await pass(state([translated('fwmark/7/ipv4', 'masquerade', ['10.2.3.2:80'])]))
    expect(elements()).toEqual(['mark4 7 10.2.3.2 80 => snat_masquerade'])
  })

  it('translates no new connection of a service that stays without source NAT', async () => {
    const { pass, elements } = rig()
    await pass(state([translated(WEB), translated(DNS)]))
    await pass(state([service(WEB), translated(DNS)]), 'changes', ALL_SERVED)
    expect(elements()).toEqual(['vip4 udp 10.9.0.1 53 => snat_masquerade'])
  })

  it.each(['masquerade', '10.0.0.9-10.0.0.12'])(
    'empties the table and keeps it when nobody wants source NAT any more, for with its hook go live connections: %s',
    async (nat) => {
      const { pass, sink, kernel, transactions, elements } = rig()
      await pass(state([translated(WEB, nat)]))
      transactions()
      const { closed } = await pass(state([service(WEB)]))
      expect(closed.applied).toEqual({ 'delete-element': 1 })
      expect(kernel.tables()).toEqual([TABLE])
      expect(elements()).toEqual([])
      expect(JSON.stringify(transactions())).not.toMatch(/"delete":{"table"|"chain":{[^}]*"name":"postrouting"/)
      expect((await pass(state([service(WEB)]), 'full')).closed).toMatchObject({ applied: {}, failed: [] })
      await pass(state([translated(WEB)]))
      expect(elements()).toHaveLength(1)
      await sink.remove()
      expect(kernel.tables()).toEqual([])
    },
  )

  it('leaves a table of the same name that somebody else made, and opens nothing', async () => {
    const { pass, sink, kernel, transactions } = rig()
    const at = { family: 'inet', table: 'pointsman' }
    const theirs = [
      { add: { table: { family: 'inet', name: 'pointsman' } } },
      { add: { chain: { ...at, name: 'input', type: 'filter', hook: 'input', prio: 0, policy: 'accept' } } },
      { add: { rule: { ...at, chain: 'input', expr: [{ drop: null }] } } },
    ]
    kernel.byOthers(theirs)
    const before = await kernel.readTable('inet', 'pointsman')
    const { opened } = await pass(state([translated(WEB)]))
    expect(opened).toMatchObject({ unconfirmed: keys(WEB), failed: [{ code: 'KERNEL_REFUSED' }] })
    expect(opened.failed[0]?.message).toContain('left to whoever made it')
    await expect(sink.remove()).rejects.toMatchObject({ code: 'KERNEL_REFUSED' })
    expect([transactions(), await kernel.readTable('inet', 'pointsman')]).toEqual([[], before])
  })

  it('makes what is missing in a table of that name that is empty', async () => {
    const { pass, kernel, elements } = rig()
    kernel.byOthers([{ add: { table: { family: 'inet', name: 'pointsman' } } }])
    expect((await pass(state([translated(WEB)]))).opened.unconfirmed).toEqual(keys())
    expect(elements()).toHaveLength(1)
  })

  it('empties a table of another version in one transaction', async () => {
    const { pass, kernel, elements } = rig()
    await pass(state([translated(WEB)]))
    kernel.byOthers([{ add: { chain: { family: 'inet', table: 'pointsman', name: 'strange' } } }])
    const { opened, closed } = await pass(state([service(WEB)]), 'full')
    expect([...opened.failed, ...closed.failed]).toEqual([])
    expect(elements()).toEqual([])
    expect((await pass(state([translated(WEB)]), 'full')).opened).toMatchObject({ unconfirmed: keys(), driftRepaired: 0 })
  })

  it('adds 5,000 services in one transaction and with the same rules', async () => {
    const { pass, kernel, transactions, elements } = rig()
    await pass(state([translated(WEB, '10.0.0.9')]))
    const rules = kernel.ruleCount(TABLE)
    transactions()
    const many = Array.from({ length: 5_000 }, (_, index) =>
      translated(`tcp/10.${10 + (index >> 8)}.0.${index & 255}:80`, index % 2 ? 'masquerade' : `10.0.${index & 255}.9`),
    )
    await pass(state([translated(WEB, '10.0.0.9'), ...many]))
    expect(transactions()).toHaveLength(1)
    expect(elements()).toHaveLength(5_001)
    expect(kernel.ruleCount(TABLE)).toBe(rules)
  })

  it('reads nothing twice and writes nothing while nobody wants source NAT', async () => {
    const { pass, kernel } = rig()
    for (const scope of ['changes', 'full', 'full'] as const) await pass(state([service(WEB)]), scope)
    expect(kernel.reads).toBe(1)
    expect(kernel.transactions).toEqual([])
    expect(kernel.watched).toBe(false)
  })

  it('takes away what an earlier run left', async () => {
    const first = rig()
    await first.pass(state([translated(WEB)]))
    const { pass, kernel } = rig({ kernel: first.kernel })
    const { closed } = await pass(state([service(WEB)]))
    expect(closed.applied).toEqual({ 'delete-element': 1 })
    expect(kernel.elements(TABLE)).toEqual([])
  })

  it('begins anew after a crash at any point and writes nothing where nothing differs', async () => {
    const first = rig()
    await first.pass(state([translated(WEB), translated(DNS)]))
    first.transactions()
    const second = rig({ kernel: first.kernel })
    const { opened, closed } = await second.pass(state([translated(WEB), translated(DNS)]), 'full')
    expect([opened.applied, closed.applied, second.transactions()]).toEqual([{}, {}, []])
    // It ends between open and close: the next one closes.
    await second.open(state([translated(WEB, '10.0.0.9')]))
    const third = rig({ kernel: first.kernel })
    await third.pass(state([translated(WEB, '10.0.0.9')]))
    expect(third.elements()).toEqual(['vip4_address tcp 10.9.0.1 80 => 10.0.0.9'])
  })

  it('has a table for each instance and leaves those of others alone', async () => {
    const first = rig()
    first.kernel.byOthers([{ add: { table: { family: 'inet', name: 'firewalld' } } }])
    await first.pass(state([translated(WEB)]))
    const second = rig({ kernel: first.kernel, instance: 'blue' })
    await second.pass(state([translated(DNS)]))
    expect(first.kernel.tables()).toEqual(['inet firewalld', TABLE, 'inet pointsman-blue'])
    await first.sink.remove()
    expect(first.kernel.tables()).toEqual(['inet firewalld', 'inet pointsman-blue'])
    await first.sink.remove()
  })
})

describe('the ports of translated connections', () => {
  const ranges = (transactions: readonly (readonly unknown[])[]) => [
    ...new Set([...JSON.stringify(transactions).matchAll(/"port":\{"range":\[(\d+,\d+)\]/g)].map((match) => match[1])),
  ]

  it('keep off the ports of virtual services and reserved ones, and follow them in one transaction', async () => {
    const { pass, transactions } = rig({ reservedPorts: () => [40_000] })
    await pass(state([translated(WEB)]))
    expect(ranges(transactions())).toEqual(['40001,60999'])
    await pass(state([translated(WEB), service('tcp/10.9.0.2:50000'), translated('tcp/10.9.0.3:80', '10.0.0.1-10.0.0.3')]))
    const changed = transactions()
    expect(changed).toHaveLength(1)
    expect(ranges(changed)).toEqual(['50001,60999'])
    const { opened } = await pass(state([translated(WEB)]), 'full')
    expect(opened).toMatchObject({ applied: { 'write-rules': 1 }, driftRepaired: 0 })
  })

  it('follow what the director listens on at full passes', async () => {
    const reserved: number[] = []
    const { pass, transactions } = rig({ reservedPorts: () => [...reserved] })
    await pass(state([translated(WEB)]))
    expect(ranges(transactions())).toEqual(['32768,60999'])
    reserved.push(60_000)
    await pass(state([translated(WEB)]))
    expect(transactions()).toEqual([])
    const { opened } = await pass(state([translated(WEB)]), 'full')
    expect(opened).toMatchObject({ applied: { 'write-rules': 1 }, driftRepaired: 0 })
    expect(ranges(transactions())).toEqual(['32768,59999'])
    expect((await pass(state([translated(WEB)]), 'full')).opened.applied).toEqual({})
  })

  it('are the whole range where nothing of it is free', async () => {
    const { pass, transactions, warnings } = rig({ ports: { first: 80, last: 81 }, reservedPorts: () => [81] })
    await pass(state([translated(WEB), service('tcp/10.9.0.2:81')]))
    expect(ranges(transactions())).toEqual(['80,81'])
    expect(warnings()).toEqual([expect.stringContaining('finds no port from 80 to 81')])
    await pass(state([translated(WEB), service('tcp/10.9.0.2:81')]), 'full')
    expect(warnings()).toEqual([])
  })

  it('keep off those of virtual services even where the host keeps the whole range for itself', async () => {
    const ports = { first: 40_000, last: 40_999 }
    const reservedPorts = () => Array.from({ length: 1_000 }, (_, index) => 40_000 + index)
    const { pass, transactions, warnings } = rig({ ports, reservedPorts })
    await pass(state([translated('tcp/10.9.0.1:40300')]))
    expect(ranges(transactions())).toEqual(['40301,40999'])
    expect(warnings()).toHaveLength(1)
  })

  it('that are few are told of once, and only where anybody is translated', async () => {
    const scattered = Array.from({ length: 300 }, (_, index) => 32_800 + index * 100)
    const { pass, transactions, warnings } = rig({ reservedPorts: () => scattered })
    await pass(state([service(WEB)]))
    expect(warnings()).toEqual([])
    await pass(state([translated(WEB)]))
    expect(ranges(transactions())).toEqual(['32801,32899'])
    expect(warnings()).toEqual([expect.stringContaining('99 ports alone (32801-32899)')])
    await pass(state([translated(WEB), translated(DNS)]), 'full')
    expect(warnings()).toEqual([])
  })
})

describe('connections counted', () => {
  it('are summed over services and over elements that were made anew', async () => {
    const { pass, sink, kernel } = rig()
    const desired = state([translated(WEB), translated('fwmark/7/ipv4', 'masquerade', ['10.2.1.2:80', '10.2.2.2:80'])])
    await pass(desired)
    kernel.count(TABLE, 'vip4', ['tcp', '10.9.0.1', 80], 5)
    kernel.count(TABLE, 'mark4', [7, '10.2.1.2', 80], 2)
    kernel.count(TABLE, 'mark4', [7, '10.2.2.2', 80], 3)
    expect(Object.fromEntries(await sink.readConnections())).toEqual({ [WEB]: 5n, 'fwmark/7/ipv4': 5n })
    kernel.flushRuleset()
    await pass(desired, 'full')
    kernel.count(TABLE, 'vip4', ['tcp', '10.9.0.1', 80], 1)
    expect((await sink.readConnections()).get([...keys(WEB)][0] as never)).toBe(6n)
    expect(sink.connections()).toEqual(await sink.readConnections())
    await pass(state([translated(DNS)]))
    await sink.readConnections()
    expect([...sink.connections().keys()]).toEqual([DNS])
  })

  it('are not asked for where there are none', async () => {
    const { pass, sink, kernel } = rig()
    await pass(state([service(WEB)]))
    expect([...(await sink.readConnections())]).toEqual([])
    expect(kernel.reads).toBe(1)
  })
})
