import { expect, onTestFinished, test } from 'vitest'
import { EventLoopDelay } from '../../../src/admin/event-loop-delay.ts'

test('tells how late its looks were, and forgets it with the telling', () => {
  let now = 1_000
  const delay = new EventLoopDelay(() => now)
  onTestFinished(() => delay[Symbol.dispose]())
  expect(delay.take()).toBeUndefined()
  const look = (gap: number): void => {
    now += gap
    delay.look()
  }
  for (let i = 0; i < 99; i++) look(50)
  look(350)
  const late = delay.take()
  expect(late?.median).toBeLessThan(0.000_001)
  expect(late?.most).toBeCloseTo(0.3, 2)
  expect(delay.take()).toBeUndefined()
  look(100)
  expect(delay.take()?.median).toBeCloseTo(0.05, 3)
})

test('a block that begins in the same turn as the telling is seen by the next one', async () => {
  const delay = new EventLoopDelay()
  onTestFinished(() => delay[Symbol.dispose]())
  delay.take()
  const end = performance.now() + 150
  while (performance.now() < end);
  await expect.poll(() => delay.take()?.most ?? 0).toBeGreaterThan(0.1)
})
