import type { IpAddress, Port } from '../model/address.ts'
import type { Protocol } from '../model/virtual-service.ts'

/** Where the first packet of a flow went to: the original destination that conntrack remembers. Port 0: any port. */
export interface OriginalDestination {
  readonly protocol: Protocol
  readonly address: IpAddress
  readonly port: Port
}

/** Where the replies of a flow come from: the backend that IPVS sent it to, by TCP, UDP or SCTP. Port 0: any port. */
export interface ReplySource {
  readonly address: IpAddress
  readonly port: Port
}

/** Both as the kernel has them: entries of this network namespace, and the limit that all namespaces share. */
export interface ConntrackUsage {
  readonly count: number
  readonly max: number
}

/**
 * Connection tracking of one network namespace. Calls reject with a PointsmanError: NO_PERMISSION, KERNEL_REFUSED (also where the
 * kernel has no nf_conntrack_netlink), NETLINK_PROTOCOL.
 */
export interface ConntrackKernel extends AsyncDisposable {
  /**
   * Deletes the entries of flows towards one of `targets`, and of those that IPVS sent to one of `backends` from whatever virtual address, whose source was
   * never translated, so that their next packet is translated as that of a new flow; gives how many there were. Flows that are translated are not
   * touched, nor those that were answered: their backends know a way back; nor those to a backend that came by one of `others`. An entry is looked for up to three times,
   * because a listing of a table that changes may leave some out.
   */
  deleteUntranslated(
    targets: readonly OriginalDestination[],
    backends?: readonly ReplySource[],
    others?: readonly OriginalDestination[],
  ): Promise<number>
  /** Undefined before connection tracking is at work (`/proc/sys/net/netfilter`). */
  usage(): ConntrackUsage | undefined
}
