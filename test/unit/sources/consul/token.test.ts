import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { consulToken } from '../../../../src/sources/consul/token.ts'

let directory: string
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'consul-token-'))
})
afterAll(() => rmSync(directory, { recursive: true, force: true }))

function file(name: string, content?: string): string {
  const path = join(directory, name)
  if (content !== undefined) writeFileSync(path, content)
  return path
}

describe('the token of a source', () => {
  it('is the one that is written, or none', async () => {
    expect(await consulToken({ token: 'abc' }).read()).toBe('abc')
    expect(await consulToken({}).read()).toBeUndefined()
  })

  it('is the content of its file without the line end', async () => {
    expect(await consulToken({ tokenFile: file('plain', 'abc\n') }).read()).toBe('abc')
  })

  it('is read again when it is refused', async () => {
    const tokenFile = file('changing', 'first')
    const token = consulToken({ tokenFile })
    expect(await token.read()).toBe('first')
    writeFileSync(tokenFile, 'second')
    token.refused()
    expect(await token.read()).toBe('second')
  })

  it('is read again when the file has changed', async () => {
    const tokenFile = file('renewed', 'first')
    const token = consulToken({ tokenFile })
    expect(await token.read()).toBe('first')
    writeFileSync(tokenFile, 'the-second')
    await expect.poll(() => token.read(), { timeout: 3_000 }).toBe('the-second')
  })

  it('is a fault where the file is missing, and comes with the file', async () => {
    const tokenFile = file('late')
    const token = consulToken({ tokenFile })
    await expect(token.read()).rejects.toThrow(`${tokenFile}: the token file cannot be read (ENOENT); write the token into it`)
    writeFileSync(tokenFile, 'abc')
    expect(await token.read()).toBe('abc')
  })

  it('does not wait for who may write to a FIFO, nor reads without an end', async () => {
    const fifo = file('fifo')
    execFileSync('mkfifo', [fifo])
    for (const tokenFile of [fifo, '/dev/zero'])
      await expect(consulToken({ tokenFile }).read()).rejects.toThrow(
        `${tokenFile}: the token file cannot be read (not a regular file); write the token into it`,
      )
    await expect(consulToken({ tokenFile: file('large', ' '.repeat(1_100_000)) }).read()).rejects.toThrow(
      'larger than 1048576 bytes',
    )
  })

  it.each(['', '  \n', 'two words', 'line\nline', 'bell\u0007'])(
    'is not %j, and what is written is not told',
    async (content) => {
      const tokenFile = file('odd', content)
      await expect(consulToken({ tokenFile }).read()).rejects.toThrow(
        `${tokenFile}: the token file does not hold one token; write the token alone into it`,
      )
    },
  )
})
