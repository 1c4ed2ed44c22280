import { describe, expect, it } from 'vitest'
import { Gate } from '../../../../src/sources/dns/gate.ts'

describe('a gate', () => {
  it('lets so many through at a time, the others in their order, also past those that fail', async () => {
    const gate = new Gate(2)
    const begun: number[] = []
    const ends: PromiseWithResolvers<void>[] = []
    const runs = [0, 1, 2, 3, 4].map((number) => {
      const end = Promise.withResolvers<void>()
      ends.push(end)
      return gate.run(() => {
        begun.push(number)
        return end.promise
      })
    })
    const settled = Promise.allSettled(runs)
    await Promise.resolve()
    expect(begun).toEqual([0, 1])
    ends[1]?.reject(new Error('fails'))
    await runs[1]?.catch(() => {})
    await Promise.resolve()
    expect(begun).toEqual([0, 1, 2])
    for (const end of ends) end.resolve()
    expect((await settled).map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled', 'fulfilled', 'fulfilled'])
    expect(begun).toEqual([0, 1, 2, 3, 4])
  })
})
