/** How a server is asked over TLS. Files are PEM, their paths absolute; they are read anew for each connection. */
export interface TlsSpec {
  /** Certificates of the authorities that are believed, in place of those that come with Node. */
  readonly caFile?: string
  /** Our own certificate and its key; both or none. */
  readonly certFile?: string
  readonly keyFile?: string
  /** The name that the server's certificate must be for, in place of the one it is reached by. */
  readonly serverName?: string
  /** False believes any certificate. */
  readonly verify: boolean
}
