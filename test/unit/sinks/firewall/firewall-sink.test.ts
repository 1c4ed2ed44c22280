import { describe, expect, test } from 'vitest'
import { PointsmanError } from '../../../../src/errors.ts'
import type { IpvsTable } from '../../../../src/model/ipvs-table.ts'
import { createFirewallSink, type HeldServices } from '../../../../src/sinks/firewall/firewall-sink.ts'
import { endpoint, held, key, service, state, virtual, wanted } from '../../../support/desired.ts'
import { FakeFirewall } from '../../../support/fake-firewall.ts'

const NOW = 1_000_000
const NONE: HeldServices = { table: new Map(), holds: () => false }
const WEB = service('tcp/10.9.0.1:80', ['10.2.1.2:8080'])
const TABLE = 'inet site'
const ACCEPT = { accept: null }
const DROP = { drop: null }

/** The three chains of a site, which drop what they do not know. */
function site(): FakeFirewall {
  const firewall = new FakeFirewall()
  firewall.table('inet', 'site')
  for (const hook of ['input', 'output', 'forward']) firewall.chain(TABLE, hook, { hook, policy: 'drop' })
  firewall.rule(TABLE, 'input', [{ match: { op: 'in', left: { ct: { key: 'state' } }, right: ['established'] } }, ACCEPT])
  return firewall
}

const sinkOn = (kernel: FakeFirewall, more: object = {}) =>
  createFirewallSink({ kernel, tracked: () => true, random: () => 0.5, ...more })

async function pass(
  sink: ReturnType<typeof sinkOn>,
  services = [WEB],
  heldNow = NONE,
  scope: 'changes' | 'full' = 'full',
  now = NOW,
) {
  const opened = await sink.open(state(services), heldNow, scope, now)
  const closed = await sink.close(state(services), heldNow, now)
  return { opened, closed }
}

describe('chains that drop', () => {
  test('are opened for the services alone, behind what others accept and refuse, in one transaction', async () => {
    const firewall = site()
    await using sink = sinkOn(firewall)
    const { opened, closed } = await pass(sink)
    expect(opened).toMatchObject({ applied: { 'open-chain': 3, 'add-rule': 3 }, failed: [], driftRepaired: 0 })
    expect(closed.applied).toEqual({})
    expect(firewall.transactions).toHaveLength(1)
    expect(firewall.rules('input')).toEqual(['accept', 'pointsman'])
    expect(firewall.elements('pointsman-input4')).toEqual([{ concat: ['tcp', '10.9.0.1', 80] }])
    expect(firewall.elements('pointsman-output4')).toEqual([{ concat: ['tcp', '10.2.1.2', 8080] }])
    expect(firewall.elements('pointsman-forward4')).toEqual([{ concat: ['tcp', '10.2.1.2', 8080] }])
  })

  test('let back what belongs to a connection of a client, as far as connections are known', async () => {
    const firewall = site()
    let tracked = true
    const warnings: unknown[] = []
    await using sink = sinkOn(firewall, {
      tracked: () => tracked,
      log: { warn: (_: object, text: string) => warnings.push(text) },
    })
    await pass(sink)
    const shape = () => firewall.objects.filter((each) => JSON.stringify(each).includes('"chain":"pointsman-forward"'))
    const isStateful = () => shape().map((each) => JSON.stringify(each).includes('"direction"'))
    expect(isStateful()).toEqual([true, true, true, true])
    tracked = false
    expect((await pass(sink, [WEB], NONE, 'changes')).opened).toMatchObject({ failed: [], driftRepaired: 0 })
    expect(isStateful()).toEqual([false, false, false, false])
    expect((await pass(sink)).opened.applied).toEqual({})
    expect(warnings).toEqual([])
  })

  test('by a rule are opened in front of that rule', async () => {
    const firewall = site()
    firewall.rule(TABLE, 'output', [DROP])
    firewall.rule(TABLE, 'output', [ACCEPT])
    await using sink = sinkOn(firewall)
    await pass(sink)
    expect(firewall.rules('output')).toEqual(['pointsman', 'drop', 'accept'])
  })

  test.each<[string, readonly unknown[]]>([
    ['that accept everything', [ACCEPT]],
    ['that may drop some of it', [{ match: { op: '==', left: { fib: {} }, right: 'x' } }, DROP]],
  ])('and those %s are let alone', async (_, rule) => {
    const firewall = new FakeFirewall()
    firewall.table('inet', 'site')
    firewall.chain(TABLE, 'input', { hook: 'input', policy: 'accept' })
    firewall.rule(TABLE, 'input', rule)
    const before = structuredClone(firewall.objects)
    await using sink = sinkOn(firewall)
    expect((await pass(sink)).opened.applied).toEqual({})
    expect(firewall.objects).toEqual(before)
  })

  test('another process with the same services writes nothing, and every later pass the difference', async () => {
    const firewall = site()
    {
      await using first = sinkOn(firewall)
      await pass(first)
    }
    await using second = sinkOn(firewall)
    expect((await pass(second)).opened.applied).toEqual({})
    expect(firewall.transactions).toHaveLength(1)
    const more = service('udp/[fd00:9::1]:53', ['[fd00:2::1]:53'])
    expect((await pass(second, [WEB, more], NONE, 'changes')).opened.applied).toEqual({ 'add-rule': 3 })
    expect(firewall.elements('pointsman-input6')).toEqual([{ concat: ['udp', 'fd00:9::1', 53] }])
    expect((await pass(second, [more], NONE, 'changes')).closed.applied).toEqual({ 'delete-rule': 3 })
    expect(firewall.elements('pointsman-input4')).toEqual([])
  })

  test('stay open for what IPVS still holds of ours, and no longer', async () => {
    const firewall = site()
    await using sink = sinkOn(firewall)
    await pass(sink, [service('tcp/10.9.0.1:80', ['10.2.1.2:8080', '10.2.1.3:8080'])])
    const destinations = new Map(
      ['10.2.1.2:8080', '10.2.1.3:8080'].map((text) => [
        key(text),
        { destination: held(text), connections: { active: 1, inactive: 0, persistent: 0 } },
      ]),
    )
    const table = new Map([['tcp/10.9.0.1:80', { service: virtual('tcp/10.9.0.1:80'), destinations }]]) as unknown as IpvsTable
    expect((await pass(sink, [WEB], { table, holds: () => true })).closed.applied).toEqual({})
    // What is not ours is nobody's reason.
    expect((await pass(sink, [WEB], { table, holds: () => false })).closed.applied).toEqual({ 'delete-rule': 2 })
  })

  test('are as they were when no service is left, and after `remove`', async () => {
    const firewall = site()
    const before = structuredClone(firewall.objects)
    await using sink = sinkOn(firewall)
    await pass(sink)
    await pass(sink, [])
    expect(firewall.objects).toEqual(before)
    await pass(sink)
    await sink.remove()
    expect(firewall.objects).toEqual(before)
  })

  test('of other forwardings, marks and every port are opened as their packets look there', async () => {
    const firewall = site()
    await using sink = sinkOn(firewall)
    const to = (forwarding: Parameters<typeof wanted>[1]) => wanted('10.2.1.2:80', forwarding)
    await pass(sink, [
      service('tcp/10.9.0.1:80', [to({ forwarding: { method: 'direct' } })]),
      service('tcp/10.9.0.2:80', [to({ forwarding: { method: 'tunnel', tunnel: { type: 'ipip' } } })]),
      service('tcp/[fd00:9::2]:80', [to({ forwarding: { method: 'tunnel', tunnel: { type: 'ipip' } } })]),
      service('tcp/10.9.0.3:80', [
        to({ forwarding: { method: 'tunnel', tunnel: { type: 'gue', port: 6080, checksum: 'none' } } }),
      ]),
      service('tcp/10.9.0.4:80', [to({ forwarding: { method: 'local' } })]),
      service('udp/10.9.0.5:0', ['10.2.1.5:0']),
      service('fwmark/7/ipv4', [{ ...endpoint('10.2.1.7:80'), forwarding: { method: 'nat' }, weight: 1, reasons: [] }]),
    ])
    expect(firewall.elements('pointsman-output4')).toEqual([
      { concat: ['tcp', '10.9.0.1', 80] },
      { concat: ['udp', '10.2.1.2', 6080] },
      ...['tcp', 'udp', 'sctp'].map((protocol) => ({ concat: [protocol, '10.2.1.7', 80] })),
    ])
    expect(firewall.elements('pointsman-output4-any-port')).toEqual([
      { concat: ['4', '10.2.1.2'] },
      { concat: ['41', '10.2.1.2'] },
      { concat: ['udp', '10.2.1.5'] },
    ])
    expect(firewall.elements('pointsman-input4-mark')).toEqual([7])
    expect(firewall.elements('pointsman-forward4').length).toBe(3)
    expect((await pass(sinkOn(firewall), [])).closed.applied).toMatchObject({ 'close-chain': 3 })
  })
})

describe('what others do', () => {
  const flushed = (objects: FakeFirewall['objects']) =>
    objects.filter((object) => !('set' in object) && !JSON.stringify(object).includes('pointsman'))

  test('a reload is mended before the next pass, which tells of it', async () => {
    const firewall = site()
    await using sink = sinkOn(firewall)
    await pass(sink)
    const disturbed = new Promise<void>((resolve) => sink.onDisturbed(resolve))
    firewall.byOthers(flushed)
    await disturbed
    expect(firewall.rules('input')).toEqual(['accept', 'pointsman'])
    expect((await pass(sink)).opened).toMatchObject({ applied: { 'open-chain': 3, 'add-rule': 3 }, driftRepaired: 3 })
    expect((await pass(sink)).opened).toMatchObject({ applied: {}, driftRepaired: 0 })
  })

  test.each<[string, (firewall: FakeFirewall) => void]>([
    ['an element that is gone', (firewall) => firewall.elements('pointsman-input4').pop()],
    ['an element that is not ours', (firewall) => firewall.elements('pointsman-input4').push('strange')],
    [
      'a rule before ours',
      (firewall) =>
        void firewall.objects.splice(
          firewall.objects.findIndex(({ rule }) => JSON.stringify(rule)?.includes('jump')),
          0,
          { rule: { family: 'inet', table: 'site', chain: 'input', handle: 7, expr: [DROP] } },
        ),
    ],
    ['a second jump', (firewall) => void firewall.rule(TABLE, 'input', [{ jump: { target: 'pointsman-input' } }], 'pointsman')],
    [
      'a chain without its rules',
      (firewall) => {
        firewall.objects = firewall.objects.filter((object) => !/"chain":"pointsman-input"/.test(JSON.stringify(object)))
      },
    ],
  ])('%s is put right', async (_, change) => {
    const firewall = site()
    await using sink = sinkOn(firewall)
    await pass(sink)
    change(firewall)
    const { opened } = await pass(sink)
    expect(Object.keys(opened.applied)).not.toEqual([])
    const names = firewall.rules('input')
    expect(names.filter((name) => name === 'pointsman')).toHaveLength(1)
    expect(names.indexOf('pointsman')).toBeLessThan(names.includes('drop') ? names.indexOf('drop') : 99)
    expect(firewall.elements('pointsman-input4')).toEqual([{ concat: ['tcp', '10.9.0.1', 80] }])
    expect((await pass(sink)).opened.applied).toEqual({})
  })

  test('while nothing may be written a reload is told and not mended', async () => {
    const firewall = site()
    await using sink = sinkOn(firewall, { mayRepair: () => false })
    await pass(sink)
    const disturbed = new Promise<void>((resolve) => sink.onDisturbed(resolve))
    firewall.byOthers(flushed)
    await disturbed
    expect(firewall.rules('input')).toEqual(['accept'])
    expect((await pass(sink)).opened).toMatchObject({ applied: { 'open-chain': 3 }, driftRepaired: 3 })
  })

  test('a repair between passes is told and not begun where it is forbidden while it reads, and one that was begun can be waited for', async () => {
    const firewall = site()
    let mayRepair = true
    await using sink = sinkOn(firewall, { mayRepair: () => mayRepair })
    await pass(sink)
    const reading = Promise.withResolvers<void>()
    const readFilters = firewall.nftables.readFilters.bind(firewall.nftables)
    firewall.nftables.readFilters = async () => {
      reading.resolve()
      return readFilters()
    }
    const told = new Promise<void>((resolve) => sink.onDisturbed(resolve))
    firewall.byOthers(flushed)
    await reading.promise
    mayRepair = false
    await told
    await sink.settled()
    expect(firewall.rules('input')).toEqual(['accept'])
    const writing = Promise.withResolvers<void>()
    const written = Promise.withResolvers<void>()
    const apply = firewall.nftables.apply.bind(firewall.nftables)
    firewall.nftables.apply = async (commands) => {
      writing.resolve()
      await written.promise
      return apply(commands)
    }
    mayRepair = true
    firewall.byOthers(flushed)
    await writing.promise
    mayRepair = false
    let isSettled = false
    const settled = sink.settled().then(() => {
      isSettled = true
    })
    await new Promise((resolve) => setImmediate(resolve))
    expect(isSettled).toBe(false)
    written.resolve()
    await settled
    expect(firewall.rules('input')).toContain('pointsman')
  })

  test('a table that takes no rules fails alone, and is tried again after a while', async () => {
    const firewall = site()
    await using sink = sinkOn(firewall)
    firewall.nftables.apply = () =>
      Promise.reject(new PointsmanError('KERNEL_REFUSED', 'nftables refused: Operation not permitted.'))
    const { opened } = await pass(sink)
    expect(opened.failed).toEqual([
      {
        object: 'nftables table inet site',
        code: 'KERNEL_REFUSED',
        message:
          'The rules for services cannot be brought into nftables table inet site: nftables refused: Operation not permitted.',
        retryAt: NOW + 1_000,
      },
    ])
    expect(opened.wakeAt).toBe(NOW + 1_000)
  })

  test('the rules of an earlier name of the instance go', async () => {
    const firewall = site()
    const before = structuredClone(firewall.objects)
    await pass(sinkOn(firewall, { instance: 'old' }))
    await pass(sinkOn(firewall, { instance: 'new', former: ['old', 'new'] }))
    expect(firewall.rules('input')).toEqual(['accept', 'pointsman-new'])
    await sinkOn(firewall, { instance: 'new' }).remove()
    expect(firewall.objects).toEqual(before)
  })
})

test('a legacy table of iptables gets one jump to a chain of ours', async () => {
  const firewall = new FakeFirewall()
  const before = [
    ':INPUT DROP [0:0]',
    ':FORWARD ACCEPT [0:0]',
    ':OUTPUT ACCEPT [0:0]',
    '-A INPUT -i lo -j ACCEPT',
    '-A INPUT -j REJECT --reject-with icmp-port-unreachable',
  ]
  firewall.legacy.set('ipv4', before)
  await using sink = sinkOn(firewall)
  expect((await pass(sink)).opened.applied).toEqual({ 'open-chain': 1, 'add-rule': 1 })
  expect(firewall.legacy.get('ipv4')).toEqual([
    ':POINTSMAN-INPUT - [0:0]',
    ':INPUT DROP [0:0]',
    ':FORWARD ACCEPT [0:0]',
    ':OUTPUT ACCEPT [0:0]',
    '-A INPUT -i lo -j ACCEPT',
    '-A INPUT -m comment --comment pointsman -j POINTSMAN-INPUT',
    '-A INPUT -j REJECT --reject-with icmp-port-unreachable',
    '-A POINTSMAN-INPUT -d 10.9.0.1/32 -p tcp -m tcp --dport 80 -m comment --comment "tcp/10.9.0.1:80" -j ACCEPT',
  ])
  expect((await pass(sink)).opened.applied).toEqual({})
  firewall.legacy.get('ipv4')?.splice(2, 1, ':FORWARD DROP [0:0]')
  await pass(sink)
  expect(firewall.legacy.get('ipv4')).toContain(
    '-A POINTSMAN-FORWARD -s 10.2.1.2/32 -p tcp -m tcp --sport 8080 -m conntrack --ctstate RELATED,ESTABLISHED --ctdir REPLY -m comment --comment "tcp/10.2.1.2:8080" -j ACCEPT',
  )
  expect((await pass(sink)).opened.applied).toEqual({})
  firewall.legacy
    .get('ipv4')
    ?.splice(firewall.legacy.get('ipv4')?.indexOf(':FORWARD DROP [0:0]') ?? 0, 1, ':FORWARD ACCEPT [0:0]')
  await pass(sink)
  await pass(sink, [WEB, service('fwmark/7/ipv4')], NONE, 'changes')
  expect(firewall.legacy.get('ipv4')?.at(-1)).toBe(
    '-A POINTSMAN-INPUT -m mark --mark 0x7 -m comment --comment "mark/7/ipv4" -j ACCEPT',
  )
  expect((await pass(sink)).closed.applied).toEqual({ 'delete-rule': 1 })
  await sink.remove()
  expect(firewall.legacy.get('ipv4')).toEqual(before)
})
