/** Why a backend has its weight: from the sources to the kernel, as `pointsman why` says it. */

/** @import { BackendReport, ServiceReport } from '../status-schema.ts' */
import { ageText, countText, downtimeText, durationText } from './text.js'

/**
 * @param {ServiceReport} service @param {BackendReport} backend @param {number} now
 * @returns {readonly (readonly [step: string, text: string])[]}
 */
export function chainOf(service, backend, now) {
  const { discovered, operational, weight, reasons, changed, check, traffic } = backend
  /** @type {[string, string][]} */
  const steps = []
  for (const source of service.sources) {
    if (discovered.by !== undefined && source.source !== discovered.by) continue
    const heard =
      source.answered === undefined
        ? 'never answered'
        : `answered ${ageText(source.answered, now)} ago, ${countText(source.records, 'backend')}`
    const failure = source.failure === undefined ? '' : `: ${source.failure}`
    steps.push(['Source', `${source.source}: ${source.state} for ${ageText(source.since, now)}, ${heard}${failure}`])
  }
  if (!service.complete) steps.push(['', 'not every source has answered: nothing is removed'])
  steps.push(['Discovered', discoveredText(discovered, now)])
  const began = operational.since === undefined ? '' : ` for ${ageText(operational.since, now)}`
  const message = operational.message === undefined ? '' : `: ${operational.message}`
  steps.push(['Operational', operational.state === 'unprobed' ? 'no probe asks it' : `${operational.state}${began}${message}`])
  if (check !== undefined) {
    const said = check.message === undefined ? '' : `: ${check.message}`
    const took = durationText(check.duration_seconds)
    steps.push(['Last check', `${check.kind} ${check.code} in ${took}, ${ageText(check.at, now)} ago${said}`])
    const { failed_probes: failures } = backend
    if (failures > 0) steps.push(['', `${countText(failures, 'probe')} failed since the checks began`])
  }
  const { downtime, times_down: times } = backend
  if (times > 0)
    steps.push(['Outages', `${countText(times, 'time')} down since the daemon began, for ${downtimeText(downtime, now)} in all`])
  steps.push(['Admin', adminText(backend.admin, now)])
  steps.push(['Wanted', weight === null ? 'not in the kernel' : `weight ${weight}`])
  for (const [index, reason] of reasons.entries()) steps.push([index === 0 ? 'Because' : '', reason])
  steps.push(['Kernel', kernelText(backend)])
  if (traffic !== undefined) {
    const { connections, bytes_in: bytesIn, bytes_out: bytesOut } = traffic
    steps.push([
      'Totals',
      `${countText(connections, 'connection')}, ${countText(bytesIn, 'byte')} in, ${countText(bytesOut, 'byte')} out`,
    ])
  }
  if (changed !== undefined) {
    steps.push(['Last change', `${changed.from} → ${changed.to}, ${ageText(changed.at, now)} ago (${changed.cause})`])
  }
  return steps
}

/** @param {BackendReport['discovered']} discovered @param {number} now */
function discoveredText({ state, by, since, rule }, now) {
  if (state === 'absent') return 'no source names it'
  const who = by === undefined ? '' : ` by ${by}`
  if (state !== 'held') return state === 'listed' ? `listed${who}` : `${state}, listed${who}`
  const why = rule === 'empty' ? 'its source names nobody' : 'too many would go at once'
  return `held for ${ageText(since, now)}: no longer listed${who}, and kept because ${why}`
}

/** @param {BackendReport['admin']} admin @param {number} now */
function adminText({ state, since, until, reason, weight }, now) {
  const terms = (/** @type {{ since?: string | undefined, until?: string | undefined, reason?: string | undefined }} */ said) =>
    `${said.since === undefined ? '' : ` for ${ageText(said.since, now)}`}${said.until === undefined ? '' : `, until ${said.until}`}${said.reason === undefined ? '' : `: ${said.reason}`}`
  const parts = state === 'ready' ? [] : [`${state}${terms({ since, until, reason })}`]
  if (weight !== undefined) parts.push(`weight ${weight.weight}${terms(weight)}`)
  return parts.join('; ') || 'ready'
}

/** @param {BackendReport} backend */
function kernelText({ kernel }) {
  if (kernel === undefined) return 'could not be asked'
  if (kernel === null) return 'not there'
  const sticky = kernel.persistent === 0 ? '' : `, ${kernel.persistent} persistent`
  return `weight ${kernel.weight}, ${kernel.active} active and ${kernel.inactive} inactive connections${sticky}`
}
