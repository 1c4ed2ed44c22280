/**
 * Run in namespaces of its own beside a real firewall program: what the doctor says, what the sink opens, keeps and leaves, and whether source NAT stands, as JSON. Arguments:
 * the commands of a reload, of a restart, and of shutting everything out, which may be empty.
 */

import { exec, execSync } from 'node:child_process'
import { setTimeout } from 'node:timers/promises'
import { promisify } from 'node:util'
import { loadConfiguration } from '../../../src/config/load.ts'
import { diagnoseFirewall } from '../../../src/daemon/doctor/diagnose-firewall.ts'
import type { DoctorFacts } from '../../../src/daemon/doctor/facts.ts'
import { openFirewallKernel } from '../../../src/kernel/open-firewall-kernel.ts'
import { openNftablesKernel } from '../../../src/kernel/open-nftables-kernel.ts'
import { serviceKey } from '../../../src/model/virtual-service.ts'
import { createFirewallSink } from '../../../src/sinks/firewall/firewall-sink.ts'
import { readFirewall } from '../../../src/sinks/firewall/read-firewall.ts'
import { createSnatSink } from '../../../src/sinks/snat/snat-sink.ts'
import { service, state } from '../../support/desired.ts'
import { translated } from '../../support/source-nat.ts'

const loaded = loadConfiguration({
  path: 'c.yaml',
  bytes: Buffer.from(`services:
  - { name: web, listen: 10.9.0.1:80, backends: [10.2.1.2:8080] }
  - { name: web6, listen: "[fd00:9::1]:80", backends: ["[fd00:2:1::2]:8080"] }
  - { name: dns, listen: 10.9.0.1:53, protocol: udp, full_nat: true, backends: [10.2.1.2:8080] }
`),
})
if (!loaded.ok) throw new Error(JSON.stringify(loaded.issues))
const { configuration } = loaded
const backends = new Map(
  configuration.services.map(({ identity, backends: own, forwarding }) => [
    serviceKey(identity),
    [...own.values()].map(({ address, port }) => ({ address, port, forwarding })),
  ]),
)
const services = [
  service('tcp/10.9.0.1:80', ['10.2.1.2:8080']),
  service('tcp/[fd00:9::1]:80', ['[fd00:2:1::2]:8080']),
  service('udp/10.9.0.1:53', ['10.2.1.2:8080']),
]
const NONE = { table: new Map(), holds: () => false }

const LIST = 'iptables-save -t filter; ip6tables-save -t filter; nft list table inet firewalld 2>/dev/null || true'
/** Without counters, and without the chains that ufw has not filled after its first start. */
const rules = () =>
  execSync(LIST)
    .toString()
    .replaceAll(/^(#|-A ufw6?-user-limit).*\n/gm, '')
    .replaceAll(/\[\d+:\d+\]/g, '[0:0]')
    .replaceAll(/counter packets \d+ bytes \d+/g, 'counter')

await using kernel = await openFirewallKernel()
const doctor = async () => {
  const firewall = { tables: await readFirewall(kernel), tracked: true, backends, interfaces: new Map() }
  return diagnoseFirewall({ firewall, configuration } as unknown as DoctorFacts)
}
const faults = async () => (await doctor()).filter(({ verdict }) => verdict !== 'ok')

const [reload = 'false', restart = 'false', panic = ''] = process.argv.slice(2)
const before = rules()
const closed = await faults()
const warnings: string[] = []
const log = { info: () => {}, warn: (_: object, text: string) => warnings.push(text), error: () => {} }
await using sink = createFirewallSink({ kernel, tracked: () => true, log })
const pass = async () => {
  const { failed } = await sink.open(state(services), NONE, 'full', Date.now())
  await sink.close(state(services), NONE, Date.now())
  return failed
}
let after: Promise<unknown> = pass()
await after
sink.onDisturbed(() => {
  after = after.then(pass)
})
await using nftables = await openNftablesKernel()
await using snat = createSnatSink({ kernel: nftables })
await snat.open(state([translated('udp/10.9.0.1:53')]), 'full', Date.now())
const translations = () => {
  const map = execSync('nft list map inet pointsman vip4 2>/dev/null || true').toString()
  return map.match(/udp \. 10\.9\.0\.1 \. 53/g)?.length ?? 0
}
const opened = { faults: await faults(), rules: rules() }
const stands = [translations()]
let told: readonly string[] | undefined
for (const command of [reload, restart]) {
  await promisify(exec)(command)
  const began = performance.now()
  while (translations() === 0 && performance.now() - began < 1_000) await setTimeout(20)
  stands.push(translations())
  for (let tries = 0; tries < 300 && rules() !== opened.rules; tries++) await setTimeout(100)
  await after
  told ??= [...warnings]
}
const healed = { faults: await faults(), sameRules: rules() === opened.rules, failed: await pass() }
await sink.remove()
await snat.remove()
stands.push(translations())
const left = rules() === before
for (const { run = 'false' } of closed) execSync(run)
const cured = await faults()
execSync(reload)
const kept = await faults()
let shut: { closed: typeof closed; cured: typeof closed } | undefined
if (panic !== '') {
  execSync(panic)
  const panicked = await faults()
  for (const run of new Set(panicked.map((each) => each.run ?? 'false'))) execSync(run)
  shut = { closed: panicked, cured: await faults() }
}
const brief = (findings: typeof closed) => findings.map(({ message, run }) => ({ message, run }))
console.log(
  JSON.stringify({
    closed: brief(closed),
    opened: brief(opened.faults),
    healed: { ...healed, faults: brief(healed.faults) },
    warnings: told,
    translations: stands,
    left,
    cured: brief(cured),
    kept: brief(kept),
    ...(shut && { panic: { closed: brief(shut.closed), cured: brief(shut.cured) } }),
  }),
)
