import { accepted, type Grammar } from '../document/reading.ts'
import { derived, either, mapping, optional } from '../document/schema.ts'
import { truth } from '../document/values/choice.ts'
import { duration } from '../document/values/duration.ts'
import type { TrafficLogSpec } from '../model/service-spec.ts'

/** Milliseconds. */
const INITIAL_INTERVAL = 10_000

const interval = duration({ min: 1000, max: 86_400_000 })

const shortTrafficLog: Grammar<TrafficLogSpec | 'off'> = {
  jsonSchema: { anyOf: [truth.jsonSchema, interval.jsonSchema] },
  read(raw) {
    if (raw === false) return accepted('off')
    if (raw === true) return accepted(specOf({}))
    const reading = interval.read(raw)
    return reading.ok ? accepted(specOf({ interval: reading.value })) : { ...reading, remedy: `${reading.remedy}, true or false` }
  },
}

const longTrafficLog = mapping(
  {
    interval: optional(interval, 'Time between two lines; 10s by default.'),
    backends: optional(truth, 'A line for each backend as well; false by default.'),
    idle: optional(truth, 'Lines also where nothing came; false by default.'),
  },
  'What the service and its backends have done, as lines of the log.',
)

/** `true`, `false`, an interval, or a mapping. */
export const trafficLogSchema = either(
  shortTrafficLog,
  derived(longTrafficLog, (keys) => accepted(specOf(keys))),
  'Lines of the log with the connections, packets and bytes of each interval: true, false, an interval, or a mapping; false by default.',
)

function specOf(keys: {
  interval?: number | undefined
  backends?: boolean | undefined
  idle?: boolean | undefined
}): TrafficLogSpec {
  return { interval: keys.interval ?? INITIAL_INTERVAL, backends: keys.backends ?? false, idle: keys.idle ?? false }
}
