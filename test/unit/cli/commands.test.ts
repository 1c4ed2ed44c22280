import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { checkedOutCommit, currentBuild } from '../../../src/build.ts'
import { parseAllowedActions } from '../../../src/cli/allowed-actions.ts'
import { errorJson } from '../../../src/cli/failure.ts'
import { overridesFrom, SETTING_FLAGS } from '../../../src/cli/setting-flags.ts'
import { SETTING_NAMES } from '../../../src/config/setting-definitions.ts'
import { issuesError } from '../../../src/document/issue.ts'
import { temporaryDirectory } from '../daemon/rig.ts'

describe('allowed actions', () => {
  test('a star is all, a list is a set', () => {
    expect(parseAllowedActions('*')).toBe('all')
    expect(parseAllowedActions('as, us,dd')).toEqual(new Set(['as', 'us', 'dd']))
  })
  test.each(['', 'xx', 'as,', 'as,*', 'AS', 'as us'])('%j is refused', (text) => {
    expect(() => parseAllowedActions(text)).toThrow(expect.objectContaining({ code: 'BAD_INPUT', exitCode: 33 }))
  })
})

describe('flags', () => {
  test('there is one for every setting', () => {
    expect(Object.keys(SETTING_FLAGS).toSorted()).toEqual([...SETTING_NAMES].toSorted())
  })
  test('become overrides under the names of the settings', () => {
    expect(overridesFrom({ logLevel: 'debug', perBackendMetrics: 'false', config: 'x', json: true }).flags).toEqual({
      log_level: 'debug',
      per_backend_metrics: 'false',
    })
  })
})

describe('the build', () => {
  test('a checkout knows its version', () => {
    expect(currentBuild().version).toMatch(/^\d+\.\d+\.\d+/)
  })
  test('the commit is read as git lays it down: loose, packed, detached, or not at all', async () => {
    const directory = await temporaryDirectory()
    const [loose, packed, detached] = ['a'.repeat(40), 'b'.repeat(40), 'c'.repeat(40)]
    await mkdir(join(directory, 'refs', 'heads'), { recursive: true })
    await writeFile(join(directory, 'HEAD'), 'ref: refs/heads/main\n')
    expect(checkedOutCommit(directory)).toBeUndefined()
    await writeFile(join(directory, 'packed-refs'), `# pack-refs\n${packed} refs/heads/main\n`)
    expect(checkedOutCommit(directory)).toBe(packed)
    await writeFile(join(directory, 'refs', 'heads', 'main'), `${loose}\n`)
    expect(checkedOutCommit(directory)).toBe(loose)
    await writeFile(join(directory, 'HEAD'), `${detached}\n`)
    expect(checkedOutCommit(directory)).toBe(detached)
    expect(checkedOutCommit(join(directory, 'nowhere'))).toBeUndefined()
  })
})

test('a failure for programs names code, exit and every problem', () => {
  const issue = { file: 'a.yaml', line: 3, column: 1, path: 'services', problem: 'p', remedy: 'r' }
  expect(errorJson(issuesError('CONFIG_INVALID', [issue]))).toEqual({
    error: { code: 'CONFIG_INVALID', message: 'a.yaml:3:1: services: p; r', exit: 32, issues: [issue] },
  })
})
