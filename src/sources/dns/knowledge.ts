import type { Issue } from '../../document/issue.ts'
import { formatDuration } from '../../document/values/duration.ts'
import type { ErrorCode } from '../../errors.ts'
import type { AddressFamily, IpAddress } from '../../model/address.ts'
import { type Backend, type BackendSet, sameBackends } from '../../model/backend.ts'
import type { DestinationKey } from '../../model/destination.ts'
import type { DnsInterval, DnsTrouble } from '../../model/dns-source-spec.ts'
import type { SourceEvent, SourceFailure } from '../../model/source-event.ts'
import { afterFailure } from '../after-failure.ts'
import { type Composed, type ComposeRules, compose, type Target, targetText } from './members.ts'
import { isHeld, type Reading, type SettleRules, type Slot, settle, type Trouble } from './settle.ts'

/** The addresses of one family of one target: `ipv4 a.web.example`. */
export type AddressKey = `${AddressFamily} ${string}`

export function addressKey(family: AddressFamily, name: string): AddressKey {
  return `${family} ${name}`
}

/** Everything that a DNS source knows, and when it looks again. */
export interface Knowledge {
  readonly targets: Slot<Target>
  readonly addresses: ReadonlyMap<AddressKey, Slot<IpAddress>>
  /** Members that the answers no longer name and that are kept for a while, and since when they are missing. */
  readonly missing: ReadonlyMap<DestinationKey, number>
  /** Looks in a row that brought trouble. */
  readonly troubled: number
  readonly event: SourceEvent
  readonly warnings: readonly Issue[]
  /** Milliseconds since the epoch. */
  readonly nextAt: number
}

/** What was asked and what it brought; what was not asked is as before. */
export interface Look {
  readonly at: number
  readonly targets?: Reading<Target>
  readonly addresses: ReadonlyMap<AddressKey, Reading<IpAddress>>
}

export interface KnowledgeRules extends SettleRules, ComposeRules {
  /** That the service can use; not empty. */
  readonly families: readonly AddressFamily[]
  readonly retry: DnsInterval
  /** Milliseconds. */
  readonly holdObsolete: number
}

const NEVER: Slot<never> = { complete: true, at: Number.NEGATIVE_INFINITY, dueAt: Number.NEGATIVE_INFINITY, shrunk: false }

/** Nothing. `fixed` is the target of a plain name, which no answer changes. */
export function nothingKnown(fixed?: Target): Knowledge {
  const targets = fixed === undefined ? NEVER : { ...NEVER, values: [fixed], dueAt: Number.POSITIVE_INFINITY }
  return {
    targets,
    addresses: new Map(),
    missing: new Map(),
    troubled: 0,
    event: { kind: 'pending' },
    warnings: [],
    nextAt: Number.NEGATIVE_INFINITY,
  }
}

/** Milliseconds: what falls due so soon is asked for together. */
const TOGETHER = 1_000

/** Whether a question must be asked at `now`. */
export function isDue(slot: Slot<unknown> | undefined, knowledge: Knowledge, now: number): boolean {
  if (slot === undefined || slot.trouble !== undefined || !slot.complete) return true
  return slot.dueAt <= now + TOGETHER || (slot.shrunk && knowledge.missing.size > 0)
}

/**
 * Whether what is known may be old because a question had no answer, or one that is not believed yet: it is to be put right as soon as a
 * server is well.
 */
export function isOut({ targets, addresses }: Knowledge): boolean {
  const isOld = (slot: Slot<unknown>) => isHeld(slot) || (slot.trouble !== undefined && NO_ANSWER.has(slot.trouble.kind))
  return isOld(targets) || [...addresses.values()].some(isOld)
}

const NO_ANSWER: ReadonlySet<DnsTrouble> = new Set(['refused', 'servfail', 'timeout'])

/** What is known after a look, and the word of the source that follows from it. */
export function afterLook(before: Knowledge, look: Look, rules: KnowledgeRules): Knowledge {
  const targets = look.targets === undefined ? before.targets : settle(before.targets, look.targets, targetText, rules)
  const addresses = settleAddresses(targets.values ?? [], before, look, rules)
  const outage = outageOf(targets, addresses)
  const known = { ...before, targets, addresses }
  if (outage !== undefined) return inTrouble(known, failureOf(outage, look.at), [], look.at, rules)
  const composed = compose(targets.values ?? [], (name) => addressesOf(name, addresses, rules.families), rules)
  const [refusal] = composed.refused
  if (composed.backends.size === 0 && refusal !== undefined) {
    const message = `${refusal.path}: ${refusal.problem}; ${refusal.remedy}`
    return inTrouble(known, { code: 'SOURCE_INVALID', message, at: look.at }, composed.refused, look.at, rules)
  }
  return answered(known, composed, look.at, rules)
}

function settleAddresses(
  targets: readonly Target[],
  before: Knowledge,
  look: Look,
  rules: KnowledgeRules,
): Knowledge['addresses'] {
  const settled = new Map<AddressKey, Slot<IpAddress>>()
  for (const { name } of targets) {
    const keys = rules.families.map((family) => addressKey(family, name))
    const found = keys.some((key) => hasAddresses(look.addresses.get(key), before.addresses.get(key)))
    for (const key of keys) {
      const old = before.addresses.get(key)
      const reading = look.addresses.get(key)
      const slot = reading === undefined ? old : settle(old, found ? noneOfFamily(reading, rules) : reading, String, rules)
      if (slot !== undefined) settled.set(key, slot)
    }
  }
  return settled
}

function hasAddresses(reading: Reading<IpAddress> | undefined, slot: Slot<IpAddress> | undefined): boolean {
  if (reading === undefined) return slot?.trouble === undefined && (slot?.values ?? []).length > 0
  return reading.ok && reading.values.length > 0
}

/** A name with addresses of one family alone is nothing unusual. */
function noneOfFamily(reading: Reading<IpAddress>, { refresh }: KnowledgeRules): Reading<IpAddress> {
  if (reading.ok || reading.trouble !== 'nodata') return reading
  return { ok: true, values: [], ttl: refresh.max, complete: true, at: reading.at }
}

function addressesOf(name: string, addresses: Knowledge['addresses'], families: readonly AddressFamily[]): readonly IpAddress[] {
  return families.flatMap((family) => addresses.get(addressKey(family, name))?.values ?? [])
}

/** The trouble that leaves us without any answer: about the name itself, or about every address of every target. */
function outageOf(targets: Slot<Target>, addresses: Knowledge['addresses']): Trouble | undefined {
  if (isHeld(targets)) return targets.trouble
  const [first, ...others] = addresses.values()
  return first !== undefined && isHeld(first) && others.every(isHeld) ? first.trouble : undefined
}

function failureOf({ kind, message, since, heldUntil = since }: Trouble, at: number): SourceFailure {
  const code = `DNS_${kind.toUpperCase() as Uppercase<DnsTrouble>}` satisfies ErrorCode
  const patience = Number.isFinite(heldUntil)
    ? `; it counts as an empty answer when it lasts ${formatDuration(heldUntil - since)}`
    : ''
  return { code, message: `${message}${patience}`, at }
}

function inTrouble(
  known: Knowledge,
  failure: SourceFailure,
  warnings: readonly Issue[],
  at: number,
  rules: KnowledgeRules,
): Knowledge {
  const troubled = known.troubled + 1
  const event = afterFailure(known.event, failure)
  return { ...known, event, warnings, troubled, nextAt: at + untilNextLook({ ...known, troubled }, at, rules) }
}

function answered(known: Knowledge, composed: Composed, at: number, rules: KnowledgeRules): Knowledge {
  const slots: readonly Slot<unknown>[] = [known.targets, ...known.addresses.values()]
  const trust = slots.some((slot) => isHeld(slot) || !slot.complete) ? 'truncated' : 'fresh'
  const last = known.event.kind === 'pending' ? new Map<DestinationKey, Backend>() : known.event.set.backends
  const byPolicy = composed.backends.size === 0 && slots.some(({ trouble }) => trouble !== undefined)
  const missing =
    byPolicy && trust === 'fresh' ? new Map<DestinationKey, number>() : stillMissing(known, composed, last, trust, at, rules)
  const kept = [...missing.keys()].flatMap((key): [DestinationKey, Backend][] => {
    const backend = last.get(key)
    return backend === undefined ? [] : [[key, backend]]
  })
  const union = kept.length === 0 ? composed.backends : new Map([...composed.backends, ...kept])
  const backends = sameBackends(last, union) && known.event.kind !== 'pending' ? last : union
  const quarantined = composed.refused.length
  const set: BackendSet = { backends, origin: rules.origin, trust, at, ...(quarantined > 0 && { quarantined }) }
  const troubled = slots.some(({ trouble, complete }) => trouble !== undefined || !complete) ? known.troubled + 1 : 0
  const next: Knowledge = {
    ...(missing.size > 0 ? known : withoutShrunk(known)),
    missing,
    troubled,
    event: { kind: 'fresh', set },
    warnings: [...composed.refused, ...composed.warnings, ...doubts(known, rules.origin)],
  }
  return { ...next, nextAt: at + untilNextLook(next, at, rules) }
}

/** A member leaves when it has been missing for `holdObsolete` and a whole answer still does not name it. */
function stillMissing(
  { missing }: Knowledge,
  { backends }: Composed,
  last: ReadonlyMap<DestinationKey, Backend>,
  trust: BackendSet['trust'],
  at: number,
  { holdObsolete }: KnowledgeRules,
): Map<DestinationKey, number> {
  const still = new Map<DestinationKey, number>()
  for (const key of last.keys()) {
    const since = missing.get(key) ?? at
    if (!backends.has(key) && (trust !== 'fresh' || at < since + holdObsolete)) still.set(key, since)
  }
  return still
}

function withoutShrunk(known: Knowledge): Knowledge {
  const slots = [...known.addresses].map(([key, slot]) => [key, slot.shrunk ? { ...slot, shrunk: false } : slot] as const)
  return { ...known, targets: { ...known.targets, shrunk: false }, addresses: new Map(slots) }
}

const INCOMPLETE = {
  problem: 'the answer is as large as a datagram, or TCP, can carry, so records may be missing',
  remedy: "open the server's TCP port, or use the source consul or http where that is open; until then nothing is removed",
}

/** Why members may be missing from an answer that is good all the same. */
function doubts({ targets, addresses }: Knowledge, origin: string): Issue[] {
  const issues: Issue[] = targets.complete ? [] : [{ file: origin, path: '', ...INCOMPLETE }]
  for (const [key, { trouble, complete }] of addresses) {
    const path = key.slice(key.indexOf(' ') + 1)
    if (!complete) issues.push({ file: origin, path, ...INCOMPLETE })
    if (trouble === undefined) continue
    const held = trouble.heldUntil !== undefined
    const remedy = held ? 'its last addresses stay, and nothing is removed' : 'correct the name, or the record that names it'
    issues.push({ file: origin, path, problem: trouble.message, remedy })
  }
  return issues
}

/** Milliseconds that are let pass at least. */
const BREATH = 100

function untilNextLook({ targets, addresses, missing, troubled }: Knowledge, at: number, rules: KnowledgeRules): number {
  // While nobody says which targets there are, their addresses are not asked for.
  const slots: readonly Slot<unknown>[] = isHeld(targets) ? [targets] : [targets, ...addresses.values()]
  const { retry, random } = rules
  const waits = slots.map(({ dueAt }) => dueAt - at)
  for (const { trouble } of slots) if (trouble?.heldUntil !== undefined) waits.push(trouble.heldUntil - at)
  if (troubled > 0) waits.push(Math.min(retry.min * 2 ** (troubled - 1), retry.max) * (1 - 0.1 * random()))
  if (missing.size > 0) waits.push(retry.min)
  return Math.max(Math.min(...waits), Math.min(BREATH, retry.min))
}
