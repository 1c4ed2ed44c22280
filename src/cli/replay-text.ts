import { counted } from '../daemon/counted.ts'
import { eventText } from '../daemon/log-event.ts'
import type { Decision } from '../daemon/replay/decisions.ts'
import type { ReplayLine } from '../daemon/replay/replay.ts'

/** One line for people. */
export function replayText(line: ReplayLine): string {
  switch (line.kind) {
    case 'began':
      return `${iso(line.at)}  ${line.header.part === 1 ? 'began' : 'goes on'}: version ${line.header.build.version}`
    case 'decision':
      return `${iso(line.at)}  ${decisionText(line.decision)}`
    case 'note':
      return `note: ${line.text}`
    case 'end':
      return `${counted(line.decisions, 'decision')} out of ${counted(line.turns, 'event')}${spanText(line)}`
  }
}

/** `web 10.0.1.1:80: weight 5 -> absent (priority 2 waits while priority 1 serves, because …)` */
function decisionText(decision: Decision): string {
  if (decision.kind !== 'weight') return eventText(decision)
  const { service, backend, from, to, reasons } = decision
  return `${service} ${backend}: ${weightText(from)} -> ${weightText(to)} (${reasons.join(', because ')})`
}

function weightText(weight: number | undefined): string {
  return weight === undefined ? 'absent' : `weight ${weight}`
}

function spanText({ from, to }: { readonly from?: number; readonly to?: number }): string {
  return from === undefined || to === undefined ? '' : `, ${iso(from)} to ${iso(to)}`
}

/** One object for programs. */
export function replayJson(line: ReplayLine): Record<string, unknown> {
  switch (line.kind) {
    case 'began': {
      const { build, run, part } = line.header
      return { at: iso(line.at), kind: 'began', ...build, run, part }
    }
    case 'decision': {
      const { decision } = line
      if (decision.kind !== 'weight') return { at: iso(line.at), ...decision }
      return { at: iso(line.at), ...decision, from: decision.from ?? null, to: decision.to ?? null }
    }
    case 'note':
      return line
    case 'end': {
      const { from, to } = line
      return { ...line, ...(from !== undefined && { from: iso(from) }), ...(to !== undefined && { to: iso(to) }) }
    }
  }
}

function iso(milliseconds: number): string {
  return new Date(milliseconds).toISOString()
}
