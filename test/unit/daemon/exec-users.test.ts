import { beforeEach, expect, test, vi } from 'vitest'
import { adviseExecUsers } from '../../../src/daemon/exec-users.ts'
import { loggerTo } from '../../../src/log.ts'
import { loaded, oneService } from '../config/support.ts'

let capabilities: ReadonlySet<string>
vi.mock('../../../src/kernel/for-daemon.ts', () => ({ effectiveCapabilities: () => capabilities }))

beforeEach(() => {
  capabilities = new Set(['CAP_NET_ADMIN'])
  return () => vi.restoreAllMocks()
})

async function warned(uid: number, check: string): Promise<string[]> {
  vi.spyOn(process, 'getuid').mockReturnValue(uid)
  const lines: string[] = []
  const logger = loggerTo({ write: (line: string) => void lines.push((JSON.parse(line) as { msg: string }).msg) }, 'info')
  await adviseExecUsers(logger, loaded(oneService(`health_check: { ${check} }`)).services)
  return lines
}

const cannot = (user: string, cure: string) =>
  `The exec check of web is to run as ${user}, which a Pointsman without CAP_SETUID and CAP_SETGID cannot do: its backends stay what they are. Write ${cure}.`

test.each<[string, number, string, string[]]>([
  ['no user, not root', 65532, 'exec: { command: [/bin/x] }', []],
  ['our own user', 1, 'exec: { command: [/bin/x], user: daemon }', []],
  [
    'another user',
    65532,
    'exec: { command: [/bin/x], user: daemon }',
    [cannot('daemon', 'no user, and it has the rights of Pointsman')],
  ],
  ['no user, root', 0, 'exec: { command: [/bin/x] }', [cannot('nobody', 'user: root')]],
  ['root, root', 0, 'exec: { command: [/bin/x], user: root }', []],
  ['no program at all', 65532, 'type: tcp', []],
])('without the right to change users: %s', async (_, uid, check, said) => {
  expect(await warned(uid, check)).toEqual(said)
})

test('with the right to change users nothing is said', async () => {
  capabilities = new Set(['CAP_SETUID', 'CAP_SETGID'])
  expect(await warned(0, 'exec: { command: [/bin/x] }')).toEqual([])
})
