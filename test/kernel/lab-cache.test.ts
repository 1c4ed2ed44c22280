/** The lab's cache: whole or absent, whoever builds, however often at once. */

import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { cached } from '../lab/cache.ts'

let home: string
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'pointsman-cache-'))
  vi.stubEnv('XDG_CACHE_HOME', home)
})
afterEach(() => {
  vi.unstubAllEnvs()
  rmSync(home, { recursive: true })
})

const builder = (word: string) => async (dir: string) => {
  writeFileSync(join(dir, 'first'), word)
  await pause(50)
  writeFileSync(join(dir, 'second'), word)
}

it('gives builders at the same time one folder, complete and of one of them', async () => {
  const words = ['a', 'b', 'c', 'd']
  const folders = await Promise.all(words.map((word) => cached('things/one', builder(word))))
  expect(new Set(folders)).toEqual(new Set([join(home, 'pointsman/things/one')]))
  const first = readFileSync(join(folders[0] ?? '', 'first'), 'utf8')
  expect(words).toContain(first)
  expect(readFileSync(join(folders[0] ?? '', 'second'), 'utf8')).toBe(first)
  expect(readdirSync(join(home, 'pointsman/things'))).toEqual(['one'])
})

it('does not build what is there', async () => {
  await cached('one', builder('a'))
  const folder = await cached('one', () => {
    throw new Error('built again')
  })
  expect(readFileSync(join(folder, 'first'), 'utf8')).toBe('a')
})

it('keeps nothing of a builder that failed, and builds anew the next time', async () => {
  const failing = async (dir: string) => {
    writeFileSync(join(dir, 'first'), 'half')
    throw new Error('no space')
  }
  await expect(cached('one', failing)).rejects.toThrow('no space')
  expect(readdirSync(join(home, 'pointsman'))).toEqual([])
  expect(readFileSync(join(await cached('one', builder('b')), 'second'), 'utf8')).toBe('b')
})
