import { SINK_NAMES, type SinkChange } from '../model/change.ts'
import type { DesiredState } from '../model/desired-state.ts'
import type { ServiceKey } from '../model/virtual-service.ts'
import { createAddressSink } from '../sinks/addresses/create-address-sink.ts'
import { createFirewallSink, type HeldServices } from '../sinks/firewall/firewall-sink.ts'
import { joinedCounts } from '../sinks/reports.ts'
import type { PassReport } from '../sinks/sink.ts'
import { openAddresses, pretendedAddresses } from '../store/addresses.ts'
import { openFirewallUse } from '../store/firewall-use.ts'
import { openSnatUse } from '../store/snat-use.ts'
import type { Host } from './host.ts'
import { asPointsmanError } from './passes.ts'
import { pretendedRoutes } from './pretended-routes.ts'
import { hasOwned, instanceOf, type SinksInput } from './sinks.ts'
import { openSnatWay, type SnatWay, snatSinkBy } from './snat-way.ts'
import { CONNTRACK } from './sysctl-advice.ts'

/** What source NAT and addresses would change, and what cannot be said of them, in sentences. */
export interface PlannedSinks {
  readonly changes: readonly SinkChange[]
  readonly notes: readonly string[]
}

/** What would be in the table after a pass, drains included. */
export interface AfterPlan {
  readonly isServed: (service: ServiceKey) => boolean
  readonly held: HeldServices
}

/**
 * What a pass would do beside the table. The kernel is read and not written: the sinks work on
 * one that takes everything and does nothing.
 */
export async function planSinks(
  { host, configuration }: Pick<SinksInput, 'host' | 'configuration'>,
  desired: DesiredState,
  { isServed, held: after }: AfterPlan,
  now: number,
): Promise<PlannedSinks> {
  const { stateDir: directory, instance } = configuration.settings
  const { by, ...ports } = configuration.snat
  const services = [...desired.services.values()]
  const still = { service: isServed, destination: isServed }
  const changes: SinkChange[] = []
  const notes: string[] = []
  const planning = async (sink: SinkChange['sink'], plan: (parts: AsyncDisposableStack) => Promise<Counts>) => {
    await using parts = new AsyncDisposableStack()
    try {
      changes.push(...changesOf(sink, await plan(parts)))
    } catch (error) {
      notes.push(`What becomes of ${SINK_NAMES[sink]} cannot be said: ${asPointsmanError(error).message}`)
    }
  }
  const filters = await openFirewallUse({ directory })
  const isManaged = configuration.settings.manageFirewall
  if (isManaged || filters.isInUse)
    await planning('firewall', async (parts) => {
      const kernel = unwrittenFirewall(parts.use(await host.openFirewall()))
      const former = filters.instances.map((name) => instanceOf(name).instance)
      const tracked = () => host.readSysctl(CONNTRACK) === 1
      const sink = parts.use(createFirewallSink({ kernel, former, tracked, ...instanceOf(instance) }))
      const wanted = isManaged ? desired : { services: new Map() }
      const held = isManaged ? after : NOTHING_HELD
      const opened = await sink.open(wanted, held, 'full', now)
      const closed = await sink.close(wanted, held, now)
      for (const { message } of closed.failed) notes.push(message)
      return joinedCounts(opened.applied, closed.applied)
    })
  const use = await openSnatUse({ directory })
  if (use.by !== undefined || services.some(({ sourceNat }) => sourceNat !== undefined))
    await planning('snat', async (parts) => {
      const way = await openSnatWay(host, by)
      parts.use(way.kernel)
      const sink = parts.use(
        snatSinkBy(unwritten(way), { ...instanceOf(instance), reservedPorts: () => host.listeningPorts(), ...ports }),
      )
      const opened = await sink.open(desired, 'full', now)
      const closed = await sink.close(desired, still, now)
      for (const { message } of closed.failed) notes.push(message)
      return joinedCounts(opened.applied, closed.applied)
    })
  const store = await openAddresses({ directory, access: 'read' })
  if (hasOwned(store.record) || services.some(({ virtualAddress }) => virtualAddress !== undefined))
    await planning('addresses', async (parts) => {
      const kernel = pretendedRoutes(parts.use(host.openRoutes()))
      const sink = parts.use(createAddressSink({ kernel, store: pretendedAddresses(store), instance }))
      const withdrawn = await sink.withdraw(desired, now)
      const held = await sink.hold(desired, isServed, 'full', now)
      for (const { message } of held.failed) notes.push(message)
      return joinedCounts(withdrawn.applied, held.applied)
    })
  return { changes, notes }
}

type Counts = PassReport['applied']

const NOTHING_HELD: HeldServices = { table: new Map(), holds: () => false }

type FirewallKernel = Awaited<ReturnType<Host['openFirewall']>>

function changesOf(sink: SinkChange['sink'], counts: Counts): SinkChange[] {
  return Object.entries(counts).flatMap(([kind, count]) => (count > 0 && kind !== 'announce' ? [{ sink, kind, count }] : []))
}

function unwrittenFirewall({ nftables, iptables }: FirewallKernel): FirewallKernel {
  const nothing = async () => {}
  return {
    nftables: { readFilters: () => nftables.readFilters(), apply: nothing, onChange: () => () => {} },
    iptables: { save: (...which) => iptables.save(...which), restore: nothing },
    [Symbol.asyncDispose]: nothing,
  }
}

function unwritten({ by, kernel }: SnatWay): SnatWay {
  const nothing = async () => {}
  if (by === 'iptables')
    return {
      by,
      kernel: {
        by,
        saveNat: (family) => kernel.saveNat(family),
        restoreNat: nothing,
        onChange: () => () => {},
        [Symbol.asyncDispose]: nothing,
      },
    }
  return {
    by,
    kernel: {
      by: kernel.by,
      apply: nothing,
      readTable: (family, name) => kernel.readTable(family, name),
      readFilters: () => kernel.readFilters(),
      onChange: () => () => {},
      [Symbol.asyncDispose]: nothing,
    },
  }
}
