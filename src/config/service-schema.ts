import * as z from 'zod'
import { backendSchema, memberKeys } from '../document/backend-schema.ts'
import { accepted, type Grammar } from '../document/reading.ts'
import { mapping, optional, section, value } from '../document/schema.ts'
import { addressRange } from '../document/values/address-range.ts'
import { choice, line, percent, truth } from '../document/values/choice.ts'
import { duration } from '../document/values/duration.ts'
import { endpoint } from '../document/values/endpoint.ts'
import { integer } from '../document/values/integer.ts'
import type { GuardSpec } from '../model/service-spec.ts'
import { SCHEDULERS } from '../model/virtual-service.ts'
import { flag } from './flags.ts'
import { healthCheckSchema, healthChecksSchema } from './health-check-schema.ts'
import { persistenceSchema } from './persistence.ts'
import { policyKeys } from './policy-schema.ts'
import { listOf } from './shared-schema.ts'
import { sourceSchema } from './source-schema.ts'
import { trafficLogSchema } from './traffic-log-schema.ts'
import { virtualAddressSchema } from './virtual-address.ts'

const MINUTE = 60_000
const HOUR = 60 * MINUTE

const debounceSchema = mapping(
  {
    min: optional(duration({ min: 0, max: 10 * MINUTE }), 'How long a removal waits after the last event; 500ms by default.'),
    max: optional(duration({ min: 0, max: 10 * MINUTE }), 'What nothing waits longer than; 2s by default.'),
  },
  'How changes are gathered before they reach the kernel.',
)

const drainSchema = mapping(
  { timeout: optional(duration({ min: 0, max: 24 * HOUR }), 'From weight 0 to deletion at the latest; 300s by default.') },
  'How a backend leaves.',
)

const onEmpty: Grammar<GuardSpec['onEmpty']> = {
  jsonSchema: { type: 'string', examples: ['hold', 'apply', '10m'] },
  read(raw) {
    if (raw === 'hold' || raw === 'apply') return accepted(raw)
    const reading = duration({ min: 1000, max: 24 * HOUR }).read(raw)
    return reading.ok ? reading : { ...reading, remedy: `write hold, apply or a duration` }
  },
}

const guardSchema = mapping(
  {
    max_removal: optional(
      percent,
      'Share of the backends that sources may take away within the window; 34% by default. Of fewer than four, one may leave.',
    ),
    window: optional(
      duration({ min: 1000, max: 24 * HOUR }),
      'The window, and how long fresh answers must have repeated what is held; 60s by default.',
    ),
    on_empty: optional(
      onEmpty,
      'What an empty answer of a source does: hold it until approved (default), apply it, or apply it when repeated for a duration.',
    ),
  },
  'Guards against a source that suddenly forgets backends.',
)

const DAY = 24 * HOUR

const holdSchema = mapping(
  {
    max_age: optional(
      duration({ min: 1000, max: 365 * DAY }),
      'How long a source may fail before its backends drain; for ever where it is left out.',
    ),
    snapshot_max_age: optional(
      duration({ min: 0, max: 365 * DAY }),
      'How old an answer from the state directory may be to stand in for a source after a start; 24h by default, 0 uses none.',
    ),
  },
  'How long answers are held while their source does not answer.',
)

/** What `defaults:` and every service may say. */
const inheritedKeys = {
  protocol: optional(choice(['tcp', 'udp', 'sctp']), 'Transport protocol of listen; tcp by default.'),
  scheduler: optional(choice(SCHEDULERS), 'Scheduler of the kernel by its name; wlc by default.'),
  flags: listOf(
    value(flag, 'A scheduler flag.'),
    'Scheduler flags as ipvsadm names them; [] clears them. Left out: sh and mh get their fallback.',
  ).optional(),
  one_packet: optional(truth, 'Every datagram is a connection of its own; for UDP and fwmark services.'),
  persistence: persistenceSchema.optional(),
  ...memberKeys,
  debounce: section(debounceSchema).optional(),
  drain: section(drainSchema).optional(),
  health_check: healthCheckSchema.optional(),
  health_checks: healthChecksSchema.optional(),
  guard: section(guardSchema).optional(),
  hold: section(holdSchema).optional(),
  ...policyKeys,
  adopt: optional(
    choice(['named', 'all']),
    'Which backends of a service that is in the kernel already become ours: those named here, or all; named by default.',
  ),
  full_nat: optional(truth, 'Source NAT by nftables, so that backends need no route back; with forwarding nat alone.'),
  snat_ip: optional(
    addressRange,
    'Source address of full_nat, or a range of at most 256 (10.0.0.9-10.0.0.12); left out, that of the interface to the backend.',
  ),
  virtual_address: virtualAddressSchema.optional(),
  traffic_log: trafficLogSchema.optional(),
}

export const defaultsSchema = mapping(inheritedKeys, 'What every service does where it does not say otherwise.')

const ownKeys = {
  name: optional(line('a name', 128), 'Name in logs, metrics and commands; unique. Renaming changes nothing in the kernel.'),
  listen: optional(endpoint, 'Address and port that clients connect to: 10.0.0.1:80 or "[2001:db8::1]:80".'),
  fwmark: optional(integer('a firewall mark', 1, 4294967295), 'Firewall mark of the packets, in place of listen.'),
  family: optional(choice(['ipv4', 'ipv6']), 'Address family of a fwmark service; ipv4 by default.'),
  source: sourceSchema.optional(),
}

const SERVICE = 'A virtual service of the kernel.'
const REQUIRED = {
  required: ['name'],
  oneOf: [having('listen'), having('fwmark')],
  anyOf: [having('backends'), having('source'), having('sources')],
}

/** For the published JSON Schema: a mapping with this key. */
export function having(key: string) {
  return { type: 'object', properties: { [key]: {} }, required: [key] }
}

/** A service whose lists are read entry by entry afterwards, so that one bad entry hides no other fault. */
export const serviceSchema = mapping(
  { ...ownKeys, sources: z.unknown().optional(), backends: z.unknown().optional(), ...inheritedKeys },
  SERVICE,
)

/** The whole service, for the published JSON Schema. */
export const publishedServiceSchema = mapping(
  {
    ...ownKeys,
    sources: listOf(sourceSchema, 'Several sources; their backends are put together.').optional(),
    backends: listOf(backendSchema, 'Backends written here; beside a source they are always members.').optional(),
    ...inheritedKeys,
  },
  SERVICE,
  REQUIRED,
)

export type WrittenDefaults = z.output<typeof defaultsSchema>
export type WrittenService = z.output<typeof serviceSchema>
