import * as z from 'zod'

/** A list in a configuration. */
export function listOf<S extends z.ZodType>(item: S, description: string) {
  return z.array(item).meta({ description })
}
