import type { Logger } from '../log.ts'
import type { GuardChange, Release } from '../pipeline/desired-update.ts'
import { counted } from './counted.ts'
import { whyNotProbed } from './held-members.ts'
import type { Finding, Found } from './held-standings.ts'

/** How many backends a line names; the rest is a number. */
const NAMED = 10

const WHY: Readonly<Record<Release, string>> = {
  returned: 'named again by the source',
  repeated: 'let go: fresh answers have repeated it',
  paid: 'let go: others have arrived in their place',
  probe: 'let go: they fail their probes',
  free: 'let go by the operator or the configuration',
}

const FOUND: Readonly<Record<Exclude<Found, 'unknown'>, (held: string) => string>> = {
  up: (held) => `probes find ${held} alive, so that the removal stays held`,
  down: (held) => `probes find ${held} dead`,
  unsure: (held) => `probes say nothing of ${held}, so that the removal stays held`,
}

/** One line when the guard begins to hold removals, and one for each way in which some of them end. */
export function logGuard(logger: Logger, { spec, held, began, released }: GuardChange): void {
  const { name } = spec
  if (began.length > 0) {
    const empty = began.some((key) => held.get(key)?.rule === 'empty')
    const why = empty ? 'a source names no backend any more' : 'sources name too few backends all at once'
    const detail = { service: name, backends: began.slice(0, NAMED), held: held.size, state: 'held' }
    const unprobed = whyNotProbed(spec)
    const asked = unprobed === undefined ? '' : ` (no probe can let them go, because ${unprobed})`
    logger.warn(
      detail,
      `service ${name}: ${counted(began.length, 'removal')} held, because ${why}: ${listed(began)}; \`pointsman approve ${name}\` lets them go${asked}`,
    )
  }
  for (const [release, keys] of Map.groupBy(released.keys(), (key) => released.get(key) ?? 'free')) {
    const detail = { service: name, backends: keys.slice(0, NAMED), held: held.size, state: release }
    logger.info(detail, `service ${name}: ${counted(keys.length, 'removal')} held no longer, ${WHY[release]}: ${listed(keys)}`)
  }
}

/** One line for each thing that probes have found of members whose removal is held. */
export function logFinding(logger: Logger, { name, news }: Finding): void {
  for (const [found, members] of Map.groupBy(news, (one) => one.found)) {
    if (found === 'unknown') continue
    const keys = members.map(({ destination }) => destination)
    const { message } = members[0] ?? {}
    const reason = found === 'up' || message === undefined ? '' : ` (${message}${keys.length > 1 ? ', for example' : ''})`
    const what = `${FOUND[found](counted(keys.length, 'held member'))}: ${listed(keys)}${reason}`
    logger.info({ service: name, backends: keys.slice(0, NAMED), state: found }, `service ${name}: ${what}`)
  }
}

function listed(keys: readonly string[]): string {
  const more = keys.length > NAMED ? ` and ${keys.length - NAMED} more` : ''
  return `${keys.slice(0, NAMED).join(', ')}${more}`
}
