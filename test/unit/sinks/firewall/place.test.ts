import { describe, expect, test } from 'vitest'
import type { IpAddress } from '../../../../src/model/address.ts'
import { baseChains, type FilterTable } from '../../../../src/sinks/firewall/filter.ts'
import { createFirewallSink } from '../../../../src/sinks/firewall/firewall-sink.ts'
import { judge, packetOf } from '../../../../src/sinks/firewall/judge.ts'
import type { FirewallHook, Opening } from '../../../../src/sinks/firewall/opening.ts'
import { readNftRuleset } from '../../../../src/sinks/firewall/read-nft.ts'
import { service, state } from '../../../support/desired.ts'
import { FakeFirewall } from '../../../support/fake-firewall.ts'
import { firewalldObjects, UFW_RULES, ufw, ufwLines } from '../../../support/filters/rule-sets.ts'

const NOW = 1_000_000
const NONE = { table: new Map(), holds: () => false }
const WEB: Opening = { kind: 'address', hook: 'input', protocol: 'tcp', address: '10.9.0.1' as IpAddress, port: 80 }
const REPLY: Opening = { kind: 'address', hook: 'forward', protocol: 'tcp', address: '10.2.1.2' as IpAddress, port: 8080 }
const OUT: Opening = { ...REPLY, hook: 'output' }
const services = ['tcp/10.9.0.1:80', 'tcp/10.9.0.1:443'].map((key) => service(key, ['10.2.1.2:8080']))

function judged(table: FilterTable, opening: Opening, tracked = true) {
  const [base] = baseChains(table, opening.hook as FirewallHook)
  if (base === undefined) throw new Error('there is no chain')
  return judge(table, base, packetOf(opening, tracked))
}

/** What a pass makes of a filter table that iptables keeps: the rules with ours among them, without the chain of ours. */
async function opened(lines: readonly string[], wanted = services.slice(0, 1)) {
  const firewall = new FakeFirewall()
  firewall.legacy.set('ipv4', [...lines])
  await using sink = createFirewallSink({ kernel: firewall, tracked: () => true, random: () => 0.5 })
  const { failed } = await sink.open(state(wanted), NONE, 'full', NOW)
  await sink.close(state(wanted), NONE, NOW)
  expect((await sink.open(state(wanted), NONE, 'full', NOW)).applied).toEqual({})
  const rules = firewall.legacy.get('ipv4') ?? []
  return { failed, rules, jumps: rules.filter((line) => / -j POINTSMAN-/.test(line)) }
}

/** The rule of the same chain that a jump is in front of, and the one that it is behind. */
const aheadOf = (rules: readonly string[], jump = '') => beside(rules, jump, 1)
const behind = (rules: readonly string[], jump = '') => beside(rules, jump, -1)
function beside(rules: readonly string[], jump: string, step: number): string | undefined {
  const chain = rules.filter((line) => line.startsWith(jump.split(' ').slice(0, 2).join(' ')))
  return chain[chain.indexOf(jump) + step]
}

describe('ufw', () => {
  test('drops what nobody has allowed by its policy, and lets the rest pass for certain', () => {
    expect(judged(ufw(), WEB)).toMatchObject({ verdict: 'drops', path: [6] })
    expect(judged(ufw(UFW_RULES.allow(80)), WEB)).toMatchObject({ verdict: 'passes' })
    expect(judged(ufw(UFW_RULES.deny(80)), WEB)).toMatchObject({ verdict: 'drops', path: [1, 12, 0] })
    expect(judged(ufw(UFW_RULES.limit(80)), WEB)).toMatchObject({ verdict: 'may drop', otherwise: 'accept' })
    expect(judged(ufw(), OUT)).toMatchObject({ verdict: 'passes' })
    expect(judged(ufw(), REPLY)).toMatchObject({ verdict: 'passes' })
    expect(judged(ufw(), REPLY, false)).toMatchObject({ verdict: 'drops' })
  })

  test('is opened behind all that it refuses and limits', async () => {
    const written = [...UFW_RULES.denyFrom('192.0.2.7/32'), ...UFW_RULES.limit(22)]
    const { rules, jumps, failed } = await opened(ufwLines(written))
    expect(failed).toEqual([])
    expect(jumps).toEqual(['-A INPUT -m comment --comment pointsman -j POINTSMAN-INPUT'])
    expect(rules.filter((line) => line.startsWith('-A INPUT ')).at(-1)).toBe(jumps[0])
  })

  test('is opened in its own chain, where it drops the service there, and behind whom it refuses before', async () => {
    const written = [...UFW_RULES.denyFrom('192.0.2.7/32'), ...UFW_RULES.deny(80)]
    const { rules, jumps } = await opened(ufwLines(written))
    expect(jumps).toEqual(['-A ufw-user-input -m comment --comment pointsman -j POINTSMAN-INPUT'])
    expect(behind(rules, jumps[0])).toBe('-A ufw-user-input -s 192.0.2.7/32 -j DROP')
    expect(aheadOf(rules, jumps[0])).toBe('-A ufw-user-input -p tcp -m tcp --dport 80 -j DROP')
  })

  test('and what it allows is let alone', async () => {
    expect((await opened(ufwLines(UFW_RULES.allow(80)))).jumps).toEqual([])
  })
})

describe('firewalld', () => {
  const table = readNftRuleset(firewalldObjects())[0] as FilterTable

  test('rejects what no service of the zone is, and lets out what it sends', () => {
    expect(judged(table, WEB)).toMatchObject({ verdict: 'drops', path: [4, 1, 8], doubt: [4, 0, 8] })
    expect(judged(table, { ...WEB, port: 22 } as Opening)).toMatchObject({ verdict: 'passes' })
    expect(judged(table, OUT).verdict).toBe('passes')
  })

  test('is opened in the zone, where everybody of it passes, behind what the zone denies', async () => {
    const firewall = new FakeFirewall()
    firewall.objects = firewalldObjects()
    await using sink = createFirewallSink({ kernel: firewall, tracked: () => true, random: () => 0.5 })
    expect((await sink.open(state(services), NONE, 'full', NOW)).failed).toEqual([])
    expect(firewall.rules('filter_IN_public').slice(-2)).toEqual(['pointsman', 'reject'])
    const opened = readNftRuleset(firewall.objects)[0] as FilterTable
    expect(judged(opened, WEB)).toMatchObject({ verdict: 'passes' })
    expect((await sink.open(state(services), NONE, 'full', NOW)).applied).toEqual({})
    await sink.remove()
    expect(firewall.objects).toEqual(firewalldObjects())
  })

  test('lets replies of known connections pass alone: without vs.conntrack those of TCP are invalid', () => {
    expect(judged(table, REPLY).verdict).toBe('passes')
    expect(judged(table, REPLY, false)).toMatchObject({ verdict: 'drops', path: [3] })
  })
})

describe('a place', () => {
  const lines = (...rules: string[]) => [
    ':INPUT DROP [0:0]',
    ':FORWARD ACCEPT [0:0]',
    ':OUTPUT ACCEPT [0:0]',
    ':clients - [0:0]',
    ':log-and-drop - [0:0]',
    '-A log-and-drop -j LOG',
    '-A log-and-drop -j DROP',
    ...rules,
  ]
  const DROP_80 = '-A INPUT -p tcp -m tcp --dport 80 -j DROP'
  const BLOCKED = '-A INPUT -s 192.0.2.0/24 -j DROP'

  test('is no further ahead than what others of its services are refused by; who is dropped before has one of its own', async () => {
    const { rules, jumps, failed } = await opened(lines(DROP_80, BLOCKED), services)
    expect(failed).toEqual([])
    expect(rules.filter((line) => line.startsWith('-A INPUT '))).toEqual([
      '-A INPUT -m comment --comment pointsman -j POINTSMAN-INPUT-2',
      DROP_80,
      BLOCKED,
      '-A INPUT -m comment --comment pointsman -j POINTSMAN-INPUT',
    ])
    expect(jumps).toHaveLength(2)
    expect(rules.filter((line) => line.startsWith('-A POINTSMAN-INPUT-2 '))).toEqual([expect.stringContaining('--dport 80 ')])
  })

  test('of its own goes with what drops the service there, and what has it stays as it is', async () => {
    const firewall = new FakeFirewall()
    firewall.legacy.set('ipv4', lines(DROP_80, BLOCKED))
    await using sink = createFirewallSink({ kernel: firewall, tracked: () => true, random: () => 0.5 })
    const pass = async () => {
      const { applied } = await sink.open(state(services), NONE, 'full', NOW)
      await sink.close(state(services), NONE, NOW)
      return applied
    }
    await pass()
    const inInput = () => firewall.legacy.get('ipv4')?.filter((line) => line.startsWith('-A INPUT ')) ?? []
    expect(await pass()).toEqual({})
    // Ahead of both jumps, so that each has another number.
    const rules = firewall.legacy.get('ipv4') ?? []
    rules.splice(rules.indexOf(inInput()[0] ?? ''), 0, '-A INPUT -p icmp -j ACCEPT')
    expect(await pass()).toEqual({})
    rules.splice(rules.indexOf(BLOCKED), 1)
    rules.push(BLOCKED)
    await pass()
    expect(inInput().map((line) => line.replace(/.*-j /, ''))).toEqual([
      'ACCEPT',
      'POINTSMAN-INPUT-2',
      'DROP',
      'DROP',
      'POINTSMAN-INPUT',
    ])
    firewall.legacy.set(
      'ipv4',
      (firewall.legacy.get('ipv4') ?? []).filter((line) => line !== DROP_80),
    )
    await pass()
    expect(firewall.legacy.get('ipv4')?.filter((line) => line.includes('POINTSMAN-INPUT-2'))).toEqual([])
    expect(inInput().at(-1)).toBe('-A INPUT -m comment --comment pointsman -j POINTSMAN-INPUT')
    await sink.remove()
    expect(firewall.legacy.get('ipv4')?.filter((line) => /pointsman/i.test(line))).toEqual([])
  })

  test('is the first of several where nothing is refused between them', async () => {
    const { rules, jumps, failed } = await opened(lines(BLOCKED, DROP_80), services)
    expect(failed).toEqual([])
    expect(behind(rules, jumps[0])).toBe(BLOCKED)
    expect(aheadOf(rules, jumps[0])).toBe(DROP_80)
  })

  test('is not ahead of a limit for a service that is accepted behind it', async () => {
    const LIMIT = '-A INPUT -p tcp -m tcp --dport 443 -m limit --limit 5/sec -j DROP'
    const ACCEPT = '-A INPUT -p tcp -m tcp --dport 443 -j ACCEPT'
    const { rules, jumps, failed } = await opened(lines(DROP_80, LIMIT, ACCEPT), services)
    expect(failed).toEqual([])
    expect(jumps).toEqual(['-A INPUT -m comment --comment pointsman -j POINTSMAN-INPUT-2'])
    expect(rules.filter((line) => line.startsWith('-A POINTSMAN-INPUT'))).toEqual([expect.stringContaining('--dport 80 ')])
  })

  test('is not ahead of a neighbour whom nftables refuses by its hardware address', async () => {
    const firewall = new FakeFirewall()
    firewall.table('inet', 'site')
    firewall.chain('inet site', 'input', { hook: 'input', policy: 'drop' })
    const is = (protocol: string, field: string, right: unknown) => ({
      match: { op: '==', left: { payload: { protocol, field } }, right },
    })
    firewall.rule('inet site', 'input', [is('tcp', 'dport', 443), { drop: null }])
    firewall.rule('inet site', 'input', [is('ether', 'saddr', '02:00:00:00:00:66'), { drop: null }])
    firewall.rule('inet site', 'input', [is('tcp', 'dport', 80), { accept: null }])
    await using sink = createFirewallSink({ kernel: firewall, tracked: () => true, random: () => 0.5 })
    await sink.open(state(services), NONE, 'full', NOW)
    expect(firewall.elements('pointsman-input-2-4')).toEqual([{ concat: ['tcp', '10.9.0.1', 443] }])
    expect(firewall.rules('input')).toEqual(['pointsman', 'drop', 'drop', 'accept'])
  })

  test('is in front of what leads to a chain that others lead to as well', async () => {
    const { rules, jumps } = await opened(lines('-A INPUT -s 192.0.2.0/24 -j log-and-drop', '-A INPUT -j log-and-drop'))
    expect(jumps).toEqual(['-A INPUT -m comment --comment pointsman -j POINTSMAN-INPUT'])
    expect(aheadOf(rules, jumps[0])).toBe('-A INPUT -j log-and-drop')
  })

  test('is nowhere, where that chain refuses some by itself', async () => {
    const shared = ['-A clients -s 192.0.2.0/24 -j DROP', '-A clients -j DROP']
    const { jumps, failed } = await opened(lines('-A INPUT -i eth7 -j clients', '-A INPUT -j clients', ...shared))
    expect([jumps, failed.length]).toEqual([[], 1])
  })

  test('moves behind what somebody refuses later', async () => {
    const firewall = new FakeFirewall()
    firewall.legacy.set('ipv4', lines())
    await using sink = createFirewallSink({ kernel: firewall, tracked: () => true, random: () => 0.5 })
    await sink.open(state(services), NONE, 'full', NOW)
    firewall.legacy.get('ipv4')?.push(BLOCKED)
    await sink.open(state(services), NONE, 'full', NOW)
    expect(firewall.legacy.get('ipv4')?.filter((line) => line.startsWith('-A INPUT '))).toEqual([
      BLOCKED,
      '-A INPUT -m comment --comment pointsman -j POINTSMAN-INPUT',
    ])
  })

  test('a failure ends when there is nothing left to be done', async () => {
    const firewall = new FakeFirewall()
    const shared = ['-A clients -s 192.0.2.0/24 -j DROP', '-A clients -j DROP']
    firewall.legacy.set('ipv4', lines('-A INPUT -i eth7 -j clients', '-A INPUT -j clients', ...shared))
    await using sink = createFirewallSink({ kernel: firewall, tracked: () => true, random: () => 0.5 })
    expect((await sink.open(state(services), NONE, 'full', NOW)).failed).toHaveLength(1)
    firewall.legacy.set('ipv4', [':INPUT ACCEPT [0:0]', ':FORWARD ACCEPT [0:0]', ':OUTPUT ACCEPT [0:0]'])
    expect((await sink.open(state(services), NONE, 'full', NOW)).failed).toEqual([])
  })
})
