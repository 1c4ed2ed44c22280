import { expect, test } from 'vitest'
import { overdueDrains } from '../../../src/daemon/overdue-drains.ts'
import type { DestinationKey } from '../../../src/model/destination.ts'
import { serviceKey } from '../../../src/model/virtual-service.ts'
import type { OwnedService } from '../../../src/store/ownership.ts'
import { WEB } from '../admin/readings.ts'

test('drains beyond their deadline are counted, all others are not', () => {
  const drains = new Map(
    [900, 999, 1_000, 5_000].map((deadline, index) => [`10.0.1.${index}:80` as DestinationKey, { startedAt: 0, deadline }]),
  )
  const owned = { name: 'web', identity: WEB, drains } as unknown as OwnedService
  expect(overdueDrains({ services: new Map([[serviceKey(WEB), owned]]) }, 1_000)).toBe(2)
  expect(overdueDrains({ services: new Map() }, 1_000)).toBe(0)
})
