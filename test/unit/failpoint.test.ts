import { afterEach, expect, test, vi } from 'vitest'
import { run } from '../../src/cli/program.ts'
import { checkFailpoint, FAILPOINTS, failpoint } from '../../src/failpoint.ts'

afterEach(() => vi.unstubAllEnvs())

test.each([
  'ipvs.after-batches',
  'after-batch',
  'ipvs.after-batch:',
  'ipvs.after-batch:0',
  'ipvs.after-batch:x',
  'ipvs.after-batch:1:2',
  ':1',
])('a name of no place is refused, by every command and wherever it is looked at: %s', async (name) => {
  vi.stubEnv('POINTSMAN_FAILPOINT', name)
  const refusal = expect.objectContaining({ code: 'BAD_INPUT', message: expect.stringContaining('ipvs.after-forget-record') })
  expect(checkFailpoint).toThrow(refusal)
  expect(() => failpoint('ipvs.after-batch')).toThrow(refusal)
  const said = vi.spyOn(process.stderr, 'write').mockReturnValue(true)
  expect(await run(['version'])).toBe(33)
  expect(said.mock.calls.join()).toContain(JSON.stringify(name))
  said.mockRestore()
})

test.each(['', 'ipvs.after-batch:999999999', ...FAILPOINTS])('a place is accepted, and so is none: %s', (name) => {
  vi.stubEnv('POINTSMAN_FAILPOINT', name)
  expect(checkFailpoint).not.toThrow()
})
