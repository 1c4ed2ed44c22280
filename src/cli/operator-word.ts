import type { OperatorAnswer, OperatorRequest, SaidOf } from '../admin/operator-request.ts'
import { askDaemon } from '../daemon/ask-daemon.ts'
import { line } from '../document/values/choice.ts'
import { type DurationRange, duration } from '../document/values/duration.ts'
import { PointsmanError } from '../errors.ts'
import { LONGEST_WHILE } from '../model/operator-words.ts'
import { overridesFrom } from './setting-flags.ts'
import { settingsWithoutFile } from './settings-without-file.ts'
import { printIfPossible, say } from './terminal.ts'

/** Options of the commands that say something of a backend. */
export interface WordOptions extends Readonly<Record<string, unknown>> {
  readonly json?: boolean
  readonly allServices?: string
  readonly reason?: string
  readonly for?: string
  readonly force?: boolean
}

/** From a second to ten years, in milliseconds. */
export const A_WHILE: DurationRange = { min: 1_000, max: LONGEST_WHILE }

const REASON = line('a reason', 1_000)

/** The backends that a command names. Throws BAD_INPUT. */
export function targetOf(
  command: string,
  { allServices }: WordOptions,
  service: string | undefined,
  backends: readonly string[],
) {
  if (allServices !== undefined && service === undefined) return { host: allServices }
  if (allServices !== undefined)
    throw new PointsmanError('BAD_INPUT', `--all-services stands for every service: leave ${service} out.`)
  if (service !== undefined) return { service, ...(backends.length > 0 && { backends: [...backends] }) }
  throw new PointsmanError(
    'BAD_INPUT',
    `No service is named: write \`pointsman ${command} SERVICE\`, \`pointsman ${command} SERVICE BACKEND\` or \`pointsman ${command} --all-services ADDRESS\`.`,
  )
}

/** Reason, expiry and force as options say them. Throws BAD_INPUT. */
export function termsOf(options: WordOptions) {
  const reason = options.reason === undefined ? undefined : textOption('--reason', options.reason)
  const milliseconds = options.for === undefined ? undefined : durationOption('--for', options.for)
  return {
    ...(reason !== undefined && { reason }),
    ...(milliseconds !== undefined && { for: milliseconds }),
    ...(options.force && { force: true }),
  }
}

/** The milliseconds of an option. Throws BAD_INPUT. */
export function durationOption(name: string, text: string, range: DurationRange = A_WHILE): number {
  const read = duration(range).read(text)
  if (read.ok) return read.value
  throw new PointsmanError('BAD_INPUT', `${name}: ${read.problem}; ${read.remedy}.`)
}

/** A whole number of the command line. Throws BAD_INPUT. */
export function numberOption(name: string, text: string, min: number, max: number): number {
  if (/^\d{1,6}$/.test(text) && Number(text) >= min && Number(text) <= max) return Number(text)
  throw new PointsmanError('BAD_INPUT', `${name}: ${JSON.stringify(text)} is no whole number from ${min} to ${max}; write one.`)
}

function textOption(name: string, text: string): string {
  const read = REASON.read(text)
  if (read.ok) return read.value
  throw new PointsmanError('BAD_INPUT', `${name}: ${read.problem}; ${read.remedy}.`)
}

/** Where the daemon that is meant keeps its socket. */
export function stateDirOf(options: WordOptions): string {
  return settingsWithoutFile(overridesFrom(options)).stateDir
}

/** Says something to the daemon and prints what counts from now on. */
export async function sayWord(options: WordOptions, request: OperatorRequest): Promise<OperatorAnswer> {
  const answer = (await askDaemon(stateDirOf(options), 'POST', '/operator', request)) as OperatorAnswer
  if (!answer.kept) sayNotKept()
  await printIfPossible(options.json ? JSON.stringify(answer, undefined, 2) : answerText(answer))
  return answer
}

/** What was said is in force, and not on disk. */
export function sayNotKept(): void {
  say(
    'pointsman: It counts, but could not be written to the state directory: a restart of the daemon forgets it. Its log says why.',
  )
}

function answerText({ changed, unchanged }: OperatorAnswer): string {
  const lines = changed.map((said) => `${said.service} ${said.backend}: ${saidText(said)}`)
  for (const { service, backend } of unchanged) lines.push(`${service} ${backend}: nothing was said of it before`)
  return lines.length === 0 ? 'there is no backend' : lines.join('\n')
}

function saidText({ state, until, weight, weight_until: weightUntil }: SaidOf): string {
  const end = (time: string | undefined) => (time === undefined ? '' : ` until ${time}`)
  if (weight === undefined) return `${state}${end(until)}`
  return `${state}${end(until)}, weight ${weight}${end(weightUntil)}`
}
