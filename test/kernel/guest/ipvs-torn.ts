/**
 * Reads the table again and again while another process adds and deletes 200 services, and reports what was ever missing of
 * what nobody touched.
 */
import { spawn } from 'node:child_process'
import { openIpvsKernel, runIpvsWorkerIfAsked } from '../../../src/kernel/for-daemon.ts'
import type { IpvsCommand, IpvsKernel } from '../../../src/kernel/for-sinks.ts'
import { type IpAddress, parseAddress } from '../../../src/model/address.ts'
import { type DestinationKey, destinationKey } from '../../../src/model/destination.ts'
import { type ServiceIdentity, serviceKey } from '../../../src/model/virtual-service.ts'
import { withFlush } from '../../support/flush.ts'

export interface TornReport {
  readonly reads: number
  /** Services and destinations that a read with expectations did not show. */
  readonly missing: readonly string[]
  /** How often a bare dump would have lied, for the record. */
  readonly readsWithVisitors: number
  /** Expected objects that are truly not there and were shown all the same. */
  readonly gone: readonly string[]
}

const OURS = 100
const SERVERS = 200
const VISITORS = 200
const SECONDS = 40

const ip = (text: string): IpAddress => parseAddress(text) as IpAddress
const identity = (net: number, number: number): ServiceIdentity => ({
  kind: 'address',
  protocol: 'tcp',
  address: ip(`10.${net}.0.${number}`),
  port: 80,
})
const server = (number: number) => ({ address: ip(`10.200.${number >> 8}.${number & 255}`), port: 80 })

/** A hundred services that stay, the first of which has so many servers that they come in several datagrams. */
function ours(): IpvsCommand[] {
  const commands: IpvsCommand[] = []
  for (let number = 0; number < OURS; number++) {
    const service = identity(10, number)
    const flags = { flag1: false, flag2: false, flag3: false }
    commands.push({ kind: 'add-service', service: { identity: service, scheduler: 'rr', flags, onePacket: false } })
    for (const destination of serversOf(number)) {
      const rest = { forwarding: { method: 'nat' }, weight: 1, upperThreshold: 0, lowerThreshold: 0 } as const
      commands.push({ kind: 'add-destination', service, destination: { ...destination, ...rest } })
    }
  }
  return commands
}

function serversOf(number: number) {
  return Array.from({ length: number === 0 ? SERVERS : 2 }, (_, index) => server(index))
}

/** Another administrator's loop: 200 services in and out, and 50 servers in and out of our first service. */
function visitors(): string {
  const services = Array.from({ length: VISITORS }, (_, number) => `-t 10.20.0.${number}:80`)
  const servers = Array.from({ length: 50 }, (_, number) => `-t 10.10.0.0:80 -r 10.201.0.${number}:80`)
  const lines = [
    ...services.map((name) => `-A ${name} -s rr`),
    ...servers.map((name) => `-a ${name} -m`),
    ...services.map((name) => `-D ${name}`),
    ...servers.map((name) => `-d ${name}`),
  ]
  return `while :; do ipvsadm --restore <<'END'\n${lines.join('\n')}\nEND\ndone`
}

async function main(): Promise<void> {
  await using kernel = await openIpvsKernel()
  await withFlush(kernel).write([{ kind: 'flush' }])
  const { failures } = await kernel.write(ours())
  if (failures.length > 0) throw new Error(`the table could not be made: ${JSON.stringify(failures[0])}`)
  const visitor = spawn('bash', ['-c', visitors()], { stdio: 'ignore', detached: true })
  try {
    process.stdout.write(JSON.stringify(await watch(kernel)))
  } finally {
    process.kill(-(visitor.pid as number), 'SIGKILL')
  }
}

async function watch(kernel: IpvsKernel): Promise<TornReport> {
  const absent = identity(30, 1)
  const expected = new Map<ServiceIdentity, Set<DestinationKey>>()
  for (let number = 0; number < OURS; number++) expected.set(identity(10, number), new Set(serversOf(number).map(destinationKey)))
  const hoped = new Map(expected).set(absent, new Set())
  const missing: string[] = []
  const gone: string[] = []
  let reads = 0
  let readsWithVisitors = 0
  const end = performance.now() + SECONDS * 1000
  while (performance.now() < end) {
    const table = await kernel.readTable({ expected: hoped })
    reads++
    if ([...table.keys()].some((key) => key.startsWith('tcp/10.20.'))) readsWithVisitors++
    if (table.has(serviceKey(absent))) gone.push(serviceKey(absent))
    for (const [service, servers] of expected) {
      const reading = table.get(serviceKey(service))
      if (reading === undefined) missing.push(serviceKey(service))
      for (const key of servers) if (!reading?.destinations.has(key)) missing.push(`${serviceKey(service)} ${key}`)
    }
  }
  return { reads, missing, readsWithVisitors, gone }
}

if (!runIpvsWorkerIfAsked()) await main()
