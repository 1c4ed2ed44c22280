import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { PassUnderWay } from '../../../src/daemon/pass-under-way.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

const nothing = async () => undefined

test('is at its end at once where there is none', async () => {
  expect(await new PassUnderWay().ended(nothing)).toBe(true)
})

test('is waited for, and then what goes on beside it', async () => {
  const pass = Promise.withResolvers<void>()
  const beside = Promise.withResolvers<void>()
  const underWay = new PassUnderWay()
  const passing = underWay.watched(() => pass.promise)()
  let asked = 0
  let answer: boolean | undefined
  const ended = underWay.ended(() => {
    asked += 1
    return beside.promise
  })
  void ended.then((given) => {
    answer = given
  })
  await vi.advanceTimersByTimeAsync(1_000)
  expect(asked).toBe(0)
  pass.reject(new Error('refused'))
  await expect(passing).rejects.toThrow('refused')
  await vi.advanceTimersByTimeAsync(1_000)
  expect([asked, answer]).toEqual([1, undefined])
  beside.resolve()
  expect(await ended).toBe(true)
})

test.each(['the pass', 'what goes on beside it'])('is said to be not at its end where %s takes too long', async (which) => {
  const underWay = new PassUnderWay()
  const never = new Promise<void>(() => {})
  void underWay.watched(() => (which === 'the pass' ? never : nothing()))()
  const ended = underWay.ended(() => (which === 'the pass' ? nothing() : never))
  await vi.advanceTimersByTimeAsync(5_000)
  expect(await ended).toBe(false)
})
