import type { HeldOfService } from '../daemon/desired-once.ts'
import { formatEndpoint } from '../model/address.ts'
import { type Change, type ForeignObject, type Plan, SINK_NAMES, type SinkChange, type TableChange } from '../model/change.ts'
import type { Destination } from '../model/destination.ts'
import { isRoadName } from '../model/probe-road.ts'
import { type ServiceIdentity, type ServiceKey, serviceKey } from '../model/virtual-service.ts'
import { describeDestination, describeService, describeTimeouts, differences, notable, syncDaemonText } from './describe.ts'
import { heldLines } from './held-text.ts'
import { changeCount } from './plan-json.ts'
import type { Paint } from './terminal.ts'

/** A plan as people read it: one block for each service, then the table, what is held and what is foreign, then one line of numbers. */
export function planText(plan: Plan, held: readonly HeldOfService[], paint: Paint): string {
  const shown = plan.changes.filter(({ name }) => !isRoadName(name))
  const blocks = [...byService(shown)].map(([key, changes]) => serviceBlock(key, changes, paint))
  if (plan.tableChanges.length > 0) blocks.push(plan.tableChanges.flatMap((change) => tableLines(change, paint)).join('\n'))
  const beside = plan.sinkChanges ?? []
  if (beside.length > 0) blocks.push(beside.map((change) => sinkLine(change, paint)).join('\n'))
  if (held.length > 0)
    blocks.push(paint('yellow', ['held by the guard:', ...heldLines(held).map((line) => `    ${line}`)].join('\n')))
  if (plan.foreign.length > 0) blocks.push(foreignBlock(plan.foreign, paint))
  blocks.push(summary(plan, paint))
  return `${blocks.join('\n\n')}\n`
}

function byService(changes: readonly Change[]): Map<ServiceKey, Change[]> {
  return Map.groupBy(changes, ({ service }) => serviceKey(service))
}

function serviceBlock(key: ServiceKey, changes: readonly Change[], paint: Paint): string {
  const own = changes.find((change) => !change.kind.endsWith('-destination'))
  const [first] = changes
  const title = `${first?.name ?? key}  ${key}`
  const lines = [serviceTitle(own, title, paint)]
  for (const change of changes) lines.push(...changeLines(change, paint))
  return lines.join('\n')
}

function serviceTitle(own: Change | undefined, title: string, paint: Paint): string {
  if (own?.kind === 'add-service') return paint('green', `+ ${title}  ${notable(describeService(own.after))}`)
  if (own?.kind === 'delete-service') return paint('red', `- ${title}`)
  return paint('bold', `~ ${title}`)
}

function changeLines(change: Change, paint: Paint): string[] {
  switch (change.kind) {
    case 'add-service':
    case 'delete-service':
      return []
    case 'edit-service':
      return differences(describeService(change.before), describeService(change.after)).map(({ name, before, after }) =>
        paint('yellow', `    ${name}: ${before} -> ${after}${because(change.cause, [])}`),
      )
    case 'add-destination':
      return [
        paint('green', `    + ${endpointOf(change.after)}  ${notable(describeDestination(change.after))}`) +
          paint('dim', because(change.cause, change.reasons)),
      ]
    case 'edit-destination': {
      const parts = differences(describeDestination(change.before), describeDestination(change.after))
      const text = parts.map(({ name, before, after }) => `${name} ${before} -> ${after}`).join(', ')
      return [paint('yellow', `    ~ ${endpointOf(change.after)}  ${text}`) + paint('dim', because(change.cause, change.reasons))]
    }
    case 'delete-destination':
      return [
        paint('red', `    - ${endpointOf(change.before)}  ${notable(describeDestination(change.before))}`) +
          paint('dim', because(change.cause, change.reasons)),
      ]
  }
}

/** `  (drift: weight changed by hand)` */
function because(cause: string, reasons: readonly string[]): string {
  return `  (${[cause, ...reasons].join(': ')})`
}

function tableLines(change: TableChange, paint: Paint): string[] {
  switch (change.kind) {
    case 'set-timeouts':
      return differences(describeTimeouts(change.before), describeTimeouts(change.after)).map(({ name, before, after }) =>
        paint('yellow', `~ kernel timeout ${name}: ${before} -> ${after}`),
      )
    case 'start-sync-daemon':
      return [paint('green', `+ sync daemon ${syncDaemonText(change.after)}`)]
    case 'stop-sync-daemon':
      return [paint('red', `- sync daemon ${syncDaemonText(change.before)}`)]
  }
}

/** `+ source NAT: 3 elements` */
function sinkLine({ sink, kind, count: number }: SinkChange, paint: Paint): string {
  const [verb = '', ...noun] = kind.split('-')
  const text = `${SINK_NAMES[sink]}: ${counted(number, noun.join(' '))}`
  if (verb === 'add') return paint('green', `+ ${text}`)
  if (verb === 'delete') return paint('red', `- ${text}`)
  return paint('yellow', `~ ${text} (${verb})`)
}

function counted(number: number, noun: string): string {
  if (number === 1) return `1 ${noun}`
  return noun.endsWith('s') ? `${number} ${noun}${noun.endsWith('ss') ? 'es' : ''}` : `${number} ${noun}s`
}

function foreignBlock(foreign: readonly ForeignObject[], paint: Paint): string {
  const lines = foreign.map((object) => {
    if (object.kind === 'service') {
      const { service, destinations } = object
      return `    ${serviceKey(service.identity)}  ${service.scheduler}, ${count(destinations, 'destination')}`
    }
    return `    ${endpointOf(object.destination)} in ${nameOf(object.name, object.service)}  ${notable(describeDestination(object.destination))}`
  })
  return paint('cyan', ['not ours, left alone:', ...lines].join('\n'))
}

function summary(plan: Plan, paint: Paint): string {
  const foreign = plan.foreign.length === 0 ? '' : ` ${count(plan.foreign.length, 'foreign object')} left alone.`
  if (changeCount(plan) === 0) return `${paint('bold', 'No changes.')}${foreign}`
  const shown = plan.changes.filter(({ name }) => !isRoadName(name))
  const number = (prefix: string): number => shown.filter(({ kind }) => kind.startsWith(prefix)).length
  const sinks = (plan.sinkChanges ?? []).reduce((sum, change) => sum + change.count, 0)
  const beside = sinks === 0 ? '' : `, ${sinks} of ${listed(plan.sinkChanges ?? [])}`
  const table = plan.tableChanges.length === 0 ? '' : `, ${plan.tableChanges.length} for the whole table`
  const roads = new Set(plan.changes.filter(({ name }) => isRoadName(name)).map(({ name }) => name)).size
  const probes = roads === 0 ? '' : ` ${count(roads, 'service')} for probes alone ${roads === 1 ? 'changes' : 'change'} as well.`
  return `${paint('bold', 'Plan:')} ${number('add-')} to add, ${number('edit-')} to change, ${number('delete-')} to remove${table}${beside}.${probes}${foreign}`
}

/** `firewall, source NAT and addresses`: those that change. */
function listed(changes: readonly SinkChange[]): string {
  const names = [...new Set(changes.map(({ sink }) => SINK_NAMES[sink]))]
  return [names.slice(0, -1).join(', '), names.at(-1)].filter((part) => part !== '').join(' and ')
}

function endpointOf({ address, port }: Destination): string {
  return formatEndpoint(address, port)
}

function nameOf(name: string, service: ServiceIdentity): string {
  const key = serviceKey(service)
  return name === key ? key : `${name} (${key})`
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`
}
