import type { ErrorCode } from '../../errors.ts'

/** Why a question to Consul has no usable answer: one sentence with the cure, the same for the same fault. */
export class ConsulFault extends Error {
  readonly code: ErrorCode
  /** Another agent may do better. */
  readonly elsewhere: boolean
  /** The token was not accepted. */
  readonly forbidden: boolean
  /** There are more connections from here than the agent takes. */
  readonly crowded: boolean

  constructor(code: ErrorCode, message: string, kind: Partial<Pick<ConsulFault, 'elsewhere' | 'forbidden' | 'crowded'>> = {}) {
    super(message)
    this.name = 'ConsulFault'
    this.code = code
    this.elsewhere = kind.elsewhere ?? false
    this.forbidden = kind.forbidden ?? false
    this.crowded = kind.crowded ?? false
  }
}

/** An answer with another status than 200. `words` is the beginning of its body, where Consul says why. */
export function statusFault(agent: string, target: string, status: number, words: string): ConsulFault {
  const said = words.trim() === '' ? String(status) : `${status}: ${oneLine(words)}`
  const about = `Consul at ${agent} answered ${said}`
  const path = target.split('?', 1)[0]
  switch (status) {
    case 400:
      if (/to an HTTPS server/.test(words))
        return new ConsulFault('SOURCE_UNREADABLE', `Consul at ${agent} speaks TLS; write https://`, { elsewhere: true })
      return new ConsulFault(
        'SOURCE_INVALID',
        `${about}; correct what the source asks for (namespaces and partitions need Consul Enterprise)`,
      )
    case 401:
    case 403:
      return new ConsulFault('SOURCE_UNREADABLE', `${about}; give the source a token with service:read and node:read`, {
        forbidden: true,
      })
    case 404:
      return new ConsulFault('SOURCE_UNREADABLE', `${about} to ${path}; write the address of a Consul agent`, { elsewhere: true })
    case 429:
      return new ConsulFault(
        'SOURCE_UNREADABLE',
        `${about}; raise limits.http_max_conns_per_client of the agent or lower max_watches`,
        { elsewhere: true, crowded: true },
      )
    default:
      if (status >= 500)
        return new ConsulFault('SOURCE_UNREADABLE', `${about}; what was known is kept until it recovers`, { elsewhere: true })
      return new ConsulFault('SOURCE_UNREADABLE', `${about} to ${path}; write the address of a Consul agent`, { elsewhere: true })
  }
}

const UNTRUSTED = 'has a certificate that nobody known here has signed; write tls: { ca: ... }'
const NO_TLS = 'does not speak TLS; write http:// or the port for https'

const SYSTEM_REASONS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'refuses the connection; start the agent or correct address',
  ENOENT: 'has no socket; start the agent or correct address',
  EACCES: 'may not be opened; give the process access to the socket',
  ENOTFOUND: 'has a name that is not found; correct address',
  EAI_AGAIN: 'has a name that cannot be looked up now; check the resolver or write an IP address',
  ECONNRESET: 'closed the connection in the middle of an answer',
  ERR_STREAM_PREMATURE_CLOSE: 'closed the connection in the middle of an answer',
  ERR_HTTP2_STREAM_ERROR: 'closed the connection in the middle of an answer',
  EPIPE: 'closed the connection in the middle of a request',
  EHOSTUNREACH: 'cannot be reached; check the network',
  ENETUNREACH: 'cannot be reached; check the network',
  ETIMEDOUT: 'cannot be reached in time; check the network',
  EPROTO: NO_TLS,
  ERR_SSL_WRONG_VERSION_NUMBER: NO_TLS,
  ERR_SSL_PACKET_LENGTH_TOO_LONG: NO_TLS,
  CERT_HAS_EXPIRED: 'has a certificate that has expired; renew it',
  CERT_NOT_YET_VALID: 'has a certificate that is not valid yet; check the clocks of both machines',
  ERR_TLS_CERT_ALTNAME_INVALID: 'has a certificate for another name; correct address, or write tls: { server_name: ... }',
  SELF_SIGNED_CERT_IN_CHAIN: UNTRUSTED,
  DEPTH_ZERO_SELF_SIGNED_CERT: UNTRUSTED,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: UNTRUSTED,
  UNABLE_TO_GET_ISSUER_CERT: UNTRUSTED,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: UNTRUSTED,
}

/** What OpenSSL and the parser of HTTP say is for their authors. */
function kindOf(code: string): string | undefined {
  if (/^ERR_SSL.*ALERT.*(CERT|UNKNOWN_CA)/.test(code))
    return 'does not take our certificate, or wants one; write tls: { cert: ..., key: ... } with one that it knows'
  if (/^ERR_O?SSL/.test(code))
    return `cannot be asked over TLS (${code}); check that it speaks TLS on this port, and the files of tls`
  if (code.startsWith('HPE_')) return 'does not speak HTTP; write the address of a Consul agent'
  return undefined
}

/** A connection that failed, or an answer that broke off. */
export function connectionFault(agent: string, error: unknown): ConsulFault {
  if (error instanceof ConsulFault) return error
  const { code = '', message = String(error) } = error as NodeJS.ErrnoException
  const reason =
    SYSTEM_REASONS[code] ?? kindOf(code) ?? `cannot be asked (${oneLine(code === '' ? message : `${code}: ${message}`)})`
  return new ConsulFault('SOURCE_UNREADABLE', `Consul at ${agent} ${reason}`, { elsewhere: true })
}

/** No whole answer within `deadline` milliseconds. */
export function lateFault(agent: string, deadline: number): ConsulFault {
  const seconds = Math.ceil(deadline / 1_000)
  return new ConsulFault('SOURCE_UNREADABLE', `Consul at ${agent} did not answer within ${seconds} s`, { elsewhere: true })
}

/** An answer that Consul does not give. */
export function contentFault(agent: string, what: string): ConsulFault {
  const message = `Consul at ${agent} answered with ${what}; write the address of a Consul agent, and look at what stands between`
  return new ConsulFault('SOURCE_INVALID', message, { elsewhere: true })
}

function oneLine(text: string): string {
  const line = text.replaceAll(/\s+/g, ' ').trim()
  return line.length > 200 ? `${line.slice(0, 197)}...` : line
}
