import { PointsmanError } from '../../src/errors.ts'
import type { OwnershipEdit, OwnershipOrigin, OwnershipStore } from '../../src/store/ownership.ts'
import { Ownership } from '../../src/store/ownership-record.ts'

/** An ownership record in memory that counts its writes and can be made unwritable. */
export class FakeOwnership implements OwnershipStore {
  readonly record = new Ownership()
  readonly path = '(memory)'
  readonly writes: OwnershipEdit[][] = []
  /** Called before each write with what is about to be recorded. */
  onWrite: ((edits: readonly OwnershipEdit[]) => void) | undefined
  unwritable = false
  readonly origin: OwnershipOrigin

  constructor(origin: OwnershipOrigin = { kind: 'none' }) {
    this.origin = origin
  }

  async write(edits: readonly OwnershipEdit[]): Promise<void> {
    if (edits.length === 0) return
    if (this.unwritable) throw new PointsmanError('STATE_UNWRITABLE', 'The record was made unwritable.')
    this.onWrite?.(edits)
    this.writes.push([...edits])
    for (const edit of edits) {
      if (!this.record.apply(edit)) throw new Error(`no such service: ${JSON.stringify(edit)}`)
    }
  }
}
