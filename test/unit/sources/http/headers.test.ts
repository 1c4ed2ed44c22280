import { describe, expect, it } from 'vitest'
import { freshFor, isJson, retryAfter, validatorsOf } from '../../../../src/sources/http/headers.ts'

const date = 'Thu, 01 Jan 2026 00:01:00 GMT'

describe('the content type of a list', () => {
  it.each([
    'application/json',
    'Application/JSON; charset=UTF-8',
    'application/json;charset="utf-8"',
    'application/json; charset=utf8',
  ])('%s is taken', (type) => expect(isJson(type)).toBe(true))

  it.each([
    undefined,
    '',
    'text/html',
    'text/json',
    'application/json5',
    'application/json; charset=latin1',
    'application/octet-stream',
  ])('%s is not', (type) => expect(isJson(type)).toBe(false))
})

describe('validators', () => {
  it('are the ETag and the time of modification', () => {
    const modified = 'Thu, 01 Jan 2026 00:00:00 GMT'
    expect(validatorsOf({ etag: '"a"', 'last-modified': modified, date })).toEqual({
      'if-none-match': '"a"',
      'if-modified-since': modified,
    })
    expect(validatorsOf({ etag: 'W/"a"' })).toEqual({ 'if-none-match': 'W/"a"' })
    expect(validatorsOf({})).toEqual({})
  })

  it('are not used where the list was changed in the second in which it was given', () => {
    const modified = 'Thu, 01 Jan 2026 00:00:59 GMT'
    expect(validatorsOf({ etag: '"a"', 'last-modified': modified, date })).toEqual({})
    expect(validatorsOf({ etag: '"a"', 'last-modified': modified })).toEqual({})
    expect(validatorsOf({ 'last-modified': 'yesterday', date })).toEqual({})
  })
})

describe('how long an answer is fresh', () => {
  it.each([
    [{ 'cache-control': 'max-age=60' }, 60_000],
    [{ 'cache-control': 'public, MAX-AGE=60', age: '20' }, 40_000],
    [{ 'cache-control': 'max-age=60', age: '90' }, 0],
    [{ 'cache-control': 'max-age=60, no-cache' }, 0],
    [{ 'cache-control': 'no-store' }, 0],
    [{ 'cache-control': 's-maxage=60' }, 0],
    [{ 'cache-control': 'max-age=-1' }, 0],
    [{ 'cache-control': 'max-age=soon' }, 0],
    [{}, 0],
  ])('%j: %d ms', (headers, wait) => expect(freshFor(headers)).toBe(wait))
})

describe('how long the server asks to wait', () => {
  const now = Date.parse('Thu, 01 Jan 2026 09:00:00 GMT')

  it.each([
    [{ 'retry-after': '7' }, 7_000],
    [{ 'retry-after': ' 0 ' }, 0],
    [{ 'retry-after': 'Thu, 01 Jan 2026 09:00:09 GMT' }, 9_000],
    [{ 'retry-after': 'Thu, 01 Jan 2026 00:01:30 GMT', date }, 30_000],
    [{ 'retry-after': 'Thu, 01 Jan 2026 00:00:30 GMT', date }, 0],
    [{ 'retry-after': 'later' }, undefined],
    [{ 'retry-after': '-5' }, undefined],
    [{}, undefined],
  ])('%j: %s ms, a date by the clock of the server', (headers, wait) => expect(retryAfter(headers, now)).toBe(wait))
})
