/** Batches, refusals and torn dumps on a real kernel. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { IpvsCommand } from '../../src/kernel/for-sinks.ts'
import { type IpAddress, parseAddress } from '../../src/model/address.ts'
import type { Destination } from '../../src/model/destination.ts'
import type { ServiceIdentity, VirtualService } from '../../src/model/virtual-service.ts'
import { inCheckout, type Lab } from '../lab/lab.ts'
import { sharedLab } from '../lab/shared.ts'
import type { TornReport } from './guest/ipvs-torn.ts'
import { ipvsSteps } from './support/ipvs-steps.ts'
import { type PrivateNamespace, privateNamespace } from './support/namespace.ts'

const NAMESPACE = 'ipvs-batches'

let lab: Lab
let namespace: PrivateNamespace
beforeAll(async () => {
  lab = await sharedLab()
  namespace = await privateNamespace(lab, NAMESPACE)
})
afterAll(async () => {
  await namespace[Symbol.asyncDispose]()
  await lab.close()
})

const ip = (text: string): IpAddress => parseAddress(text) as IpAddress
const WEB: ServiceIdentity = { kind: 'address', protocol: 'tcp', address: ip('10.0.0.1'), port: 80 }
const ABSENT: ServiceIdentity = { kind: 'address', protocol: 'tcp', address: ip('10.0.0.1'), port: 81 }

function service(identity: ServiceIdentity, scheduler = 'wlc'): VirtualService {
  return { identity, scheduler, flags: { flag1: false, flag2: false, flag3: false }, onePacket: false }
}

function server(number: number, rest: Partial<Destination> = {}): Destination {
  const address = ip(`10.1.${number >> 8}.${number & 255}`)
  return { address, port: 8080, forwarding: { method: 'nat' }, weight: 1, upperThreshold: 0, lowerThreshold: 0, ...rest }
}

const add = (destination: Destination, identity = WEB): IpvsCommand => ({
  kind: 'add-destination',
  service: identity,
  destination,
})

describe('refusals', () => {
  test('of every kind are matched to their command, and stop none of the others', async () => {
    const commands: IpvsCommand[] = [
      { kind: 'add-service', service: service(WEB) },
      { kind: 'add-service', service: service(WEB) },
      { kind: 'add-service', service: service(ABSENT, 'nosuch') },
      { kind: 'add-service', service: service(ABSENT, 'a-name-that-is-far-too-long') },
      add(server(1)),
      add(server(1)),
      add(server(2), ABSENT),
      add(server(3, { upperThreshold: 1, lowerThreshold: 2 })),
      { kind: 'edit-destination', service: WEB, destination: server(4) },
      { kind: 'delete-destination', service: WEB, destination: server(4) },
      { kind: 'edit-service', service: service(ABSENT) },
      { kind: 'delete-service', service: ABSENT },
      { kind: 'zero', service: ABSENT },
      { kind: 'stop-sync-daemon', role: 'master' },
      { kind: 'start-sync-daemon', daemon: { role: 'master', interface: 'nosuch0', id: 1 } },
      { kind: 'start-sync-daemon', daemon: { role: 'master', interface: 'a-name-that-is-far-too-long', id: 1 } },
      add(server(5)),
    ]
    const [report, table] = await ipvsSteps(lab, NAMESPACE, [{ do: 'write', commands }, { do: 'read' }])
    expect(report.failures.map(({ index, errno }) => [index, errno])).toEqual([
      [1, 'EEXIST'],
      [2, 'ENOENT'],
      [3, expect.stringMatching(/^(EINVAL|ERANGE)$/)],
      [5, 'EEXIST'],
      [6, 'ESRCH'],
      [7, 'ERANGE'],
      [8, 'ENOENT'],
      [9, 'ENOENT'],
      [10, 'ESRCH'],
      [11, 'ESRCH'],
      [12, 'ESRCH'],
      [13, 'ESRCH'],
      [14, 'ENODEV'],
      [15, expect.stringMatching(/^(EINVAL|ERANGE)$/)],
    ])
    // Of these attributes alone the kernel says in words what it refuses.
    expect(report.failures.filter(({ message }) => message !== undefined)).toMatchObject([
      { index: 15, message: 'Attribute failed policy validation' },
    ])
    expect(table.map(({ destinations }) => destinations.length)).toEqual([2])
  })

  test('of thousands of commands all arrive: 10,000 duplicates are 10,000 answers', async () => {
    const SIZE = 5_000
    const commands = [
      { kind: 'flush' } as const,
      { kind: 'add-service', service: service(WEB, 'rr') } as const,
      ...Array.from({ length: SIZE }, (_, number) => add(server(number))),
      ...Array.from({ length: SIZE }, (_, number) => add(server(number))),
    ]
    const [report, table, , empty] = await ipvsSteps(lab, NAMESPACE, [
      { do: 'write', commands },
      { do: 'read' },
      { do: 'write', commands: [{ kind: 'flush' }] },
      { do: 'read' },
    ])
    expect(report).toMatchObject({ sent: 2 + 2 * SIZE, sends: Math.ceil((2 + 2 * SIZE) / 64) })
    expect(report.failures.map(({ index }) => index)).toEqual(Array.from({ length: SIZE }, (_, number) => 2 + SIZE + number))
    expect(new Set(report.failures.map(({ errno }) => errno))).toEqual(new Set(['EEXIST']))
    expect(table[0]?.destinations).toHaveLength(SIZE)
    expect(empty).toEqual([])
  })
})

test('expected keys are never reported absent while another process adds and deletes 200 services during every read', async () => {
  const { code, stdout, stderr } = await lab.runScript(inCheckout('test/kernel/guest/ipvs-torn.ts'), {
    netns: NAMESPACE,
    timeoutMs: 280_000,
  })
  expect(stderr).toBe('')
  expect(code).toBe(0)
  const report = JSON.parse(stdout) as TornReport
  expect(report.reads).toBeGreaterThanOrEqual(10)
  expect(report.missing).toEqual([])
  // Without this the test proves nothing: the other process must have been at work during the reads.
  expect(report.readsWithVisitors).toBeGreaterThan(0)
  expect(report.gone).toEqual([])
})
