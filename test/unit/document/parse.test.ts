import { describe, expect, it } from 'vitest'
import { formatIssue, formatIssueWithExcerpt } from '../../../src/document/issue.ts'
import { parseDocument } from '../../../src/document/parse.ts'
import { MAX_DOCUMENT_BYTES } from '../../../src/document/read.ts'

function complaints(input: string | Uint8Array, path = 'pointsman.yaml'): string[] {
  const result = parseDocument(input, { path })
  return result.ok ? [] : result.issues.map(formatIssue)
}

describe('a document that is none', () => {
  const empty =
    'pointsman.yaml:1:1: the file is empty; write at least one key; if the file was being written just now, write to a temporary file and rename it'

  it.each([
    ['no byte', '', empty],
    ['blanks', ' \n\n  \n', empty],
    ['comments alone', '# services:\n  # - name: web\n', empty],
    [
      'a tab for indentation',
      'services:\n\t- name: web\n',
      'pointsman.yaml:2:1: the line is indented with a tab; indent with spaces',
    ],
    ['a key twice', 'a: 1\nb:\n  c: 1\n  c: 2\n', 'pointsman.yaml:4:3: the key is written twice; keep one of the two'],
    [
      'a bracket that is open at the end',
      'services:\n  - name: web\n    backends: [ { address: 10.0.0.1 }, { address: 10.0.0.2 }\n',
      'pointsman.yaml:3:15: the bracket [ that opens here is not closed; write ] where it ends',
    ],
    [
      'the inner one of two open brackets',
      'services: [\n  { name: web,\n    listen: 10.0.0.1:80\n',
      'pointsman.yaml:2:3: the bracket { that opens here is not closed; write } where it ends',
    ],
    [
      'a bracket that is open when the next entry begins',
      'services:\n  - { name: web\n  - { name: dns }\n',
      'pointsman.yaml:2:5: the bracket { that opens here is not closed; write } where it ends, before line 3, or indent that line further if it belongs inside',
    ],
    [
      'a bracket that another one closes',
      'a: [ { b: 1 ]\n',
      'pointsman.yaml:1:6: the bracket { that opens here is not closed; write } where it ends, before column 13 of line 1',
    ],
    [
      'a bracket whose end is not indented',
      'services:\n  - backends: [\n      10.0.0.1:80\n  ]\n',
      'pointsman.yaml:2:15: the ] of the bracket that opens here stands too far to the left; indent line 4 further',
    ],
    [
      'an entry of a list too far to the left, below a blank line',
      'services:\n  - name: web\n    listen: 10.0.0.1:80\n\n - name: dns\n   listen: 10.0.0.2:53\n',
      'pointsman.yaml:5:2: the indentation does not fit the lines above; align the line with its neighbours',
    ],
    [
      'a key too far to the left for its entry',
      'services:\n  - name: web\n   listen: 10.0.0.1:80\n',
      'pointsman.yaml:3:4: the indentation does not fit the lines above; align the line with its neighbours',
    ],
    [
      'a quote that is open at the end',
      'services:\n  - name: "web\n    listen: 10.0.0.1:80\n',
      'pointsman.yaml:2:11: the quote " that opens here is not closed; write " where the text ends',
    ],
    [
      'two documents',
      'a: 1\n---\nb: 2\n',
      'pointsman.yaml:2:1: a second document begins here; write one document only, without a line that holds --- in the middle',
    ],
    [
      'a bare IPv6 endpoint',
      'services:\n  - listen: [2001:db8::1]:80\n',
      'pointsman.yaml:2:13: an IPv6 address with a port begins with a bracket, which YAML takes for a list; put it in quotes: "[2001:db8::1]:80"',
    ],
    [
      'a bare IPv6 endpoint in a list',
      '- [::1]:80\n',
      'pointsman.yaml:1:3: an IPv6 address with a port begins with a bracket, which YAML takes for a list; put it in quotes: "[::1]:80"',
    ],
    [
      'a second colon',
      'a: b: c\n',
      'pointsman.yaml:1:4: a second colon follows in the same value; put the value in quotes, or move the inner key to a line of its own',
    ],
    [
      'a tag',
      'a: !!js/function x\n',
      'pointsman.yaml:1:4: tags (words that begin with !) are not used here; remove the tag, or put the value in quotes',
    ],
    ['a reserved character', 'a: @x\n', 'pointsman.yaml:1:4: a value may not begin with this character; put the value in quotes'],
    ['a list as a key', '? [a]\n: b\n', 'pointsman.yaml:1:3: a key must be plain text; write a plain word before the colon'],
    [
      'an alias without its anchor',
      'a: 1\nb: *web\n',
      'pointsman.yaml:2:4: the alias that begins with * names an anchor that is not there; put the text in quotes if it is none, or write the anchor before it is used',
    ],
    [
      'a zero byte',
      'a: 1\nb: \0\n',
      'pointsman.yaml:2:4: the file holds a zero byte and is no text; write plain YAML or JSON in UTF-8',
    ],
    [
      'a control character',
      'a: 1\nbc: \x1b[31m\n',
      'pointsman.yaml:2:5: the file holds control characters and is no text; write plain YAML or JSON in UTF-8',
    ],
  ])('with %s', (_, text, sentence) => {
    expect(complaints(text)).toEqual([sentence])
  })

  it('is binary', () => {
    const gzip = Uint8Array.of(0x61, 0x0a, 0x1f, 0x8b, 0x08, 0xff, 0xfe, 0x62)
    expect(complaints(gzip)).toEqual(['pointsman.yaml:2:2: the file is not UTF-8 text; write plain YAML or JSON in UTF-8'])
    const executable = Uint8Array.of(0x7f, 0x45, 0x4c, 0x46, 0x02, 0x00, 0x01)
    expect(complaints(executable)).toEqual([
      'pointsman.yaml:1:6: the file holds a zero byte and is no text; write plain YAML or JSON in UTF-8',
    ])
  })

  it('has 50 MB, which is refused before anything is parsed', () => {
    const big = new Uint8Array(50_000_000).fill(0x61)
    expect(complaints(big)).toEqual([
      'pointsman.yaml: the file has 50000000 bytes, more than the 4194304 (4 MiB) that are read; split it, or move long lists of backends to files of their own and name them as file sources',
    ])
    expect(MAX_DOCUMENT_BYTES).toBe(4 * 1024 * 1024)
  })

  it('is a bomb of anchors', () => {
    const level = (name: string, inner: string) =>
      `${name}: &${name} [${Array.from({ length: 10 }, () => `*${inner}`).join(', ')}]\n`
    const bomb = `a: &a [x, x, x]\n${level('b', 'a')}${level('c', 'b')}${level('d', 'c')}${level('e', 'd')}${level('f', 'e')}`
    expect(complaints(bomb)).toEqual([
      'pointsman.yaml:6:44: aliases repeat their anchors more than 10000 times; write the values out instead of nesting anchors',
    ])
  })

  it('has an alias within its own anchor', () => {
    expect(complaints('services: &x\n  - { backends: [*x] }\n')).toEqual([
      'pointsman.yaml:2:18: the alias that begins with * stands within what it names, which would have no end; put the text in quotes if it is none, or name another anchor',
    ])
    expect(complaints('services: &x [&x 1, *x]\n')).toEqual([])
  })

  it('is nested without end', () => {
    const sentence = (path: string) =>
      `${path}:1:1: lists or mappings are nested too deeply; write a configuration; none needs more than ten levels`
    expect(complaints('['.repeat(20_000), 'a.yaml')).toEqual([sentence('a.yaml')])
    expect(complaints(`${'['.repeat(20_000)}${']'.repeat(20_000)}`, 'a.json')).toEqual([sentence('a.json')])
    // Parsers bear this, and what walks through the value afterwards need not.
    expect(complaints(`${'['.repeat(101)}${']'.repeat(101)}`, 'a.json')).toEqual([sentence('a.json')])
    expect(complaints(`${'['.repeat(101)}${']'.repeat(101)}`, 'a.yaml')).toEqual([sentence('a.yaml')])
    expect(complaints(`${'['.repeat(100)}${']'.repeat(100)}`, 'a.json')).toEqual([])
  }, 60_000)

  it('is JSON with a fault', () => {
    expect(complaints('{\n  "backends": [}\n', 'a.json')).toEqual([
      'a.json:2:16: this is not JSON; correct it here, or give the file a name that ends in .yaml',
    ])
    expect(complaints('{\n  "backends": [],\n  "backends": []\n}', 'a.json')).toEqual([
      'a.json:3:3: the key is written twice; keep one of the two',
    ])
    expect(complaints('backends: []', 'a.json')).toEqual([
      'a.json:1:1: this is not JSON; correct it here, or give the file a name that ends in .yaml',
    ])
    expect(complaints('["a",', 'a.json')).toHaveLength(1)
  })

  it('breaks in the middle, and later lines are told by their own numbers', () => {
    const told = complaints('a:\n  x: 1\n } b: 2\n    c: 1\n\n  - name: web\n    l: 1\n')
    expect(told.map((sentence) => sentence.split(':')[1])).toEqual(['3', '4', '6', '7'])
  })

  it('breaks on several lines, each told once', () => {
    expect(complaints('a: @x\nb: "\\q"\nc: 1\nc: 2\n')).toEqual([
      'pointsman.yaml:1:4: a value may not begin with this character; put the value in quotes',
      'pointsman.yaml:2:5: this is not YAML (Invalid escape sequence); correct the line, or put the value in quotes',
      'pointsman.yaml:4:1: the key is written twice; keep one of the two',
    ])
  })
})

describe('a document', () => {
  function locate(text: string, path: (string | number)[], spot: 'key' | 'value', name = 'a.yaml') {
    const result = parseDocument(text, { path: name })
    if (!result.ok) throw new Error(result.issues.map(formatIssue).join('\n'))
    const { line, column } = result.document.locate(path, spot)
    return `${line}:${column}`
  }

  it('tells where keys and values stand', () => {
    const text = 'services:\n  - name: web\n    drain: { timeout: 5s }\n  - 7\n'
    expect(locate(text, ['services', 0, 'name'], 'key')).toBe('2:5')
    expect(locate(text, ['services', 0, 'name'], 'value')).toBe('2:11')
    expect(locate(text, ['services', 0, 'drain', 'timeout'], 'value')).toBe('3:23')
    expect(locate(text, ['services', 1], 'value')).toBe('4:5')
    expect(locate(text, ['services', 1], 'key')).toBe('4:5')
  })

  it('tells the nearest place around what is not written', () => {
    const text = 'services:\n  - name: web\n'
    expect(locate(text, ['services', 0, 'listen'], 'value')).toBe('2:5')
    expect(locate(text, ['services', 3, 'listen'], 'key')).toBe('2:3')
    expect(locate(text, [], 'value')).toBe('1:1')
  })

  it('follows aliases and merged keys', () => {
    const text = 'x: &x\n  weight: 5\ny:\n  <<: *x\n  a: 1\nz: *x\n'
    expect(locate(text, ['y', 'weight'], 'value')).toBe('2:11')
    expect(locate(text, ['z', 'weight'], 'key')).toBe('2:3')
    const parsed = parseDocument(text, { path: 'a.yaml' })
    expect(parsed.ok && parsed.document.value).toEqual({ x: { weight: 5 }, y: { weight: 5, a: 1 }, z: { weight: 5 } })
  })

  it('tells places of JSON too, also where it is indented with tabs', () => {
    expect(locate('{\n\t"a": [\n\t\t{ "b": 70000 }\n\t]\n}', ['a', 0, 'b'], 'value', 'a.json')).toBe('3:10')
  })

  it('may be JSON under a name of YAML', () => {
    const result = parseDocument('{"a": [1, {"b": "x: \\"y\\": z"}]}', { path: 'a.yaml' })
    expect(result.ok && result.document.value).toEqual({ a: [1, { b: 'x: "y": z' }] })
  })

  it('shows the line with a caret below', () => {
    const result = parseDocument('a: 1\nb: @x\n', { path: 'a.yaml' })
    expect(result.ok ? '' : formatIssueWithExcerpt(result.issues[0] as never)).toBe(
      'a.yaml:2:4: a value may not begin with this character; put the value in quotes\n    2 | b: ***\n           ^',
    )
  })

  it('cuts a long line around the caret', () => {
    const result = parseDocument(`a: [${'1, '.repeat(200)}@x]\n`, { path: 'a.yaml' })
    const [text = '', caret = ''] = (result.ok ? '' : (result.issues[0]?.excerpt ?? '')).split('\n')
    expect(text.length).toBeLessThanOrEqual(118)
    expect(text[caret.indexOf('^')]).toBe('*')
  })

  it('may begin with a byte order mark and end lines as Windows does', () => {
    const result = parseDocument(Buffer.from('\ufeffa: 1\r\nb: 2\r\n'), { path: 'a.yaml' })
    expect(result.ok && result.document.value).toEqual({ a: 1, b: 2 })
  })
})

describe('which lines begin within brackets', () => {
  it.each([
    ['a mapping over lines', 'a: {\n b: 1,\n c: [\n 2 ] }\nd: 1\n', [2, 3, 4]],
    ['two lists', 'a: [1,\n 2]\nb:\n  - [3\n    ]\n  - 4\n', [2, 5]],
    ['brackets in text', 'a: "x ["\nb: y {\nc: |\n  [\n  z\n', []],
    ['JSON', '{\n  "a": [\n    1\n  ]\n}\n', [2, 3, 4, 5]],
  ])('%s', (_, text, within) => {
    const result = parseDocument(text, { path: 'p' })
    if (!result.ok) throw new Error(result.issues.map(formatIssue).join())
    const lines = Array.from({ length: 8 }, (_each, at) => at + 1)
    expect(lines.filter((line) => result.document.withinBrackets?.(line))).toEqual(within)
  })

  it('also where one is not closed, so that the caret stands below its place', () => {
    const result = parseDocument('services:\n  - { name: web,\n      token: hunter2, listen: &x\n  - { name: dns }\n', {
      path: 'p',
    })
    expect(result.ok ? [] : result.issues.map(formatIssueWithExcerpt).join('\n')).not.toContain('hunter2')
    const twice = parseDocument('a: { b: 1,\n  token: hunter2, b: 2,\n  b: 3 }\n', { path: 'p' })
    expect(twice.ok ? '' : twice.issues.map(({ excerpt }) => excerpt).join('\n')).toBe(
      '    2 |   token: ***, b: 2,\n                      ^\n    3 |   b: 3 }\n          ^',
    )
  })
})
