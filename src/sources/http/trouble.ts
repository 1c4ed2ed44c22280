import type { ErrorCode } from '../../errors.ts'

/** Why there is no list. */
export interface Trouble {
  readonly code: Extract<ErrorCode, 'SOURCE_UNREADABLE' | 'SOURCE_INVALID'>
  /** Without a full stop, and the same as long as the cause is the same. */
  readonly problem: string
  readonly remedy: string
}

/** The list cannot be had. */
export function unreadable(problem: string, remedy: string): Trouble {
  return { code: 'SOURCE_UNREADABLE', problem, remedy }
}

/** Something came that is no list. */
export function invalid(problem: string, remedy: string): Trouble {
  return { code: 'SOURCE_INVALID', problem, remedy }
}

const UNTRUSTED = [
  'its certificate is signed by nobody who is known here',
  'write tls: { ca: ... } with the authority of the server',
]

const KNOWN: Readonly<Record<string, readonly string[]>> = {
  ECONNREFUSED: ['the connection is refused', 'start the server, or correct host and port of the url'],
  ENOTFOUND: ['the name of the host is not known', 'correct the url, or the name service of this machine'],
  EAI_AGAIN: ['the name of the host cannot be looked up now', 'check the name service of this machine'],
  ECONNRESET: ['the server closed the connection in the middle', 'look into the log of the server'],
  EPIPE: ['the server closed the connection in the middle', 'look into the log of the server'],
  ETIMEDOUT: ['the host does not answer', 'check host, port and the way to it'],
  EHOSTUNREACH: ['the host cannot be reached', 'check host, port and the way to it'],
  ENETUNREACH: ['the network of the host cannot be reached', 'check host, port and the way to it'],
  ENOENT: ['there is no such socket', 'start the server, or correct the path of the socket'],
  EACCES: ['the socket may not be used by this user', 'give the user that Pointsman runs as the right to write to it'],
  HPE_HEADER_OVERFLOW: ['the headers of the answer are too large', 'check which server answers there'],
  CERT_HAS_EXPIRED: ['its certificate has expired', 'renew the certificate of the server'],
  CERT_NOT_YET_VALID: ['its certificate is not valid yet', 'check the clock of both machines'],
  ERR_TLS_CERT_ALTNAME_INVALID: [
    'its certificate is for another name',
    'correct the host of the url, or write tls: { server_name: ... }',
  ],
  ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED: ['the server wants a certificate of ours', 'write tls: { cert: ..., key: ... }'],
  SELF_SIGNED_CERT_IN_CHAIN: UNTRUSTED,
  DEPTH_ZERO_SELF_SIGNED_CERT: UNTRUSTED,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: UNTRUSTED,
  UNABLE_TO_GET_ISSUER_CERT: UNTRUSTED,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: UNTRUSTED,
}

/** What a fault of the connection means. */
export function connectionTrouble(error: unknown): Trouble {
  const code = (error as NodeJS.ErrnoException).code ?? ''
  const [problem, remedy] = KNOWN[code] ?? []
  if (problem !== undefined && remedy !== undefined) return unreadable(problem, remedy)
  if (code.startsWith('HPE_'))
    return invalid('what answers there does not speak HTTP', 'correct scheme, host and port of the url')
  if (code.startsWith('ERR_SSL') || code === 'EPROTO')
    return unreadable(`TLS is not possible (${code})`, 'check that the server speaks TLS on this port and takes our certificate')
  const what = code || (error instanceof Error ? error.message : String(error))
  return unreadable(`the connection failed (${what})`, 'check the server and the way to it')
}
