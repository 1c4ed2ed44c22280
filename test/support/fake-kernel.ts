import { setImmediate, setTimeout } from 'node:timers/promises'
import { type ErrorCode, PointsmanError } from '../../src/errors.ts'
import type { CommandFailure, IpvsCommand, IpvsInfo, IpvsKernel, ReadOptions, WriteReport } from '../../src/kernel/for-sinks.ts'
import type { AnyIpvsCommand } from '../../src/kernel/ipvs-kernel.ts'
import { type AddressFamily, familyOf } from '../../src/model/address.ts'
import { type Destination, type DestinationKey, destinationKey } from '../../src/model/destination.ts'
import type {
  ConnectionCounts,
  DestinationReading,
  IpvsTable,
  IpvsTimeouts,
  ServiceReading,
  SyncDaemon,
  TrafficCounters,
} from '../../src/model/ipvs-table.ts'
import {
  SCHEDULERS,
  type ServiceIdentity,
  type ServiceKey,
  serviceFamily,
  serviceKey,
  type VirtualService,
} from '../../src/model/virtual-service.ts'

interface Held {
  service: VirtualService
  readonly destinations: Map<DestinationKey, DestinationReading>
  /** Handed out again until something changes, as the real client does. */
  reading?: ServiceReading | undefined
}

/** Decides that a command fails: an errno name, or undefined to let it through. */
export type Refuse = (command: IpvsCommand) => string | undefined

const NO_COUNTERS = { connections: 0n, packetsIn: 0n, packetsOut: 0n, bytesIn: 0n, bytesOut: 0n }
const IDLE: ConnectionCounts = { active: 0, inactive: 0, persistent: 0 }

/**
 * An IPVS table in memory that answers with the errors of net/netfilter/ipvs/ip_vs_ctl.c (the same contract suite runs
 * against it and against a real kernel) and can be made to tear its dumps, to refuse, to be slow and to get stuck.
 */
export class FakeKernel implements IpvsKernel {
  /** Everything that was sent through `write`, in order. */
  readonly written: IpvsCommand[] = []
  reads = 0
  /** Called before each write with what is about to be sent. */
  onWrite: ((commands: readonly IpvsCommand[]) => void) | undefined
  /** Called before each read of the table or of services. */
  onRead: (() => void) | undefined
  refuse: Refuse = () => undefined
  /** Totals of a service, or of a destination in it; nobody is counted unless a test says otherwise. */
  counters: (service: ServiceKey, destination?: DestinationKey) => TrafficCounters = () => NO_COUNTERS
  /** Milliseconds that every call takes. */
  delay = 0
  /** Schedulers that the kernel has. */
  readonly schedulers = new Set<string>(SCHEDULERS)
  readonly #services = new Map<ServiceKey, Held>()
  readonly #torn = new Set<string>()
  #timeouts: IpvsTimeouts = { tcp: 900, tcpFin: 120, udp: 300 }
  #daemons: SyncDaemon[] = []
  #broken: ErrorCode | undefined

  /** From now on every call rejects with this code. */
  break(code: ErrorCode | undefined): void {
    this.#broken = code
  }

  /** The next dump misses these services, or destinations (`service destination`), unless they are expected. */
  tearNextDump(...names: string[]): void {
    for (const name of names) this.#torn.add(name)
  }

  /** What another program does: as `write`, neither counted nor refused by `refuse`. */
  tamper(...commands: IpvsCommand[]): void {
    for (const command of commands) {
      const errno = this.#run(command)
      if (errno !== undefined) throw new Error(`${command.kind}: ${errno}`)
    }
  }

  /** What traffic does. */
  setConnections(service: ServiceKey, destination: DestinationKey, connections: Partial<ConnectionCounts>): void {
    const held = this.#services.get(service)
    const reading = held?.destinations.get(destination)
    if (!held || !reading) throw new Error(`no ${destination} in ${service}`)
    held.reading = undefined
    held.destinations.set(destination, { ...reading, connections: { ...reading.connections, ...connections } })
  }

  service(key: ServiceKey): VirtualService | undefined {
    return this.#services.get(key)?.service
  }

  destination(service: ServiceKey, key: DestinationKey): Destination | undefined {
    return this.#services.get(service)?.destinations.get(key)?.destination
  }

  async info(): Promise<IpvsInfo> {
    await this.#enter()
    return { version: '1.2.1', connectionTableSize: 4096 }
  }

  async readTable(options: ReadOptions = {}): Promise<IpvsTable> {
    await this.#enter()
    options.signal?.throwIfAborted()
    this.reads += 1
    this.onRead?.()
    return this.#read(this.#services.keys(), expectedByKey(options), options.statistics ?? false)
  }

  async readServices(services: readonly ServiceIdentity[], options: ReadOptions = {}): Promise<IpvsTable> {
    await this.#enter()
    this.reads += 1
    this.onRead?.()
    const expected = expectedByKey(options)
    for (const key of services.map(serviceKey)) if (!expected.has(key)) expected.set(key, new Set())
    return this.#read(services.map(serviceKey), expected, options.statistics ?? false)
  }

  async readTimeouts(): Promise<IpvsTimeouts> {
    await this.#enter()
    return this.#timeouts
  }

  async readSyncDaemons(): Promise<readonly SyncDaemon[]> {
    await this.#enter()
    return [...this.#daemons]
  }

  async write(commands: readonly IpvsCommand[]): Promise<WriteReport> {
    await this.#enter()
    this.onWrite?.(commands)
    const failures: CommandFailure[] = []
    for (const [index, command] of commands.entries()) {
      this.written.push(command)
      const errno = this.refuse(command) ?? this.#run(command)
      if (errno !== undefined) failures.push({ index, errno })
    }
    return { failures, sent: commands.length, bytes: commands.length * 100, sends: Math.ceil(commands.length / 64) }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#broken = 'KERNEL_STUCK'
  }

  async #enter(): Promise<void> {
    // The answer of a real kernel comes from another thread: the event loop always gets a turn.
    await (this.delay > 0 ? setTimeout(this.delay) : setImmediate())
    if (this.#broken) throw new PointsmanError(this.#broken, 'The kernel was made to fail.')
  }

  #read(keys: Iterable<ServiceKey>, expected: Expected, statistics: boolean): IpvsTable {
    const table = new Map<ServiceKey, ServiceReading>()
    for (const key of keys) {
      const held = this.#services.get(key)
      if (!held || (this.#torn.has(key) && !expected.has(key))) continue
      if (this.#torn.size === 0 && !statistics) {
        held.reading ??= { service: held.service, destinations: new Map(held.destinations) }
        table.set(key, held.reading)
        continue
      }
      const destinations = new Map<DestinationKey, DestinationReading>()
      for (const [name, reading] of held.destinations) {
        if (this.#torn.has(`${key} ${name}`) && !expected.get(key)?.has(name)) continue
        destinations.set(name, statistics ? { ...reading, counters: this.counters(key, name) } : reading)
      }
      table.set(key, { service: held.service, destinations, ...(statistics ? { counters: this.counters(key) } : {}) })
    }
    this.#torn.clear()
    return table
  }

  /** The errno that the kernel gives, or undefined when it does what is asked. */
  #run(command: AnyIpvsCommand): string | undefined {
    switch (command.kind) {
      case 'add-service':
        return this.#addService(command.service)
      case 'edit-service':
        return this.#editService(command.service)
      case 'delete-service':
        return this.#services.delete(serviceKey(command.service)) ? undefined : 'ESRCH'
      case 'add-destination':
      case 'edit-destination':
        return this.#setDestination(command.kind, command.service, command.destination)
      case 'delete-destination':
        return this.#deleteDestination(command.service, destinationKey(command.destination))
      case 'set-timeouts':
        return this.#setTimeouts(command.timeouts)
      case 'start-sync-daemon':
        // The messages of the daemons have no place for a second family.
        if (this.#hasMixedFamilies()) return 'EINVAL'
        if (this.#daemons.some(({ role }) => role === command.daemon.role)) return 'EEXIST'
        this.#daemons.push(started(command.daemon))
        return undefined
      case 'stop-sync-daemon': {
        const rest = this.#daemons.filter(({ role }) => role !== command.role)
        if (rest.length === this.#daemons.length) return 'ESRCH'
        this.#daemons = rest
        return undefined
      }
      case 'zero':
        return command.service && !this.#services.has(serviceKey(command.service)) ? 'ESRCH' : undefined
      case 'flush':
        this.#services.clear()
        return undefined
    }
  }

  #addService(service: VirtualService): string | undefined {
    const key = serviceKey(service.identity)
    if (this.#services.has(key)) return 'EEXIST'
    const errno = this.#serviceErrno(service)
    if (errno === undefined) this.#services.set(key, { service, destinations: new Map() })
    return errno
  }

  #editService(service: VirtualService): string | undefined {
    const held = this.#services.get(serviceKey(service.identity))
    if (!held) return 'ESRCH'
    const errno = this.#serviceErrno(service)
    if (errno === undefined) {
      held.service = service
      held.reading = undefined
    }
    return errno
  }

  #serviceErrno(service: VirtualService): string | undefined {
    if (!this.schedulers.has(service.scheduler)) return 'ENOENT'
    const { persistence } = service
    if (persistence?.engine !== undefined && persistence.engine !== 'sip') return 'ENOENT'
    const outside = persistence && (persistence.mask < 1 || persistence.mask > 128)
    return serviceFamily(service.identity) === 'ipv6' && outside ? 'EINVAL' : undefined
  }

  #setDestination(
    kind: 'add-destination' | 'edit-destination',
    service: ServiceIdentity,
    destination: Destination,
  ): string | undefined {
    const held = this.#services.get(serviceKey(service))
    if (!held) return 'ESRCH'
    if (isMixed(service, destination) && this.#daemons.length > 0) return 'EINVAL'
    const errno = destinationErrno(destination, serviceFamily(service))
    if (errno !== undefined) return errno
    const key = destinationKey(destination)
    const known = held.destinations.get(key)
    if (kind === 'add-destination' && known) return 'EEXIST'
    if (kind === 'edit-destination' && !known) return 'ENOENT'
    held.reading = undefined
    held.destinations.set(key, { connections: known?.connections ?? IDLE, destination })
    return undefined
  }

  #hasMixedFamilies(): boolean {
    for (const { service, destinations } of this.#services.values()) {
      for (const { destination } of destinations.values()) if (isMixed(service.identity, destination)) return true
    }
    return false
  }

  #deleteDestination(service: ServiceIdentity, key: DestinationKey): string | undefined {
    const held = this.#services.get(serviceKey(service))
    if (!held) return 'ESRCH'
    held.reading = undefined
    return held.destinations.delete(key) ? undefined : 'ENOENT'
  }

  #setTimeouts(timeouts: Partial<IpvsTimeouts>): string | undefined {
    const values = Object.values(timeouts)
    if (values.some((seconds) => seconds < 0 || seconds > 2_147_483)) return 'EINVAL'
    this.#timeouts = {
      tcp: timeouts.tcp || this.#timeouts.tcp,
      tcpFin: timeouts.tcpFin || this.#timeouts.tcpFin,
      udp: timeouts.udp || this.#timeouts.udp,
    }
    return undefined
  }
}

function isMixed(service: ServiceIdentity, { address }: Destination): boolean {
  return familyOf(address) !== serviceFamily(service)
}

/** As the kernel fills in and limits what it is asked for (start_sync_thread). */
function started(daemon: SyncDaemon): SyncDaemon {
  const headers = daemon.group?.includes(':') ? 48 : 28
  const asked = daemon.maximumLength || 1500 - headers
  const maximumLength = Math.min(Math.max(asked, daemon.role === 'backup' ? 1024 : 1), 65_535 - headers)
  return { group: '224.0.0.81', port: 8848, ttl: 1, ...daemon, maximumLength }
}

function destinationErrno(destination: Destination, family: AddressFamily): string | undefined {
  const { forwarding } = destination
  if (familyOf(destination.address) !== family && forwarding.method !== 'tunnel') return 'EINVAL'
  // Debian's 6.1 kernel takes thresholds as signed numbers.
  if (destination.upperThreshold > 0x7fffffff || destination.lowerThreshold > 0x7fffffff) return 'EINVAL'
  if (destination.lowerThreshold > destination.upperThreshold) return 'ERANGE'
  if (forwarding.method === 'tunnel' && forwarding.tunnel.type === 'gue' && forwarding.tunnel.port === 0) return 'EINVAL'
  return undefined
}

type Expected = Map<ServiceKey, ReadonlySet<DestinationKey>>

function expectedByKey(options: ReadOptions): Expected {
  return new Map([...(options.expected ?? [])].map(([identity, keys]) => [serviceKey(identity), keys]))
}
