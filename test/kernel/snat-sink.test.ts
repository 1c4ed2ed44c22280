/** Packets through IPVS and the source NAT sink, to servers that have no way back to the client; what they saw is what they answer. */

import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { inCheckout, type Lab } from '../lab/lab.ts'
import { sharedLab } from '../lab/shared.ts'
import { buildTopology, type Host, type Topology } from '../lab/topology.ts'
import type { Question } from './guest/ask-sources.ts'
import type { SnatService } from './guest/snat-sink.ts'
import { addressesOf, askSources, startSourceWitness } from './support/ask-sources.ts'
import { privateNamespace } from './support/namespace.ts'
import { SnatSinkInLab } from './support/snat-sink.ts'

const MASQUERADED = ['10.2.1.1', '10.2.2.1']
const SERVICES: readonly SnatService[] = [
  { service: 'tcp/10.9.0.1:80', nat: 'masquerade' },
  { service: 'udp/10.9.0.1:53', nat: 'masquerade' },
  { service: 'tcp/10.9.0.1:81', nat: '10.2.1.9' },
  { service: 'tcp/10.9.0.1:82', nat: '10.2.1.10' },
  { service: 'udp/10.9.0.1:54', nat: '10.2.1.9' },
  { service: 'tcp/10.9.0.1:83', nat: '10.2.1.20-10.2.1.22' },
  { service: 'tcp/10.9.0.2:0', nat: 'masquerade' },
  { service: 'fwmark/7/ipv4', nat: '10.2.1.10', backends: ['10.2.1.2:8080'] },
  { service: 'tcp/[fd00:9::1]:80', nat: 'masquerade' },
  { service: 'udp/[fd00:9::1]:53', nat: 'masquerade' },
  { service: 'tcp/[fd00:9::1]:81', nat: 'fd00:2:1::9' },
  { service: 'udp/[fd00:9::1]:54', nat: 'fd00:2:1::9-fd00:2:1::a' },
  { service: 'udp/[fd00:9::1]:55', nat: 'fd00:2:1::a' },
]
const TABLE = `
-A -t 10.9.0.1:80 -s rr
-a -t 10.9.0.1:80 -r 10.2.1.2:8080 -m
-a -t 10.9.0.1:80 -r 10.2.2.2:8080 -m
-A -u 10.9.0.1:53 -s rr
-a -u 10.9.0.1:53 -r 10.2.1.2:8080 -m
-a -u 10.9.0.1:53 -r 10.2.2.2:8080 -m
-A -t 10.9.0.1:81 -s rr
-a -t 10.9.0.1:81 -r 10.2.1.2:8080 -m
-A -t 10.9.0.1:82 -s rr
-a -t 10.9.0.1:82 -r 10.2.1.2:8080 -m
-A -u 10.9.0.1:54 -s rr
-a -u 10.9.0.1:54 -r 10.2.1.2:8080 -m
-A -t 10.9.0.1:83 -s rr
-a -t 10.9.0.1:83 -r 10.2.1.2:8080 -m
-A -t 10.9.0.2:0 -s rr -p 10
-a -t 10.9.0.2:0 -r 10.2.1.2:0 -m
-A -f 7 -s rr
-a -f 7 -r 10.2.1.2:8080 -m
-A -t [fd00:9::1]:80 -s rr
-a -t [fd00:9::1]:80 -r [fd00:2:1::2]:8080 -m
-a -t [fd00:9::1]:80 -r [fd00:2:2::2]:8080 -m
-A -u [fd00:9::1]:53 -s rr
-a -u [fd00:9::1]:53 -r [fd00:2:1::2]:8080 -m
-A -t [fd00:9::1]:81 -s rr
-a -t [fd00:9::1]:81 -r [fd00:2:1::2]:8080 -m
-A -u [fd00:9::1]:54 -s rr
-a -u [fd00:9::1]:54 -r [fd00:2:1::2]:8080 -m
-A -u [fd00:9::1]:55 -s rr
-a -u [fd00:9::1]:55 -r [fd00:2:1::2]:8080 -m
`
const WAYS = ['libnftables', 'nft', 'iptables-nft', 'iptables-legacy']
/** Not preferred, or masquerading would take the last of them. */
const SIX = ['fd00:2:1::9/128 preferred_lft 0 nodad', 'fd00:2:1::a/128 preferred_lft 0 nodad']
const OWN_ADDRESSES = ['10.2.1.9', '10.2.1.10', '10.2.1.20', '10.2.1.21', '10.2.1.22']

let lab: Lab
let net: Topology
const parts = new AsyncDisposableStack()

beforeAll(async () => {
  lab = parts.use(await sharedLab())
  net = parts.use(await buildTopology(lab, { name: 'snat', kind: 'routed', realServers: 2, virtualAddresses: 2 }))
  await net.check(net.director, 'ipvsadm -R && sysctl -qw net.ipv4.vs.conntrack=1', { input: TABLE.trimStart() })
  const added = [...OWN_ADDRESSES.map((address) => `${address}/32`), ...SIX]
  await net.check(net.director, added.map((address) => `ip addr add dev eth1 ${address}`).join(' && '))
  // Somebody else's table: it marks what the service by firewall mark takes.
  await net.check(net.director, ['nft', '-f', '-'], { input: MARKING })
  for (const server of net.realServers) {
    await net.check(server, 'ip route del default; ip -6 route del default; ip route; ip -6 route')
    await startSourceWitness(lab, server, 8080)
  }
})
afterAll(() => parts.disposeAsync())

const MARKING = `table inet marks {
  chain pre {
    type filter hook prerouting priority mangle
    ip daddr 10.9.0.1 tcp dport 90 meta mark set 7
  }
}
`

const ask = (host: Host, questions: readonly Question[]) => askSources(lab, host, questions)
const tcp = (address: string, port: number, more: Partial<Question> = {}): Question => ({
  protocol: 'tcp',
  address,
  port,
  times: 6,
  ...more,
})
const udp = (address: string, port: number, more: Partial<Question> = {}): Question => ({
  ...tcp(address, port, more),
  protocol: 'udp',
})

describe.each(WAYS)('servers without a way back, through %s', (by) => {
  it('answer nobody without source NAT, and everybody with it, from the addresses that were asked for', async () => {
    const own = WAYS.indexOf(by)
    await using sink = await SnatSinkInLab.start(lab, net.director.netns, by)
    const [[alone] = []] = await ask(net.client, [tcp('10.9.0.1', 80, { times: 1, patience: 2_000 })])
    expect(alone).toBe('none')
    const { opened, closed } = await sink.pass({ services: SERVICES })
    expect(opened).toMatchObject({ applied: { 'add-table': 1, 'add-element': SERVICES.length }, failed: [], unconfirmed: [] })
    expect(closed.failed).toEqual([])
    const expected: readonly (readonly [Question, readonly string[]])[] = [
      [tcp('10.9.0.1', 80), MASQUERADED],
      [udp('10.9.0.1', 53), MASQUERADED],
      [tcp('10.9.0.1', 81), ['10.2.1.9']],
      // The same server: which address it sees depends on the service alone.
      [tcp('10.9.0.1', 82), ['10.2.1.10']],
      [udp('10.9.0.1', 54), ['10.2.1.9']],
      // A client keeps to one address of a range (net/netfilter/nf_nat_core.c, find_best_ips_proto).
      [tcp('10.9.0.1', 83), [expect.stringMatching(/^10\.2\.1\.2[012]$/) as unknown as string]],
      [tcp('10.9.0.2', 8080), ['10.2.1.1']],
      [tcp('10.9.0.1', 90), ['10.2.1.10']],
      [tcp('fd00:9::1', 80), ['fd00:2:1::1', 'fd00:2:2::1']],
      [udp('fd00:9::1', 53), ['fd00:2:1::1']],
      [tcp('fd00:9::1', 81), ['fd00:2:1::9']],
      [udp('fd00:9::1', 55), ['fd00:2:1::a']],
      [udp('fd00:9::1', 54), [expect.stringMatching(/^fd00:2:1::[9a]$/) as unknown as string]],
    ]
    const answers = await ask(
      net.client,
      expected.map(([question]) => question),
    )
    for (const [index, [question, addresses]] of expected.entries())
      expect.soft(addressesOf(answers[index]), `${question.protocol} ${question.address} ${question.port}`).toEqual(addresses)
    const ports = answers.flat().map((answer) => Number(answer.split(' ')[1]))
    expect(ports.filter((port) => !(port >= 32_768 && port <= 60_999))).toEqual([])
    expect(new Set(ports).size).toBeGreaterThan(50)
    const connections = await sink.connections()
    for (const { service } of SERVICES) expect.soft(connections[service], service).toBeGreaterThanOrEqual(6)
    expect(connections['tcp/10.9.0.1:81']).toBe(6)
    expect(connections['fwmark/7/ipv4']).toBe(6)

    // Other connections to the same servers are not touched: from the director itself, and from a client for whom they have a way back.
    await net.check(net.client, 'ip addr add 10.1.0.77/32 dev eth0')
    await net.check(net.realServers[0] as Host, 'ip route add 10.1.0.77/32 via 10.2.1.1')
    const direct = await ask(net.director, [tcp('10.2.1.2', 8080, { times: 1, localPort: 2_000 + own })])
    expect(direct).toEqual([[`10.2.1.1 ${2_000 + own}`]])
    const through = await ask(net.client, [
      tcp('10.2.1.2', 8080, { times: 1, localAddress: '10.1.0.77', localPort: 3_000 + own }),
    ])
    expect(through).toEqual([[`10.1.0.77 ${3_000 + own}`]])
    expect(await sink.connections()).toEqual(connections)
    await net.check(net.client, 'ip addr del 10.1.0.77/32 dev eth0')
    await net.check(net.realServers[0] as Host, 'ip route del 10.1.0.77/32')

    // It ends in the middle; the next one finds all as it is to be.
    sink.kill()
    await using next = await SnatSinkInLab.start(lab, net.director.netns, by)
    const again = await next.pass({ services: SERVICES, scope: 'full' })
    expect([again.opened.applied, again.closed.applied, again.opened.unconfirmed]).toEqual([{}, {}, []])
    await next.remove()
    const { stdout } = await net.run(net.director, 'nft list ruleset | grep -ci pointsman')
    expect(stdout).toBe('0\n')
    expect(await net.check(net.director, 'nft list tables')).toContain('table inet marks\n')
  })
})

describe('random tables one into the next', () => {
  // In an emulated machine a program takes its time to start.
  it.each([
    ['libnftables', 150],
    ['nft', 20],
  ])('end through %s as they do in memory', async (by, tables) => {
    await using namespace = await privateNamespace(lab, 'snat-random')
    const script = inCheckout('test/kernel/guest/snat-random.ts')
    const { code, stdout, stderr } = await lab.runScript(script, {
      netns: namespace.name,
      args: [by, `${tables}`],
      timeoutMs: 250_000,
    })
    expect(code, stderr).toBe(0)
    expect(JSON.parse(stdout)).toEqual({ tables, faults: [] })
  })
})

describe('the table in the kernel', () => {
  const nft = (command: string) => net.check(net.director, ['nft', ...command.split(' ')])

  it('goes from one address to another, and comes back at once when it is deleted, or a part of it', async () => {
    await using sink = await SnatSinkInLab.start(lab, net.director.netns, 'libnftables', 'heal')
    const masqueraded = [{ service: 'udp/10.9.0.1:54', nat: 'masquerade' }]
    const fixed = [{ service: 'udp/10.9.0.1:54', nat: '10.2.1.9' }]
    await sink.pass({ services: masqueraded })
    expect(addressesOf((await ask(net.client, [udp('10.9.0.1', 54)]))[0])).toEqual(['10.2.1.1'])
    const { opened } = await sink.pass({ services: fixed })
    expect(opened.applied).toEqual({ 'edit-element': 1 })
    expect(addressesOf((await ask(net.client, [udp('10.9.0.1', 54)]))[0])).toEqual(['10.2.1.9'])

    await nft('delete table inet pointsman')
    const { report } = await sink.healed(1)
    expect(report.opened).toMatchObject({ applied: { 'add-table': 1, 'add-element': 1 }, driftRepaired: 2, unconfirmed: [] })
    expect(addressesOf((await ask(net.client, [udp('10.9.0.1', 54)]))[0])).toEqual(['10.2.1.9'])

    await nft('delete element inet pointsman vip4_address { udp . 10.9.0.1 . 54 }')
    expect((await sink.healed(2)).report.opened).toMatchObject({ applied: { 'add-element': 1 }, driftRepaired: 1 })
    await nft('flush chain inet pointsman ipv4')
    expect((await sink.healed(3)).report.opened).toMatchObject({ applied: { 'write-rules': 1 }, driftRepaired: 1 })
    expect(addressesOf((await ask(net.client, [udp('10.9.0.1', 54)]))[0])).toEqual(['10.2.1.9'])
    await sink.remove()
  })

  it('is read again by nft as it is printed, which is how people keep their rulesets', async () => {
    await using sink = await SnatSinkInLab.start(lab, net.director.netns)
    await sink.pass({ services: SERVICES })
    const script = 'printed=$(nft list ruleset) && printf "flush ruleset\\n%s\\n" "$printed" | nft -c -f /dev/stdin'
    const { code, stderr } = await net.run(net.director, ['sh', '-c', script])
    expect(code, stderr).toBe(0)
    await sink.remove()
  })

  it('takes 5,000 more elements in one transaction and with the same rules', async () => {
    await using sink = await SnatSinkInLab.start(lab, net.director.netns)
    const [first] = SERVICES
    await sink.pass({ services: [first as SnatService] })
    const rules = async () => (await nft('-a list table inet pointsman')).match(/comment "pointsman/g)?.length
    const before = await rules()
    const many = Array.from({ length: 5_000 }, (_, index) => ({
      service: `tcp/10.${20 + (index >> 8)}.0.${index & 255}:80`,
      nat: index % 2 ? 'masquerade' : '10.2.1.9',
    }))
    const monitor = net.spawn(net.director, ['nft', 'monitor'])
    // It is listened to once it has told of something.
    await expect
      .poll(
        async () => {
          await nft('add table inet snat-mark')
          await nft('delete table inet snat-mark')
          return monitor.stdout
        },
        { timeout: 60_000 },
      )
      .toContain('delete table inet snat-mark')
    await nft('add table inet snat-before')
    const { opened } = await sink.pass({ services: [first as SnatService, ...many] })
    expect(opened).toMatchObject({ applied: { 'add-element': 5_000 }, unconfirmed: [] })
    await nft('add table inet snat-after')
    await monitor.waitForLine((line) => line === 'add table inet snat-after', 180_000)
    const between = monitor.stdout.split('add table inet snat-before')[1]?.split('add table inet snat-after')[0]
    expect(between).toContain('add element inet pointsman')
    // That of the first mark, and ours.
    expect(between?.match(/^# new generation/gm)).toHaveLength(2)
    monitor.kill()
    await nft('delete table inet snat-before')
    await nft('delete table inet snat-after')
    expect(await rules()).toBe(before)
    await sink.remove()
  })
})
