import { formatDuration } from '../document/values/duration.ts'
import type { ServiceIdentity } from '../model/virtual-service.ts'
import { type EffectiveCheck, effectiveChecks } from './build-checks.ts'
import type { BuiltService } from './build-service.ts'
import type { Findings } from './findings.ts'

/** What a health check says and does not do. */
export function warnOfChecks({ draft, identity, spec }: BuiltService, own: Findings): void {
  if (spec === undefined) return
  const checks = effectiveChecks(draft, identity)
  warnOfAgentsAlone(checks, own)
  for (const check of checks) {
    warnOfTimes(check, own)
    warnOfHttpKeys(check, own)
    if (draft.own.health_check?.type === undefined) warnOfProtocol(check, spec.identity, own)
    warnOfPort(check, spec.identity, own)
    warnOfAgent(check, own)
  }
}

function warnOfTimes({ written, path }: EffectiveCheck, own: Findings): void {
  const { interval = 5_000, fast_interval: fast, timeout } = written
  if (timeout !== undefined && timeout > interval)
    own.warn(
      path,
      `timeout (${formatDuration(timeout)}) is longer than interval (${formatDuration(interval)}): probes of a backend never overlap, so that one that takes longer puts the next one off`,
      'write a timeout that is not longer than interval',
    )
  if (fast !== undefined && fast > interval)
    own.warn(
      path,
      `fast_interval (${formatDuration(fast)}) is longer than interval (${formatDuration(interval)})`,
      'write a fast_interval that is shorter',
    )
}

function warnOfHttpKeys({ written, kind, path }: EffectiveCheck, own: Findings): void {
  if (kind === 'http' || (written.http_path === undefined && written.http_expected_status === undefined)) return
  own.warn(
    path,
    `http_path and http_expected_status have no effect on a check of type ${kind}`,
    'write type: http, or remove them',
  )
}

/** Checks that ask a service of a protocol, as people write them. */
const ASKING = {
  udp: 'dns: { name: www.example } or udp: { send: ping, expect: pong }',
  sctp: 'exec: { command: [/usr/local/bin/ask-it] }',
} as const

function warnOfProtocol({ kind, path }: EffectiveCheck, identity: ServiceIdentity, own: Findings): void {
  if (identity.kind !== 'address' || identity.protocol === 'tcp' || kind !== 'tcp') return
  own.warn(
    path,
    `the health check connects over TCP, which tells little of a ${identity.protocol} service`,
    `write what asks the service itself, such as ${ASKING[identity.protocol]}; type: tcp if a connection is meant; or enabled: false`,
  )
}

function warnOfPort({ written, path }: EffectiveCheck, identity: ServiceIdentity, own: Findings): void {
  if (identity.kind !== 'address' || identity.port !== 0 || written.port !== undefined || written.type === undefined) return
  own.warn(
    path,
    'backends of a service on every port are asked at the port they say, and not at all where that is 0',
    'write port: with the one that is asked',
  )
}

function warnOfAgentsAlone(checks: readonly EffectiveCheck[], own: Findings): void {
  const [first] = checks
  if (first === undefined || checks.some(({ kind }) => kind !== 'agent')) return
  own.warn(
    first.path,
    'an agent that is silent tells nothing of its backend, so that nobody notices a machine that is dead',
    'write health_checks: with another check beside the agent',
  )
}

/** Agents listen beside the service; whoever is asked in their place says nothing that they would say, and is never down for it. */
function warnOfAgent({ written, kind, path }: EffectiveCheck, own: Findings): void {
  if (kind !== 'agent' || written.port !== undefined || written.via === 'vip') return
  own.warn(
    path,
    'the agent is asked at the port of the backend itself, where the service answers',
    'write port: with the one that the agent listens on',
  )
}
