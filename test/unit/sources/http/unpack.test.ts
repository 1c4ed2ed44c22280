import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { unpack } from '../../../../src/sources/http/unpack.ts'

const list = Buffer.from(JSON.stringify(Array.from({ length: 200 }, (_, number) => `10.1.0.${number}:80`)))
const bomb = Buffer.alloc(50 * 1024 * 1024)

async function outcome(body: Uint8Array, encoding: string | undefined, limit = 10_000) {
  const result = await unpack(body, encoding, limit)
  return 'problem' in result ? result.problem : Buffer.from(result).toString()
}

describe('the content encoding of a list', () => {
  it.each([
    ['gzip', gzipSync(list)],
    ['X-GZIP', gzipSync(list)],
    ['deflate', deflateSync(list)],
    ['deflate', deflateRawSync(list)],
    ['br', brotliCompressSync(list)],
    ['identity', list],
    [undefined, list],
  ])('%s is undone', async (encoding, body) => expect(await outcome(body, encoding)).toBe(list.toString()))

  it.each([
    ['gzip', gzipSync(bomb)],
    ['deflate', deflateSync(bomb)],
    ['br', brotliCompressSync(bomb)],
  ])('%s of what is too large is given up at the limit', async (encoding, body) => {
    expect(body.length).toBeLessThan(100_000)
    expect(await outcome(body, encoding, 100_000)).toBe('the list has more than 100000 bytes when it is unpacked')
  })

  it.each([
    ['gzip', gzipSync(list).subarray(0, 100), 'the body is not whole gzip'],
    ['gzip', list, 'the body is not whole gzip'],
    ['br', brotliCompressSync(list).subarray(0, 100), 'the body is not whole br'],
    ['deflate', Buffer.alloc(0), 'the body is not whole deflate'],
    ['gzip, gzip', gzipSync(gzipSync(list)), 'the content encoding "gzip, gzip" is not known'],
    ['zstd', list, 'the content encoding "zstd" is not known'],
    ['constructor', list, 'the content encoding "constructor" is not known'],
  ])('%s that is broken or unknown is refused', async (encoding, body, problem) => {
    expect(await outcome(body, encoding)).toBe(problem)
  })
})
