// biome-ignore-all lint/suspicious/noTemplateCurlyInString: that is how parameters are written
import { describe, expect, test } from 'vitest'
import { excerptOf } from '../../../src/document/excerpt.ts'

/** The line that is shown, and what stands above the caret. */
function shown(line: string, column = 1, sentence = '', within = false): { readonly text: string; readonly at: string } {
  const [text = '', caret = ''] = excerptOf(line, { line: 7, column }, sentence, within).split('\n')
  expect(text.startsWith('    7 | ')).toBe(true)
  return { text: text.slice(8), at: text.slice(caret.indexOf('^')).slice(0, 3) }
}

describe('what may be a secret', () => {
  test.each([
    ['token: hunter2', 'token: ***'],
    ['tokn: hunter2', 'tokn: ***'],
    ['  token: 847263', '  token: ***'],
    ['  token: 8472', '  token: ***'],
    [
      'source: { consul: { service: web, token: hunter2, wate: 5m } }',
      'source: { consul: { service: web, token: ***, wate: 5m } }',
    ],
    ['command: [/bin/check, --password, hunter2]', 'command: [***, ***, ***]'],
    ['  - hunter2', '  - ***'],
    ['  hunter2', '  ***'],
    ['headers: { X-Auth: "hunter2, \\"hunter3\\"" }', 'headers: { X-Auth: *** }'],
    ["password: 'it''s, hunter2'", 'password: ***'],
    ['webhook: https://hooks.example/hunter2?x=hunter2', 'webhook: ***'],
    ['authorization: Bearer hunter2: x', 'authorization: ***'],
    ['token: abc,hunter2', 'token: ***'],
    ['token: abc, key: hunter2', 'token: ***'],
    ['token: "hunter2', 'token: ***'],
    ['name: web # hunter2', 'name: web ***'],
    ['# token: hunter2', '***'],
    ['name: web hunter2', 'name: ***'],
    ['{"name": "web", "token": "hunter2"}', '{"name": "web", "token": ***}'],
    ['{"name":"web","token":"hunter2"}', '{"name":"web","token":***}'],
    ['  service: web, token: hunter2 }', '  service: ***'],
    ['listen: ${env.VIP:-hunter2}:80', 'listen: ***'],
    ['? hunter2', '***'],
    ['token: hunter2   # hunter3', 'token: ***   ***'],
    ['{ weight: 5, # token: hunter2, name: hunter2', '{ weight: 5, ***'],
  ])('%s', (line, text) => {
    expect(shown(line).text).toBe(text)
    expect(text).not.toMatch(/hunter|8472/)
  })
})

describe('a line that begins within brackets', () => {
  test.each([
    ['  service: web, tokn: hunter2, wate: 5m }', '  service: web, tokn: ***, wate: 5m }'],
    ['  service: web, token: 84726, weight: 70000 } }', '  service: web, token: ***, weight: 70000 } }'],
    ['  "listen": "10.0.0.1:80",', '  "listen": "10.0.0.1:80",'],
    ['  "token": "hunter2",', '  "token": ***,'],
    ['}, { token: hunter2 }', '}, { token: *** }'],
    ['  hunter2, 10.0.0.1:80 ]', '  ***, 10.0.0.1:80 ]'],
    ['  # token: hunter2, name: hunter3', '  ***'],
  ])('%s', (line, text) => expect(shown(line, 1, '', true).text).toBe(text))

  test('the caret is below what it was below', () => {
    const line = '  service: web, tokn: hunter2, wate: 5m }'
    for (const word of ['service', 'web', 'tokn', 'wate', '5m', '}'])
      expect(shown(line, line.indexOf(word) + 1, '', true).at.startsWith(word.slice(0, 3))).toBe(true)
    expect(shown(line, line.indexOf('hunter2') + 3, '', true).at).toBe('***')
  })

  test('and the same line elsewhere is another one', () => {
    const line = '  service: web, tokn: hunter2'
    expect(shown(line, 1, '', true).text).toBe('  service: web, tokn: ***')
    expect(shown(line).text).toBe('  service: ***')
  })
})

describe('what is harmless', () => {
  test.each([
    '- { name: web, listen: 10.0.0.1:80, weight: 70000 }',
    'listen: "[2001:db8::1]:80"',
    'drain: { timeout: 300s }',
    'guard: { max_removal: 34%, window: 60s }',
    'full_nat: true',
    'listen: ${host.eth0}:${ports.web:-80}',
    '- 10.0.1.1:8080',
  ])('%s', (line) => expect(shown(line).text).toBe(line))

  test('what the sentence says is shown, as a word of its own', () => {
    expect(shown('colour: blue', 1, '"blue" is not known').text).toBe('colour: blue')
    expect(shown('colour: blue', 1, 'write blueprint').text).toBe('colour: ***')
    expect(shown('token: blue', 1, '"blue" is not known').text).toBe('token: ***')
  })
})

test('the caret is below what it was below', () => {
  const line = 'source: { consul: { token: hunter2, wate: 5m } }'
  expect(shown(line, line.indexOf('wate') + 1).at).toBe('wat')
  expect(shown(line, line.indexOf('hunter2') + 1).at).toBe('***')
  expect(shown(line, line.indexOf('hunter2') + 5).at).toBe('***')
  expect(shown('\tname: web', 2).at).toBe('nam')
  expect(excerptOf('a: 1', { line: 1, column: 5 }, '')).toBe('    1 | a: 1\n            ^')
  expect(excerptOf('', { line: 1, column: 1 }, '')).toBe('    1 | \n        ^')
})

test('a long line is cut around the caret', () => {
  const line = `backends: [${'10.0.1.1:80, '.repeat(50)}@x]`
  const { text, at } = shown(line, line.indexOf('@') + 1)
  expect(text.length).toBeLessThanOrEqual(110)
  expect(at).toBe('***')
})
