import { isDeepStrictEqual } from 'node:util'
import type { Announcement } from '../../model/catalog-event.ts'
import type { Words } from '../../model/catalog-spec.ts'
import type { HealthEntry, ReadEntry } from './health-entry.ts'

/** What is said for each instance alone and is no part of the definition of the service. */
const OF_THE_INSTANCE = 'weight'

/** What one instance says of its service. */
interface Voice {
  readonly words: Words
  readonly problems: readonly string[]
  /** Index of the change that made it say so; the lower, the older. */
  readonly index: number
  readonly id: string
}

/**
 * What the instances of a service say of it under a prefix: most instances, then those that have said so longest, then the
 * order of what they say decide where they differ. Instances that say nothing have no vote. Undefined where the answer
 * cannot tell: nobody says anything, and somebody could not be read. `previous` is given back where nothing is different.
 */
export function announcementOf(
  entries: readonly ReadEntry[],
  prefix: string,
  previous: Announcement | undefined,
): Announcement | undefined {
  const voices = entries.flatMap((read) => (read.ok ? voiceOf(read.entry, read.id, prefix) : []))
  const announcement = tally(voices, entries)
  return isDeepStrictEqual(announcement, previous) ? previous : announcement
}

function tally(voices: readonly Voice[], entries: readonly ReadEntry[]): Announcement | undefined {
  if (voices.length === 0) {
    if (entries.length === 0) return { kind: 'gone' }
    return entries.every(({ ok }) => ok) ? { kind: 'unmarked' } : undefined
  }
  const parties = [...Map.groupBy(voices, ({ words, problems }) => JSON.stringify([words, problems]))].sort(
    ([textA, a], [textB, b]) => b.length - a.length || age(a) - age(b) || (textA < textB ? -1 : 1),
  )
  const [first, second] = parties.map(([, party]) => party)
  const [speaker] = first ?? []
  if (first === undefined || speaker === undefined) return { kind: 'gone' }
  return {
    kind: 'marked',
    words: speaker.words,
    problems: speaker.problems,
    ...(second !== undefined && { disagreement: disagreement(first, second, voices.length) }),
  }
}

function age(party: readonly Voice[]): number {
  return Math.min(...party.map(({ index }) => index))
}

/** `2 of 3 instances say scheduler=wrr, node-1/web-3 says scheduler=rr` */
function disagreement(first: readonly Voice[], second: readonly Voice[], all: number): string {
  const [mine] = first
  const [other] = second
  const differing = [...new Set([...Object.keys(mine?.words ?? {}), ...Object.keys(other?.words ?? {})])]
    .filter((key) => mine?.words[key] !== other?.words[key])
    .sort()
  const say = (voice: Voice | undefined) =>
    differing.map((key) => (voice?.words[key] === undefined ? `no ${key}` : `${key}=${voice.words[key].slice(0, 60)}`)).join(' ')
  return `${first.length} of ${all} instances say ${say(mine)}, ${other?.id} says ${say(other)}`
}

/** An instance that says nothing gives none. */
function voiceOf({ Service: { Meta, Tags, ModifyIndex } }: HealthEntry, id: string, prefix: string): Voice[] {
  const words = new Map<string, string>()
  const problems: string[] = []
  const say = (pairs: Iterable<readonly [string, string]>, where: string) => {
    const said = new Map<string, string>()
    for (const [written, text] of pairs) {
      const key = keyOf(written, prefix)
      if (key === undefined) continue
      const before = said.get(key)
      if (before !== undefined && before !== text.trim())
        problems.push(`${id} says ${key} twice in its ${where}, ${before.slice(0, 60)} and ${text.trim().slice(0, 60)}; keep one`)
      said.set(key, before ?? text.trim())
    }
    for (const [key, text] of said) if (!words.has(key)) words.set(key, text)
  }
  say(
    Object.entries(Meta ?? {}).sort(([a], [b]) => (a < b ? -1 : 1)),
    'meta',
  )
  say((Tags ?? []).flatMap(pairOf), 'tags')
  if (words.size === 0) return []
  const sorted = Object.fromEntries([...words].sort(([a], [b]) => (a < b ? -1 : 1)))
  return [{ words: sorted, problems, index: ModifyIndex ?? Number.MAX_SAFE_INTEGER, id }]
}

function pairOf(tag: string): (readonly [string, string])[] {
  const at = tag.indexOf('=')
  return at < 0 ? [] : [[tag.slice(0, at), tag.slice(at + 1)]]
}

/** `drain_timeout` for `pointsman.drain.timeout` and `pointsman-drain_timeout`: keys of meta have no dots. */
function keyOf(written: string, prefix: string): string | undefined {
  if (!written.startsWith(prefix) || !/^[._-]./.test(written.slice(prefix.length))) return undefined
  const key = written.slice(prefix.length + 1).replaceAll(/[.-]/g, '_')
  return key === OF_THE_INSTANCE ? undefined : key
}
