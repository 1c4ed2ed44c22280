import type { HeldOfService } from '../daemon/desired-once.ts'

/** One line for each service of which the guard holds something. */
export function heldLines(held: readonly HeldOfService[]): string[] {
  return held.map(({ name, held }) => {
    const backends = [...held.keys()]
    const noun =
      backends.length === 1 ? 'backend that a source no longer names stays' : 'backends that sources no longer name stay'
    const empty = [...held.values()].some(({ rule }) => rule === 'empty')
    const until = empty ? 'the answer was empty (guard: on_empty)' : 'too many went at once (guard: max_removal)'
    return `${name}: ${backends.length} ${noun}, ${until}: ${backends.join(', ')}`
  })
}

/** The same for programs, one object for each backend. */
export function heldJson(held: readonly HeldOfService[]): Record<string, unknown>[] {
  return held.flatMap(({ service, name, held }) =>
    [...held].map(([destination, { rule, since }]) => ({
      service,
      name,
      destination,
      rule,
      since: new Date(since).toISOString(),
    })),
  )
}
