import { expect, it } from 'vitest'
import { Turns } from '../../src/turns.ts'

it('takes steps one after the other, whatever becomes of those before', async () => {
  const turns = new Turns()
  const told: string[] = []
  const gate = Promise.withResolvers<void>()
  const first = turns.take(async () => {
    told.push('first begins')
    await gate.promise
    told.push('first ends')
    throw new Error('no')
  })
  const second = turns.take(async () => {
    told.push('second')
    return 2
  })
  const over = turns.over().then(() => told.push('over'))
  gate.resolve()
  await expect(first).rejects.toThrow('no')
  expect(await second).toBe(2)
  await over
  expect(told).toEqual(['first begins', 'first ends', 'second', 'over'])
})
