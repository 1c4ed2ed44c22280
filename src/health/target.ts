import { formatEndpoint, type IpAddress, type Port } from '../model/address.ts'

/** Where a probe goes. */
export interface ProbeTarget {
  readonly address: IpAddress
  /** 1–65535. */
  readonly port: Port
  /** Address of this host that the probe comes from; absent: the one that the route gives. */
  readonly sourceAddress?: IpAddress
  /** Firewall mark of the probe's packets (SO_MARK), 1–4294967295; absent: none. */
  readonly mark?: number
}

/** `10.0.1.1:8080`, as messages name it. */
export function targetName({ address, port }: ProbeTarget): string {
  return formatEndpoint(address, port)
}
