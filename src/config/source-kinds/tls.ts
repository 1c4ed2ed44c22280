import { resolve } from 'node:path'
import type { z } from 'zod'
import { accepted, type Reading, refused } from '../../document/reading.ts'
import { mapping, optional, section } from '../../document/schema.ts'
import { line, truth } from '../../document/values/choice.ts'
import type { TlsSpec } from '../../model/tls-spec.ts'

/** The path of a file that is read by a source. */
export const filePath = line('the path of a file', 4000)

const tlsKeys = mapping(
  {
    ca: optional(filePath, 'PEM file with the authorities that are believed; those that come with Node by default.'),
    cert: optional(filePath, 'PEM file with our own certificate.'),
    key: optional(filePath, 'PEM file with the key of that certificate.'),
    server_name: optional(
      line('a host name', 253),
      "Name that the server's certificate must be for; the host of the address by default.",
    ),
    verify: optional(truth, "Whether the server's certificate is verified; true by default."),
  },
  'How the server is asked over TLS. The files are read again for each connection.',
)

/** `tls: { ca, cert, key, server_name, verify }` */
export const tlsSchema = section(tlsKeys)

/** Relative paths begin at `directory`. */
export function toTlsSpec(written: z.output<typeof tlsKeys>, directory: string): Reading<TlsSpec> {
  const { ca, cert, key, server_name: serverName, verify = true } = written
  if (cert === undefined && key !== undefined) return refused('tls has a key without its certificate', 'write cert: too')
  if (cert !== undefined && key === undefined) return refused('tls has a certificate without its key', 'write key: too')
  if (!verify && ca !== undefined)
    return refused('tls has a ca that verify: false makes useless', 'remove verify: false, or remove ca')
  return accepted({
    ...(ca !== undefined && { caFile: resolve(directory, ca) }),
    ...(cert !== undefined && { certFile: resolve(directory, cert) }),
    ...(key !== undefined && { keyFile: resolve(directory, key) }),
    ...(serverName !== undefined && { serverName }),
    verify,
  })
}
