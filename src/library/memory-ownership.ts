import { PointsmanError } from '../errors.ts'
import type { OwnershipEdit, OwnershipOrigin, OwnershipStore } from '../store/ownership.ts'
import { Ownership, type OwnershipRecord } from '../store/ownership-record.ts'

export const NOTHING_OWNED: OwnershipRecord = new Ownership()

/** What is ours as long as this process remembers it. */
export class MemoryOwnership implements OwnershipStore {
  readonly record = new Ownership()
  readonly origin: OwnershipOrigin = { kind: 'none' }
  readonly path = '(memory)'

  async write(edits: readonly OwnershipEdit[]): Promise<void> {
    for (const edit of edits) {
      if (!this.record.apply(edit))
        throw new PointsmanError('INTERNAL', `Nothing is known of the service in ${JSON.stringify(edit)}.`)
    }
  }
}
