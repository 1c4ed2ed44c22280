import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { readAgentLine } from '../../../src/health/agent-text.ts'

describe("an agent's line", () => {
  it.each([
    ['up', { state: 'up', report: {}, text: 'up' }],
    ['UP', { state: 'up', report: {}, text: 'up' }],
    ['down', { state: 'down', report: {}, text: 'down' }],
    ['fail# disk full', { state: 'down', report: {}, text: 'fail: disk full' }],
    ['stopped #a # b', { state: 'down', report: {}, text: 'stopped: a # b' }],
    ['ready', { report: { wish: 'ready' }, text: '' }],
    ['drain', { report: { wish: 'drain' }, text: '' }],
    ['maint', { report: { wish: 'maintenance' }, text: '' }],
    ['0%', { report: { percent: 0 }, text: '' }],
    ['75%', { report: { percent: 75 }, text: '' }],
    ['250%', { report: { percent: 100 }, text: '' }],
    [' ready,up\t50% , maxconn:30 ', { state: 'up', report: { percent: 50, wish: 'ready' }, text: 'up' }],
    ['maxconn:30', { report: {}, text: '' }],
    ['up down', { state: 'down', report: {}, text: 'down' }],
    ['10% 20% drain ready', { report: { percent: 20, wish: 'ready' }, text: '' }],
    ['load 3 up', { state: 'up', report: {}, text: 'up' }],
    ['# down', undefined],
    ['', undefined],
    ['constructor', undefined],
    ['-5%', undefined],
    ['50', undefined],
    ['upward', undefined],
  ])('%j', (line, word) => {
    expect(readAgentLine(line)).toEqual(word)
  })

  it('of whatever bytes never gives a share outside 0 to 100, and never throws', () => {
    const words = fc.constantFrom('up', 'down', 'drain', '%', '5%', '1e9%', '99999%', 'maxconn:', '#', ',', '__proto__')
    const line = fc.array(fc.oneof(words, fc.string({ unit: 'binary', maxLength: 8 }))).map((parts) => parts.join(' '))
    fc.assert(
      fc.property(line, (text) => {
        const percent = readAgentLine(text)?.report.percent ?? 0
        expect(percent >= 0 && percent <= 100 && Number.isInteger(percent)).toBe(true)
      }),
    )
  })
})
