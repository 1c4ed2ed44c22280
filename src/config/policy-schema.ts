import { accepted, type Grammar, refused } from '../document/reading.ts'
import { either, mapping, optional, section } from '../document/schema.ts'
import { choice, percent } from '../document/values/choice.ts'
import { duration } from '../document/values/duration.ts'
import { endpoint } from '../document/values/endpoint.ts'
import { integer } from '../document/values/integer.ts'

const SECOND = 1_000
const HOUR = 3_600 * SECOND

/** The one word that stands for a policy that is not to be followed. */
function off(form: string): Grammar<'off'> {
  return {
    jsonSchema: { const: 'off' },
    read: (raw) => (raw === 'off' ? accepted(raw) : refused(`${String(raw)} is not known here`, `write off, or ${form}`)),
  }
}

const panicSchema = either(
  off('{ percent: 50 }'),
  mapping(
    {
      percent: optional(
        integer('a number of percent', 0, 100),
        'Share of the backends below which it begins; 0 by default: when none is up.',
      ),
    },
    'When backends that are not up serve all the same.',
  ),
  'What happens when too few backends are up: those serve that were up last. off: nobody does.',
)

const dampingSchema = either(
  off('{ half_life: 60s }'),
  mapping(
    {
      half_life: optional(
        duration({ min: SECOND, max: HOUR }),
        'Time in which half of what a backend has against it is forgiven; 60s by default.',
      ),
    },
    'How long a backend that falls again and again is kept out.',
  ),
  'A backend that falls three times within about a minute stays out until it has been quiet for some minutes. off: it does not.',
)

const quorumSchema = mapping(
  {
    min: optional(integer('a quorum', 1, 65_535_000), 'How much of the pool must serve; 1 by default.'),
    hysteresis: optional(
      integer('a hysteresis', 0, 65_535_000),
      'Lost below min less this, had again at min and this; 0 by default.',
    ),
    by: optional(
      choice(['count', 'weight', 'percent']),
      'What is counted: backends, their weights, or percent of the pool; count by default.',
    ),
  },
  'How much of the pool must serve for it to be worth its address.',
)

/** How the states of backends become weights; part of `defaults:` and of every service. */
export const policyKeys = {
  on_down: optional(
    choice(['zero', 'remove']),
    'What becomes of a backend that fails its probes: weight 0, or removal. Left out: weight 0 where that is safe.',
  ),
  panic: panicSchema.optional(),
  sorry_server: optional(endpoint, 'Address and port of who answers while no backend serves; goes before panic.'),
  quorum: section(quorumSchema).optional(),
  slow_start: optional(
    duration({ min: 0, max: HOUR }),
    'Time from a tenth of its weight to all of it for a backend that begins to serve; for wrr, wlc, sed, nq. 0 is none.',
  ),
  damping: dampingSchema.optional(),
  max_ejection: optional(
    percent,
    'Share of the pool that may be lost in one interval to failures above connect (status, body, TLS); 50% by default.',
  ),
  absent_grace: optional(
    duration({ min: 0, max: 24 * HOUR }),
    'How long a backend that is up serves on at least when the guard holds its removal; the window of the guard by default.',
  ),
}
