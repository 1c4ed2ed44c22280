import type { DiscoveredStanding, OperationalStanding, WhyAnswer } from '../admin/standing.ts'
import { agoText, spanText } from './ages.ts'
import { pausedLine, sourceText, wordsText } from './status-text.ts'
import type { Paint } from './terminal.ts'

/** From the sources to the kernel, a line for each step; each says since when. */
export function whyText(answer: WhyAnswer, paint: Paint): string {
  const { at, service, key, backend, admin, discovered, operational, weight, reasons, sources, complete } = answer
  const lines = [`${paint('bold', `${service} ${backend}`)}  ${key}`]
  const add = (step: string, text: string) => lines.push(`  ${paint('dim', step.padEnd(11))}  ${text}`)
  for (const source of sources) add('source', sourceText(source, at))
  if (answer.paused !== undefined) add('paused', pausedLine(answer.paused, at))
  if (!complete) add('', 'not every source has answered: nothing is removed')
  add('discovered', discoveredText(discovered, at))
  add('operational', operationalText(operational, at))
  if (answer.times_down > 0) add('outages', outagesText(answer))
  add('admin', wordsText(admin, at) || 'ready')
  add('wanted', weight === null ? 'not in the kernel' : `weight ${weight}`)
  for (const [index, reason] of reasons.entries()) add(index === 0 ? '  because' : '', reason)
  add('kernel', kernelText(answer))
  if (answer.changed !== undefined) {
    const { from, to, cause, at: time } = answer.changed
    add('', `${from} -> ${to} at ${time}, ${agoText(time, at)} (${cause})`)
  }
  return `${lines.join('\n')}\n`
}

function discoveredText({ state, by, answered, since, rule }: DiscoveredStanding, now: string): string {
  if (state === 'absent') return 'no source names it'
  const who = `${by === undefined ? '' : ` by ${by}`}${answered === undefined ? '' : `, which answered ${agoText(answered, now)}`}`
  if (state !== 'held') return state === 'listed' ? `listed${who}` : `${state}, listed${who}`
  const why = rule === 'empty' ? 'its source names nobody' : 'too many would go at once'
  return `held since ${since}: no longer listed${who}, and kept because ${why}`
}

function operationalText({ state, since, message }: OperationalStanding, now: string): string {
  if (state === 'unprobed') return 'no probe asks it'
  const begin = since === undefined ? '' : ` since ${since}, ${agoText(since, now)}`
  return `${state}${begin}${message === undefined ? '' : `: ${message}`}`
}

/** `3 since the daemon began, 12m in all` */
function outagesText({ times_down: times, downtime, at }: Pick<WhyAnswer, 'times_down' | 'downtime' | 'at'>): string {
  const going = downtime.since === undefined ? 0 : Math.max(0, Date.parse(at) - Date.parse(downtime.since))
  return `${times} since the daemon began, ${spanText(downtime.seconds * 1_000 + going)} in all`
}

function kernelText({ kernel, kernel_error: failure }: WhyAnswer): string {
  if (kernel === undefined) return `could not be asked${failure === undefined ? '' : `: ${failure}`}`
  if (kernel === null) return 'not there'
  const { weight, active, inactive, persistent } = kernel
  const sticky = persistent === 0 ? '' : `, ${persistent} persistent`
  return `weight ${weight}, ${active} active and ${inactive} inactive connections${sticky}`
}
