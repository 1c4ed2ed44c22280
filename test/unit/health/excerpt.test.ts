import { expect, test } from 'vitest'
import { excerpt } from '../../../src/health/excerpt.ts'

test('the first line that is not blank, without control characters, and not long', () => {
  expect(excerpt('\n  \r\n  a\tb\u0000c  \nmore')).toBe('a?b?c')
  expect(excerpt('')).toBe('')
  expect(excerpt('x'.repeat(200))).toBe(`${'x'.repeat(117)}...`)
})

test('what somebody was told is not shown where he says it back', () => {
  expect(excerpt("cannot open 'hunter2' of hunter2-long", ['hunter2', 'hunter2-long'])).toBe("cannot open '***' of ***")
  expect(excerpt('unknown command $& hunter2', ['$&', ' hunter2\r\n'])).toBe('unknown command $& ***')
})

test('nor is a part of it where the line is cut', () => {
  expect(excerpt(`${'x'.repeat(112)} hunter2hunter2`, ['hunter2hunter2'])).toBe(`${'x'.repeat(112)} ***`)
})
