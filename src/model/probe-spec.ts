import type { IpAddress, Port } from './address.ts'
import type { TlsSpec } from './tls-spec.ts'

/** What a probe asks, every default filled in. The names are those of the configuration's sections. */
export type ProbeKind =
  | TcpProbeSpec
  | TlsProbeSpec
  | HttpProbeSpec
  | DnsProbeSpec
  | UdpProbeSpec
  | SyslogProbeSpec
  | GrpcProbeSpec
  | SmtpProbeSpec
  | ExecProbeSpec
  | AgentProbeSpec

/** Connects; with `send` or `expect` also speaks. Bytes are latin1 text. */
export interface TcpProbeSpec {
  readonly kind: 'tcp'
  readonly send?: string
  /** What the answer must contain within the first 64 KiB. */
  readonly expect?: TextMatch
}

/** A text that must be contained, or a regular expression (its source, without flags) that must match. */
export interface TextMatch {
  readonly by: 'text' | 'pattern'
  readonly value: string
  /** The opposite is expected. */
  readonly not?: true
}

/** How TLS is spoken with a backend. `serverName` is the SNI as well; absent: the backend's address, without SNI. */
export type ProbeTls = TlsSpec

export interface TlsProbeSpec {
  readonly kind: 'tls'
  readonly tls: ProbeTls
}

/** Inclusive. */
export interface StatusRange {
  readonly from: number
  readonly to: number
}

export interface HttpProbeSpec {
  readonly kind: 'http'
  /** Absent: plain http. */
  readonly tls?: ProbeTls
  readonly version: '1.1' | '2'
  readonly method: string
  /** With its query, beginning with a slash. */
  readonly path: string
  /** Host header (`:authority`); absent: address and port of the backend. */
  readonly host?: string
  readonly headers: Readonly<Record<string, string>>
  readonly status: readonly StatusRange[]
  readonly body?: TextMatch
  /** A header that the answer must carry with this value: tells a backend from another one that got its address. */
  readonly identity?: { readonly header: string; readonly value: string }
  /** `accept`: a redirect is an answer judged by its status; `follow`: up to `most` hops, on the same backend only. */
  readonly redirects: 'accept' | { readonly most: number }
  /** `through`: a proxy between us and the backend (absolute address `http://10.0.0.5:3128`). `backend`: the backend is itself a proxy, asked for `url`. */
  readonly proxy?: { readonly through: string } | { readonly url: string }
}

/** Types whose data dig prints in a form of their own. */
const DNS_PRINTED_TYPES = ['A', 'AAAA', 'CNAME', 'MX', 'NS', 'PTR', 'SOA', 'SRV', 'TXT', 'CAA'] as const
/** Types whose data are compared as bytes (RFC 3597, 5). */
export const DNS_BYTE_TYPES = ['NAPTR', 'DS', 'DNSKEY', 'RRSIG', 'TLSA', 'SVCB', 'HTTPS'] as const
export const DNS_PROBE_TYPES = [...DNS_PRINTED_TYPES, ...DNS_BYTE_TYPES] as const

export interface DnsProbeSpec {
  readonly kind: 'dns'
  readonly name: string
  readonly type: (typeof DNS_PROBE_TYPES)[number]
  readonly transport: 'udp' | 'tcp'
  /** 0–15 (RFC 1035, 4.1.1). */
  readonly rcode: number
  /** Data that one of the answers must have, as dig prints it, or `dig +unknownformat` those of DNS_BYTE_TYPES; absent: any. */
  readonly answer?: string
}

/** Bytes are latin1 text. */
export interface UdpProbeSpec {
  readonly kind: 'udp'
  readonly send: string
  /** Absent: silence passes, only an ICMP refusal fails. */
  readonly expect?: TextMatch
}

/** Sends one message (RFC 5424 over UDP, RFC 6587 over TCP); over UDP only an ICMP refusal fails. */
export interface SyslogProbeSpec {
  readonly kind: 'syslog'
  readonly transport: 'udp' | 'tcp'
  /** 0–23 and 0–7 (RFC 5424, 6.2.1). */
  readonly facility: number
  readonly severity: number
  readonly message: string
}

/** grpc.health.v1.Health/Check; passes when the answer is SERVING. */
export interface GrpcProbeSpec {
  readonly kind: 'grpc'
  /** Empty: the server as a whole. */
  readonly service: string
  readonly tls?: ProbeTls
}

/** Greeting 220, then EHLO answered by 250, then QUIT (RFC 5321). */
export interface SmtpProbeSpec {
  readonly kind: 'smtp'
  readonly helo: string
}

/** Runs a program without a shell; exit code 0 passes, 1 fails; with `dynamic` 2–255 pass with weight code - 2 (keepalived's MISC_CHECK). */
export interface ExecProbeSpec {
  readonly kind: 'exec'
  /** Absolute path of the program, then its arguments. */
  readonly command: readonly string[]
  readonly dynamic: boolean
  /** Whose rights the program has. Absent: those of nobody where this process is root, and else its own. */
  readonly user?: string
}

/** HAProxy's agent-check text: up, down, drain, maint, ready, stopped, fail, 50%, in one line. */
export interface AgentProbeSpec {
  readonly kind: 'agent'
  readonly send?: string
}

/** A probe and when it is asked. Milliseconds. */
export interface CheckSpec {
  readonly probe: ProbeKind
  readonly interval: number
  /** While the backend is about to turn (between its health and the other one); absent: `interval`. */
  readonly fastInterval?: number
  /** While the backend is down; absent: `interval`. */
  readonly downInterval?: number
  readonly timeout: number
  /** Results in a row, 1–1000. */
  readonly rise: number
  readonly fall: number
  /** Percent of the interval by which each moment is moved at random, 0–50. */
  readonly jitter: number
  /** What a backend is before its first result. `unknown`: by the rule of the first weight. */
  readonly initial: 'unknown' | 'up' | 'down'
  /** In place of the backend's own. */
  readonly address?: IpAddress
  readonly port?: Port
  /** Address that the probe comes from. */
  readonly sourceAddress?: IpAddress
  /** SO_MARK on the probe's socket. */
  readonly fwmark?: number
  /** `vip`: through a fwmark service of its own to the VIP. */
  readonly via: 'backend' | 'vip'
}
