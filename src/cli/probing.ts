import { PROBE_TIMEOUT, type Probing } from '../daemon/one-shot.ts'
import type { DurationRange } from '../document/values/duration.ts'
import { PointsmanError } from '../errors.ts'
import { durationOption } from './operator-word.ts'

/** In milliseconds. */
const RANGE: DurationRange = { min: 100, max: 3_600_000 }

/** How long the backends are asked. Throws BAD_INPUT. */
export function probingOf(asks: boolean, timeout: string | undefined): Probing {
  if (asks) return timeout === undefined ? PROBE_TIMEOUT : durationOption('--probe-timeout', timeout, RANGE)
  if (timeout === undefined) return 'off'
  throw new PointsmanError(
    'BAD_INPUT',
    '--probe-timeout is for probes, and there are none: leave it out, or write --probes with plan, and once without --no-probes.',
  )
}
