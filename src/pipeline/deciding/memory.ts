import type { DestinationKey } from '../../model/destination.ts'
import { isConnectFailure } from '../../model/probe-result.ts'
import type { Candidate } from './candidate.ts'
import type { FirstWeight } from './first-weight.ts'
import type { Part } from './judge.ts'
import { type Contender, isUp } from './standing.ts'

/** What is remembered of one member from one judgement to the next. */
export interface Memory {
  /** While its probes have found nothing. */
  readonly first?: FirstWeight
  /** Milliseconds since the epoch until which it was up; infinite: it is; absent: it never was. */
  readonly upUntil?: number
  /** When a failure above connect or its wish took it out (milliseconds since the epoch); absent: neither has since it last served as one that is up. */
  readonly lostAt?: number
  readonly served: boolean
  /** When its slow start began. */
  readonly rampSince?: number
  /** Absent: it does not ask to be let go. */
  readonly leaving?: LeavingSince
}

/** When a member began to ask to be let go (milliseconds since the epoch), whether it was up then, and whether it served as such, then or since. */
export interface LeavingSince {
  readonly since: number
  readonly up: boolean
  readonly served: boolean
}

export type Memories = ReadonlyMap<DestinationKey, Memory>

const NEVER = Number.POSITIVE_INFINITY

/** How the members of a pool were found to be. */
interface Judged {
  readonly candidates: readonly Candidate[]
  /** Those of the candidates that may serve, in the same order. */
  readonly contenders: readonly Contender[]
  /** Those of the contenders that serve, in the same order. */
  readonly serving: readonly Part[]
  readonly ramps: ReadonlyMap<DestinationKey, number>
}

/** What stays the same is the same object, down to the whole map. */
export function remembered(before: Memories, { candidates, contenders, serving, ramps }: Judged, now: number): Memories {
  let memories: Map<DestinationKey, Memory> | undefined
  let [nextContender, nextServing] = [0, 0]
  for (const candidate of candidates) {
    const { key, health, asks, found } = candidate
    const contender = contenders[nextContender]?.candidate === candidate ? contenders[nextContender++] : undefined
    const old = contender === undefined ? before.get(key) : contender.memory
    const served = contender !== undefined && serving[nextServing]?.contender === contender
    if (served) nextServing++
    const up = contender === undefined ? health === 'up' : isUp(contender)
    const rampSince = ramps.size === 0 ? undefined : ramps.get(key)
    const memory = memoryOf(old, { up, served, first: contender?.first, rampSince, asks, found }, now)
    if (memory === old) continue
    memories ??= new Map(before)
    memories.set(key, memory)
  }
  if ((memories ?? before).size > candidates.length) {
    memories ??= new Map(before)
    const present = new Set(candidates.map(({ key }) => key))
    for (const key of before.keys()) if (!present.has(key)) memories.delete(key)
  }
  return memories ?? before
}

interface Seen extends Pick<Memory, 'served'> {
  readonly up: boolean
  readonly first: Memory['first'] | undefined
  readonly rampSince: number | undefined
  readonly asks: boolean
  readonly found: Candidate['found']
}

/** Whether it served as one that is up: whoever asks to be let go before that has nothing to be held in. */
export function servedAsUp(memory: Memory | undefined): boolean {
  return memory?.served === true && memory.upUntil === NEVER
}

/** Since when a member asks that asks now. */
export function leavingSince(memory: Memory | undefined, now: number): LeavingSince {
  return memory?.leaving ?? { since: now, up: memory?.upUntil === NEVER, served: servedAsUp(memory) }
}

/** One to which nobody can connect is not lost in this sense: it is no part of the pool that is measured. */
function lostAtOf(old: Memory | undefined, { up, served, asks, found }: Seen, leaving: Memory['leaving']): number | undefined {
  if (up && (served || !asks)) return undefined
  if (!up && found?.failure !== undefined && isConnectFailure(found.failure)) return undefined
  if (!servedAsUp(old)) return old?.lostAt
  return asks ? leaving?.since : found?.since
}

function memoryOf(old: Memory | undefined, seen: Seen, now: number): Memory {
  const { up, served, first, rampSince, asks } = seen
  const asked = asks ? leavingSince(old, now) : undefined
  const leaving = asked !== undefined && !asked.served && up && served ? { ...asked, served } : asked
  const upUntil = up ? NEVER : old?.upUntil === NEVER ? now : old?.upUntil
  const lostAt = lostAtOf(old, seen, leaving)
  const same = old?.served === served && old.first === first && old.rampSince === rampSince && old.leaving === leaving
  if (same && old.upUntil === upUntil && old.lostAt === lostAt) return old
  return {
    served,
    ...(first !== undefined && { first }),
    ...(upUntil !== undefined && { upUntil }),
    ...(lostAt !== undefined && { lostAt }),
    ...(rampSince !== undefined && { rampSince }),
    ...(leaving !== undefined && { leaving }),
  }
}
