/** What `npm run …` says on a machine that it cannot set up: in a checkout of its own, where it finds nothing on its path. */
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { chmodSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

const isRoot = process.getuid?.() === 0
/** As `sudo -u nobody` would, without asking whether nobody may read where this Node lies. */
const AS_NOBODY = ['--import', 'data:text/javascript,if (process.getuid() === 0) process.setuid(65534)']

let checkout: string
beforeAll(() => {
  checkout = mkdtempSync(join(tmpdir(), 'pointsman-setup-'))
  chmodSync(checkout, 0o755)
  for (const name of ['run.mjs', 'setup.mjs', 'test.mjs', 'dev-runtime'])
    cpSync(join('tools', name), join(checkout, 'tools', name), { recursive: true })
  cpSync('package-lock.json', join(checkout, 'package-lock.json'))
  mkdirSync(join(checkout, 'node_modules/.bin'), { recursive: true })
  writeFileSync(join(checkout, 'node_modules/.bin/node'), '')
  // The Node packages count as installed.
  const wanted = ['package-lock.json', 'tools/dev-runtime/package.json'].reduce(
    (hash, name) => hash.update(readFileSync(name)),
    createHash('sha256'),
  )
  writeFileSync(join(checkout, 'node_modules/.pointsman-setup'), wanted.digest('hex'))
})
afterAll(() => rmSync(checkout, { recursive: true }))

function run(words: readonly string[], nodeOptions: readonly string[] = []) {
  const env = { PATH: join(checkout, 'nothing') }
  return spawnSync(process.execPath, [...nodeOptions, join(checkout, 'tools/run.mjs'), ...words], { env, encoding: 'utf8' })
}

describe('whoever is not root', () => {
  test.each([
    ['test', 'npm test'],
    ['demo', 'npm run demo'],
    ['bench', 'npm run bench'],
    ['setup', 'npm run setup'],
  ])('is told so by %s, with the command to write', (word, command) => {
    const { status, stdout, stderr } = run([word], AS_NOBODY)
    expect(stderr).toBe(
      `This needs root: it makes network namespaces, mounts and a virtual machine. Run it as root (sudo ${command}).\n`,
    )
    expect({ status, stdout }).toEqual({ status: 44, stdout: '' })
  })
})

test.skipIf(!isRoot)('a machine without apt-get is told what is missing (only as root)', () => {
  const { status, stdout, stderr } = run(['demo'])
  expect({ status, stdout }).toEqual({ status: 44, stdout: '' })
  expect(stderr).toMatch(/^This machine has no apt-get, so what is missing cannot be installed from here\./)
  expect(stderr).toMatch(/\n {2}missing: qemu-system-x86_64 \(Debian package qemu-system-x86\)\n/)
})

test('another word is answered with the usage', () => {
  expect(run(['tset'])).toMatchObject({ status: 2, stderr: expect.stringMatching(/^usage: /) })
})
