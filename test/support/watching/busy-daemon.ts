import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'vitest'
import type { OperatorRequest } from '../../../src/admin/operator-request.ts'
import { askDaemon } from '../../../src/daemon/ask-daemon.ts'
import type { ProbeResult } from '../../../src/model/probe-result.ts'
import { type ServiceKey, serviceKey } from '../../../src/model/virtual-service.ts'
import { FakeHost } from '../../unit/daemon/fake-host.ts'
import { type DaemonRig, startDaemon, temporaryDirectory, yamlOf } from '../../unit/daemon/rig.ts'
import { identity, key } from '../desired.ts'

const until = (look: () => unknown) => expect.poll(look, { interval: 20, timeout: 15_000 })
const service = (text: string): ServiceKey => serviceKey(identity(text))

export const REFUSED: ProbeResult = { outcome: 'failed', failure: 'refused', message: 'it refused the connection' }
const WRONG: ProbeResult = { outcome: 'failed', failure: 'wrong-answer', message: 'it answered 503 where 200 is due' }

const WEB = service('tcp/10.0.0.1:443')
const API = service('tcp/10.0.0.2:80')

/** Connections, and bytes of each, that a service gets a second. */
const LOAD: Readonly<Record<string, readonly [connections: number, bytes: number]>> = {
  [WEB]: [420, 18_000],
  [API]: [95, 6_400],
  [service('udp/10.0.0.3:53')]: [1_800, 160],
  [service('tcp/10.0.0.4:25')]: [0.4, 30_000],
}

export const INTERVALS = 'health_check: { type: http, interval: 300ms, timeout: 200ms, fail_count: 2, rise_count: 1 }'

const SERVICES = (directory: string) => `
  - name: web
    listen: 10.0.0.1:443
    scheduler: wrr
    quorum: { min: 2 }
    backends: [{ address: 10.0.1.11:8443, weight: 10 }, { address: 10.0.1.12:8443, weight: 10 }, { address: 10.0.1.13:8443, weight: 10 }, { address: 10.0.1.14:8443, weight: 5 }]
    ${INTERVALS}
  - name: api
    listen: 10.0.0.2:80
    scheduler: wlc
    debounce: { min: 0s, max: 0s }
    source: { file: { path: ${directory}/api.yaml } }
    ${INTERVALS}
  - name: resolver
    listen: 10.0.0.3:53
    protocol: udp
    scheduler: rr
    backends: [10.0.3.1:53, 10.0.3.2:53]
    health_check: { enabled: false }
  - name: mail
    listen: 10.0.0.4:25
    backends: [10.0.4.1:25, 10.0.4.2:25]
    ${INTERVALS}
  - name: ledger
    listen: "[2001:db8::5]:443"
    source: { file: { path: ${directory}/ledger.yaml } }`

export interface BusyDaemon extends DaemonRig {
  say(request: OperatorRequest): Promise<void>
}

/**
 * A director on an ordinary day: traffic, one backend that is down, one that drains, one in maintenance, removals held, a file missing.
 * `lists`: the folder of its lists of backends, if it is not its own.
 */
export async function busyDaemon(lists?: string): Promise<BusyDaemon> {
  const host = new FakeHost()
  const directory = await temporaryDirectory()
  host.kernel.counters = countersSince(Date.now())
  for (const dead of ['10.0.1.13:8443', '10.0.4.2:25']) host.probes.set(dead, REFUSED)
  host.probes.set('10.0.2.14:8080', WRONG)
  const list = (hosts: readonly number[]) =>
    writeFile(join(lists ?? directory, 'api.yaml'), JSON.stringify(hosts.map((each) => `10.0.2.${each}:8080`)))
  await list([11, 12, 13, 14, 15])
  const rig = await startDaemon((at, port) => yamlOf(at, port, SERVICES(lists ?? directory), 'instance: edge'), {
    host,
    directory,
  })
  const say = async (request: OperatorRequest): Promise<void> => {
    await askDaemon(join(directory, 'state'), 'POST', '/operator', request)
  }
  await until(() => host.kernel.destination(API, key('10.0.2.15:8080'))?.weight).toBe(1)
  await until(() => host.kernel.destination(WEB, key('10.0.1.13:8443'))?.weight).toBe(0)
  await say({ verb: 'drain', target: { service: 'web', backends: ['10.0.1.14:8443'] }, reason: 'kernel update' })
  await say({ verb: 'maintenance', target: { service: 'api', backends: ['10.0.2.13:8080'] }, reason: 'new disk' })
  for (const [backend, active] of Object.entries({ '10.0.1.11:8443': 1_204, '10.0.1.12:8443': 1_187, '10.0.1.14:8443': 36 })) {
    host.kernel.setConnections(WEB, key(backend), { active, inactive: Math.floor(active / 4), persistent: 0 })
  }
  for (const [backend, active] of Object.entries({ '10.0.2.11:8080': 61, '10.0.2.12:8080': 58, '10.0.2.15:8080': 64 })) {
    host.kernel.setConnections(API, key(backend), { active, inactive: 210, persistent: 12 })
  }
  await list([11, 13, 14])
  const heldIn = async () => (await rig.fetch('/api/v1/status?service=api')).text.includes('"state":"held"')
  await until(heldIn).toBe(true)
  return { ...rig, say }
}

/** Each backend has its share of the load, not all the same. The kernel adds up every two seconds. */
function countersSince(began: number): FakeHost['kernel']['counters'] {
  return (of, destination) => {
    const [connections = 0, bytes = 0] = LOAD[of] ?? []
    const share = destination === undefined ? 1 : 0.2 + (Number(/(\d+):\d+$/.exec(destination)?.[1]) % 5) / 40
    const all = Math.floor((Date.now() - began) / 2_000) * 2 * connections * share
    const whole = (value: number) => BigInt(Math.floor(value))
    return {
      connections: whole(all),
      packetsIn: whole(all * 9),
      packetsOut: whole(all * 12),
      bytesIn: whole((all * bytes) / 12),
      bytesOut: whole(all * bytes),
    }
  }
}

/** Fifty services with twenty backends each. */
export async function largeDaemon(): Promise<DaemonRig> {
  const services = Array.from({ length: 50 }, (_, at) => {
    const backends = Array.from({ length: 20 }, (__, each) => `10.2.${at}.${each + 1}:80`)
    return `\n  - { name: pool-${at + 1}, listen: "10.1.${at}.1:80", backends: [${backends.join(', ')}], health_check: { enabled: false } }`
  })
  const host = new FakeHost()
  host.kernel.counters = (of, destination) => {
    const total = BigInt(Math.floor((Date.now() % 1e9) / (destination === undefined ? 1 : 20)) + of.length)
    return { connections: total, packetsIn: total, packetsOut: total, bytesIn: total, bytesOut: total }
  }
  const rig = await startDaemon((directory, port) => yamlOf(directory, port, services.join('')), { host })
  await until(() => host.told.some((each) => each.startsWith('READY=1'))).toBe(true)
  return rig
}
