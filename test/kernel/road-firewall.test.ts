/** Filters that drop packets of services: the doctor names them and its cures work as printed; with `manage_firewall` the daemon opens them. */

import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Lab } from '../lab/lab.ts'
import { sharedLab } from '../lab/shared.ts'
import { buildTopology, type Topology } from '../lab/topology.ts'
import { startTraffic } from '../lab/traffic/traffic.ts'
import { unpackedIptables } from '../peers/iptables.ts'
import { dockerLines } from '../support/filters/rule-sets.ts'
import { startSourceWitness } from './support/ask-sources.ts'
import { askAll, firewallChecks } from './support/firewalls.ts'
import { configurationText, Daemon, freshDirectory, pointsman } from './support/pointsman.ts'

const PORT = 8080
/** Folder in which the programs of iptables are looked for, and that Debian's packages leave empty. */
const PROGRAMS = '/usr/local/sbin'
const NAMES = ['iptables-nft', 'ip6tables-nft', 'iptables-legacy', 'ip6tables-legacy']

const WEB = '10.9.0.1'
const WEB6 = 'fd00:9::1'
const questions = [`tcp/${WEB}/80`, `tcp/${WEB6}/80`, `udp/${WEB}/53`]
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
/** The chains of Docker. */
const DOCKER = `iptables-nft-restore <<'END'\n${dockerLines().join('\n')}\nEND`

/** A machine with much else to do keeps a pass waiting, or a program beyond its time; the daemon goes on, and asks again. */
const SLOW = /takes long to answer|has not come back for|did not end within/
const troubles = (daemon: Daemon) =>
  daemon.complaints().flatMap(({ msg, ...more }) => (SLOW.test(msg) ? [] : [`${msg} ${JSON.stringify(more)}`]))

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
    await startSourceWitness(lab, server, PORT)
  }
})
afterAll(() => parts.disposeAsync())

const ask = () => askAll(lab, net.client, questions, 20)
/** Nobody waits long for what is not to come. */
const askInVain = () => askAll(lab, net.client, questions, 2)
const NONE = ['none', 'none', 'none']
const ANSWERS = ['10.1.0.2', 'fd00:1::2', '10.2.1.1']

const LEGACY = ['iptables-legacy -P INPUT ACCEPT', 'iptables-legacy -F', 'iptables-legacy -X']
/** Nothing of a try before is left. */
async function load(ruleset: string): Promise<void> {
  await net.check(net.director, ['nft', '-f', '-'], { input: `flush ruleset\n${ruleset}` })
  await net.check(net.director, LEGACY.join(' && '))
}
/** Without counters, and without the table of source NAT. */
const rulesets = async () => {
  const listed = await net.check(net.director, 'nft list ruleset; iptables-legacy-save -t filter')
  return listed
    .replaceAll(/^#.*\n/gm, '')
    .replaceAll(/\[\d+:\d+\]/g, '[0:0]')
    .replaceAll(/counter packets \d+ bytes \d+/g, 'counter')
    .replace(/table inet pointsman \{.*?\n\}\n/s, '')
}

const checks = () => firewallChecks(lab, net.director.netns, `${directory}/pointsman.yaml`)

/** The lines of a hook, and their cures carried out word for word. */
async function cure(hook: string): Promise<readonly string[]> {
  const faults = (await checks()).filter(({ message, verdict }) => message.startsWith(hook) && verdict === 'fail')
  for (const { run = 'false' } of faults) await net.check(net.director, run)
  return faults.map(({ message }) => message)
}

describe('filters that drop packets of services', () => {
  it('are named by the doctor, at each of the three hooks, with a cure that works as it is printed', async () => {
    await lab.writeFile(`${directory}/pointsman.yaml`, text(quietly))
    const { netns } = net.director
    expect(await pointsman(lab, ['once', '--config', `${directory}/pointsman.yaml`], { netns })).toMatchObject({
      code: 0,
      stderr: '',
    })
    expect(await ask()).toEqual(ANSWERS)
    await net.check(net.director, ['nft', '-f', '-'], { input: site({ input: 'drop' }) })

    expect(await askInVain()).toEqual(NONE)
    expect(await cure('INPUT')).toEqual([
      'INPUT, nftables table inet site, chain input drops what clients send to tcp/10.9.0.1:80 and 2 more by its policy',
    ])
    expect(await ask()).toEqual(ANSWERS)

    await net.check(net.director, "nft chain inet site output '{ policy drop; }'")
    expect(await askInVain()).toEqual(NONE)
    expect(await cure('OUTPUT')).toEqual([
      'OUTPUT, nftables table inet site, chain output drops what goes to tcp/10.2.1.2:8080 and 2 more by its policy',
    ])
    expect(await ask()).toEqual(ANSWERS)

    await net.check(net.director, "nft chain inet site forward '{ policy drop; }'")
    expect(await askInVain()).toEqual(NONE)
    expect(await cure('FORWARD')).toEqual([
      'FORWARD, nftables table inet site, chain forward drops what comes back from tcp/10.2.1.2:8080 and 2 more by its policy',
    ])
    expect(await ask()).toEqual(ANSWERS)
    await net.check(net.director, DOCKER)
    const [web, web6, dns] = questions as [string, string, string]
    expect(await askAll(lab, net.client, [web, dns], 2)).toEqual(['none', 'none'])
    expect(await askAll(lab, net.client, [web6], 20)).toEqual(['fd00:1::2'])
    expect(await cure('FORWARD')).toEqual([
      'FORWARD, iptables-nft, chain FORWARD (kept by docker) drops what comes back from tcp/10.2.1.2:8080 and 1 more by its policy',
    ])
    expect(await net.check(net.director, 'iptables-nft -S DOCKER-USER')).toContain(
      '-s 10.2.1.2/32 -p tcp -m tcp --sport 8080 -m conntrack --ctstate RELATED,ESTABLISHED --ctdir REPLY -j ACCEPT',
    )
    expect(await ask()).toEqual(ANSWERS)
    expect((await checks()).map(({ verdict }) => verdict)).toEqual(['ok', 'ok', 'ok'])
  })

  let before: string
  async function closeAll(): Promise<void> {
    await load(CLOSED)
    await net.check(net.director, `${DOCKER}\niptables-legacy -P INPUT DROP\niptables-legacy -A INPUT -i lo -j ACCEPT`)
    before = await rulesets()
  }
  const handles = async () =>
    (await net.check(net.director, 'nft -a list table inet site; nft -a list table ip filter')).replaceAll(
      /packets \d+ bytes \d+/g,
      '',
    )

  it('are opened by the daemon, and opened again at once when others load theirs anew', async () => {
    await closeAll()
    const { netns } = net.director
    expect(await askInVain()).toEqual(NONE)
    // Long enough to see that nobody waits for it.
    const configuration = text({ ...managed, resync_interval: '1h' })
    await using daemon = await Daemon.start(lab, directory, { netns, configuration })
    expect(await ask()).toEqual(ANSWERS)
    const opened = await rulesets()
    // A backend opens no connection through this host from the port of its service.
    expect(opened).toContain('ct direction reply')
    expect(await net.check(net.director, 'iptables-nft -S POINTSMAN-FORWARD')).toContain('--ctdir REPLY')

    const flow = { id: 'web', protocol: 'tcp', address: WEB, port: 80, concurrency: 1, pauseMs: 200, held: 2 } as const
    const traffic = await startTraffic(lab, net.client, [flow])
    const reload = [
      `nft -f -\n${DOCKER}`,
      'start=$(date +%s%N)',
      'for try in $(seq 1000); do nft list chain ip filter FORWARD | grep -q POINTSMAN && break; sleep 0.1; done',
      'echo $((($(date +%s%N) - start) / 1000000))',
    ]
    const took = await net.check(net.director, ['sh', '-ec', reload.join('\n')], { input: `flush ruleset\n${CLOSED}` })
    console.log(`opened again ${took.trim()} ms after a reload`)
    await expect.poll(rulesets, { timeout: 30_000, interval: 200 }).toBe(opened)
    expect((await traffic.stop()).flows[0]?.held.lost).toBe(0)
    const metrics = await daemon.waitForMetrics(
      (now) => now.sum('pointsman_sink_drift_repaired_total', { sink: 'firewall' }) >= 4,
      'the repairs were counted',
    )
    expect(metrics.sum('pointsman_sink_failing_objects')).toBe(0)

    // Legacy tables tell nobody of changes: a full pass finds them.
    await net.check(net.director, 'iptables-legacy -F INPUT; iptables-legacy -A INPUT -i lo -j ACCEPT')
    daemon.process.kill('SIGHUP')
    await expect.poll(rulesets, { timeout: 30_000, interval: 300 }).toBe(opened)
    expect(troubles(daemon)).toEqual([])
    await daemon.stop('SIGKILL')
  })

  it('stay as they are when the daemon is killed, starts again and keeps them, and are left as they were', async () => {
    const { netns } = net.director
    await closeAll()
    {
      await using daemon = await Daemon.start(lab, directory, { netns, configuration: text(managed) })
      await daemon.fullPasses(1)
      expect(await rulesets()).not.toBe(before)
      await daemon.stop('SIGKILL')
    }
    const killed = await handles()
    {
      await using daemon = await Daemon.start(lab, directory, { netns, configuration: text({ ...managed, on_exit: 'keep' }) })
      await daemon.fullPasses(1)
      expect(await handles()).toBe(killed)
      expect((await daemon.metrics()).sum('pointsman_sink_changes_total', { sink: 'firewall' })).toBe(0)
      expect((await daemon.stop()).code).toBe(0)
    }
    expect(await handles()).toBe(killed)
    await using daemon = await Daemon.start(lab, directory, { netns, configuration: text(quietly) })
    await expect.poll(rulesets, { timeout: 30_000, interval: 200 }).toBe(before)
    await daemon.reconfigure(configurationText(directory, services.slice(0, 1), { global: managed }))
    await expect.poll(rulesets, { timeout: 30_000, interval: 200 }).toContain('pointsman-forward')
    // What is in IPVS from before is let through until it is gone.
    await expect.poll(rulesets, { timeout: 30_000, interval: 200 }).not.toContain(WEB6)
    expect(troubles(daemon)).toEqual([])
    expect((await daemon.stop()).code).toBe(0)
    expect(await rulesets()).toBe(before)
  })
})

describe('filters on the way of direct routing and of tunnels', () => {
  it('are opened for what leaves this host there', async () => {
    await using bridge = await buildTopology(lab, { name: 'roadfwb', kind: 'bridge', realServers: 1, virtualAddresses: 2 })
    const [direct, tunnel] = bridge.virtual
    const [server] = bridge.realServers
    if (direct === undefined || tunnel === undefined || server === undefined) throw new Error('the topology is too small')
    await startSourceWitness(lab, server, 80)
    const each = (name: string, vip: { ipv4: string; ipv6: string }, forwarding: unknown) => [
      { name, listen: `${vip.ipv4}:80`, forwarding, backends: [`${server.addresses.ipv4}:80`] },
      { name: `${name}6`, listen: `[${vip.ipv6}]:80`, forwarding, backends: [`[${server.addresses.ipv6}]:80`] },
    ]
    const place = freshDirectory('firewall-bridge')
    const configuration = configurationText(place, [...each('direct', direct, 'direct'), ...each('tunnel', tunnel, 'tunnel')], {
      global: { ...managed },
    })
    const asked = [direct.ipv4, direct.ipv6, tunnel.ipv4, tunnel.ipv6].map((address) => `tcp/${address}/80`)
    const { ipv4, ipv6 } = bridge.client.addresses
    await using daemon = await Daemon.start(lab, place, { netns: bridge.director.netns, configuration })
    await bridge.check(bridge.director, ['nft', '-f', '-'], { input: CLOSED })
    await expect
      .poll(() => bridge.check(bridge.director, 'nft list chain inet site output'), { timeout: 30_000, interval: 200 })
      .toContain('jump pointsman-output')
    expect(await askAll(lab, bridge.client, asked, 20)).toEqual([ipv4, ipv6, ipv4, ipv6])
    // Nothing of theirs comes back this way.
    expect(await bridge.check(bridge.director, 'nft list chain inet site forward')).not.toContain('pointsman')
    expect((await daemon.stop()).code).toBe(0)
  })
})
