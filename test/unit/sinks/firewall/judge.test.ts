import { describe, expect, test } from 'vitest'
import type { NftObject } from '../../../../src/kernel/for-sinks.ts'
import type { IpAddress } from '../../../../src/model/address.ts'
import { baseChains, type FilterTable } from '../../../../src/sinks/firewall/filter.ts'
import { type Judgement, judge, packetOf } from '../../../../src/sinks/firewall/judge.ts'
import type { FirewallHook, Opening } from '../../../../src/sinks/firewall/opening.ts'
import { readIptablesFilter } from '../../../../src/sinks/firewall/read-iptables.ts'
import { readNftRuleset } from '../../../../src/sinks/firewall/read-nft.ts'

const WEB: Opening = { kind: 'address', hook: 'input', protocol: 'tcp', address: '10.9.0.1' as IpAddress, port: 80 }
const REPLY: Opening = { kind: 'address', hook: 'forward', protocol: 'tcp', address: '10.2.1.2' as IpAddress, port: 8080 }
const MARK: Opening = { kind: 'mark', hook: 'input', mark: 7, family: 'ipv4' }

const match = (left: unknown, right: unknown, op = '==') => ({ match: { op, left, right } })
const daddr = (right: unknown) => match({ payload: { protocol: 'ip', field: 'daddr' } }, right)
const frame = (protocol: string, field: string) => ({ payload: { protocol, field } })
const dport = (right: unknown) => match({ payload: { protocol: 'tcp', field: 'dport' } }, right)
const state = (right: unknown, op = 'in') => match({ ct: { key: 'state' } }, right, op)
const ACCEPT = { accept: null }
const DROP = { drop: null }

/** `inet site` with one chain at a hook, as nft 1.0.6 prints it. */
function nft(
  rules: readonly (readonly unknown[])[],
  { policy = 'drop', hook = 'input', more = [] as NftObject[] } = {},
): FilterTable {
  const at = { family: 'inet', table: 'site' }
  const [table] = readNftRuleset([
    { table: { family: 'inet', name: 'site' } },
    ...more,
    { chain: { ...at, name: 'here', type: 'filter', hook, prio: 0, policy } },
    ...rules.map((expr, index) => ({ rule: { ...at, chain: 'here', handle: index + 5, expr } })),
  ])
  return table as FilterTable
}

const of = (table: FilterTable, opening: Opening, tracked = true): Judgement => {
  const [base] = baseChains(table, opening.hook as FirewallHook)
  if (base === undefined) throw new Error('there is no chain')
  return judge(table, base, packetOf(opening, tracked))
}

describe('a chain of nftables', () => {
  test.each<[string, readonly (readonly unknown[])[], Judgement['verdict'], number]>([
    ['nothing but its policy', [], 'drops', 0],
    ['the port, for every address', [[dport(80), ACCEPT]], 'passes', 0],
    ['a set of ports with a range', [[dport({ set: [22, { range: [70, 90] }] }), ACCEPT]], 'passes', 0],
    ['another port', [[dport(443), ACCEPT]], 'drops', 1],
    ['a network that has the address in it', [[daddr({ prefix: { addr: '10.0.0.0', len: 8 } }), ACCEPT]], 'passes', 0],
    ['another network', [[daddr({ prefix: { addr: '10.8.0.0', len: 16 } }), ACCEPT]], 'drops', 1],
    ['all but this address', [[match({ payload: { protocol: 'ip', field: 'daddr' } }, '10.9.0.1', '!='), ACCEPT]], 'drops', 1],
    ['connections that are known', [[state(['established', 'related']), ACCEPT]], 'drops', 1],
    ['connections that are new', [[state('new'), ACCEPT]], 'passes', 0],
    ['the loopback', [[match({ meta: { key: 'iifname' } }, 'lo'), ACCEPT]], 'drops', 1],
    ['containers', [[match({ meta: { key: 'iifname' } }, 'docker0'), ACCEPT]], 'drops', 1],
    ['an interface that may be that of clients', [[match({ meta: { key: 'iifname' } }, 'eth0'), ACCEPT]], 'may drop', 1],
    ['a neighbour by its hardware address', [[match(frame('ether', 'saddr'), '02:00:00:00:00:66'), ACCEPT]], 'may drop', 1],
    ['what a frame carries', [[match(frame('ether', 'type'), 'ip'), ACCEPT]], 'may drop', 1],
    ['a virtual network', [[match(frame('vlan', 'id'), 5), ACCEPT]], 'may drop', 1],
    ['clients of one network', [[match({ payload: { protocol: 'ip', field: 'saddr' } }, '10.1.0.2'), ACCEPT]], 'may drop', 1],
    ['a certain drop before the accept', [[dport(80), DROP], [ACCEPT]], 'drops', 0],
    [
      'a doubtful drop before the accept',
      [
        [match({ fib: {} }, 'x'), DROP],
        [dport(80), ACCEPT],
      ],
      'may drop',
      1,
    ],
    ['a limit', [[{ limit: { rate: 5 } }, ACCEPT]], 'may drop', 1],
    ['a statement of another program', [[{ xt: null }]], 'may drop', 1],
    ['rules with counters and a log', [[dport(80), { counter: { packets: 0 } }, { log: { prefix: 'x' } }, ACCEPT]], 'passes', 0],
    ['IPv6 alone', [[match({ meta: { key: 'nfproto' } }, 'ipv6'), ACCEPT]], 'drops', 1],
    ['protocols by a set', [[match({ meta: { key: 'l4proto' } }, { set: ['tcp', 'udp'] }), ACCEPT]], 'passes', 0],
    ['ICMP', [[match({ payload: { protocol: 'icmp', field: 'type' } }, 'echo-request'), ACCEPT]], 'drops', 1],
    ['what routing calls local', [[match({ fib: { result: 'type', flags: ['daddr'] } }, 'local'), ACCEPT]], 'passes', 0],
    ['all but that', [[match({ fib: { result: 'type', flags: 'daddr' } }, 'local', '!='), DROP], [ACCEPT]], 'passes', 1],
    [
      'what is local to its interface',
      [[match({ fib: { result: 'type', flags: ['daddr', 'iif'] } }, 'local'), ACCEPT]],
      'may drop',
      1,
    ],
    ['translated connections', [[match({ ct: { key: 'status' } }, 'dnat', 'in'), ACCEPT]], 'drops', 1],
    ['replies', [[match({ ct: { key: 'direction' } }, 'reply'), ACCEPT]], 'drops', 1],
    ['a reject', [[dport(80), { reject: null }]], 'drops', 0],
  ])('of %s', (_, rules, verdict, at) => {
    expect(of(nft(rules), WEB)).toMatchObject({ verdict, at })
  })

  test('with a verdict map, each element is a rule', () => {
    const vmap = {
      vmap: {
        key: { ct: { key: 'state' } },
        data: {
          set: [
            ['established', ACCEPT],
            ['invalid', DROP],
          ],
        },
      },
    }
    expect(of(nft([[vmap]]), WEB)).toMatchObject({ verdict: 'drops', at: 2 })
    expect(of(nft([[vmap]], { hook: 'forward' }), REPLY)).toMatchObject({ verdict: 'passes', at: 0 })
    // Nobody knows the connection that a reply belongs to.
    expect(of(nft([[vmap]], { hook: 'forward', policy: 'accept' }), REPLY, false)).toMatchObject({ verdict: 'drops', at: 1 })
  })

  test('sets of the table are looked into, with tuples', () => {
    const left = {
      concat: [
        { meta: { key: 'l4proto' } },
        { payload: { protocol: 'ip', field: 'daddr' } },
        { payload: { protocol: 'th', field: 'dport' } },
      ],
    }
    const elem = [{ concat: ['tcp', '10.9.0.1', 80] }, { elem: { val: { concat: ['udp', '10.9.0.1', 53] } } }]
    const more = [{ set: { family: 'inet', table: 'site', name: 'open', type: [], elem } }]
    const rules = [[match(left, '@open'), ACCEPT]]
    expect(of(nft(rules, { more }), WEB).verdict).toBe('passes')
    expect(of(nft(rules, { more }), { ...WEB, protocol: 'udp', port: 53 } as Opening).verdict).toBe('passes')
    expect(of(nft(rules, { more }), { ...WEB, port: 81 } as Opening).verdict).toBe('drops')
    expect(of(nft(rules), WEB).verdict).toBe('may drop')
  })

  test('chains are followed, there and back', () => {
    const at = { family: 'inet', table: 'site' }
    const sub = (expr: readonly unknown[]) => [
      { chain: { ...at, name: 'sub' } },
      { rule: { ...at, chain: 'sub', handle: 90, expr } },
      { rule: { ...at, chain: 'sub', handle: 91, expr: [DROP] } },
    ]
    const jump = [[{ jump: { target: 'sub' } }], [ACCEPT]]
    expect(of(nft(jump, { more: sub([dport(80), { return: null }]) }), WEB)).toMatchObject({ verdict: 'passes', at: 1 })
    expect(of(nft(jump, { more: sub([dport(81), { return: null }]) }), WEB)).toMatchObject({ verdict: 'drops', at: 0 })
    // Whether a packet comes back is not known: who does not is dropped.
    const doubtful = sub([match({ fib: {} }, 'x'), { return: null }])
    expect(of(nft(jump, { more: doubtful }), WEB)).toMatchObject({ verdict: 'may drop', otherwise: 'drop', at: 0 })
    const goto = [[{ goto: { target: 'sub' } }], [ACCEPT]]
    expect(of(nft(goto, { more: sub([dport(80), { return: null }]) }), WEB)).toMatchObject({ verdict: 'drops', at: 2 })
  })

  test('a chain of drops that lead to each other is judged in finite time', () => {
    const at = { family: 'inet', table: 'site' }
    const chains = Array.from({ length: 40 }, (_, index) => [
      { chain: { ...at, name: `c${index}` } },
      ...[1, 2].map((n) => ({
        rule: { ...at, chain: `c${index}`, handle: 100 * index + n, expr: [{ jump: { target: `c${index + 1}` } }] },
      })),
    ]).flat()
    expect(of(nft([[{ jump: { target: 'c0' } }]], { more: chains }), WEB)).toMatchObject({
      verdict: 'may drop',
      otherwise: 'drop',
    })
  })

  test('a firewall mark is known, the address behind it is not', () => {
    expect(of(nft([[match({ meta: { key: 'mark' } }, 7), ACCEPT]]), MARK).verdict).toBe('passes')
    expect(of(nft([[match({ meta: { key: 'mark' } }, 8), ACCEPT]]), MARK).verdict).toBe('drops')
    expect(of(nft([[dport(80), ACCEPT]]), MARK).verdict).toBe('may drop')
  })

  test('chains that come after IPVS has taken the packet are none of these', () => {
    const late = nft([]).chains.get('here')
    const table = {
      ...nft([]),
      chains: new Map([
        ['here', { ...late, name: 'here', rules: [], base: { hook: 'input', priority: 100, policy: 'drop' } as const }],
      ]),
    }
    expect(baseChains(table, 'input')).toEqual([])
  })
})

const DOCKER = `# Generated by iptables-nft-save v1.8.9 (nf_tables)
*filter
:INPUT ACCEPT [0:0]
:FORWARD DROP [0:0]
:OUTPUT ACCEPT [0:0]
:DOCKER - [0:0]
:DOCKER-USER - [0:0]
-A FORWARD -j DOCKER-USER
-A FORWARD -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A FORWARD -o docker0 -j DOCKER
-A FORWARD -i docker0 ! -o docker0 -j ACCEPT
-A DOCKER-USER -j RETURN
COMMIT`

const UFW = `*filter
:INPUT DROP [0:0]
:FORWARD DROP [0:0]
:OUTPUT ACCEPT [0:0]
:ufw-before-input - [0:0]
:ufw-user-input - [0:0]
:ufw-not-local - [0:0]
-A INPUT -j ufw-before-input
-A ufw-before-input -i lo -j ACCEPT
-A ufw-before-input -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A ufw-before-input -m conntrack --ctstate INVALID -j DROP
-A ufw-before-input -p icmp -m icmp --icmp-type 8 -j ACCEPT
-A ufw-before-input -d 224.0.0.251/32 -p udp -m udp --dport 5353 -j ACCEPT
-A ufw-before-input -j ufw-user-input
USER
COMMIT`

const saved = (text: string) => readIptablesFilter(text.split('\n'), 'nft', 'ipv4')

describe('the filter table of iptables', () => {
  test('Docker drops replies of backends that are no containers', () => {
    const table = saved(DOCKER)
    expect(of(table, WEB).verdict).toBe('passes')
    // That they come from no container only the interface can tell.
    expect(of(table, REPLY)).toMatchObject({ verdict: 'may drop', otherwise: 'drop', at: 4 })
    const [base] = baseChains(table, 'forward')
    if (base === undefined) throw new Error('there is no chain')
    expect(judge(table, base, { ...packetOf(REPLY, true), iif: 'eth1' }).verdict).toBe('drops')
    const cured = saved(
      DOCKER.replace('-A DOCKER-USER', '-A DOCKER-USER -s 10.2.1.2/32 -p tcp -m tcp --sport 8080 -j ACCEPT\n-A DOCKER-USER'),
    )
    expect(of(cured, REPLY).verdict).toBe('passes')
  })

  test.each([
    ['', 'drops'],
    ['-A ufw-user-input -d 10.9.0.1/32 -p tcp -m tcp --dport 80 -j ACCEPT', 'passes'],
    ['-A ufw-user-input -p tcp -m multiport --dports 22,70:90 -j ACCEPT', 'passes'],
    ['-A ufw-user-input ! -d 10.9.0.1/32 -p tcp -j ACCEPT', 'drops'],
    ['-A ufw-user-input -d 10.9.0.0/16 -p tcp -m comment --comment "our \\"web\\" servers" -j ACCEPT', 'passes'],
    [
      '-A ufw-user-input -p tcp -m recent --update --seconds 30 --name DEFAULT --mask 255.255.255.255 --rsource -j ACCEPT',
      'may drop',
    ],
    ['-A ufw-user-input -m addrtype --dst-type LOCAL -j ACCEPT', 'passes'],
    ['-A ufw-user-input -m addrtype ! --dst-type LOCAL,MULTICAST -j ACCEPT', 'drops'],
    ['-A ufw-user-input -m addrtype --dst-type LOCAL --limit-iface-in -j ACCEPT', 'may drop'],
    ['-A ufw-user-input -m rt --rt-type 0 -j ACCEPT', 'drops'],
    ['-A ufw-user-input -m conntrack --ctdir REPLY -j ACCEPT', 'drops'],
    ['-A ufw-user-input -m conntrack --ctstatus ASSURED,SEEN_REPLY -j ACCEPT', 'drops'],
    ['-A ufw-user-input -p tcp -j NFQUEUE --queue-num 3', 'may drop'],
    ['-A ufw-user-input -p tcp -j LOG --log-prefix "[UFW] "', 'drops'],
  ])('ufw with %j', (rule, verdict) => {
    expect(of(saved(UFW.replace('USER', rule)), WEB).verdict).toBe(verdict)
  })
})
