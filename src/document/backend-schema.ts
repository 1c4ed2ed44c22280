import type { z } from 'zod'
import type { Backend } from '../model/backend.ts'
import { forwardingSchema } from './forwarding-schema.ts'
import { accepted, type Grammar } from './reading.ts'
import { either, mapping, optional } from './schema.ts'
import { type Endpoint, endpoint } from './values/endpoint.ts'
import { integer } from './values/integer.ts'

export const weight = integer('a weight', 0, 65535)
export const threshold = integer('a number of connections', 0, 2147483647)

const UPPER = 'Connections above which the backend gets no new one; 0 is no limit.'
const LOWER = 'Connections below which an overloaded backend is used again; 0 is three quarters of the upper one.'

/** The keys that a service and its backends share: the service's are for backends that do not say their own. */
export const memberKeys = {
  weight: optional(weight, 'Share of new connections, 0 to 65535; 0 takes no new ones and keeps the old ones.'),
  forwarding: forwardingSchema.optional(),
  upper_threshold: optional(threshold, UPPER),
  lower_threshold: optional(threshold, LOWER),
}

/** A backend as written; `address` is missing only where it could not be read or was forgotten. */
export interface WrittenBackend {
  readonly address?: Endpoint | undefined
  readonly weight?: number | undefined
  readonly forwarding?: Backend['forwarding'] | undefined
  readonly upper_threshold?: number | undefined
  readonly lower_threshold?: number | undefined
}

/** `ip:port` alone. */
export const shortBackend: Grammar<WrittenBackend> = {
  jsonSchema: endpoint.jsonSchema,
  read(raw) {
    const reading = endpoint.read(raw)
    return reading.ok ? accepted({ address: reading.value }) : reading
  },
}

export const backendKeys = {
  address: optional(endpoint, 'Address and port of the backend: 10.0.1.1:8080 or "[2001:db8::1]:8080".'),
  ...memberKeys,
}

const longBackend = mapping(backendKeys, 'A backend of the service.', { required: ['address'] })

/** `ip:port`, or a mapping with `address` and what this backend does otherwise than its service. */
export const backendSchema: z.ZodType<WrittenBackend> = either(shortBackend, longBackend, 'A backend of the service.')

export function toBackend(written: WrittenBackend & { readonly address: Endpoint }): Backend {
  const { address, weight, forwarding, upper_threshold: upper, lower_threshold: lower } = written
  return {
    address: address.address,
    port: address.port,
    ...(weight === undefined ? {} : { weight }),
    ...(forwarding === undefined ? {} : { forwarding }),
    ...(upper === undefined ? {} : { upperThreshold: upper }),
    ...(lower === undefined ? {} : { lowerThreshold: lower }),
  }
}
