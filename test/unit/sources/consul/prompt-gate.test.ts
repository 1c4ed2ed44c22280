import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { PromptGate } from '../../../../src/sources/consul/prompt-gate.ts'

const LATE = new Error('late')
const PATIENCE = 10_000

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

/** What became of entering, and how to give up. */
function entering(gate: PromptGate) {
  const ended = new AbortController()
  const seen: { outcome: unknown } = { outcome: 'waits' }
  gate.enter(PATIENCE, LATE, ended.signal).then(
    () => {
      seen.outcome = 'in'
    },
    (reason: unknown) => {
      seen.outcome = reason
    },
  )
  return { seen, ended }
}

const settle = () => vi.advanceTimersByTimeAsync(0)

it('lets so many in at a time, the others in the order in which they came', async () => {
  const gate = new PromptGate(2)
  const all = Array.from({ length: 5 }, () => entering(gate))
  await settle()
  expect(all.map(({ seen }) => seen.outcome)).toEqual(['in', 'in', 'waits', 'waits', 'waits'])
  gate.leave(true)
  await settle()
  expect(all.map(({ seen }) => seen.outcome)).toEqual(['in', 'in', 'in', 'waits', 'waits'])
  gate.leave(false)
  gate.leave(true)
  await settle()
  expect(all.map(({ seen }) => seen.outcome)).toEqual(['in', 'in', 'in', 'in', 'in'])
  for (let question = 0; question < 2; question++) gate.leave(true)
  const later = [entering(gate), entering(gate), entering(gate)]
  await settle()
  expect(later.map(({ seen }) => seen.outcome)).toEqual(['in', 'in', 'waits'])
})

it('waits as long as others are answered, and no longer than its patience when nobody is', async () => {
  const gate = new PromptGate(1)
  const [first, second, third] = [entering(gate), entering(gate), entering(gate)]
  await vi.advanceTimersByTimeAsync(9_000)
  expect(first.seen.outcome).toBe('in')
  gate.leave(true)
  await vi.advanceTimersByTimeAsync(9_999)
  expect([second.seen.outcome, third.seen.outcome]).toEqual(['in', 'waits'])
  await vi.advanceTimersByTimeAsync(1)
  expect(third.seen.outcome).toBe(LATE)
})

it('forgets who gives up', async () => {
  const gate = new PromptGate(1)
  const [, second, third] = [entering(gate), entering(gate), entering(gate)]
  second.ended.abort('no longer wanted')
  await settle()
  expect(second.seen.outcome).toBe('no longer wanted')
  gate.leave(true)
  await settle()
  expect(third.seen.outcome).toBe('in')
  await expect(gate.enter(PATIENCE, LATE, AbortSignal.abort('too late'))).rejects.toBe('too late')
})
