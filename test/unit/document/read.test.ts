import { mkdtemp, rm, symlink, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { formatIssue } from '../../../src/document/issue.ts'
import { readDocument } from '../../../src/document/read.ts'

let directory = ''
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'document-'))
})
afterAll(() => rm(directory, { recursive: true }))

async function complaint(path: string): Promise<string> {
  const result = await readDocument(path)
  return result.ok ? '' : formatIssue(result.issue).replaceAll(directory, '')
}

it('gives the bytes of a file', async () => {
  await writeFile(join(directory, 'a.yaml'), 'a: 1\n')
  const result = await readDocument(join(directory, 'a.yaml'))
  expect(result.ok && Buffer.from(result.bytes).toString()).toBe('a: 1\n')
})

it('says what a path is that cannot be read', async () => {
  await symlink('loop', join(directory, 'loop'))
  expect(await complaint(join(directory, 'none.yaml'))).toBe(
    '/none.yaml: there is no such file; check the path, or create the file',
  )
  expect(await complaint(directory)).toBe(': is not a regular file; name a YAML or JSON file')
  expect(await complaint(join(directory, 'loop'))).toBe(
    '/loop: the path is a loop of symbolic links; check the path and its permissions',
  )
  expect(await complaint('/dev/zero')).toBe('/dev/zero: is not a regular file; name a YAML or JSON file')
})

it('refuses 50 MB by the size alone', async () => {
  const path = join(directory, 'big.yaml')
  await writeFile(path, '')
  await truncate(path, 50_000_000)
  expect(await complaint(path)).toContain('/big.yaml: the file has 50000000 bytes, more than the 4194304 (4 MiB) that are read;')
})
