import type { Configuration } from '../config/configuration.ts'
import { SETTING_DEFINITIONS } from '../config/setting-definitions.ts'
import type { ServiceKey } from '../model/virtual-service.ts'
import type { AddressFacts, AddressSink } from '../sinks/addresses/address-sink.ts'
import { createAddressSink } from '../sinks/addresses/create-address-sink.ts'
import { createFirewallSink } from '../sinks/firewall/firewall-sink.ts'
import { createSinksInOrder, type InOrderOptions, type InOrderSink } from '../sinks/in-order.ts'
import type { IpvsSink } from '../sinks/ipvs/ipvs-sink.ts'
import type { SinkLog } from '../sinks/ipvs/transition.ts'
import { createSnatSinkAfter, type FormerTable } from '../sinks/snat/after-former.ts'
import type { SnatSink, SnatSinkOptions } from '../sinks/snat/snat-sink.ts'
import { type AddressRecord, openAddresses } from '../store/addresses.ts'
import { type FirewallUse, openFirewallUse } from '../store/firewall-use.ts'
import { openSnatUse, type SnatTable, type SnatUse } from '../store/snat-use.ts'
import type { Host } from './host.ts'
import { openSnatWay, snatSinkBy } from './snat-way.ts'
import { CONNTRACK } from './sysctl-advice.ts'

/** All that writes to the kernel, as one sink, and what of it only metrics ask. */
export interface KernelSinks extends AsyncDisposable {
  readonly sink: InOrderSink
  /** Translated connections by service, read now; empty where nothing is translated. */
  translations(): Promise<ReadonlyMap<ServiceKey, bigint>>
  /** Undefined while no address is asked for. */
  addresses(): AddressFacts | undefined
}

/** What the sinks are made from. */
export interface SinksInput {
  readonly host: Pick<
    Host,
    'openNftables' | 'openIptables' | 'openConntrack' | 'openRoutes' | 'openFirewall' | 'readSysctl' | 'listeningPorts'
  >
  readonly ipvs: IpvsSink
  readonly configuration: Pick<Configuration, 'settings' | 'snat'>
  /** `manage_firewall` now; that of the configuration where this is left out. */
  readonly managesFirewall?: () => boolean
  /** Whether anything may be written between passes; where this is left out it may. */
  readonly mayRepair?: () => boolean
  readonly log?: SinkLog
  /** As for the sinks. */
  readonly patience?: number
}

const NO_TRANSLATIONS: ReadonlyMap<ServiceKey, bigint> = new Map()

/**
 * Puts the sinks together. Only the notes of earlier processes are read: nftables and interfaces are opened when a service asks for them, or an earlier
 * process did. Rejects with STATE_UNWRITABLE and STATE_NEWER.
 */
export async function openSinks(input: SinksInput): Promise<KernelSinks> {
  const { host, ipvs, configuration, mayRepair, log, patience } = input
  const {
    settings,
    snat: { by, ...ports },
  } = configuration
  const { stateDir: directory, instance } = settings
  const use = await openSnatUse({ directory })
  const store = await openAddresses({ directory })
  const filters = await openFirewallUse({ directory })
  await using opening = new AsyncDisposableStack()
  const opened: { snat?: SnatSink; addresses?: AddressSink } = {}
  const common = log === undefined ? {} : { log }
  const openSnat = async (parts: AsyncDisposableStack): Promise<SnatSink> => {
    const way = await openSnatWay(host, by)
    parts.use(way.kernel)
    const reservedPorts = () => host.listeningPorts()
    const repair = mayRepair === undefined ? {} : { mayRepair }
    const conntrack = parts.use(host.openConntrack())
    const options = { conntrack, inKernel: () => ipvs.lastTable(), reservedPorts, ...repair, ...ports, ...common }
    await use.begin({ by: way.by, instance })
    const former = use.former.map((table) => formerTable(table, use, host, options))
    opened.snat = createSnatSinkAfter(former, snatSinkBy(way, { ...options, ...instanceOf(instance) }), log)
    parts.defer(() => {
      delete opened.snat
    })
    return opened.snat
  }
  const openAddressSink = async (parts: AsyncDisposableStack): Promise<AddressSink> => {
    opened.addresses = createAddressSink({ kernel: parts.use(host.openRoutes()), store, instance, ...common })
    parts.defer(() => {
      delete opened.addresses
    })
    return opened.addresses
  }
  const sink = opening.use(
    createSinksInOrder({
      ipvs,
      ...(patience !== undefined && { patience }),
      snat: { usedBefore: use.by !== undefined, open: openSnat, emptied: () => use.end() },
      firewall: firewallToOpen(input, filters),
      addresses: { usedBefore: hasOwned(store.record), open: openAddressSink },
    }),
  )
  const parts = opening.move()
  return {
    sink,
    translations: async () => (await opened.snat?.readConnections()) ?? NO_TRANSLATIONS,
    addresses: () => opened.addresses?.facts(),
    [Symbol.asyncDispose]: () => parts.disposeAsync(),
  }
}

function firewallToOpen(
  { host, configuration, managesFirewall, mayRepair, log }: SinksInput,
  use: FirewallUse,
): NonNullable<InOrderOptions['firewall']> {
  const { instance, manageFirewall } = configuration.settings
  return {
    usedBefore: use.isInUse,
    isOn: managesFirewall ?? (() => manageFirewall),
    async open(parts) {
      const kernel = parts.use(await host.openFirewall())
      const former = use.instances.map((name) => instanceOf(name).instance)
      const begin = () => use.begin(instance)
      const tracked = () => host.readSysctl(CONNTRACK) === 1
      const options = { begin, ...(mayRepair !== undefined && { mayRepair }), ...(log !== undefined && { log }) }
      return createFirewallSink({ kernel, former, tracked, ...instanceOf(instance), ...options })
    },
    emptied: () => use.end(),
  }
}

function formerTable(
  table: SnatTable,
  use: SnatUse,
  host: SinksInput['host'],
  options: Omit<SnatSinkOptions, 'kernel' | 'instance'>,
): FormerTable {
  const { by, instance } = table
  return {
    name: `source NAT by ${by} for the instance ${instance}`,
    async open(parts) {
      const way = await openSnatWay(host, by)
      parts.use(way.kernel)
      return snatSinkBy(way, { ...options, ...instanceOf(instance) })
    },
    gone: () => use.gone(table),
  }
}

/** Whether an earlier process may have put anything on the interfaces. */
export function hasOwned({ addresses, links }: AddressRecord): boolean {
  return addresses.size > 0 || links.size > 0
}

/** The table of the one instance that most hosts have is called as the program is. */
export function instanceOf(instance: string): { readonly instance?: string } {
  return instance === SETTING_DEFINITIONS.instance.initial ? {} : { instance }
}
