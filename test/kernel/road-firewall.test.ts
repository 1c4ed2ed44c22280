/** Filters that drop packets of services: the doctor names them and its cures work as printed; with `manage_firewall` the daemon opens them. */

import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { inCheckout, type Lab } from '../lab/lab.ts'
import { sharedLab } from '../lab/shared.ts'
import { buildTopology, type Host, type Topology } from '../lab/topology.ts'
import { startTraffic } from '../lab/traffic/traffic.ts'
import { unpackedIptables } from '../peers/iptables.ts'
import type { Question } from './guest/ask-sources.ts'
import { addressesOf, askSources } from './support/ask-sources.ts'
import { configurationText, Daemon, freshDirectory, pointsman } from './support/pointsman.ts'

const PORT = 8080
/** Folder in which the programs of iptables are looked for, and that Debian's packages leave empty. */
const PROGRAMS = '/usr/local/sbin'
const NAMES = ['iptables-nft', 'ip6tables-nft', 'iptables-legacy', 'ip6tables-legacy']

const WEB = '10.9.0.1'
const WEB6 = 'fd00:9::1'
const patience = 1_500
const questions: Question[] = [
  { protocol: 'tcp', address: WEB, port: 80, patience },
  { protocol: 'tcp', address: WEB6, port: 80, patience },
  { protocol: 'udp', address: WEB, port: 53, patience },
]
const services = [
  { name: 'web', listen: `${WEB}:80`, drain: { timeout: 0 }, backends: [`10.2.1.2:${PORT}`] },
  { name: 'web6', listen: `[${WEB6}]:80`, drain: { timeout: 0 }, backends: [`[fd00:2:1::2]:${PORT}`] },
  { name: 'dns', listen: `${WEB}:53`, protocol: 'udp', full_nat: true, backends: [`10.2.1.2:${PORT}`] },
]

/** What a site has: neighbours are found, and the machine talks to itself. */
const site = (policies: { input?: string; output?: string; forward?: string } = {}) => `
table inet site {
  chain input {
    type filter hook input priority filter; policy ${policies.input ?? 'accept'};
    iif lo accept
    meta l4proto ipv6-icmp accept
    ct state vmap { established : accept, related : accept, invalid : drop }
  }
  chain output {
    type filter hook output priority filter; policy ${policies.output ?? 'accept'};
    oif lo accept
    meta l4proto ipv6-icmp accept
  }
  chain forward {
    type filter hook forward priority filter; policy ${policies.forward ?? 'accept'};
    ip daddr 10.66.0.0/16 drop
  }
}
`
const CLOSED = site({ input: 'drop', output: 'drop', forward: 'drop' })
/** The chains of Docker as it makes them. */
const DOCKER = [
  'iptables-nft -P FORWARD DROP',
  'iptables-nft -N DOCKER-USER',
  'iptables-nft -A DOCKER-USER -j RETURN',
  'iptables-nft -A FORWARD -j DOCKER-USER',
  'iptables-nft -A FORWARD -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT',
  'iptables-nft -A FORWARD -i docker0 ! -o docker0 -j ACCEPT',
].join('\n')

interface Check {
  readonly check: string
  readonly verdict: string
  readonly message: string
  readonly cure?: string
}

let lab: Lab
let net: Topology
const parts = new AsyncDisposableStack()
const directory = freshDirectory('firewall')
const quietly = { on_exit: 'remove' }
const managed = { manage_firewall: true, on_exit: 'remove' }
const text = (global: Readonly<Record<string, unknown>>) => configurationText(directory, services, { global })

beforeAll(async () => {
  lab = parts.use(await sharedLab())
  const { path, env } = await unpackedIptables()
  const settings = Object.entries(env).map(([name, value]) => `export ${name}=${value}`)
  for (const name of NAMES.flatMap((each) => [each, `${each}-save`, `${each}-restore`]))
    await lab.writeFile(`${PROGRAMS}/${name}`, ['#!/bin/sh', ...settings, `exec ${path}/${name} "$@"`, ''].join('\n'))
  await lab.check(`chmod 755 ${PROGRAMS}/*tables-*`)
  parts.defer(async () => void (await lab.run(`rm -f ${PROGRAMS}/ip*tables-nft* ${PROGRAMS}/ip*tables-legacy*`)))
  net = parts.use(await buildTopology(lab, { name: 'roadfw', kind: 'routed', realServers: 1, virtualAddresses: 1 }))
  await net.check(net.director, 'ipvsadm -Ln; sysctl -qw net.ipv4.vs.conntrack=1')
  for (const server of net.realServers) {
    const script = inCheckout('test/kernel/guest/source-witness.ts')
    const witness = await lab.spawnScript(script, { netns: server.netns, args: [`${PORT}`] })
    await witness.waitForLine((line) => line === 'ready', 60_000)
  }
})
afterAll(() => parts.disposeAsync())

const ask = async (host: Host = net.client) => (await askSources(lab, host, questions)).map(addressesOf)
const NONE = [['none'], ['none'], ['none']]
const ANSWERS = [['10.1.0.2'], ['fd00:1::2'], ['10.2.1.1']]

const load = (ruleset: string) => net.check(net.director, ['nft', '-f', '-'], { input: `flush ruleset\n${ruleset}` })
/** Without counters, and without the table of source NAT. */
const rulesets = async () => {
  const listed = await net.check(net.director, 'nft list ruleset; iptables-legacy-save -t filter')
  return listed
    .replaceAll(/^#.*\n/gm, '')
    .replaceAll(/\[\d+:\d+\]/g, '[0:0]')
    .replaceAll(/counter packets \d+ bytes \d+/g, 'counter')
    .replace(/table inet pointsman \{.*?\n\}\n/s, '')
}

async function firewallChecks(): Promise<Check[]> {
  const { netns } = net.director
  const { stdout } = await pointsman(lab, ['doctor', '--config', `${directory}/pointsman.yaml`, '--json'], { netns })
  return (JSON.parse(stdout) as { checks: Check[] }).checks.filter(({ check }) => check === 'firewall')
}

/** The lines of a hook, and their cures carried out word for word. */
async function cure(hook: string): Promise<readonly string[]> {
  const faults = (await firewallChecks()).filter(({ message, verdict }) => message.startsWith(hook) && verdict === 'fail')
  for (const { cure: words = '' } of faults) await net.check(net.director, words.slice(words.indexOf('run: ') + 'run: '.length))
  return faults.map(({ message }) => message)
}

describe('filters that drop packets of services', () => {
  it('are named by the doctor, at each of the three hooks, with a cure that works as it is printed', async () => {
    await lab.writeFile(`${directory}/pointsman.yaml`, text(quietly))
    const { netns } = net.director
    expect(await pointsman(lab, ['once', '--config', `${directory}/pointsman.yaml`], { netns })).toMatchObject({ code: 0 })
    expect(await ask()).toEqual(ANSWERS)
    await net.check(net.director, ['nft', '-f', '-'], { input: site({ input: 'drop' }) })

    expect(await ask()).toEqual(NONE)
    expect(await cure('INPUT')).toEqual([
      'INPUT, nftables table inet site, chain input drops what clients send to tcp/10.9.0.1:80 and 2 more by its policy',
    ])
    expect(await ask()).toEqual(ANSWERS)

    await net.check(net.director, "nft chain inet site output '{ policy drop; }'")
    expect(await ask()).toEqual(NONE)
    expect(await cure('OUTPUT')).toEqual([
      'OUTPUT, nftables table inet site, chain output drops what goes to tcp/10.2.1.2:8080 and 2 more by its policy',
    ])
    expect(await ask()).toEqual(ANSWERS)

    await net.check(net.director, "nft chain inet site forward '{ policy drop; }'")
    expect(await ask()).toEqual(NONE)
    expect(await cure('FORWARD')).toEqual([
      'FORWARD, nftables table inet site, chain forward drops what comes back from tcp/10.2.1.2:8080 and 2 more by its policy',
    ])
    expect(await ask()).toEqual(ANSWERS)
    await net.check(net.director, DOCKER)
    expect(await ask()).toEqual([['none'], ['fd00:1::2'], ['none']])
    expect(await cure('FORWARD')).toEqual([
      'FORWARD, iptables-nft, chain FORWARD drops what comes back from tcp/10.2.1.2:8080 and 1 more by its policy',
    ])
    expect(await net.check(net.director, 'iptables-nft -S DOCKER-USER')).toContain('-s 10.2.1.2/32 -p tcp -m tcp --sport 8080 -j ACCEPT')
    expect(await ask()).toEqual(ANSWERS)
    expect((await firewallChecks()).map(({ verdict }) => verdict)).toEqual(['ok', 'ok', 'ok'])
  })

  it('are opened by the daemon, opened again when others load theirs anew, and left as they were', async () => {
    await load(CLOSED)
    await net.check(net.director, `${DOCKER}\niptables-legacy -P INPUT DROP\niptables-legacy -A INPUT -i lo -j ACCEPT`)
    await net.check(net.director, 'nft list ruleset > /tmp/site.nft')
    const before = await rulesets()
    const { netns } = net.director

    await lab.writeFile(`${directory}/pointsman.yaml`, text(managed))
    const plan = await pointsman(lab, ['plan', '--config', `${directory}/pointsman.yaml`], { netns })
    expect(plan.stdout).toContain('firewall: 5 chains (open)')
    expect(await rulesets()).toBe(before)
    expect(await ask()).toEqual(NONE)

    const daemon = await Daemon.start(lab, directory, { netns })
    expect(await ask()).toEqual(ANSWERS)
    const opened = await rulesets()
    expect((await firewallChecks()).filter(({ verdict }) => verdict === 'fail')).toEqual([])

    const traffic = await startTraffic(lab, net.client, [
      { id: 'web', protocol: 'tcp', address: WEB, port: 80, concurrency: 1, pauseMs: 100, held: 2 },
    ])
    const reload = [
      'nft -f - && start=$(date +%s%N)',
      'until nft list chain inet site forward | grep -q pointsman; do :; done',
      'echo $((($(date +%s%N) - start) / 1000000))',
    ]
    const milliseconds = Number(
      await net.check(net.director, ['sh', '-ec', reload.join('\n')], { input: `flush ruleset\n${await net.check(net.director, 'cat /tmp/site.nft')}` }),
    )
    console.log(`opened again ${milliseconds} ms after a reload`)
    expect(milliseconds).toBeLessThan(5_000)
    await expect.poll(rulesets, { timeout: 10_000, interval: 200 }).toBe(opened)
    const report = (await traffic.stop()).flows[0]
    expect(report?.held.lost).toBe(0)
    const metrics = await daemon.waitForMetrics(
      (now) => now.sum('pointsman_sink_drift_repaired_total', { sink: 'firewall' }) >= 3,
      'the repair was counted',
    )
    expect(metrics.sum('pointsman_sink_failing_objects')).toBe(0)

    // Legacy tables tell nobody of changes.
    await net.check(net.director, 'iptables-legacy -F INPUT; iptables-legacy -A INPUT -i lo -j ACCEPT')
    await expect.poll(rulesets, { timeout: 20_000, interval: 300 }).toBe(opened)

    const handles = await net.check(net.director, 'nft -a list table inet site; nft -a list table ip filter')
    await daemon.stop('SIGKILL')
    await using second = await Daemon.start(lab, directory, { netns })
    await second.fullPasses(2)
    const withoutCounters = (listed: string) => listed.replaceAll(/packets \d+ bytes \d+/g, '')
    expect(withoutCounters(await net.check(net.director, 'nft -a list table inet site; nft -a list table ip filter'))).toBe(
      withoutCounters(handles),
    )
    expect((await second.metrics()).sum('pointsman_sink_changes_total', { sink: 'firewall' })).toBe(0)

    await second.reconfigure(text({ ...managed, manage_firewall: false }))
    await expect.poll(rulesets, { timeout: 10_000, interval: 200 }).toBe(before)
    await second.reconfigure(configurationText(directory, services.slice(0, 1), { global: managed }))
    await expect.poll(rulesets, { timeout: 10_000, interval: 200 }).toContain('pointsman-forward')
    expect(await rulesets()).not.toContain(WEB6)
    expect(second.complaints()).toEqual([])
    expect((await second.stop()).code).toBe(0)
    expect(await rulesets()).toBe(before)
  })

  it('stay open with on_exit: keep, and are left by a start without the setting', async () => {
    const before = await rulesets()
    const { netns } = net.director
    const kept = { ...managed, on_exit: 'keep' }
    const first = await Daemon.start(lab, directory, { netns, configuration: text(kept) })
    expect((await first.stop()).code).toBe(0)
    expect(await ask()).toEqual(ANSWERS)
    await using second = await Daemon.start(lab, directory, { netns, configuration: text({ on_exit: 'remove' }) })
    expect(await rulesets()).toBe(before)
    expect((await second.stop()).code).toBe(0)
  })
})

describe('filters on the way of direct routing and of tunnels', () => {
  it('are opened for what leaves this host there', async () => {
    await using bridge = await buildTopology(lab, { name: 'roadfwb', kind: 'bridge', realServers: 1, virtualAddresses: 2 })
    const [direct, tunnel] = bridge.virtual
    const [server] = bridge.realServers
    if (direct === undefined || tunnel === undefined || server === undefined) throw new Error('the topology is too small')
    const script = inCheckout('test/kernel/guest/source-witness.ts')
    const witness = await lab.spawnScript(script, { netns: server.netns, args: ['80'] })
    await witness.waitForLine((line) => line === 'ready', 60_000)
    const each = (name: string, vip: { ipv4: string; ipv6: string }, forwarding: unknown) => [
      { name, listen: `${vip.ipv4}:80`, forwarding, backends: [`${server.addresses.ipv4}:80`] },
      { name: `${name}6`, listen: `[${vip.ipv6}]:80`, forwarding, backends: [`[${server.addresses.ipv6}]:80`] },
    ]
    const place = freshDirectory('firewall-bridge')
    const configuration = configurationText(
      place,
      [...each('direct', direct, 'direct'), ...each('tunnel', tunnel, 'tunnel')],
      { global: { ...managed } },
    )
    const asked = [direct.ipv4, direct.ipv6, tunnel.ipv4, tunnel.ipv6].map(
      (address): Question => ({ protocol: 'tcp', address, port: 80, patience }),
    )
    const seen = async () => (await askSources(lab, bridge.client, asked)).map(addressesOf)
    const { ipv4, ipv6 } = bridge.client.addresses
    await using daemon = await Daemon.start(lab, place, { netns: bridge.director.netns, configuration })
    expect(await seen()).toEqual([[ipv4], [ipv6], [ipv4], [ipv6]])
    await bridge.check(bridge.director, ['nft', '-f', '-'], { input: CLOSED })
    await expect
      .poll(() => bridge.check(bridge.director, 'nft list chain inet site output'), { timeout: 10_000, interval: 200 })
      .toContain('pointsman-output')
    expect(await seen()).toEqual([[ipv4], [ipv6], [ipv4], [ipv6]])
    // Nothing of theirs comes back this way.
    expect(await bridge.check(bridge.director, 'nft list chain inet site forward')).not.toContain('pointsman')
    expect((await daemon.stop()).code).toBe(0)
  })
})
