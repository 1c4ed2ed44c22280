import type { z } from 'zod'
import type { Backend, DiscoveredState } from '../model/backend.ts'
import { backendKeys, shortBackend, toBackend, type WrittenBackend } from './backend-schema.ts'
import { accepted, type Grammar, refused, show, wrongType } from './reading.ts'
import { either, mapping, optional } from './schema.ts'
import { choice } from './values/choice.ts'
import type { Endpoint } from './values/endpoint.ts'
import { integer } from './values/integer.ts'

const MAX_FACTS = 64
const MAX_FACT_LENGTH = 4096

/** Words of other registries for the same states. */
const state = choice<DiscoveredState>(['passing', 'warning', 'critical', 'maintenance'], {
  up: 'passing',
  ok: 'passing',
  healthy: 'passing',
  ready: 'passing',
  down: 'critical',
  failing: 'critical',
  unhealthy: 'critical',
  drain: 'maintenance',
  draining: 'maintenance',
  maint: 'maintenance',
})

/** Facts about a member, text to text: up to 64, each of up to 4,096 characters. */
export const meta: Grammar<Readonly<Record<string, string>>> = {
  jsonSchema: {
    type: 'object',
    maxProperties: MAX_FACTS,
    additionalProperties: { type: 'string', maxLength: MAX_FACT_LENGTH },
  },
  read(raw) {
    if (typeof raw !== 'object' || raw === null || Array.isArray(raw))
      return wrongType(raw, 'a mapping of text to text', 'write { zone: a }')
    const facts = Object.entries(raw)
    if (facts.length > MAX_FACTS) return refused(`there are ${facts.length} facts`, `write at most ${MAX_FACTS}`)
    for (const [name, fact] of facts) {
      if (typeof fact !== 'string') return refused(`${show(name)} is ${show(fact)} and not text`, 'put it in quotes')
      if (fact.length > MAX_FACT_LENGTH)
        return refused(`${show(name)} has ${fact.length} characters`, `write at most ${MAX_FACT_LENGTH}`)
    }
    return accepted(Object.fromEntries(facts))
  },
}

/** What a registry may say of a member beyond what a person writes in a configuration. */
export interface WrittenListedBackend extends WrittenBackend {
  readonly priority?: number | undefined
  readonly state?: DiscoveredState | undefined
  readonly meta?: Readonly<Record<string, string>> | undefined
}

const listedKeys = {
  ...backendKeys,
  priority: optional(integer('a priority', 0, 65535), 'Lower is preferred; members of a higher one serve when no lower one can.'),
  state: optional(state, 'What the registry says of its health; passing where it is left out.'),
  meta: optional(meta, 'Facts about the backend, text to text.'),
}

/** An entry of an endpoint list: written like an inline backend, with what a registry knows beyond it. */
export const listedBackendSchema: z.ZodType<WrittenListedBackend> = either(
  shortBackend,
  mapping(listedKeys, 'A member as a registry reports it.', { required: ['address'] }),
  'A member as a registry reports it.',
)

export function toListedBackend(written: WrittenListedBackend & { readonly address: Endpoint }): Backend {
  const { priority, state, meta } = written
  return {
    ...toBackend(written),
    ...(priority === undefined ? {} : { priority }),
    ...(state === undefined ? {} : { state }),
    ...(meta === undefined || Object.keys(meta).length === 0 ? {} : { meta }),
  }
}
