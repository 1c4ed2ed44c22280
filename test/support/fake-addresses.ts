import { PointsmanError } from '../../src/errors.ts'
import { OwnedAddresses } from '../../src/store/address-record.ts'
import type { AddressEdit, AddressStore } from '../../src/store/addresses.ts'
import type { OwnershipOrigin } from '../../src/store/ownership.ts'

/** A record of addresses in memory that can be made unwritable. */
export class FakeAddresses implements AddressStore {
  readonly record = new OwnedAddresses()
  readonly path = '(memory)'
  readonly origin: OwnershipOrigin
  readonly writes: AddressEdit[][] = []
  unwritable = false

  constructor(origin: OwnershipOrigin = { kind: 'none' }) {
    this.origin = origin
  }

  async write(edits: readonly AddressEdit[]): Promise<void> {
    if (edits.length === 0) return
    if (this.unwritable) throw new PointsmanError('STATE_UNWRITABLE', 'The record was made unwritable.')
    this.writes.push([...edits])
    for (const edit of edits) this.record.apply(edit)
  }
}
