import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'vitest'
import { serviceKey } from '../../../src/model/virtual-service.ts'
import { FakeHost } from '../../unit/daemon/fake-host.ts'
import { type DaemonRig, startDaemon, temporaryDirectory, yamlOf } from '../../unit/daemon/rig.ts'
import { identity, key } from '../desired.ts'

const until = (look: () => unknown) => expect.poll(look, { interval: 20, timeout: 15_000 })
const API = serviceKey(identity('tcp/10.0.0.2:80'))

/** A daemon to which everything has happened that has a series: failures, an outage, a drain, a quorum lost, a hook. */
export async function eventfulDaemon(): Promise<DaemonRig> {
  const host = new FakeHost()
  host.probes.set('10.0.1.1:443', { outcome: 'passed', certificateDays: 40 })
  host.probes.set('10.0.1.2:443', { outcome: 'failed', failure: 'tls', message: 'has expired', certificateDays: -2 })
  host.ipvsTotals = { connections: 1n, packetsIn: 2n, packetsOut: 3n, bytesIn: 4n, bytesOut: 5n }
  host.sysctls.set('net.netfilter.nf_conntrack_count', 50)
  host.sysctls.set('net.netfilter.nf_conntrack_max', 100)
  host.kernel.refuse = (command) =>
    command.kind === 'add-service' && serviceKey(command.service.identity) === 'tcp/10.0.0.4:80' ? 'EINVAL' : undefined
  const directory = await temporaryDirectory()
  const list = join(directory, 'api.yaml')
  await writeFile(list, '[10.0.2.1:80, 10.0.2.2:80]')
  const services = `
  - { name: web, listen: 10.0.0.1:443, backends: [10.0.1.1:443, 10.0.1.2:443], quorum: { min: 2 }, health_check: { type: tls, interval: 100ms, fall: 1 } }
  - { name: api, listen: 10.0.0.2:80, debounce: { min: 0s, max: 0s }, drain: { timeout: 60s }, source: { file: { path: ${list} } } }
  - { name: lost, listen: 10.0.0.3:80, source: { file: { path: ${directory}/missing.yaml } } }
  - { name: refused, listen: 10.0.0.4:80, backends: [10.0.4.1:80] }
catalog:
  - { consul: { address: "http://127.0.0.1:1" }, allow: [{ service: "*", listen: [10.9.0.0/24:80] }] }`
  const settings = 'metrics_node_ipvs: true\nhooks: { exec: [/bin/true], on: [health] }'
  const rig = await startDaemon((at, port) => yamlOf(at, port, services, settings), { host, directory })
  await until(() => host.kernel.destination(API, key('10.0.2.2:80'))?.weight).toBe(1)
  await writeFile(list, '[10.0.2.1:80]')
  await until(() => host.kernel.destination(API, key('10.0.2.2:80'))).toBeUndefined()
  host.kernel.break('KERNEL_REFUSED')
  rig.reload$.next()
  await rig.fetch('/metrics')
  const seen = async (text: string) => (await rig.fetch('/metrics')).text.includes(text)
  await until(() => seen('pointsman_sink_pass_failures_total{')).toBe(true)
  host.kernel.break(undefined)
  rig.reload$.next()
  for (const text of ['pointsman_hook_runs_total{', 'pointsman_backend_weight{', 'pointsman_event_loop_delay_seconds{']) {
    await until(() => seen(text)).toBe(true)
  }
  return rig
}
