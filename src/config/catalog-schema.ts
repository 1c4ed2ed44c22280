import type { z } from 'zod'
import { type Grammar, refused } from '../document/reading.ts'
import { mapping, optional, section, value } from '../document/schema.ts'
import { choice, line } from '../document/values/choice.ts'
import { allowedListen } from './allowed-listen.ts'
import { listOf } from './shared-schema.ts'
import { consulKeys } from './source-kinds/consul.ts'

const word = line('a prefix', 64)

/** What keys of service meta and tags begin with; the sign at its end may be left out. */
const prefix: Grammar<string> = {
  jsonSchema: { type: 'string', pattern: '^[A-Za-z0-9]+([._-][A-Za-z0-9]+)*[._-]?$', default: 'pointsman.' },
  read(raw) {
    const reading = word.read(raw)
    if (!reading.ok || /^[A-Za-z0-9]+([._-][A-Za-z0-9]+)*[._-]?$/.test(reading.value)) return reading
    return refused(`${JSON.stringify(reading.value)} cannot begin a key`, 'write letters and digits, such as pointsman.')
  },
}

const { service: _, ...instanceKeys } = consulKeys.shape

const consulCatalog = mapping(
  {
    ...instanceKeys,
    prefix: optional(prefix, 'What the keys of service meta and tags begin with; pointsman. by default.'),
  },
  'Services of Consul that say themselves which virtual service they are.',
)

const allowSchema = mapping(
  {
    service: optional(
      line('the name of a Consul service', 256),
      'Name of a service in the registry; * stands for any text: web-*.',
    ),
    namespace: optional(line('the name of a namespace', 256), 'Namespace of the service; that of the catalog by default.'),
    listen: listOf(
      value(allowedListen, 'Addresses and ports.'),
      'What the service may listen on: addresses or networks, each with a port, a range of ports or *.',
    ).optional(),
    protocols: listOf(
      value(choice(['tcp', 'udp', 'sctp']), 'A protocol.'),
      'Protocols that it may ask for; tcp by default.',
    ).optional(),
  },
  'One permission: who may claim what.',
  { required: ['service', 'listen'] },
)

export const catalogSchema = mapping(
  {
    consul: section(consulCatalog).optional(),
    allow: listOf(allowSchema, 'Who may claim what; nothing may be claimed where it is left out.').optional(),
  },
  'A registry whose services become virtual services by what they say of themselves.',
  { required: ['consul'] },
)

export type WrittenCatalog = z.output<typeof catalogSchema>
