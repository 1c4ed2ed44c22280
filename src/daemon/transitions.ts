import type { DesiredService } from '../model/desired-state.ts'
import { differingKeys } from '../model/shared-map.ts'
import type { StateEvent } from '../model/state-event.ts'
import { HELD_BECAUSE } from '../pipeline/deciding/ejection.ts'
import type { DesiredUpdate, GuardChange, Release, ServiceProvenance, SourceChange } from '../pipeline/desired-update.ts'
import type { Transition } from '../sinks/ipvs/transition.ts'

/** What turned between two desired states: what probes find, who serves, and how pools stand. */
export function transitionsBetween(before: DesiredUpdate | undefined, after: DesiredUpdate): StateEvent[] {
  return differingKeys(before?.provenance, after.provenance).flatMap((vip) => {
    const now = after.provenance.get(vip)
    if (now === undefined) return []
    const then = before?.provenance.get(vip)
    const about = { service: now.spec.name, vip }
    return [
      ...healthTurns(about, then, now),
      ...servingTurns(about, before?.desired.services.get(vip), after.desired.services.get(vip), now),
      ...poolTurns(about, then, now),
    ]
  })
}

type About = Pick<StateEvent, 'service' | 'vip'>

function* healthTurns(
  about: About,
  then: Pick<ServiceProvenance, 'operational'> | undefined,
  now: Pick<ServiceProvenance, 'operational'>,
): Generator<StateEvent> {
  if (then?.operational === now.operational) return
  for (const [backend, { health, message }] of now.operational) {
    const from = then?.operational.get(backend)?.health ?? 'unknown'
    if (from === health) continue
    const reasons = message === undefined ? [] : [message]
    const grave = health === 'down' ? { grave: true as const } : {}
    yield { kind: 'health', ...about, backend, from, to: health, cause: 'probe', reasons, ...grave }
  }
}

/** Backends that were known before and begin or cease to get new connections; of others the kernel tells. */
function* servingTurns(
  about: About,
  then: DesiredService | undefined,
  now: DesiredService | undefined,
  { leftOut }: ServiceProvenance,
): Generator<StateEvent> {
  if (then === undefined || now === undefined || then.destinations === now.destinations) return
  for (const [backend, { weight, reasons }] of now.destinations) {
    const old = then.destinations.get(backend)
    if (old === undefined || old.weight > 0 === weight > 0) continue
    yield servingTurn({ ...about, backend }, weight > 0, reasons)
  }
  for (const [backend, reasons] of leftOut) {
    if ((then.destinations.get(backend)?.weight ?? 0) > 0) yield servingTurn({ ...about, backend }, false, reasons)
  }
}

function servingTurn(about: About & Pick<StateEvent, 'backend'>, serves: boolean, reasons: readonly string[]): StateEvent {
  const [yes, no] = ['serves', 'does not serve']
  return {
    kind: 'serving',
    ...about,
    from: serves ? no : yes,
    to: serves ? yes : no,
    cause: 'decision',
    reasons,
  }
}

type PooledMembers = Pick<ServiceProvenance, 'pool' | 'members'>

/** Who answers for a pool. One whose members are not known yet, or that has none, is not one that fails. */
export function shownMode({ pool, members }: PooledMembers): ServiceProvenance['pool']['mode'] {
  return pool.mode === 'nobody' && members.size === 0 ? 'normal' : pool.mode
}

function* poolTurns(about: About, before: PooledMembers | undefined, after: PooledMembers): Generator<StateEvent> {
  const then = before?.pool
  const now = after.pool
  const [from, to] = [before === undefined ? 'normal' : shownMode(before), shownMode(after)]
  if (from !== to) {
    const grave = to === 'normal' ? {} : { grave: true as const }
    yield { kind: 'pool', ...about, from, to, cause: 'decision', reasons: [], ...grave }
  }
  const { quorum } = now
  if (quorum !== undefined && then?.quorum?.has !== quorum.has) {
    const from = then?.quorum === undefined ? 'unknown' : quorumText(then.quorum.has)
    const reasons = [`${quorum.measure} by ${quorum.spec.by}, ${quorum.spec.min} are asked for`]
    const grave = quorum.has ? {} : { grave: true as const }
    yield { kind: 'quorum', ...about, from, to: quorumText(quorum.has), cause: 'decision', reasons, ...grave }
  }
  for (const [backend, as] of now.heldFailures) {
    if (then?.heldFailures.has(backend) === true) continue
    const reasons = [`${HELD_BECAUSE[as]}; \`pointsman approve ${about.service}\` believes it`]
    yield { kind: 'ejection', ...about, backend, from: 'believed', to: 'held', cause: 'decision', reasons, grave: true }
  }
  for (const backend of then?.heldFailures.keys() ?? []) {
    if (now.heldFailures.has(backend)) continue
    yield { kind: 'ejection', ...about, backend, from: 'held', to: 'believed', cause: 'decision', reasons: [] }
  }
}

function quorumText(has: boolean): string {
  return has ? 'had' : 'lost'
}

/** A source that answers or does not, as others are told of it; undefined where that did not change. */
export function sourceTurn(change: SourceChange): StateEvent | undefined {
  if (change.kind === 'gone') return undefined
  const { name, service: vip, source, state, failure } = change.status
  const from = change.before?.state ?? 'pending'
  if (from === state) return undefined
  const reasons = failure === undefined ? [] : [failure.message]
  return { kind: 'source', service: name, vip, source, from, to: state, cause: failure?.code ?? 'answer', reasons }
}

const BECAUSE: Readonly<Record<Release, string>> = {
  returned: 'named again by the source',
  repeated: 'fresh answers have repeated it',
  paid: 'others have arrived in their place',
  probe: 'they fail their probes',
  free: 'let go by the operator or the configuration',
}

/** Removals that are held and held no longer, as others are told of them. */
export function guardTurns({ service: vip, spec, held, began, released }: GuardChange): StateEvent[] {
  const about = { kind: 'guard', service: spec.name, vip } as const
  return [
    ...began.map((backend): StateEvent => {
      const empty = held.get(backend)?.rule === 'empty'
      const reasons = [empty ? 'its source names nobody any more' : 'too many would go at once']
      return { ...about, backend, from: 'listed', to: 'held', cause: 'guard', reasons, grave: true }
    }),
    ...[...released].map(([backend, release]): StateEvent => {
      const to = release === 'returned' ? 'returned' : 'gone'
      return { ...about, backend, from: 'held', to, cause: release, reasons: [BECAUSE[release]] }
    }),
  ]
}

/** What was written to the kernel, as others are told of it. */
export function kernelTurn({ service: vip, name, destination, from, to, cause, reasons }: Transition): StateEvent {
  const backend = destination === undefined ? {} : { backend: destination }
  return { kind: 'kernel', service: name, vip, ...backend, from, to, cause, reasons }
}
