import type { Host, TableHolder } from '../../../src/daemon/host.ts'
import { PointsmanError } from '../../../src/errors.ts'
import type { Probe } from '../../../src/health/probe.ts'
import type { ProbeTarget } from '../../../src/health/target.ts'
import type { StartedThread, ThreadListener } from '../../../src/health/threads/probe-thread.ts'
import { startHere } from '../../../src/health/threads/start-thread.ts'
import type { RuleMark } from '../../../src/kernel/for-daemon.ts'
import { formatEndpoint, type IpAddress } from '../../../src/model/address.ts'
import type { TrafficCounters } from '../../../src/model/ipvs-table.ts'
import type { ProbeResult } from '../../../src/model/probe-result.ts'
import type { ProbeKind } from '../../../src/model/probe-spec.ts'
import { FakeIptables } from '../../support/fake-iptables.ts'
import { FakeKernel } from '../../support/fake-kernel.ts'
import { FakeNftables } from '../../support/fake-nftables.ts'
import { FakeRouteKernel } from '../../support/fake-route-kernel.ts'

/** A machine with an IPVS table in memory, a service manager that writes down what it is told, and sysctls to set. */
export class FakeHost implements Host {
  readonly kernel = new FakeKernel()
  readonly nftables = new FakeNftables()
  /** What opening nftables rejects with. */
  noNftables: PointsmanError | undefined
  /** Not installed unless a test says otherwise. */
  readonly iptables = new FakeIptables()
  readonly routes = new FakeRouteKernel()
  readonly told: string[] = []
  readonly sysctls = new Map<string, number>([['net.ipv4.vs.expire_nodest_conn', 1]])
  /** Interfaces with a default route from router advertisements. */
  advertised: readonly string[] = []
  listening: readonly number[] = []
  ipvsTotals: TrafficCounters | undefined
  ruleMarks: readonly RuleMark[] = []
  /** By which interface packets to an address leave. */
  readonly links = new Map<IpAddress, string>()
  holder: TableHolder | undefined
  watchdog: number | undefined
  /** What opening the kernel rejects with. */
  missing: PointsmanError | undefined
  opened = 0
  /** What is said of a backend, `10.0.1.1:80`, that is asked in whatever way; all others answer. */
  readonly probes = new Map<string, ProbeResult>()
  /** Backends that were asked. */
  readonly probed: string[] = []
  held: string | undefined

  constructor() {
    this.iptables.failure = new PointsmanError('NFT_MISSING', 'There is no iptables here.')
  }

  async openKernel(): Promise<FakeKernel> {
    if (this.missing !== undefined) throw this.missing
    this.opened += 1
    return this.kernel
  }

  async holdTable(command: string): Promise<AsyncDisposable> {
    if (this.holder !== undefined) throw new PointsmanError('TABLE_HELD', 'The table is written by process 7 (pointsman start).')
    this.held = command
    return {
      [Symbol.asyncDispose]: async () => {
        this.held = undefined
      },
    }
  }

  async whoHoldsTable(): Promise<TableHolder | undefined> {
    return this.holder
  }

  probeFor(_: ProbeKind, { address, port }: ProbeTarget): Probe {
    return async () => {
      const name = formatEndpoint(address, port)
      this.probed.push(name)
      return this.probes.get(name) ?? { outcome: 'passed' }
    }
  }

  startProbeThread(listener: ThreadListener): StartedThread {
    return startHere((kind, target) => this.probeFor(kind, target), listener)
  }

  readRuleMarks(): readonly RuleMark[] {
    return this.ruleMarks
  }

  linkTowards(address: IpAddress): string | undefined {
    return this.links.get(address)
  }

  async openNftables(): Promise<FakeNftables> {
    if (this.noNftables !== undefined) throw this.noNftables
    return this.nftables
  }

  openIptables(): FakeIptables {
    return this.iptables
  }

  /** What the filters of the machine are made of; empty nftables unless a test says otherwise. */
  filters: Awaited<ReturnType<Host['openFirewall']>> | undefined

  async openFirewall(): ReturnType<Host['openFirewall']> {
    return (
      this.filters ?? {
        nftables: this.nftables,
        iptables: { save: async () => undefined, restore: async () => {} },
        [Symbol.asyncDispose]: async () => {},
      }
    )
  }

  openConntrack(): ReturnType<Host['openConntrack']> {
    return { deleteUntranslated: async () => 0, usage: () => undefined, [Symbol.asyncDispose]: async () => {} }
  }

  openRoutes(): FakeRouteKernel {
    return this.routes
  }

  writeSysctl(name: string, value: number): void {
    if (!this.sysctls.has(name)) throw new PointsmanError('KERNEL_REFUSED', `${name} cannot be set to ${value} (ENOENT).`)
    this.sysctls.set(name, value)
  }

  readSysctl(name: string): number | undefined {
    return this.sysctls.get(name)
  }

  routesLostToForwarding(): readonly string[] {
    return this.advertised
  }

  listeningPorts(): readonly number[] {
    return this.listening
  }

  readIpvsTotals(): TrafficCounters | undefined {
    return this.ipvsTotals
  }

  notify(message: string): void {
    this.told.push(message)
  }
}
