import { join } from 'node:path'
import type { Reach, Unreachable } from '../reach.ts'

/** What a pattern stands for: paths in the order of their names, and the directories that were looked into for it. */
export interface Expansion {
  readonly paths: readonly string[]
  readonly directories: readonly string[]
}

export type ExpansionResult = ({ readonly ok: true } & Expansion) | (Unreachable & Pick<Expansion, 'directories'>)

/** Whether a path holds `*`, `?` or `[`. */
export function isPattern(path: string): boolean {
  return /[*?[]/.test(path)
}

/**
 * The paths that a pattern stands for, sorted: `*` is any text within one name, `?` any character, `[a-z]` one of a set (`[!a-z]`
 * one of all others). Names that begin with a dot are meant only where the pattern has the dot. The directory in which a
 * pattern begins must be there; nothing need be in it.
 */
export async function expand(pattern: string, list: Reach['list']): Promise<ExpansionResult> {
  const steps = pattern.split('/')
  if (steps.includes('**'))
    return { ok: false, directories: [], problem: '** is not known', remedy: 'write * for one directory, or one entry for each' }
  let found = [pattern.startsWith('/') ? '/' : '']
  const directories: string[] = []
  let guessed = false
  for (const step of steps) {
    if (step === '') continue
    // Behind a pattern only what is there is meant.
    if (!isPattern(step) && !guessed) {
      found = found.map((path) => join(path, step))
      continue
    }
    const matcher = matcherOf(step)
    if (matcher === undefined)
      return {
        ok: false,
        directories,
        problem: `${step} is no pattern`,
        remedy: 'write a set as [a-z], in the order of the characters',
      }
    const deeper: string[] = []
    for (const path of found) {
      const directory = path === '' ? '.' : path
      const listing = await list(directory)
      // A name that a pattern stands for may be that of a file. What may be a directory is not passed over: its services would go.
      if (!listing.ok && guessed && listing.isNone) continue
      directories.push(directory)
      if (!listing.ok) {
        const { problem, remedy, transient } = listing
        return { ok: false, directories, problem: `${directory}: ${problem}`, remedy, ...(transient && { transient }) }
      }
      deeper.push(...listing.names.filter(matcher).map((name) => join(path, name)))
    }
    found = deeper
    guessed = true
  }
  return { ok: true, paths: found.toSorted(), directories }
}

/** Undefined for a set that is none, such as `[z-a]`. */
function matcherOf(step: string): ((name: string) => boolean) | undefined {
  const parts = step.match(/\*|\?|\[[!^]?\]?[^\]]*\]|[^*?[]+|\[/g) ?? []
  const expression = parts.map((part) => {
    if (part === '*') return '.*'
    if (part === '?') return '.'
    if (part.length > 2 && part.startsWith('[') && part.endsWith(']')) return setOf(part.slice(1, -1))
    return part.replaceAll(/[\\^$.*+?()[\]{}|/]/g, '\\$&')
  })
  let regular: RegExp
  try {
    regular = new RegExp(`^${expression.join('')}$`, 'su')
  } catch {
    return undefined
  }
  return (name) => regular.test(name) && (step.startsWith('.') || !name.startsWith('.'))
}

/** In a set of a regular expression everything but the dash of a range loses its meaning. */
function setOf(content: string): string {
  const negated = /^[!^]/.test(content)
  return `[${negated ? '^' : ''}${content.slice(negated ? 1 : 0).replaceAll(/[\\\]^[]/g, '\\$&')}]`
}
