import type { LeftOut } from '../imported.ts'
import type { Directive } from './tree.ts'

/** What follows these words is a secret, or may be one. */
export const SECRET = /pass|auth|username/i

/** The directive as people find it in their file, without secrets and without its block. */
export function shown({ name, words, block }: Directive): string {
  const text = SECRET.test(name) ? [name, ...(words.length > 0 ? ['***'] : [])] : [name, ...words]
  return `${text.join(' ')}${block === undefined ? '' : ' { }'}`
}

export function leftOut(directive: Directive, reason: string, remedy: string): LeftOut {
  return { ...directive.place, directive: shown(directive), reason, remedy }
}

/** Reason and remedy of directives that have no counterpart, by name. */
export type Counterparts = Readonly<Record<string, readonly [reason: string, remedy: string]>>

/** A directive that nothing was made of, by what is known of it. */
export function unknown(directive: Directive, known: Counterparts): LeftOut {
  const [reason, remedy] = known[directive.name] ?? [
    'nothing is known of it here',
    'look it up in keepalived.conf(5), and write what it means',
  ]
  return leftOut(directive, reason, remedy)
}

/** Directives with all that stand in their blocks. */
export function flattened(directives: readonly Directive[]): Directive[] {
  return directives.flatMap((directive) => [directive, ...flattened(directive.block ?? [])])
}
