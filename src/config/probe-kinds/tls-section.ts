import { isIP } from 'node:net'
import type { z } from 'zod'
import { type Reading, refused, show } from '../../document/reading.ts'
import { mapping, optional, section } from '../../document/schema.ts'
import { line, truth } from '../../document/values/choice.ts'
import type { ProbeTls } from '../../model/probe-spec.ts'
import { filePath, toTlsSpec } from '../source-kinds/tls.ts'

const tlsKeys = mapping(
  {
    server_name: optional(
      line('a host name', 253),
      "Name that the certificate must be for, also sent as SNI; the backend's address, without SNI, by default.",
    ),
    verify: optional(truth, "Whether the backend's certificate is verified; true by default."),
    ca: optional(filePath, 'PEM file with the authorities that are believed; those that come with Node by default.'),
    cert: optional(filePath, 'PEM file with our own certificate.'),
    key: optional(filePath, 'PEM file with the key of that certificate.'),
  },
  'How TLS is spoken with a backend. The files are read again when they change.',
)

/** `tls: { server_name, verify, ca, cert, key }` */
export const probeTlsSchema = section(tlsKeys)

/** Relative paths begin at `directory`. */
export function toProbeTls(written: z.output<typeof tlsKeys>, directory: string): Reading<ProbeTls> {
  const { server_name: name } = written
  if (name !== undefined && isIP(name) !== 0)
    return refused(
      `the server_name ${name} is an address`,
      'write the name, or leave it out: the address is what is checked then',
    )
  if (name !== undefined && !/^[\w.-]+$/.test(name))
    return refused(`the server_name ${show(name)} is no name of a host`, 'write a name such as www.example')
  return toTlsSpec(written, directory)
}
