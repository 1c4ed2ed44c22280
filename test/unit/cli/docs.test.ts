import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { SETTING_FLAGS } from '../../../src/cli/setting-flags.ts'
import { MAX_DOCUMENT_BYTES } from '../../../src/document/read.ts'
import { CATALOGUE, EXIT } from '../../../src/errors.ts'

const EXIT_CODES = readFileSync('docs/exit-codes.md', 'utf8')

test('docs/exit-codes.md lists every exit code and every error code, each once and as in the catalogue', () => {
  const codes = [...EXIT_CODES.matchAll(/^\| (\d+) \|/gm)].map(([, code]) => Number(code))
  expect(codes).toEqual(Object.values(EXIT).toSorted((a, b) => a - b))
  const errors = [...EXIT_CODES.matchAll(/^\| `([A-Z_]+)` \| (\d+) \| (yes|no) \|/gm)].map(([, name, exit, retried]) => [
    name,
    { exit: Number(exit), retryable: retried === 'yes' },
  ])
  expect(Object.fromEntries(errors)).toEqual(CATALOGUE)
})

test.each([
  'docs/sources/file.md',
  'docs/commands/get.md',
  'docs/decisions/lists-are-parsed-in-a-worker.md',
  'docs/decisions/one-yaml-parser-and-a-size-limit.md',
])('%s names the limit of a file as it is, and no other', (page) => {
  const sizes = readFileSync(page, 'utf8').match(/\d+ MiB/g) ?? []
  expect(new Set(sizes)).toEqual(new Set([`${MAX_DOCUMENT_BYTES / 1024 / 1024} MiB`]))
})

describe('docs/commands', () => {
  const commands = [
    'adopt',
    'apply',
    'approve',
    'doctor',
    'drain',
    'get',
    'import',
    'maintenance',
    'once',
    'pause',
    'plan',
    'replay',
    'resume',
    'start',
    'status',
    'undrain',
    'validate',
    'version',
    'weight',
    'why',
  ]

  test('has one page for each command, and no other', () => {
    expect(readdirSync('docs/commands').toSorted()).toEqual(commands.map((name) => `${name}.md`))
  })

  test('doctor.md names every line of the report', () => {
    const files = readdirSync('src/daemon/doctor').filter((name) => name.startsWith('diagnose'))
    const code = files.map((name) => readFileSync(`src/daemon/doctor/${name}`, 'utf8')).join('')
    const checks = new Set([...code.matchAll(/\b(?:ok|warn|fail)\(\s*'([^']+)'/g)].map(([, check]) => check))
    expect(checks.size).toBeGreaterThan(15)
    const page = readFileSync('docs/commands/doctor.md', 'utf8')
    const rows = [...page.matchAll(/^\| ([^|]+) \|/gm)].flatMap(([, names = '']) => names.split(', '))
    expect([...checks].filter((check) => !rows.includes(check ?? ''))).toEqual([])
  })

  test('start.md names every setting flag', () => {
    const page = readFileSync('docs/commands/start.md', 'utf8')
    const flags = Object.keys(SETTING_FLAGS).map((name) => `--${name.replaceAll('_', '-')}`)
    expect(flags.filter((flag) => !page.includes(`\`${flag} `))).toEqual([])
  })
})
