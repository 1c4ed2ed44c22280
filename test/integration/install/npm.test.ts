import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { command } from '../../lab/command.ts'
import { startRegistry } from './registry.ts'

const PREBUILT = `@koromix/koffi-linux-${process.arch}`
/** Node that runs these tests, and what npm itself is a script of; no compiler, no make. */
const system = '/usr/bin:/bin'

let directory = ''
let packed = ''

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'pointsman-npm-'))
  packed = (await command(['node', 'tools/package.mjs', directory], { timeoutMs: 100_000 })).trim()
})

afterAll(() => rm(directory, { recursive: true, force: true }))

interface Ended {
  readonly code: unknown
  readonly out: string
  readonly err: string
}

function run(file: string, args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Ended> {
  return new Promise((resolve) => {
    execFile(file, args, { env: { PATH: `${dirname(process.execPath)}:${system}`, ...env } }, (error, out, err) =>
      resolve({ code: error?.code ?? 0, out, err }),
    )
  })
}

describe.each([
  ['without install scripts', ['--ignore-scripts']],
  ['with install scripts and no compiler', ['--ignore-scripts=false']],
])('npm install -g %s', (name, options) => {
  const prefix = () => join(directory, name.replaceAll(' ', '-'))
  const pointsman = () => join(prefix(), 'bin/pointsman')

  beforeAll(async () => {
    await using registry = await startRegistry(['koffi', PREBUILT])
    const flags = ['--global', '--prefix', prefix(), '--cache', join(prefix(), 'cache'), '--registry', registry.url]
    const env = { HOME: directory, CC: '/bin/false', CXX: '/bin/false' }
    const { code, err } = await run(
      'npm',
      ['install', ...flags, '--no-audit', '--no-fund', '--no-update-notifier', ...options, packed],
      env,
    )
    expect({ code, err }).toMatchObject({ code: 0 })
    // koffi and the prebuilt libraries that it names, of which this machine's alone is known here: nothing else is needed.
    expect([...registry.asked].filter((asked) => !asked.includes('koffi'))).toEqual([])
  })

  test('brings the command and its man pages', async () => {
    expect(JSON.parse((await run(pointsman(), ['version', '--json'])).out)).toMatchObject({ node: process.version })
    for (const page of ['man1/pointsman.1', 'man5/pointsman.yaml.5'])
      expect(existsSync(join(prefix(), 'share/man', page))).toBe(true)
  })

  test('validates the example', async () => {
    const example = join(prefix(), 'lib/node_modules/pointsman/config/pointsman.yaml')
    expect(await run(pointsman(), ['validate', '-c', example])).toMatchObject({ code: 0, err: '' })
  })

  test('finds its native code: the answer of the kernel comes back', async () => {
    const none = join(directory, 'none.yaml')
    await writeFile(none, 'services: []\n')
    const { code, err } = await run(pointsman(), ['plan', '-c', none, '--state-dir', join(directory, 'state')])
    expect({ code, known: code === 0 || /no IPVS|CAP_NET_ADMIN/.test(err) }).toEqual({
      code: expect.toBeOneOf([0, 20, 22]),
      known: true,
    })
  })
})

describe('the command in the package', () => {
  test('says one sentence under an old Node', async () => {
    // The launcher reads the version from `process.versions`, which a preloaded file may replace.
    const old = join(directory, 'old.cjs')
    await writeFile(old, "Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '20.20.2' } })\n")
    const ended = await run(process.execPath, ['--require', old, 'bin/pointsman.cjs', 'version'])
    expect(ended).toEqual({
      code: 44,
      out: '',
      err: expect.stringMatching(/^pointsman: Pointsman needs Node 24 .*20\.20\.2.*\n$/),
    })
  })

  test('is syntax that old Nodes read', async () => {
    const text = await readFile('bin/pointsman.cjs', 'utf8')
    expect(text).not.toMatch(/\bawait\b|\?\.|\?\?|^import /m)
  })

  test('of a checkout that was not built says what to do', async () => {
    const lonely = join(directory, 'lonely.cjs')
    await writeFile(lonely, await readFile('bin/pointsman.cjs', 'utf8'))
    const ended = await run(process.execPath, [lonely, 'version'])
    expect(ended).toEqual({ code: 44, out: '', err: expect.stringMatching(/^pointsman: .*"npm run bundle".*\n$/) })
  })
})

test('the package holds what it needs and nothing of the development', async () => {
  const names = (await command(['tar', '-tzf', packed])).trim().split('\n')
  expect(names).toEqual(expect.arrayContaining(['package/bin/pointsman.cjs', 'package/dist/pointsman.mjs', 'package/LICENSE']))
  expect(names.filter((name) => /\/(src|test|tools|demo|node_modules)\//.test(name))).toEqual([])
})

test('what is in the bundle comes with its licence', async () => {
  const licences = await command(['tar', '-xzOf', packed, 'package/dist/LICENSES.txt'])
  for (const name of ['commander', 'rxjs', 'yaml', 'zod']) expect(licences).toMatch(new RegExp(`^${name} \\d\\S+: \\S`, 'm'))
})
