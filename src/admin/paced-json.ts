import type { Pace } from './pace.ts'

/** Entries of a list from which on it is no small thing. */
const MANY = 32

/** `JSON.stringify` in slices, for reports of many thousand entries: none of a list's entries may be large but by a list of its own. */
export async function pacedJson(value: object, pace: Pace): Promise<string> {
  const pieces: string[] = []
  if (Array.isArray(value)) {
    for (const entry of value) {
      pieces.push(hasMany(entry) ? await pacedJson(entry, pace) : (JSON.stringify(entry) ?? 'null'))
      if (pace.due()) await pace.rest()
    }
    return `[${pieces.join(',')}]`
  }
  for (const [name, field] of Object.entries(value)) {
    if (field === undefined) continue
    pieces.push(`${JSON.stringify(name)}:${hasMany(field) ? await pacedJson(field, pace) : JSON.stringify(field)}`)
  }
  return `{${pieces.join(',')}}`
}

function hasMany(value: unknown): value is object {
  if (typeof value !== 'object' || value === null) return false
  return Array.isArray(value) ? value.length > MANY || value.some(hasMany) : Object.values(value).some(hasMany)
}
