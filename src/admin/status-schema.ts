import * as z from 'zod'

/**
 * What `/api/v1/status` and the status page show. Its types are used where it is made, its description is the OpenAPI document;
 * nothing of zod runs for an answer.
 */

const time = () => z.string().meta({ format: 'date-time' })
const count = () => z.int().min(0)
const rate = () => z.number().min(0)

const termsOf = (what: string) => ({
  reason: z.string().exactOptional().describe('What the operator said it is for.'),
  until: time().exactOptional().describe(`When ${what} ends by itself; absent: when it is taken back.`),
})

const adminSchema = z
  .strictObject({
    state: z.enum(['ready', 'drain', 'maintenance']),
    since: time().exactOptional().describe('Absent where the operator said nothing.'),
    ...termsOf('the state'),
    weight: z
      .strictObject({
        weight: z.int().min(0).max(65_535),
        since: time(),
        ...termsOf('the weight'),
        ramp: z
          .strictObject({ from: count(), steps: count(), ends: time() })
          .exactOptional()
          .describe('The weight is reached in steps.'),
      })
      .exactOptional(),
  })
  .describe('The administrative state: what the operator said.')

const discoveredSchema = z
  .strictObject({
    state: z.enum(['passing', 'warning', 'critical', 'maintenance', 'listed', 'held', 'absent']),
    by: z.string().exactOptional().describe('The source that lists it.'),
    since: time().exactOptional().describe('Of held.'),
    rule: z.string().exactOptional().describe('Of held: removal (too many at once) or empty (its source names nobody).'),
  })
  .describe(
    'The discovered state: what its sources say. listed: that it exists and nothing of its health. held: they name it no longer, and the guard keeps it. absent: nobody names it.',
  )

const operationalSchema = z
  .strictObject({
    state: z.enum(['up', 'down', 'unknown', 'unprobed']),
    since: time().exactOptional(),
    message: z.string().exactOptional().describe('Why the last probe did not pass.'),
  })
  .describe('The operational state: what our probes find.')

const kernelSchema = z.strictObject({
  weight: z.number().min(0).describe('As the kernel has it.'),
  active: count().describe('Connections that are active.'),
  inactive: count().describe('Connections that are closing, or of UDP.'),
  persistent: count().describe('Clients that persistence binds to it.'),
})

const trafficSchema = z
  .strictObject({
    connections: count(),
    packets_in: count(),
    packets_out: count(),
    bytes_in: count(),
    bytes_out: count(),
  })
  .describe(
    "The kernel's totals since the object was made or zeroed. in: from clients; out: to clients, where replies pass here.",
  )

const ratesSchema = z
  .strictObject({
    connections: rate(),
    packets_in: rate(),
    packets_out: rate(),
    bytes_in: rate(),
    bytes_out: rate(),
  })
  .describe(
    'The same a second, over the last two seconds, which is how often the kernel adds up. Absent for the first seconds of looking.',
  )

const checkSchema = z
  .strictObject({
    kind: z.string().describe('tcp, http, …'),
    code: z.string().describe("The result in HAProxy's words: L4OK, L4CON, L4TOUT, L6OK, L6RSP, L7OK, L7RSP, L7TOUT, UNK."),
    layer: z.enum(['L4', 'L6', 'L7']).describe('The layer that decided.'),
    result: z.enum(['passed', 'failed', 'unknown']),
    at: time().describe('When it ended.'),
    duration_seconds: z.number().min(0),
    message: z.string().exactOptional(),
  })
  .describe('The last probe; of several checks the one that ended last among those with the gravest result.')

const downtimeSchema = z
  .strictObject({
    seconds: z.number().min(0).describe('Of the outages that have ended, since this process began.'),
    since: time().exactOptional().describe('When the one that goes on began; absent: none does.'),
  })
  .describe('How long it was down; while it is, the time since then comes on top.')

/** Words for a backend as a whole, the one that matters first. */
export const BACKEND_STATES = ['maintenance', 'drain', 'foreign', 'down', 'unknown', 'standby', 'unprobed', 'up'] as const

const backendSchema = z.strictObject({
  backend: z.string().describe('10.0.1.1:8080'),
  state: z
    .enum(BACKEND_STATES)
    .describe(
      'The three states in one word, the first that applies: maintenance, drain (said, or leaving), foreign (in the kernel with a weight, and nobody names it), down, unknown (not probed yet), standby (a weight of 0, or not wanted now), unprobed, up.',
    ),
  since: time().exactOptional().describe('When that began, as far as this process knows.'),
  admin: adminSchema,
  discovered: discoveredSchema,
  operational: operationalSchema,
  weight: z.number().min(0).nullable().describe('What it should have; null: it should not be in the kernel.'),
  reasons: z.array(z.string()).describe('Why, the last word first.'),
  kernel: kernelSchema.nullable().exactOptional().describe('null: it is not there. Absent: the kernel could not be asked.'),
  traffic: trafficSchema.exactOptional(),
  rates: ratesSchema.exactOptional(),
  check: checkSchema.exactOptional(),
  failed_probes: count().describe('How many probes of it failed; of its present checks, since they began.'),
  times_down: count().describe('How often probes found it down since this process began.'),
  downtime: downtimeSchema,
  changed: z
    .strictObject({ at: time(), from: z.string(), to: z.string(), cause: z.string() })
    .exactOptional()
    .describe('Its last change in the kernel that this process made.'),
})

const sourceSchema = z.strictObject({
  source: z.string(),
  state: z.enum(['pending', 'up', 'stale']),
  since: time(),
  answered: time().exactOptional().describe('When it answered last; absent: never.'),
  records: count().describe('Backends in its last good answer.'),
  held_removals: count(),
  partial: z
    .literal(true)
    .exactOptional()
    .describe(
      'Its answers may lack backends (no leader, too old, a token that may not see all): they are added, and none is removed.',
    ),
  failure: z.string().exactOptional(),
})

const poolSchema = z.strictObject({
  mode: z
    .enum(['normal', 'panic', 'sorry', 'nobody'])
    .describe('Who answers: its members, members that are not up, the sorry server, or nobody.'),
  panic_since: time().exactOptional(),
  quorum: z
    .strictObject({
      has: z.boolean(),
      since: time(),
      measure: z.number(),
      min: z.number(),
      by: z.enum(['count', 'weight', 'percent']),
    })
    .exactOptional(),
  announced: z.boolean().exactOptional().describe('Whether its address is to be there, where that hangs on the quorum.'),
  held_failures: z
    .array(z.string())
    .describe('Backends that serve although they fail or ask to be let go: with too many others, or as the last that can serve.'),
})

const totalsSchema = z.strictObject({
  backends: count(),
  serving: count().describe('Backends with a weight above 0 in the kernel; where it could not be asked, that should have one.'),
  weight: z.number().min(0).describe('The sum of the weights that they should have.'),
  kernel_weight: z
    .number()
    .min(0)
    .exactOptional()
    .describe('The sum of those that the kernel has. This and the following: absent where it could not be asked.'),
  active: count().exactOptional(),
  inactive: count().exactOptional(),
  persistent: count().exactOptional(),
})

const serviceSchema = z.strictObject({
  service: z.string().describe('Its name.'),
  key: z.string().describe('tcp/10.0.0.1:80, fwmark/7/ipv4'),
  scheduler: z.string(),
  complete: z.boolean().describe('Whether every source has answered; until then nothing is removed.'),
  pool: poolSchema,
  failures: z.array(z.string()).exactOptional().describe('What the last pass could not do for it.'),
  totals: totalsSchema,
  times_down: count().describe('How often it came to have backends of which none served, since this process began.'),
  downtime: downtimeSchema,
  traffic: trafficSchema.exactOptional(),
  rates: ratesSchema.exactOptional(),
  sources: z.array(sourceSchema),
  backends: z.array(backendSchema),
})

const sinkSchema = z.strictObject({
  sink: z.string().describe('ipvs, firewall, snat, addresses.'),
  state: z.enum(['good', 'failing', 'stuck']),
  last_pass: time().describe('When its last pass ended.'),
  last_success: time().exactOptional().describe('When the last one ended that could do something for some service.'),
  failure: z.string().exactOptional().describe('Why the last pass could do nothing at all.'),
  failing_objects: count(),
  drift_repaired: count().describe('Differences that nobody asked for, repaired since this process began.'),
  foreign: count().describe('Objects that are not ours and are left alone.'),
  draining: count(),
})

const changeSchema = z.strictObject({
  id: count().describe('Rises by one with each.'),
  at: time(),
  kind: z.string(),
  service: z.string(),
  backend: z.string().exactOptional(),
  source: z.string().exactOptional(),
  from: z.string(),
  to: z.string(),
  cause: z.string(),
  reasons: z.array(z.string()),
  grave: z.literal(true).exactOptional(),
})

const reportSchema = z
  .strictObject({
    revision: count().describe('Another one with every look at which something was different.'),
    at: time(),
    instance: z.string(),
    version: z.string(),
    commit: z.string().exactOptional(),
    started: time(),
    shadow: z.literal(true).exactOptional().describe('It only tells what it would do.'),
    health: z.strictObject({
      status: z.enum(['ready', 'degraded', 'not-ready']),
      reasons: z.array(z.strictObject({ reason: z.string(), message: z.string() })),
    }),
    paused: z
      .strictObject({ since: time(), ...termsOf('the pause') })
      .exactOptional()
      .describe('The operator has nothing written to the kernel.'),
    kernel_error: z.string().exactOptional().describe('Why the kernel could not be asked.'),
    sinks: z.array(sinkSchema),
    absent_words: z
      .array(z.strictObject({ service: z.string(), backend: z.string(), admin: adminSchema }))
      .describe('What the operator said of services that are not wanted now.'),
    services: z.array(serviceSchema),
    changes: z.array(changeSchema).describe('The last changes, the oldest first; 200 at the most.'),
  })
  .describe('How everything stands. Times are ISO 8601 in UTC.')

/** The schemas that have a name in the OpenAPI document. */
export const NAMED_SCHEMAS = {
  Report: reportSchema,
  Service: serviceSchema,
  Backend: backendSchema,
  Source: sourceSchema,
  Sink: sinkSchema,
  Change: changeSchema,
  Check: checkSchema,
  Traffic: trafficSchema,
  Rates: ratesSchema,
}

/** All of it, but for its revision. */
export type StatusReport = Omit<z.output<typeof reportSchema>, 'revision'>
export type ServiceReport = z.output<typeof serviceSchema>
export type BackendReport = z.output<typeof backendSchema>
export type SinkReport = z.output<typeof sinkSchema>
export type ChangeReport = z.output<typeof changeSchema>
export type DowntimeReport = z.output<typeof downtimeSchema>
export type CheckReport = z.output<typeof checkSchema>
export type TrafficReport = z.output<typeof trafficSchema>
export type BackendState = (typeof BACKEND_STATES)[number]
