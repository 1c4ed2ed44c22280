import type {
  AdminStanding,
  BackendStanding,
  PauseStanding,
  ServiceStanding,
  SourceStanding,
  StatusAnswer,
} from '../admin/standing.ts'
import { counted } from '../daemon/counted.ts'
import { agoText, inText, spanOf } from './ages.ts'
import type { Paint } from './terminal.ts'

const HEADS = ['BACKEND', 'ADMIN', 'DISCOVERED', 'OPERATIONAL', 'WEIGHT', 'KERNEL', 'CONNECTIONS', 'WHY'] as const

/** How everything stands, for people: for each service its sources, a table of its backends and what the operator said. */
export function statusText(answer: StatusAnswer, paint: Paint): string {
  const { at, paused, services, absent_words: absent, kernel_error: failure, admin_error: unserved } = answer
  const blocks = paused === undefined ? [] : [paint('red', pausedLine(paused, at))]
  blocks.push(...services.map((service) => serviceBlock(service, at, paint)))
  if (services.length === 0) blocks.push('no service is wanted')
  if (absent.length > 0) {
    const lines = absent.map(({ service, backend, admin }) => `  ${service} ${backend}: ${wordsText(admin, at)}`)
    blocks.push(paint('yellow', ['said of services that are not wanted now:', ...lines].join('\n')))
  }
  if (failure !== undefined) blocks.push(paint('red', `the kernel could not be asked: ${failure}`))
  if (unserved !== undefined) blocks.push(paint('yellow', unserved))
  return `${blocks.join('\n\n')}\n`
}

function serviceBlock(service: ServiceStanding, now: string, paint: Paint): string {
  const { backends, sources, scheduler, complete } = service
  const serving = backends.filter(({ weight }) => weight !== null && weight > 0).length
  const lines = [
    `${paint('bold', service.service)}  ${service.key}  ${scheduler}, ${serving} of ${backends.length} serve${complete ? '' : ', not every source has answered'}`,
    ...poolLines(service, now, paint),
    ...(service.failures ?? []).map((failure) => paint('red', `  failing: ${failure}`)),
    ...sources.map((source) => sourceLine(source, service.service, now, paint)),
    ...(backends.length === 0 ? [] : table(backends, now, paint)),
  ]
  for (const { backend, admin } of backends) {
    const words = wordsText(admin, now)
    if (words !== '') lines.push(paint('cyan', `  operator: ${backend}: ${words}`))
  }
  return lines.join('\n')
}

const MODES = {
  panic: 'panic: too few are up, so that members serve as they did before',
  sorry: 'no member serves: the sorry server answers',
  nobody: 'nobody serves',
} as const

function poolLines({ service, pool, backends }: ServiceStanding, now: string, paint: Paint): string[] {
  const lines: string[] = []
  const { mode, panic_since: since, quorum, announced, held_failures: held } = pool
  if (mode !== 'normal' && backends.length > 0)
    lines.push(paint('red', `  ${MODES[mode]}${since === undefined ? '' : `, for ${spanOf(since, now)}`}`))
  if (quorum !== undefined) {
    const text = `  quorum ${quorum.has ? 'had' : 'lost'} for ${spanOf(quorum.since, now)}: ${quorum.measure} of ${quorum.min} by ${quorum.by}`
    lines.push(quorum.has ? text : paint('red', text))
  }
  if (announced === false) lines.push(paint('red', '  its address is not announced: its quorum is not had'))
  if (held.length > 0)
    lines.push(
      paint(
        'red',
        `  ${counted(held.length, 'backend')} held in service, failing or asking to be let go (\`pointsman approve ${service}\` believes ${held.length === 1 ? 'it' : 'them'})`,
      ),
    )
  return lines
}

function sourceLine(status: SourceStanding, service: string, now: string, paint: Paint): string {
  const held = status.held_removals === 0 ? '' : `, ${status.held_removals} held (\`pointsman approve ${service}\` lets them go)`
  const text = `  source ${sourceText(status, now)}${held}`
  return status.state === 'up' && status.partial === undefined && held === '' ? text : paint('yellow', text)
}

/** `consul web: up for 3h, answered 3s ago, 4 backends` */
export function sourceText({ source, state, since, answered, records, partial, failure }: SourceStanding, now: string): string {
  const heard =
    answered === undefined
      ? 'never answered'
      : `answered ${agoText(answered, now)}, ${counted(records, 'backend')}${partial ? ' (it may lack some, so that none is removed)' : ''}`
  return `${source}: ${state} for ${spanOf(since, now)}, ${heard}${failure === undefined ? '' : `: ${failure}`}`
}

function table(backends: readonly BackendStanding[], now: string, paint: Paint): string[] {
  const rows = backends.map((backend) => cells(backend, now))
  const widths = HEADS.map((head, column) =>
    rows.reduce((width, row) => Math.max(width, (row[column] ?? '').length), head.length),
  )
  const lineOf = (row: readonly string[]) =>
    `  ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  ')}`.trimEnd()
  return [
    paint('dim', lineOf(HEADS)),
    ...rows.map((row, index) => {
      const style = styleOf(backends[index])
      return style === undefined ? lineOf(row) : paint(style, lineOf(row))
    }),
  ]
}

function cells({ backend, admin, discovered, operational, weight, kernel, reasons }: BackendStanding, now: string): string[] {
  return [
    backend,
    admin.state,
    discovered.state,
    operational.since === undefined ? operational.state : `${operational.state} ${spanOf(operational.since, now)}`,
    weight === null ? '-' : `${weight}`,
    kernel === undefined ? '?' : kernel === null ? '-' : `${kernel.weight}`,
    kernel === undefined || kernel === null ? '' : `${kernel.active} active, ${kernel.inactive} inactive`,
    reasons[0] ?? '',
  ]
}

/** Whoever serves has no colour. */
function styleOf(backend: BackendStanding | undefined): 'red' | 'yellow' | undefined {
  if (backend === undefined) return undefined
  if (backend.operational.state === 'down' || backend.discovered.state === 'critical') return 'red'
  const { admin, discovered, weight } = backend
  const usual = admin.state === 'ready' && weight !== null && weight > 0 && discovered.state !== 'held'
  return usual ? undefined : 'yellow'
}

/** `paused for 2m, until 2026-01-01T00:00:00.000Z (in 58m): works on the table; nothing is written before it ends, or `pointsman resume`` */
export function pausedLine(paused: PauseStanding, now: string): string {
  return `paused${termsText(paused, now)}; nothing is written to the kernel until \`pointsman resume\``
}

/** `drain for 2m, until 2026-01-01T00:00:00.000Z (in 58m): disk`; empty where he said nothing. */
export function wordsText({ state, since, until, reason, weight }: AdminStanding, now: string): string {
  const parts: string[] = []
  if (state !== 'ready') parts.push(`${state}${termsText({ since, until, reason }, now)}`)
  if (weight !== undefined) {
    const ramp = weight.ramp !== undefined && Date.parse(weight.ramp.ends) > Date.parse(now) ? weight.ramp : undefined
    const way = ramp === undefined ? '' : ` from ${ramp.from} in ${ramp.steps} steps`
    parts.push(`weight ${weight.weight}${way}${termsText({ ...weight, ends: ramp?.ends }, now)}`)
  }
  return parts.join('; ')
}

interface Terms {
  readonly since?: string | undefined
  /** When a weight is reached. */
  readonly ends?: string | undefined
  readonly until?: string | undefined
  readonly reason?: string | undefined
}

function termsText({ since, ends, until, reason }: Terms, now: string): string {
  const begin = since === undefined ? '' : ` for ${spanOf(since, now)}`
  const there = ends === undefined ? '' : `, there ${inText(ends, now)}`
  const end = until === undefined ? '' : `, until ${until} (${inText(until, now)})`
  return `${begin}${there}${end}${reason === undefined ? '' : `: ${reason}`}`
}
