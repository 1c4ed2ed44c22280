import * as z from 'zod'
import { NAMED_SCHEMAS } from './status-schema.ts'

type Json = Readonly<Record<string, unknown>>

const COMPONENTS = '#/components/schemas/'

/** The OpenAPI document of what the admin address serves as JSON. */
export function openApi(version: string): Json {
  return {
    openapi: '3.1.0',
    info: {
      title: 'Pointsman: status',
      summary: 'How virtual services, their backends, sources and sinks stand. It can be read only.',
      description:
        'Fields may be added within a version of the path; none that is here goes or changes its meaning. Answers to requests whose Host is not an address, localhost or a name of global.admin_allowed_hosts, and to pages of other origins, are 403.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
      version,
    },
    servers: [{ url: 'http://127.0.0.1:9095', description: 'The admin address (global.admin).' }],
    paths: { '/api/v1/status': STATUS, '/api/v1/events': EVENTS, '/api/v1/openapi.json': DOCUMENT },
    components: { schemas: schemas() },
  }
}

/** As it is in the repository, and as `/api/v1/openapi.json` has it but for the blanks. */
export function openApiText(version: string): string {
  return `${JSON.stringify(openApi(version), undefined, 2)}\n`
}

const ref = (name: keyof typeof NAMED_SCHEMAS | 'Delta' | 'Error') => ({ $ref: `${COMPONENTS}${name}` })

const json = (description: string, schema: Json) => ({ description, content: { 'application/json': { schema } } })

const TURNED_AWAY = json('The Host is none that is allowed, or another origin asks.', ref('Error'))

const STATUS: Json = {
  get: {
    operationId: 'readStatus',
    summary: 'How everything stands',
    parameters: [
      {
        name: 'service',
        in: 'query',
        description: 'Name or key of the one service that is asked for.',
        schema: { type: 'string' },
      },
    ],
    responses: {
      '200': json('A second old at the most where looking is cheap.', ref('Report')),
      '403': TURNED_AWAY,
      '404': json('There is no service of that name.', ref('Error')),
    },
  },
}

const EVENTS: Json = {
  get: {
    operationId: 'followStatus',
    summary: 'The same, and what becomes different from then on',
    description:
      'Server-sent events. `status` has a whole Report, at the beginning and whenever the client has not kept pace; `delta` has a Delta; `alive` has nothing, where there was nothing to tell for some seconds.',
    responses: {
      '200': { description: 'Events.', content: { 'text/event-stream': { schema: { type: 'string' } } } },
      '403': TURNED_AWAY,
      '406': json('Accept does not name text/event-stream.', ref('Error')),
      '503': json('Too many clients follow already.', ref('Error')),
    },
  },
}

const DOCUMENT: Json = {
  get: {
    operationId: 'readDescription',
    summary: 'This document',
    responses: { '200': json('OpenAPI 3.1.', { type: 'object' }), '403': TURNED_AWAY },
  },
}

const patch = (name: string): Json => ({
  type: 'object',
  properties: {
    [name]: { type: 'string' },
    gone: { const: true, description: 'It is there no longer.' },
    set: { type: 'object', description: 'Fields with their new values; all of them where it is new.' },
    unset: { type: 'array', items: { type: 'string' }, description: 'Fields that are absent from now on.' },
  },
  required: [name],
})

const service = patch('key') as { readonly properties: Json }

const DELTA: Json = {
  type: 'object',
  description: 'What became different from one revision to another. What it does not name is as it was.',
  properties: {
    from: { type: 'integer', description: 'The revision that it is to be applied to.' },
    revision: { type: 'integer' },
    at: { type: 'string', format: 'date-time' },
    head: { type: 'object', properties: { set: { type: 'object' }, unset: { type: 'array', items: { type: 'string' } } } },
    services: {
      type: 'array',
      items: { ...service, properties: { ...service.properties, backends: { type: 'array', items: patch('backend') } } },
    },
    changes: { type: 'array', items: ref('Change'), description: 'New ones.' },
  },
  required: ['from', 'revision', 'at'],
}

/** Fields may be added, as the description says: whoever validates answers must not stumble over the first one. */
function open({ jsonSchema }: { readonly jsonSchema: { additionalProperties?: unknown } }): void {
  if (jsonSchema.additionalProperties === false) delete jsonSchema.additionalProperties
}

function schemas(): Json {
  const registry = z.registry<{ id: string }>()
  for (const [id, schema] of Object.entries(NAMED_SCHEMAS)) registry.add(schema, { id })
  const { schemas: made } = z.toJSONSchema(registry, { uri: (id) => `${COMPONENTS}${id}`, override: open })
  const named = Object.entries(made).map(([id, { $schema, $id, ...schema }]) => [id, schema])
  return {
    ...Object.fromEntries(named),
    Delta: DELTA,
    Error: { type: 'object', properties: { error: { type: 'string' } }, required: ['error'] },
  }
}
