import { expect, test } from 'vitest'
import { settle } from '../../../src/daemon/settle.ts'
import type { PassReport } from '../../../src/sinks/sink.ts'
import { state } from '../../support/desired.ts'

/** A pass after which one destination drains, to be looked at again at that moment. */
const draining = (wakeAt: number): PassReport => ({ applied: {}, failed: [], driftRepaired: 0, foreign: 0, draining: 1, wakeAt })

test('no pass comes before its moment, and is wasted: the few that there are must do', async () => {
  const early: number[] = []
  const one = async () => {
    let due = 0
    const reconcile = async (_desired: unknown, _scope: unknown, now: number) => {
      if (now < due) early.push(due - now)
      due = now + 2 + Math.random()
      return draining(due)
    }
    await settle({ reconcile }, state([]), {}, await reconcile(undefined, 'full', Date.now()))
  }
  for (let times = 0; times < 100; times++) await one()
  expect(early).toEqual([])
})

test('what neighbours say is heard between two passes, also where the moment of the next one is past', async () => {
  let pending = 1
  let passes = 0
  const reconcile = async () => {
    if (passes++ === 0) setImmediate(() => (pending = 0))
    return { ...draining(0), draining: 0, pending }
  }
  const report = await settle({ reconcile }, state([]), {}, await reconcile())
  expect(report.pending).toBe(0)
  expect(passes).toBeLessThan(10)
})
