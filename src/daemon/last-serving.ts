import { PointsmanError } from '../errors.ts'
import { isDown } from '../model/backend.ts'
import type { DestinationKey } from '../model/destination.ts'
import { type SpokenOf, takesOut } from '../model/operator-words.ts'
import type { SelfReport } from '../model/probe-result.ts'
import type { ServiceKey } from '../model/virtual-service.ts'
import { counted } from './counted.ts'
import type { Known } from './operator-targets.ts'

/** Throws LAST_BACKEND where a service that serves would have nobody left without these backends. */
export function assertOthersServe(leaving: readonly SpokenOf[], known: Known): void {
  const byService = Map.groupBy(leaving, ({ service }) => service)
  for (const [service, gone] of byService) {
    const serving = servingNow(service, known)
    const out = new Set(gone.map(({ backend }) => backend))
    if (serving.size === 0 || [...serving, ...readyBehind(service, known)].some((backend) => !out.has(backend))) continue
    const { name } = known.update?.desired.services.get(service) ?? { name: service }
    const who =
      serving.size === 1
        ? `${[...serving][0]} is the only backend that serves ${name}`
        : `These ${counted(serving.size, 'backend')} are all that serve ${name}`
    throw new PointsmanError('LAST_BACKEND', `${who}: nobody would take its connections; add --force if that is meant.`)
  }
}

/**
 * The backends that get new connections, less those that the operator has taken out in the meantime. Who is down and serves in panic alone is none beside
 * one that is up: whoever takes that one out leaves its clients to the dead.
 */
function servingNow(service: ServiceKey, { update, words }: Known): ReadonlySet<DestinationKey> {
  const serving = new Set<DestinationKey>()
  for (const [backend, { weight }] of update?.desired.services.get(service)?.destinations ?? []) {
    if (weight > 0 && !takesOut(words.get(service)?.get(backend))) serving.add(backend)
  }
  const { pool, operational } = update?.provenance.get(service) ?? {}
  if (pool?.mode !== 'panic') return serving
  const up = [...serving].filter((backend) => operational?.get(backend)?.health !== 'down')
  return up.length > 0 ? new Set(up) : serving
}

function readyBehind(service: ServiceKey, known: Known): DestinationKey[] {
  const leftOut = known.update?.provenance.get(service)?.leftOut.keys() ?? []
  return [...leftOut].filter((backend) => isReadyBehind({ service, backend }, known))
}

/** Whether a backend waits behind those of a better priority, and nothing else keeps it from serving. */
export function isReadyBehind({ service, backend: key }: SpokenOf, { update, words }: Known): boolean {
  const provenance = update?.provenance.get(service)
  if (provenance?.leftOut.has(key) !== true) return false
  const { members, operational, spec } = provenance
  const backend = members.get(key)?.backend
  if (backend === undefined || backend.priority === undefined || isDown(backend)) return false
  const found = spec.checks.length === 0 ? undefined : operational.get(key)
  const isUp = spec.checks.length === 0 || found?.health === 'up'
  return isUp && !asksToBeLetGo(found?.report) && (backend.weight ?? spec.weight) > 0 && !takesOut(words.get(service)?.get(key))
}

/** Whether a backend asks for drain, for maintenance or for no weight. */
function asksToBeLetGo({ wish, percent, weight }: SelfReport = {}): boolean {
  return wish === 'drain' || wish === 'maintenance' || percent === 0 || weight === 0
}
