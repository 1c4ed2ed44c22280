import { LABEL_PREFIX, LABELLED, MAX_ENTRIES, VERSION } from './endpoint-entries.ts'
import { listedBackendSchema } from './listed-backend.ts'
import { jsonSchemaOf } from './schema.ts'

const TARGET = { type: 'string', examples: ['10.0.1.1:8080', '[2001:db8::1]:8080'] }

/** What an HTTP server may answer, as other programs see it: the published JSON Schema, as text. */
export function publishedEndpointListSchema(): string {
  const labels = {
    type: 'object',
    description: `Facts about the targets. ${LABELLED.map((label) => `${LABEL_PREFIX}${label}`).join(', ')} say what they name.`,
    additionalProperties: { type: 'string' },
  }
  const group = {
    type: 'object',
    description: 'A target group as Prometheus HTTP SD has it.',
    properties: { targets: { type: 'array', items: TARGET }, labels },
    required: ['targets'],
  }
  const list = { type: 'array', maxItems: MAX_ENTRIES, items: { anyOf: [ref('group'), ref('backend')] } }
  const object = {
    type: 'object',
    description: 'Our own format; the list alone means the same.',
    properties: { version: { const: VERSION, default: VERSION }, backends: ref('list') },
    required: ['backends'],
    additionalProperties: false,
  }
  const schema = {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: 'Endpoint list of Pointsman',
    anyOf: [ref('list'), object],
    $defs: { list, group, backend: jsonSchemaOf(listedBackendSchema) },
  }
  return `${JSON.stringify(schema, null, 2)}\n`
}

function ref(name: string) {
  return { $ref: `#/$defs/${name}` }
}
