import { accepted } from '../../document/reading.ts'
import { mapping, optional, section } from '../../document/schema.ts'
import { line } from '../../document/values/choice.ts'
import { probeKind } from './probe-kind.ts'
import { probeTlsSchema, toProbeTls } from './tls-section.ts'

const grpcKeys = mapping(
  {
    service: optional(
      line('the name of a service', 1000),
      'Service whose health is asked for, such as shop.Cart; the server as a whole by default.',
    ),
    tls: probeTlsSchema.optional(),
  },
  'The health service of gRPC (grpc.health.v1), over HTTP/2.',
)

export const grpcKind = probeKind({
  schema: section(grpcKeys),
  example: 'grpc: { service: shop.Cart }',
  toSpec({ service = '', tls }, directory) {
    if (tls === undefined) return accepted({ kind: 'grpc', service })
    const reading = toProbeTls(tls, directory)
    return reading.ok ? accepted({ kind: 'grpc', service, tls: reading.value }) : reading
  },
})
