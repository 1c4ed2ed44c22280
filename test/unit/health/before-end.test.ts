import { expect, test } from 'vitest'
import { beforeEnd } from '../../../src/health/before-end.ts'

const HANGS = new Promise<string>(() => {})

test('what comes in time is had, and what does not is not waited for', async () => {
  const ended = new AbortController()
  expect(await beforeEnd(Promise.resolve('here'), ended.signal)).toBe('here')
  await expect(beforeEnd(Promise.reject(new Error('broken')), ended.signal)).rejects.toThrow('broken')
  const hanging = beforeEnd(HANGS, ended.signal)
  ended.abort()
  expect(await hanging).toBeUndefined()
  // Who is asked without any time says so by itself.
  expect(await beforeEnd(Promise.resolve('here'), ended.signal)).toBe('here')
})
