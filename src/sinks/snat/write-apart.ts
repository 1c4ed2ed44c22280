import { PointsmanError } from '../../errors.ts'

/** More refusals than this in one pass are no matter of single services any more. */
const MOST_REFUSALS = 64

/** A unit that was refused, and why. */
interface Refused<Unit> {
  readonly unit: Unit
  readonly error: PointsmanError
}

/** Whether the kernel answered that it does not take what was asked: everything else says nothing about what was asked. */
export function isRefusal(error: unknown): error is PointsmanError {
  return error instanceof PointsmanError && error.code === 'KERNEL_REFUSED'
}

/**
 * Writes units in one transaction; where that is refused, in halves, so that those at fault do not hold back the others. After many refusals the
 * rest counts as refused too. Gives those that were refused; any other error ends it.
 */
export async function writeApart<Unit>(
  units: readonly Unit[],
  write: (units: readonly Unit[]) => Promise<void>,
): Promise<Refused<Unit>[]> {
  const refused: Refused<Unit>[] = []
  const groups: (readonly Unit[])[] = units.length === 0 ? [] : [units]
  let refusals = 0
  for (let group = groups.pop(); group !== undefined; group = groups.pop()) {
    try {
      await write(group)
    } catch (error) {
      if (!isRefusal(error)) throw error
      refusals += 1
      const half = group.length >> 1
      if (half === 0 || refusals > MOST_REFUSALS) for (const unit of group) refused.push({ unit, error })
      else groups.push(group.slice(half), group.slice(0, half))
    }
  }
  return refused
}
