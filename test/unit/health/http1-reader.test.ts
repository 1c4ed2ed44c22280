import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { requestText } from '../../../src/health/http-exchange.ts'
import { type HttpHeaders, LONGEST_HEAD } from '../../../src/health/http1-head.ts'
import { Http1Reader } from '../../../src/health/http1-reader.ts'

interface Read {
  readonly heads: readonly (readonly [number, Readonly<Record<string, unknown>>])[]
  readonly body: string
  readonly ended: boolean
  readonly fault: string | undefined
}

const NAMES = ['content-length', 'upgrade', 'a', 'set-cookie', 'b', '__proto__', 'constructor']

/** What is said under the names that the answers of these tests use, and under one that every object knows. */
function askedOf(headers: HttpHeaders): Readonly<Record<string, unknown>> {
  return Object.fromEntries(NAMES.flatMap((name) => (headers.get(name) === undefined ? [] : [[name, headers.get(name)]])))
}

/** What is made of an answer in these pieces, after which the connection ends. */
function read(pieces: readonly (string | Buffer)[], method = 'GET'): Read {
  const heads: [number, Readonly<Record<string, unknown>>][] = []
  const body: Buffer[] = []
  let ends = 0
  const answer = {
    isDecided: false,
    head: (status: number, headers: HttpHeaders) => void heads.push([status, askedOf(headers)]),
    body: (chunk: Buffer) => void body.push(Buffer.from(chunk)),
    end: () => void ends++,
  }
  const reader = new Http1Reader(answer, method === 'HEAD')
  let fault: string | undefined
  for (const piece of pieces) fault ??= reader.read(Buffer.from(piece))
  const whole = fault === undefined && reader.end()
  expect(ends).toBe(whole ? 1 : 0)
  return { heads, body: Buffer.concat(body).toString('latin1'), ended: whole, fault }
}

/** The same, whole and byte by byte. */
function both(text: string, method?: string): Read {
  const whole = read([text], method)
  expect(
    read(
      [...Buffer.from(text)].map((byte) => Buffer.from([byte])),
      method,
    ),
  ).toEqual(whole)
  return whole
}

const INTERIM = 'HTTP/1.1 100 x\n\n'

describe('an answer', () => {
  it.each<[string, string, Partial<Read>]>([
    [
      'with a length',
      'HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc',
      { heads: [[200, { 'content-length': '3' }]], body: 'abc', ended: true },
    ],
    ['and more than it', 'HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcdef', { body: 'abc', ended: true }],
    ['without one', 'HTTP/1.0 200 OK\r\n\r\nabc', { heads: [[200, {}]], body: 'abc', ended: true }],
    ['without a reason', 'HTTP/1.1 204\r\n\r\n', { heads: [[204, {}]], ended: true }],
    ['with a length twice', 'HTTP/1.1 200 OK\r\nContent-Length: 3\r\ncontent-length: 3\r\n\r\nabc', { body: 'abc', ended: true }],
    ['with an empty body', 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n', { body: '', ended: true }],
    [
      'in chunks',
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, Chunked\r\n\r\n3\r\nabc\r\nA;x=y\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\n',
      { body: 'abc0123456789', ended: true },
    ],
    [
      'after others',
      'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na',
      { heads: [[200, { 'content-length': '1' }]], body: 'a' },
    ],
    [
      'for another protocol',
      'HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n\x81\x05',
      { heads: [[101, { upgrade: 'x' }]], body: '', ended: true },
    ],
    ['with short line ends', 'HTTP/1.1 200 OK\nA: b\n\nabc', { heads: [[200, { a: 'b' }]], body: 'abc', ended: true }],
    [
      'with headers that are alike',
      'HTTP/1.1 200 OK\r\nX-A: 1\r\n Upgrade: 2\r\nB:\r\nAB: a: 3\r\n\r\n',
      { heads: [[200, { b: '' }]], ended: true },
    ],
    ['of status line and nothing else', 'HTTP/1.0 200 OK\n\n', { heads: [[200, {}]], ended: true }],
    [
      'with a name that objects have',
      'HTTP/1.1 200 OK\r\n\tA: b\r\nConstructor: c\r\n\r\n',
      { heads: [[200, { constructor: 'c' }]], ended: true },
    ],
    [
      'with headers of every form',
      'HTTP/1.1 200 OK\r\nA:b\r\nSet-Cookie: x\r\nSet-Cookie: y:z\r\nB:  c \r\n d\r\n__proto__: e\r\n\r\n',
      { heads: [[200, { a: 'b', 'set-cookie': 'x, y:z', b: 'c d', ['__proto__']: 'e' }]], ended: true },
    ],
  ])('%s', (_, text, expected) => {
    expect(both(text)).toMatchObject({ fault: undefined, ...expected })
  })

  it('in pieces of any kind is the same: line ends of both kinds in one head, and an empty line of another kind in the body', () => {
    const mixed = 'HTTP/1.1 200 OK\nA: b\r\n\nab\r\n\r\nc'
    expect(both(mixed)).toMatchObject({ heads: [[200, { a: 'b' }]], body: 'ab\r\n\r\nc', fault: undefined })
    expect(both('HTTP/1.1 200 OK\r\nA: b\n\r\nab')).toMatchObject({ heads: [[200, { a: 'b' }]], body: 'ab' })
  })

  it('to HEAD has no body, whatever it says', () => {
    expect(both('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n', 'HEAD')).toMatchObject({ body: '', ended: true })
  })

  it.each([
    'HTTP/1.1 200 OK\r\n',
    'HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab',
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n',
    'HTTP/1.1 100 Continue\r\n\r\n',
  ])('that is cut is not whole: %j', (text) => {
    expect(both(text)).toMatchObject({ ended: false, fault: undefined })
  })

  it.each([
    ['SSH-2.0-OpenSSH\r\n', 'it begins otherwise'],
    ['HTTP/2.0 200 OK\r\n\r\n', 'its first line is no status'],
    ['HTTP/1.1 OK\r\n\r\n', 'its first line is no status'],
    ['HTTP/1.1 2000\r\n\r\n', 'its first line is no status'],
    ['HTTP/1.1 200 OK\r\nno header\r\n\r\n', 'a header has no name'],
    ['HTTP/1.1 200 OK\r\n: x\r\n\r\n', 'a header has no name'],
    ['HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n', 'its content-length is no length'],
    ['HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n', 'its content-length is no length'],
    ['HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n', 'a chunk has no length'],
    [`HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${'1'.repeat(5_000)}`, 'a chunk has no length'],
    ['HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n\r\n0\r\n', 'a chunk has no length'],
    ['HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\r\n', 'a chunk has no length'],
    [`HTTP/1.1 200 OK\r\nA: ${'x'.repeat(LONGEST_HEAD)}`, 'its head is longer than 16384 bytes'],
  ])('that is none is told: %j', (text, fault) => {
    expect(both(text).fault).toBe(fault)
  })

  it.each([
    ['a head that is whole', `HTTP/1.1 200 OK\r\nA: ${'x'.repeat(LONGEST_HEAD)}\r\n\r\n`],
    ['answers before it', INTERIM.repeat(LONGEST_HEAD / INTERIM.length + 1)],
    ['answers before it, and its own head', `${INTERIM.repeat(LONGEST_HEAD / INTERIM.length)}HTTP/1.1 200 OK\n\n`],
  ])('with too much is none: %s', (_, text) => {
    expect(both(text)).toMatchObject({ heads: [], fault: 'its head is longer than 16384 bytes' })
  })

  it('is the same wherever it is cut', () => {
    const chunked = (parts: readonly string[]) =>
      `${parts.map((part) => `${Buffer.byteLength(part).toString(16)}\r\n${part}\r\n`).join('')}0\r\n\r\n`
    const bodies = fc.array(fc.string({ minLength: 1, maxLength: 40 }), { maxLength: 5 })
    fc.assert(
      fc.property(
        bodies,
        fc.constantFrom('length', 'chunked', 'close'),
        fc.array(fc.nat(400), { maxLength: 8 }),
        (parts, form, cuts) => {
          const body = parts.join('')
          const head = {
            length: `Content-Length: ${Buffer.byteLength(body)}`,
            chunked: 'Transfer-Encoding: chunked',
            close: 'A: b',
          }[form]
          const bytes = Buffer.from(`HTTP/1.1 200 OK\r\n${head}\r\n\r\n${form === 'chunked' ? chunked(parts) : body}`)
          const places = [0, ...cuts.map((cut) => Math.min(cut, bytes.length)).sort((a, b) => a - b), bytes.length]
          const pieces = places.slice(1).map((end, index) => bytes.subarray(places[index], end))
          expect(read(pieces)).toMatchObject({ body: Buffer.from(body).toString('latin1'), ended: true, fault: undefined })
        },
      ),
    )
  })

  it('of bytes of any kind breaks nothing', () => {
    const pieces = fc.array(
      fc.oneof(fc.uint8Array({ maxLength: 50 }).map(Buffer.from), fc.constantFrom('HTTP/1.1 200 OK\r\n', '\r\n', '\n', '5\r\n')),
      { maxLength: 12 },
    )
    fc.assert(fc.property(pieces, (list) => void read(list)))
  })
})

it('the body is handed on once for each piece that comes in, whatever it is cut into, and before its end', () => {
  const told: string[] = []
  const reader = new Http1Reader(
    { isDecided: false, head: () => told.push('head'), body: (part) => told.push(part.toString()), end: () => told.push('end') },
    false,
  )
  const chunks = '1\r\na\r\n'.repeat(1_000)
  reader.read(Buffer.from(`HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${chunks}`))
  expect(told).toEqual(['head', 'a'.repeat(1_000)])
  expect(reader.read(Buffer.from('1\r\nb\r\nx\r\n'))).toBe('a chunk has no length')
  expect(told.slice(2)).toEqual(['b'])
  const whole = new Http1Reader(
    { isDecided: false, head: () => {}, body: (part) => told.push(part.toString()), end: () => told.push('end') },
    false,
  )
  whole.read(Buffer.from(`HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nc\r\n1\r\nd\r\n0\r\n\r\n`))
  expect(told.slice(3)).toEqual(['cd', 'end'])
})

it('a request is written as RFC 9112 has it', () => {
  const question = { scheme: 'http', authority: 'www.example', path: '/x', headers: { 'X-A': 'ü' } } as const
  expect(requestText({ ...question, method: 'GET' })).toBe(
    'GET /x HTTP/1.1\r\nHost: www.example\r\nX-A: ü\r\nConnection: close\r\n\r\n',
  )
  expect(requestText({ ...question, method: 'POST' })).toContain('\r\nContent-Length: 0\r\n')
})
