import type { AddressFamily, Port } from './address.ts'

/** A name server: an address, for IPv6 perhaps with a zone (`fe80::1%eth0`), and a port. */
export interface NameServer {
  readonly address: string
  readonly port: Port
}

/**
 * The ways in which the DNS has nothing for us. `nxdomain`: no such name. `nodata`: the name exists without such records.
 * `no_service`: the only target is `.`, by which RFC 2782 says that the service is not offered. `servfail`: SERVFAIL and
 * every other answer of no use. `refused`: REFUSED. `timeout`: no answer at all.
 */
export type DnsTrouble = 'nxdomain' | 'nodata' | 'no_service' | 'servfail' | 'refused' | 'timeout'

/** Milliseconds for which the last answer is kept before the trouble counts as an empty answer; 0: at once, `hold`: never. */
export type DnsPolicy = 'hold' | number

/** Milliseconds, `min` <= `max`. */
export interface DnsInterval {
  readonly min: number
  readonly max: number
}

/** Whom to ask, and how. */
export interface DnsNetwork {
  /** Absent: those of resolv.conf. */
  readonly servers?: readonly NameServer[]
  /** Domains that a name is looked for in. Absent: those of resolv.conf, or none where `servers` is present. */
  readonly search?: readonly string[]
  /** `auto`: UDP, and TCP where the answer does not fit or the server is Consul. */
  readonly transport: 'auto' | 'tcp'
  /** Milliseconds that one server may take, over UDP and TCP together. */
  readonly timeout: number
}

/** What both kinds of DNS source can be told. */
export interface DnsOptions extends DnsNetwork {
  /** Absent: those that the forwarding of the service reaches. */
  readonly families?: readonly AddressFamily[]
  /** What the time to live is clamped to. */
  readonly refresh: DnsInterval
  /** The time to the next question after trouble: doubles from `min` to `max`. */
  readonly retry: DnsInterval
  /** Milliseconds that a member stays after it is missing from the answers. */
  readonly holdObsolete: number
  readonly policies: Readonly<Record<DnsTrouble, DnsPolicy>>
}

/** SRV records (RFC 2782). */
export interface DnsSrvSourceSpec extends DnsOptions {
  readonly kind: 'dns_srv'
  readonly name: string
  /** What the weight 0 means: a small share, or no new connections. */
  readonly zeroWeight: 'serve' | 'drain'
}

/** Plain A and AAAA records with a fixed port. */
export interface DnsSourceSpec extends DnsOptions {
  readonly kind: 'dns'
  readonly name: string
  readonly port: Port
}

/** `10.0.0.2`, `10.0.0.2:8600`, `[fe80::1%eth0]:8600`: the port is shown where it is not 53. */
export function nameServerText({ address, port }: NameServer): string {
  if (port === 53) return address
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`
}

/** The place of a DNS source; with the servers, because the same name may be asked of others: `web.example:80 @10.0.0.2,10.0.0.3`. */
export function dnsPlace(spec: DnsSrvSourceSpec | DnsSourceSpec): string {
  const name = spec.kind === 'dns' ? `${spec.name}:${spec.port}` : spec.name
  return spec.servers === undefined ? name : `${name} @${spec.servers.map(nameServerText).join()}`
}
