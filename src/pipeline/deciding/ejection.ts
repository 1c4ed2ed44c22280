import type { DestinationKey } from '../../model/destination.ts'
import type { CheckSpec } from '../../model/probe-spec.ts'

/** A member that may serve and that fails, or asks not to serve, as the guard against correlated failures sees it. Whoever asks and fails is there twice. */
export interface Exposed {
  readonly key: DestinationKey
  /**
   * It is down and cannot be connected to; is down by a failure above that; has begun to fail so and is not down yet; asks to be let go; or does none
   * of that and does not serve either, because nobody has seen it at work.
   */
  readonly how: 'unreachable' | 'failing' | 'wavering' | 'leaving' | 'idle'
  /** Milliseconds since the epoch at which it went down, or asked. */
  readonly since: number
  /** It was up before, or served when it asked: there is something to hold. */
  readonly wasUp: boolean
  /** It was up when it asked, whether it served or waited behind a better priority: as the last one it serves. */
  readonly mayBeLast?: true
  /** Of one that asks after a failure, or an earlier wish, had taken it out: milliseconds since the epoch at which that was. */
  readonly lostAt?: number
  /** Nothing has come of it so far: it counts as up still, or has only begun to ask. */
  readonly isNew: boolean
  /** Of one that fails: others have not been asked since that began. */
  readonly siblingsDue: boolean
}

/** What is held of one kind, and what the operator has approved of. */
export interface Holding {
  /** Members that serve all the same. */
  readonly held: ReadonlySet<DestinationKey>
  /** Members that are believed until they pass again, or ask no longer. */
  readonly believed: ReadonlySet<DestinationKey>
  /** Milliseconds since the epoch since when those that are held are few; absent: they are many, or nobody is held. */
  readonly fewSince?: number
  /** Of wishes: they are held because nobody else could serve, and not because they are many. */
  readonly isLast?: true
}

/** A failure, a wish among too many, or the wish of the last one that can serve. */
export type HeldAs = 'failure' | 'wish' | 'last'

export const HELD_BECAUSE: Readonly<Record<HeldAs, string>> = {
  failure: 'failure held: too many of the pool fail alike at once',
  wish: 'its wish is held: too many of the pool ask to be let go, or fail, at once',
  last: 'its wish is held until somebody else has served for a while',
}

/** What the guard holds in one pool. Whoever asks to be let go and fails may be held in the one and believed in the other. */
export interface Ejections {
  /** Of members that fail above connect. */
  readonly failures: Holding
  /** Of members that ask to be let go. */
  readonly wishes: Holding
  /** Members of which the one or the other is held, and why they serve on. */
  readonly held: ReadonlyMap<DestinationKey, HeldAs>
  /** Members that fail above connect and serve until it is known whether others do so too, and when that is waited for no longer. */
  readonly doubted: ReadonlyMap<DestinationKey, number>
}

const NOBODY: ReadonlySet<DestinationKey> = new Set()
const NOTHING_HELD: Holding = { held: NOBODY, believed: NOBODY }

export const NO_EJECTIONS: Ejections = { failures: NOTHING_HELD, wishes: NOTHING_HELD, held: new Map(), doubted: new Map() }

/**
 * `pool` counts all that may serve, and those that ask not to. Holds failures above connect, and such wishes, that hit more than `maxEjection` percent of a pool within one round of its checks: a page that
 * was renamed looks like that, a certificate that ran out everywhere, or an agent that was rolled out with a fault. It begins when one more comes: what was believed before
 * stays so when the pool becomes smaller for another reason. A failure to connect is always believed, and the pool
 * is measured without such members, and without those that have left by their wish. What is held is let go when it cannot be connected to, by approval, and when fewer fail: the
 * last of these not before all had the time to recover, because they do so one after the other when the page is back. The first
 * that are down are doubted while so many others may follow: those that have begun to fail, and those that nobody asked since.
 * Wishes and failures that come together are counted together, for they take from one pool; a wish that is held says nothing of a failure.
 * A wish alone takes nobody out who is the last that can serve.
 */
export function ejections(
  before: Ejections,
  exposed: readonly Exposed[],
  pool: number,
  maxEjection: number,
  checks: readonly CheckSpec[],
  now: number,
): Ejections {
  const of = (kind: Exposed['how']) => exposed.filter(({ how }) => how === kind)
  const [dead, asking, failing] = [of('unreachable'), of('leaving'), of('failing')]
  if (dead.length + asking.length + failing.length === 0) return NO_EJECTIONS
  const idle = of('idle')
  const times = { round: roundOf(checks), recovery: recoveryOf(checks), now }
  const rules = { reachable: pool - dead.length, unseen: idle.length, maxEjection, ...times }
  const failingAlone = failing.filter(outside(asking))
  const wishes = judged(before.wishes, NOBODY, asking, dead, [...losses(failingAlone, before.failures), ...gone(asking)], rules)
  const left = asking.filter(({ key }) => !wishes.held.has(key))
  const open = failing.filter(outside(left))
  const failures = judged(before.failures, before.doubted, open, dead, losses(left, before.wishes), rules)
  const wavering = of('wavering').filter(outside(left))
  const unasked = pool - dead.length - left.length - open.length - wavering.length
  const mayFollow = ({ siblingsDue }: Exposed) => wavering.filter(({ isNew }) => isNew).length + (siblingsDue ? unasked : 0)
  const suspects = failures.suspects
    .filter((one) => one.isNew && !failures.held.has(one.key) && failures.isMany(mayFollow(one)))
    .map(({ key, since }) => [key, since + fallOf(checks)] as const)
  const doubted = new Map(suspects.filter(([, until]) => now < until))
  const lost = failing.filter(({ key }) => !failures.held.has(key) && !doubted.has(key))
  const obliged = maxEjection >= 100 ? wishes : withLast(before.wishes, wishes, { asking, lost, idle }, rules)
  return sameEjections(before, holdingOf(obliged), holdingOf(failures), doubted)
}

/** The wishes with that of those who asked last, where nobody else can serve. */
function withLast(
  before: Holding,
  wishes: Judged,
  { asking, lost, idle }: Readonly<Record<'asking' | 'lost' | 'idle', readonly Exposed[]>>,
  { reachable }: Rules,
): Holding {
  const out = new Set([...asking, ...lost, ...idle].map(({ key }) => key))
  const wasLast = before.isLast === true && wishes.held.size > 0
  if (out.size < reachable) return wasLast && !wishes.isMass ? { ...wishes, isLast: true } : wishes
  const fit = asking.filter(outside(lost))
  const last = fit.some(({ key }) => wishes.held.has(key))
    ? []
    : lastOf(fit.filter(({ key, mayBeLast }) => mayBeLast === true && !wishes.believed.has(key)))
  const held = new Set([...wishes.held, ...last.map(({ key }) => key)])
  const isLast = !wishes.isMass && (held.size === 1 || last.length > 0 || wasLast)
  return { ...wishes, held, ...(isLast && { isLast }) }
}

/** There is something to hold, and the operator has not approved of it. */
function isHoldable({ believed }: Holding): (one: Exposed) => boolean {
  return ({ key, wasUp }) => wasUp && !believed.has(key)
}

function lastOf(members: readonly Exposed[]): readonly Exposed[] {
  const last = Math.max(...members.map(({ since }) => since))
  return members.filter(({ since }) => since === last)
}

/** When those that are held although they are few are let go, or somebody is doubted no longer; infinite where nobody is. */
export function ejectionsDueAt({ failures, wishes, doubted }: Ejections, checks: readonly CheckSpec[]): number {
  const recovery = recoveryOf(checks)
  const few = [failures, wishes].map(({ fewSince = Number.POSITIVE_INFINITY }) => fewSince + recovery)
  return Math.min(...few, ...doubted.values())
}

/** What is held or doubted is believed from now on. Whoever approves of the last wish approves of those before it: else the next one would be the last. */
export function approveEjections({ failures, wishes, doubted }: Ejections, asking: Iterable<DestinationKey>): Ejections {
  const others = wishes.isLast ? asking : []
  return {
    ...NO_EJECTIONS,
    failures: { held: NOBODY, believed: new Set([...failures.believed, ...failures.held, ...doubted.keys()]) },
    wishes: { held: NOBODY, believed: new Set([...wishes.believed, ...wishes.held, ...others]) },
  }
}

/** Whether a member serves although it is down. */
export function isUnbelieved({ failures, doubted }: Ejections, key: DestinationKey): boolean {
  return failures.held.has(key) || doubted.has(key)
}

/** Whether the operator has anything to approve of. */
export function hasUnbelieved({ held, doubted }: Ejections): boolean {
  return held.size > 0 || doubted.size > 0
}

/** A member that does not serve by what is judged elsewhere. `counts`: the pool had it, and loses it. */
type Gone = Pick<Exposed, 'key' | 'since' | 'isNew'> & { readonly counts: boolean }

function gone(members: readonly Exposed[]): Gone[] {
  return members.map(({ key, since, isNew, lostAt }) => ({ key, since: lostAt ?? since, isNew, counts: lostAt !== undefined }))
}

function losses(members: readonly Exposed[], { believed }: Holding): Gone[] {
  return members.map(({ key, since, isNew, wasUp, lostAt }) => {
    return { key, since: lostAt ?? since, isNew, counts: lostAt !== undefined || (wasUp && !believed.has(key)) }
  })
}

interface Rules {
  /** Members that can be connected to. */
  readonly reachable: number
  /** Those of them that nobody has seen at work. */
  readonly unseen: number
  readonly maxEjection: number
  readonly round: number
  readonly recovery: number
  readonly now: number
}

interface Judged extends Holding {
  /** Those of which something may be held. */
  readonly suspects: readonly Exposed[]
  /** Whether those that went together, and so many more, are too many. */
  isMany(more?: number): boolean
  /** They are held because they are many, or begin to be. */
  readonly isMass: boolean
}

/**
 * The failures, or the wishes, of one pool. Many begin to be held by those that go together, when one of these is new; held, they are as long as they are many by themselves.
 * One is not, but for the last that can serve at all.
 */
function judged(
  before: Holding,
  doubted: Pick<Ejections['doubted'], 'has'>,
  members: readonly Exposed[],
  dead: readonly Exposed[],
  others: readonly Gone[],
  { reachable, unseen, maxEjection, round, recovery, now }: Rules,
): Judged {
  const believed = new Set([...members, ...dead].filter(({ key }) => before.believed.has(key)).map(({ key }) => key))
  const suspects = members.filter(isHoldable({ ...before, believed }))
  const batch = oneBatch(before.held, doubted, suspects, round)
  const last = Math.max(...batch.map(({ since }) => since))
  const absent = others.filter(outside(batch))
  const isNear = ({ since }: Pick<Exposed, 'since'>) => Math.abs(since - last) <= round
  const together = absent.filter((one) => one.counts && isNear(one))
  const sooner = absent.filter(({ since, counts }) => !counts || since < last - round).length
  const exceeds = (count: number, pool: number) => count * 100 > maxEjection * pool
  const isMany = (more = 0) => {
    const count = batch.length + together.length + more
    return batch.length > 0 && count >= 2 && exceeds(count, reachable - sooner)
  }
  const wasHeld = batch.filter(({ key }) => before.held.has(key))
  const idle = new Set([...others, ...members].filter(outside(batch)).map(({ key }) => key)).size
  const left = reachable - idle
  const isStillMany =
    before.isLast === true ? left - unseen <= batch.length : exceeds(batch.length, left) && (batch.length >= 2 || left <= 1)
  const isGoingOn = wasHeld.length > 0 && before.isLast !== true
  const isNews = isGoingOn || [...batch, ...together, ...dead.filter(isNear)].some(({ isNew }) => isNew)
  const isMass = isMany() && isNews
  const isHeld = isMass || (wasHeld.length > 0 && isStillMany)
  // Beside the last one nobody is held who was obeyed.
  const still = isHeld && (isMass || before.isLast !== true) ? batch : wasHeld
  const fewSince = isHeld || still.length === 0 ? undefined : (before.fewSince ?? now)
  const isOver = fewSince !== undefined && now >= fewSince + recovery
  const held = new Set(isOver ? [] : still.map(({ key }) => key))
  return { held, believed, suspects, isMany, isMass, ...(fewSince !== undefined && !isOver && { fewSince }) }
}

function holdingOf({ held, believed, fewSince, isLast }: Holding): Holding {
  return { held, believed, ...(fewSince !== undefined && { fewSince }), ...(isLast && { isLast }) }
}

function outside(members: readonly Pick<Exposed, 'key'>[]): (one: Pick<Exposed, 'key'>) => boolean {
  const keys = new Set(members.map(({ key }) => key))
  return ({ key }) => !keys.has(key)
}

/** Who failed together: since the first of those that are held or doubted, else within one round of the last one. */
function oneBatch(
  held: Holding['held'],
  doubted: Pick<Ejections['doubted'], 'has'>,
  suspects: readonly Exposed[],
  round: number,
): readonly Exposed[] {
  const still = suspects.filter(({ key }) => held.has(key) || doubted.has(key)).map(({ since }) => since)
  const from = still.length > 0 ? Math.min(...still) : Math.max(...suspects.map(({ since }) => since)) - round
  return suspects.filter(({ since }) => since >= from)
}

/** Milliseconds in which every member is asked once and has answered. */
function roundOf(checks: readonly CheckSpec[]): number {
  return Math.max(0, ...checks.map(({ interval, timeout }) => interval + timeout))
}

/** Milliseconds in which every member that fails has been found to be down. */
function fallOf(checks: readonly CheckSpec[]): number {
  return Math.max(0, ...checks.map(({ interval, timeout, fall }) => fall * (interval + timeout)))
}

/** Milliseconds in which every member that answers rightly again has been found to be up. */
function recoveryOf(checks: readonly CheckSpec[]): number {
  return Math.max(
    0,
    ...checks.map(({ interval, downInterval = interval, timeout, rise }) => rise * (Math.max(interval, downInterval) + timeout)),
  )
}

function sameEjections(before: Ejections, wishes: Holding, failures: Holding, doubted: Ejections['doubted']): Ejections {
  const same = { wishes: sameHolding(before.wishes, wishes), failures: sameHolding(before.failures, failures) }
  const isSame = same.wishes === before.wishes && same.failures === before.failures
  if (isSame && sameKeys(before.doubted, doubted)) return before
  return { ...same, held: isSame ? before.held : heldOf(same), doubted }
}

function heldOf({ wishes, failures }: Pick<Ejections, 'wishes' | 'failures'>): Ejections['held'] {
  const asked = wishes.isLast ? 'last' : 'wish'
  return new Map<DestinationKey, HeldAs>([
    ...[...wishes.held].map((key) => [key, asked] as const),
    ...[...failures.held].map((key) => [key, 'failure'] as const),
  ])
}

function sameHolding(before: Holding, after: Holding): Holding {
  const same = sameKeys(before.held, after.held) && sameKeys(before.believed, after.believed)
  return same && before.fewSince === after.fewSince && before.isLast === after.isLast ? before : after
}

type Keys = Pick<ReadonlySet<DestinationKey>, 'size' | 'has' | 'keys'>

function sameKeys(a: Keys, b: Keys): boolean {
  return a.size === b.size && [...a.keys()].every((key) => b.has(key))
}
