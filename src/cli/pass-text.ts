import { transitionText } from '../daemon/log-transition.ts'
import type { OnceResult } from '../daemon/one-shot.ts'
import { CATALOGUE, type ErrorCode, EXIT } from '../errors.ts'
import { heldJson, heldLines } from './held-text.ts'
import { foundJson, unansweredJson } from './plan-json.ts'
import { printIfPossible, say } from './terminal.ts'
import { unansweredText } from './unanswered.ts'

/**
 * Prints what a pass did and gives the exit code: that of APPLY_FAILED when the kernel refused an object, else that of the
 * first source that did not answer, or not with all that there is, else 0.
 */
export async function printPass(result: OnceResult, json: boolean): Promise<number> {
  for (const note of result.notes) say(`note: ${note}`)
  for (const source of result.unanswered) say(`warning: ${unansweredText(source)}`)
  for (const line of heldLines(result.held)) say(`held: ${line}`)
  for (const { object, message } of result.report.failed) say(`failed: ${object}: ${message}`)
  await printIfPossible(json ? JSON.stringify(passJson(result), undefined, 2) : passText(result))
  return exitCodeOf(result)
}

function passJson({ report, transitions, unanswered, held, found }: OnceResult): Record<string, unknown> {
  return {
    applied: report.applied,
    failed: report.failed.map(({ object, code, message }) => ({ object, code, message })),
    drift_repaired: report.driftRepaired,
    foreign: report.foreign,
    draining: report.draining,
    transitions,
    held: heldJson(held),
    found: foundJson(found),
    unanswered: unanswered.map(unansweredJson),
  }
}

function passText({ report, transitions }: OnceResult): string {
  const lines = transitions.map((transition) => transitionText(transition))
  const changes = Object.values(report.applied).reduce((sum, number) => sum + number, 0)
  const parts = [changes === 0 ? 'Nothing to change' : count(changes, 'change')]
  if (report.failed.length > 0) parts.push(`${report.failed.length} failed`)
  if (report.foreign > 0) parts.push(`${count(report.foreign, 'foreign object')} left alone`)
  lines.push(`${parts.join(', ')}.`)
  if (report.draining > 0) {
    lines.push(
      `${count(report.draining, 'destination')} still draining: the next once or apply, or the daemon, removes what is empty.`,
    )
  }
  return lines.join('\n')
}

function exitCodeOf({ report, unanswered }: OnceResult): number {
  if (report.failed.length > 0) return EXIT.applyFailed
  const [first] = unanswered
  if (first === undefined) return EXIT.ok
  const code = first.failure?.code ?? 'SOURCE_UNREADABLE'
  return code in CATALOGUE ? CATALOGUE[code as ErrorCode].exit : EXIT.unreadable
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`
}
