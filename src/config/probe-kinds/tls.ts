import { accepted } from '../../document/reading.ts'
import { probeKind } from './probe-kind.ts'
import { probeTlsSchema, toProbeTls } from './tls-section.ts'

export const tlsKind = probeKind({
  schema: probeTlsSchema,
  example: 'tls: { server_name: www.example }',
  toSpec(written, directory) {
    const tls = toProbeTls(written, directory)
    return tls.ok ? accepted({ kind: 'tls', tls: tls.value }) : tls
  },
})
