import { ownEntry } from '../../document/own-entry.ts'
import { HIDDEN } from '../../model/hidden.ts'
import type { LeftOut } from '../imported.ts'
import { SECRET, withoutSecrets } from '../secrets.ts'
import type { Directive } from './tree.ts'

/** Directives that hold command lines, whose arguments may be secrets. */
const PROGRAM = /^notify|^(?:quorum|failover)_(?:up|down)$|^misc_path$|script$/

/** What a probe sends, and what it waits for. */
const SPOKEN = /^(?:payload|require_reply)$/

/** The directive as people find it in their file, without secrets and without its block. */
export function shown({ name, words, block }: Directive): string {
  return `${[name, ...shownWords(name, words)].join(' ')}${block === undefined ? '' : ' { }'}`
}

function shownWords(name: string, words: readonly string[]): readonly string[] {
  if (words.length === 0) return []
  if (SECRET.test(name) || SPOKEN.test(name)) return [HIDDEN]
  if (!PROGRAM.test(name)) return words.map(withoutSecrets)
  const [program = '', ...others] = words.flatMap((word) => word.trim().split(/\s+/))
  if (program.includes('=')) return [HIDDEN]
  return others.length === 0 ? [program] : [program, HIDDEN]
}

export function leftOut(directive: Directive, reason: string, remedy: string): LeftOut {
  return { ...directive.place, directive: shown(directive), reason, remedy }
}

/** Reason and remedy of directives that have no counterpart, by name. */
export type Counterparts = Readonly<Record<string, readonly [reason: string, remedy: string]>>

/** Times and counts that are read elsewhere, for those that cannot be. */
const BEYOND: Counterparts = {
  delay_loop: ['it is no number of seconds from 0.1 to 3600', 'look at interval in the result'],
  delay_before_retry: ['it is no number of seconds up to 3600', 'look at fast_interval in the result'],
  connect_timeout: ['it is no number of seconds from 0.01 to 3600', 'look at timeout in the result'],
  misc_timeout: ['it is no number of seconds from 0.01 to 3600', 'look at timeout in the result'],
  retry: ['it is no number from 0 to 999', 'look at fall in the result'],
  nb_get_retry: ['it is no number from 0 to 999', 'look at fall in the result'],
}

/** Mostly two directives on one line: the block would be that of the second one. */
const OF_BLOCK = ['no block of this name is known here', 'write each directive on a line of its own and import again'] as const

/** A directive that nothing was made of, by what is known of it. */
export function unknown(directive: Directive, known: Counterparts): LeftOut {
  const [reason, remedy] = ownEntry(known, directive.name) ??
    (directive.block === undefined ? ownEntry(BEYOND, directive.name) : OF_BLOCK) ?? [
      'nothing is known of it here',
      'look it up in keepalived.conf(5), and write what it means',
    ]
  return leftOut(directive, reason, remedy)
}

/** Directives with all that stand in their blocks. */
export function flattened(directives: readonly Directive[]): Directive[] {
  return directives.flatMap((directive) => [directive, ...flattened(directive.block ?? [])])
}
