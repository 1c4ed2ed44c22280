import { accepted, type Grammar, refused, wrongType } from '../reading.ts'

/** Whole numbers of a range, written as plain decimal digits. `what` is the noun of the remedy: `a weight`. */
export function integer(what: string, min: number, max: number): Grammar<number> {
  const remedy = `write ${what} from ${min} to ${max}`
  return {
    jsonSchema: { type: 'integer', minimum: min, maximum: max },
    read(raw) {
      if (typeof raw === 'string' && raw.trim() !== '')
        return wrongType(raw, 'a number', `${remedy}, without quotes or other characters`)
      if (typeof raw !== 'number') return wrongType(raw, 'a number', remedy)
      if (!Number.isInteger(raw)) return refused(`${raw} is not a whole number`, remedy)
      if (raw < min) return refused(`${raw} is below ${min}`, remedy)
      if (raw > max) return refused(`${raw} is above ${max}`, remedy)
      return accepted(raw)
    },
  }
}
