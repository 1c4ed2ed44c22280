import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { copyFile, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { command } from '../../lab/command.ts'
import { blockOf } from '../../support/doc-examples.ts'
import { startRegistry } from './registry.ts'

const PREBUILT = `@koromix/koffi-linux-${process.arch}`
/** Node that runs these tests, and what npm itself is a script of; no compiler, no make. */
const system = '/usr/bin:/bin'

let directory = ''
let packed = ''
/** When packing did. */
let began = 0

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'pointsman-npm-'))
  began = Date.now()
  const names = await command(['npm', 'pack', '--ignore-scripts=false', '--silent', '--pack-destination', directory], {
    timeoutMs: 100_000,
  })
  packed = join(directory, names.trim().split('\n').at(-1) ?? '')
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

test('the commands of docs/install.md make a service of it', async () => {
  const prefix = join(directory, 'without-install-scripts')
  await copyFile(process.execPath, join(prefix, 'node'))
  const lines = blockOf('docs/install.md', 'sh', 'mkdir -p /etc/sysusers.d').trimEnd().split('\n')
  const inside = `
cp /given/node /usr/local/bin/node
export PATH="/given/bin:$PATH"
cd /given/lib/node_modules/pointsman
${lines.map((line) => `${line}\necho "ended: $?"`).join('\n')}
id -un pointsman
ls /etc/modules-load.d/pointsman.conf /etc/sysctl.d/50-pointsman.conf
systemctl is-enabled pointsman
systemctl show --property=ExecMainStatus --value pointsman
exit 0
`
  await writeFile(join(prefix, 'inside.sh'), inside)
  await command(['unshare', '--mount', '--net', 'sh', 'test/support/systemd.sh', prefix], { timeoutMs: 200_000 })
  const said = (await readFile(join(prefix, 'out'), 'utf8')).trim().split('\n')
  expect(said.filter((line) => line.startsWith('ended: ')).slice(0, -1)).toEqual(lines.slice(1).map(() => 'ended: 0'))
  expect(said).toEqual(expect.arrayContaining(['pointsman', '/etc/sysctl.d/50-pointsman.conf', 'enabled']))
  // On a kernel without IPVS the start fails, with the exit code for that and for no other reason.
  const start = said.findLast((line) => line.startsWith('ended: '))
  expect([start, said.at(-1)]).toBeOneOf([
    ['ended: 0', '0'],
    ['ended: 1', '20'],
  ])
}, 250_000)

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

const deployed = ['package/deploy/prometheus/pointsman.rules.yml', 'package/deploy/grafana/pointsman.json']

test('the package holds what it needs and nothing of the development', async () => {
  const names = (await command(['tar', '-tzf', packed])).trim().split('\n')
  expect(names).toEqual(expect.arrayContaining(['package/bin/pointsman.cjs', 'package/dist/pointsman.mjs', 'package/LICENSE']))
  expect(names).toEqual(expect.arrayContaining([...deployed, 'package/docs/runbook/PointsmanDown.md']))
  expect(names.filter((name) => /\/(src|test|tools|demo|node_modules)\//.test(name))).toEqual([])
})

test('npm run package makes the same, and takes nothing away from who packs the checkout meanwhile', async () => {
  const files = async (folder: string) => (await readdir(folder, { recursive: true })).toSorted()
  const library = await files('dist/library')
  const seen: string[][] = []
  const making = command(['node', 'tools/package.mjs', join(directory, 'other')], { timeoutMs: 100_000 })
  const ended = making.then(() => true)
  while (!(await Promise.race([ended, setTimeout(20, false)]))) seen.push(await files('dist/library'))
  expect(seen.length).toBeGreaterThan(10)
  expect(seen.filter((now) => now.join() !== library.join())).toEqual([])
  const names = (file: string) => command(['tar', '-tzf', file])
  expect(await names((await making).trim())).toBe(await names(packed))
}, 120_000)

test('npm pack has built the program anew: a checkout has none, or an old one', async () => {
  expect((await stat('dist/pointsman.mjs')).mtimeMs).toBeGreaterThanOrEqual(began)
})

test('what is in the bundle comes with its licence', async () => {
  const licences = await command(['tar', '-xzOf', packed, 'package/dist/LICENSES.txt'])
  for (const name of ['commander', 'rxjs', 'yaml', 'zod']) expect(licences).toMatch(new RegExp(`^${name} \\d\\S+: \\S`, 'm'))
})
