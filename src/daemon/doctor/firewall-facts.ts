import type { IpAddress } from '../../model/address.ts'
import type { Destination } from '../../model/destination.ts'
import type { ServiceKey } from '../../model/virtual-service.ts'
import type { FilterTable } from '../../sinks/firewall/filter.ts'

export type KnownBackend = Pick<Destination, 'address' | 'port' | 'forwarding'>

/** What the doctor knows of filters, or why it knows nothing. */
export type FirewallFacts =
  | {
      readonly tables: readonly FilterTable[]
      /** net.ipv4.vs.conntrack */
      readonly tracked: boolean
      /** The interfaces of the networks that backends are in; those behind routers are absent. */
      readonly interfaces: ReadonlyMap<IpAddress, string>
      readonly backends: ReadonlyMap<ServiceKey, readonly KnownBackend[]>
    }
  | { readonly problem: string }
