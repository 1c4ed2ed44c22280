/** nftables and conntrack of a stock kernel by both ways; test/integration/nftables.test.ts asks the kernel of this machine the same. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { inCheckout, type Lab } from '../lab/lab.ts'
import { sharedLab } from '../lab/shared.ts'
import { buildTopology, type Topology } from '../lab/topology.ts'
import { startServer } from '../lab/traffic/traffic.ts'
import { CONNTRACK_CONTRACT } from '../support/conntrack-contract.ts'
import type { CheckResult } from '../support/kernel-contract.ts'
import { NFTABLES_CONTRACT } from '../support/netfilter-contract.ts'
import { privateNamespace } from './support/namespace.ts'

let lab: Lab
let results: ReadonlyMap<string, CheckResult>

beforeAll(async () => {
  lab = await sharedLab()
  await using namespace = await privateNamespace(lab, 'nftables')
  const { code, stdout, stderr } = await lab.runScript(inCheckout('test/kernel/guest/netfilter-contract.ts'), {
    netns: namespace.name,
    timeoutMs: 240_000,
  })
  expect(code, stderr).toBe(0)
  results = new Map((JSON.parse(stdout) as CheckResult[]).map((result) => [result.name, result]))
})

afterAll(() => lab.close())

describe("the lab's kernel keeps what source NAT relies on", () => {
  it.each([...NFTABLES_CONTRACT, ...CONNTRACK_CONTRACT].map(({ name }) => name))('%s', (name) => {
    expect(results.get(name)).toEqual({ name })
  })
})

describe('a flow that began before its source was translated', () => {
  const PORT = 53
  const CHAIN = 'table inet heal {\n chain post {\n type nat hook postrouting priority srcnat\n udp dport 9 masquerade\n }\n}\n'
  let net: Topology

  beforeAll(async () => {
    net = await buildTopology(lab, { name: 'heal', kind: 'routed', realServers: 1 })
    const [server] = net.realServers
    if (server === undefined) throw new Error('no real server')
    // No way back to the client: only to the director.
    await net.check(server, 'ip route del default; ip -6 route del default')
    await startServer(lab, server, [`udp:${server.addresses.ipv4}:${PORT}`, `udp:${server.addresses.ipv6}:${PORT}`])
    const bracketed = (address: string) => (address.includes(':') ? `[${address}]` : address)
    for (const family of ['ipv4', 'ipv6'] as const) {
      const virtual = `${bracketed(net.virtual[0]?.[family] ?? '')}:${PORT}`
      await net.check(net.director, ['ipvsadm', '-A', '-u', virtual, '-s', 'rr'])
      await net.check(net.director, [
        'ipvsadm',
        '-a',
        '-u',
        virtual,
        '-r',
        `${bracketed(server.addresses[family])}:${PORT}`,
        '-m',
      ])
    }
    // Another rule makes conntrack follow flows before ours is there.
    await net.check(net.director, ['nft', CHAIN])
    // It exists only once the module is there.
    await net.check(net.director, 'sysctl -qw net.ipv4.vs.conntrack=1')
  })
  afterAll(() => net.close())

  it.each(['ipv4', 'ipv6'] as const)(
    'is dead, and lives as soon as its entry is deleted; one that is translated is not touched (%s)',
    async (family) => {
      const address = net.virtual[0]?.[family] ?? ''
      const startFlow = () =>
        lab.spawnScript(inCheckout('test/kernel/guest/udp-flow.ts'), { netns: net.client.netns, args: [address, String(PORT)] })
      const heal = () =>
        lab.runScript(inCheckout('test/kernel/guest/heal-flows.ts'), { netns: net.director.netns, args: [address, String(PORT)] })
      const before = await startFlow()
      await before.waitForLine((line) => line === 'sent 5')
      const original = `ct original ${family === 'ipv4' ? 'ip' : 'ip6'} daddr ${address} ct original proto-dst ${PORT}`
      await net.check(net.director, `nft add rule inet heal post meta l4proto udp ${original} masquerade fully-random`)
      const after = await startFlow()
      await after.waitForLine((line) => line === 'answered 5', 60_000)
      expect(before.stdout).not.toContain('answered')
      expect((await heal()).stdout).toBe('1\n')
      await before.waitForLine((line) => line === 'answered 5', 60_000)
      expect((await heal()).stdout).toBe('0\n')
      for (const flow of [before, after]) flow.kill('SIGKILL')
    },
  )
})
