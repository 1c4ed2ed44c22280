/** Flows that live, and flows that begin while their translation is missing, through the source NAT sink in each of its ways; servers have no way back to the client. */

import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Lab } from '../lab/lab.ts'
import { sharedLab } from '../lab/shared.ts'
import { buildTopology, type Host, type Topology } from '../lab/topology.ts'
import { unpackedIptables } from '../peers/iptables.ts'
import type { Question } from './guest/ask-sources.ts'
import { addressesOf, askSources, startSourceWitness } from './support/ask-sources.ts'
import { SnatSinkInLab } from './support/snat-sink.ts'

const TABLE = `
-A -u 10.9.0.1:54 -s rr
-a -u 10.9.0.1:54 -r 10.2.1.2:8080 -m
-A -t 10.9.0.1:81 -s rr
-a -t 10.9.0.1:81 -r 10.2.1.2:8080 -m
`
const WAYS = ['libnftables', 'iptables-nft', 'iptables-legacy']

let lab: Lab
let net: Topology
const parts = new AsyncDisposableStack()

beforeAll(async () => {
  lab = parts.use(await sharedLab())
  net = parts.use(await buildTopology(lab, { name: 'flows', kind: 'routed', realServers: 1, virtualAddresses: 1 }))
  await net.check(net.director, 'ipvsadm -R && sysctl -qw net.ipv4.vs.conntrack=1', { input: TABLE.trimStart() })
  await net.check(net.director, 'ip addr add dev eth1 10.2.1.9/32')
  const [server] = net.realServers as [Host]
  await net.check(server, 'ip route del default; ip -6 route del default; ip route')
  await startSourceWitness(lab, server, 8080)
})
afterAll(() => parts.disposeAsync())

const ask = (host: Host, questions: readonly Question[]) => askSources(lab, host, questions)
const udp = (address: string, port: number, more: Partial<Question> = {}): Question => ({
  protocol: 'udp',
  address,
  port,
  times: 6,
  ...more,
})

/** What is done to our translations, and how it is seen that they stand empty. */
interface Tampering {
  readonly by: string
  readonly deleteElement: string
  readonly flush: string
  readonly show: string
  /** In what is shown: what leads to translations, and one for port 54. */
  readonly way: RegExp
  readonly translation: RegExp
}

const BY_LIBNFTABLES: Tampering = {
  by: 'libnftables',
  deleteElement: "nft delete element inet pointsman vip4_address '{ udp . 10.9.0.1 . 54 }'",
  flush: 'nft flush ruleset',
  show: 'nft list table inet pointsman',
  way: /hook postrouting/,
  translation: /udp \. 10\.9\.0\.1 \. 54/,
}

async function byIptables(variant: 'nft' | 'legacy'): Promise<Tampering> {
  const { path, env } = await unpackedIptables()
  const variables = Object.entries(env).map(([name, value]) => `${name}=${value}`)
  const program = `env ${variables.join(' ')} ${path}/iptables-${variant}`
  return {
    by: `iptables-${variant}`,
    deleteElement: `${program} -t nat -D POINTSMAN 1`,
    flush: `${program} -t nat -F`,
    show: `${program} -t nat -S`,
    way: /-A POSTROUTING .*-j POINTSMAN/,
    translation: /--ctorigdstport 54 /,
  }
}

describe.each(WAYS)('flows and repairs, through %s', (by) => {
  let tampering: Tampering
  const own = WAYS.indexOf(by) * 10
  const services = [{ service: 'udp/10.9.0.1:54', nat: '10.2.1.9' }]
  const start = (heal = '') => SnatSinkInLab.start(lab, net.director.netns, by, heal)
  const show = () => net.check(net.director, tampering.show)

  beforeAll(async () => {
    tampering = by === 'libnftables' ? BY_LIBNFTABLES : await byIptables(by === 'iptables-nft' ? 'nft' : 'legacy')
  })

  it.each(['an element is deleted', 'everything is flushed'])(
    'a flow that begins while %s works after the repair, one that was translated goes on as it was',
    async (what) => {
      const isFlush = what.startsWith('everything')
      const [before, gap] = isFlush ? [5_000 + own, 5_001 + own] : [5_100 + own, 5_101 + own]
      await using sink = await start()
      await sink.pass({ services })
      const [[old = ''] = []] = await ask(net.client, [udp('10.9.0.1', 54, { times: 1, localPort: before })])
      await net.check(net.director, isFlush ? tampering.flush : tampering.deleteElement)
      await sink.disturbed(1)
      const begun = udp('10.9.0.1', 54, { times: 1, localPort: gap, patience: 2_500 })
      expect(await ask(net.client, [begun])).toEqual([['none']])
      const { opened } = await sink.pass({ services, scope: 'full' })
      // Without any rule that needs it, connection tracking has nothing of the flow.
      expect(opened.applied).toMatchObject({ 'add-element': 1, ...(!isFlush && { 'delete-connection': 1 }) })
      const patient = { ...begun, patience: 20_000 }
      const [[mended] = [], [same] = []] = await ask(net.client, [patient, udp('10.9.0.1', 54, { times: 1, localPort: before })])
      expect(mended).toMatch(/^10\.2\.1\.9 /)
      expect(same).toBe(old)
      await sink.remove()
    },
  )

  it('what is taken away comes back by itself, and the full pass that follows counts it', async () => {
    await using sink = await start('heal')
    await sink.pass({ services })
    await net.check(net.director, tampering.deleteElement)
    expect((await sink.healed(1)).report.opened).toMatchObject({
      applied: { 'add-element': 1 },
      driftRepaired: 1,
      unconfirmed: [],
    })
    await net.check(net.director, tampering.flush)
    expect((await sink.healed(2)).report.opened).toMatchObject({ applied: { 'add-element': 1 }, unconfirmed: [] })
    expect(await show()).toMatch(tampering.translation)
    expect(addressesOf((await ask(net.client, [udp('10.9.0.1', 54)]))[0])).toEqual(['10.2.1.9'])
    await sink.remove()
  })

  it('a flow that lives goes on as it was when the last service has its source NAT turned off', async () => {
    await using sink = await start()
    await sink.pass({ services })
    const flow = udp('10.9.0.1', 54, { times: 1, localPort: 5_200 + own })
    const [[old = ''] = []] = await ask(net.client, [flow])
    expect(old).toMatch(/^10\.2\.1\.9 /)
    const { closed } = await sink.pass({ services: [] })
    expect(closed).toMatchObject({ applied: { 'delete-element': 1 }, failed: [] })
    expect(await show()).toMatch(tampering.way)
    expect(await show()).not.toMatch(tampering.translation)
    expect(await ask(net.client, [flow])).toEqual([[old]])
    await sink.remove()
    expect((await net.run(net.director, tampering.show)).stdout).not.toMatch(/pointsman/i)
  })

  it('a client that was there before its service is translated when the service opens', async () => {
    await using sink = await start()
    const other = { service: 'tcp/10.9.0.1:81', nat: '10.2.1.9' }
    await sink.pass({ services: [other] })
    await net.check(net.director, 'ipvsadm -D -u 10.9.0.1:54')
    const port = 5_002 + own
    const asking = ask(net.client, [udp('10.9.0.1', 54, { times: 1, localPort: port, patience: 90_000 })])
    const tracked = () => net.run(net.director, `grep -c "sport=${port} dport=54" /proc/net/nf_conntrack`)
    await expect.poll(async () => (await tracked()).stdout, { timeout: 60_000, interval: 200 }).toBe('1\n')
    const both = [other, ...services]
    await sink.pass({ services: both })
    await net.check(net.director, 'ipvsadm -A -u 10.9.0.1:54 -s rr && ipvsadm -a -u 10.9.0.1:54 -r 10.2.1.2:8080 -m')
    const { closed } = await sink.pass({ services: both, served: ['udp/10.9.0.1:54'] })
    expect(closed.applied).toEqual({ 'delete-connection': 1 })
    expect(addressesOf((await asking)[0])).toEqual(['10.2.1.9'])
    await sink.remove()
  })
})
