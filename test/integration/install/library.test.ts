import { execFile } from 'node:child_process'
import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { command } from '../../lab/command.ts'
import { startRegistry } from './registry.ts'

const packages = ['koffi', `@koromix/koffi-linux-${process.arch}`, '@types/node', 'undici-types']

/** An empty directory of somebody who has installed the package, and of its development nothing. */
let home = ''

interface Ended {
  readonly code: unknown
  readonly out: string
  readonly err: string
}

function run(args: readonly string[]): Promise<Ended> {
  const env = { PATH: `${dirname(process.execPath)}:/usr/bin:/bin`, HOME: home }
  return new Promise((resolve) => {
    execFile(process.execPath, args, { cwd: home, env }, (error, out, err) => resolve({ code: error?.code ?? 0, out, err }))
  })
}

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'pointsman-library-'))
  const packed = (await command(['node', 'tools/package.mjs', home], { timeoutMs: 100_000 })).trim()
  await writeFile(join(home, 'package.json'), '{ "name": "user", "private": true, "type": "module" }\n')
  await using registry = await startRegistry(packages)
  const flags = ['--registry', registry.url, '--cache', join(home, 'cache'), '--ignore-scripts', '--no-audit', '--no-fund']
  await promisify(execFile)('npm', ['install', ...flags, packed, '@types/node'], {
    cwd: home,
    env: { PATH: `${dirname(process.execPath)}:/usr/bin:/bin`, HOME: home },
  })
  for (const example of await readdir('examples')) await cp(join('examples', example), join(home, example))
})

afterAll(() => rm(home, { recursive: true, force: true }))

/** What tsc says of files in the user's directory; empty where nothing. */
async function complaints(files: readonly string[], more: object = {}): Promise<string> {
  const compilerOptions = { module: 'nodenext', strict: true, skipLibCheck: false, noEmit: true, types: ['node'], ...more }
  await writeFile(join(home, 'tsconfig.json'), JSON.stringify({ compilerOptions, files }))
  const { out } = await run([join(process.cwd(), 'node_modules/typescript/bin/tsc'), '-p', home])
  return out
}

describe('the types of the installed package', () => {
  test('fit the examples under strict and NodeNext', async () => {
    expect(await complaints((await readdir('examples')).toSorted())).toBe('')
  })

  test('fit the examples of docs/library.md', async () => {
    const page = await readFile('docs/library.md', 'utf8')
    const snippets = [...page.matchAll(/^```ts\n(.*?)^```/gms)].map(([, code = '']) => code)
    expect(snippets.length).toBeGreaterThanOrEqual(2)
    const files = snippets.map((_, index) => `snippet-${index}.ts`)
    for (const [index, code] of snippets.entries()) await writeFile(join(home, `snippet-${index}.ts`), code)
    expect(await complaints(files)).toBe('')
  })

  test('are all there for a user without the types of Node and with an old target', async () => {
    await writeFile(join(home, 'all.ts'), "import * as pointsman from 'pointsman'\nexport type Everything = typeof pointsman\n")
    const strictest = { exactOptionalPropertyTypes: true, noUncheckedIndexedAccess: true, verbatimModuleSyntax: true }
    expect(await complaints(['all.ts'], { types: [], target: 'es2022', ...strictest })).toBe('')
  })

  test('refuse what is wrong', async () => {
    await writeFile(join(home, 'wrong.ts'), "import { plan } from 'pointsman'\nexport const planned = plan('table', 5)\n")
    expect(await complaints(['wrong.ts'])).toMatch(/wrong\.ts\(2,\d+\): error TS2345/)
  })
})

test('only what docs/library.md names is exported, and every name of it', async () => {
  const { out } = await run(['-e', "console.log(JSON.stringify(Object.keys(await import('pointsman'))))"])
  const page = await readFile('docs/library.md', 'utf8')
  const entry = await readFile(join(home, 'node_modules/pointsman/dist/library/types/library.d.ts'), 'utf8')
  const types = [...entry.matchAll(/^export type \{([^}]+)\}/gm)].flatMap(([, names = '']) =>
    names.split(',').map((each) => each.trim()),
  )
  const named = new Set([...page.matchAll(/^\| `(\w+)/gm)].map(([, name]) => name))
  expect(named).toEqual(new Set([...(JSON.parse(out) as string[]), ...types.filter((each) => each !== '')]))
})

test('nothing inside the package can be imported', async () => {
  const { err } = await run(['-e', "await import('pointsman/dist/pointsman.mjs')"])
  expect(err).toMatch(/ERR_PACKAGE_PATH_NOT_EXPORTED/)
})

test('it can be required, too', async () => {
  await mkdir(join(home, 'common'))
  await writeFile(join(home, 'common/it.cjs'), "console.log(typeof require('pointsman').readTable)\n")
  expect(await run(['common/it.cjs'])).toMatchObject({ code: 0, out: 'function\n' })
})

describe('the installed package', () => {
  test('validates and plans without a kernel', async () => {
    await writeFile(
      join(home, 'pure.ts'),
      `import { desiredState, parseConfiguration, plan } from 'pointsman'
const { services } = parseConfiguration({ services: [{ name: 'web', listen: '10.0.0.1:80', backends: ['10.1.0.1:80'] }] })
console.log((await plan(new Map(), desiredState(services))).changes.map(({ kind }) => kind).join())
`,
    )
    expect(await run(['pure.ts'])).toEqual({ code: 0, out: 'add-service,add-destination\n', err: '' })
  })

  test('starts its thread and hears of the kernel', async () => {
    await writeFile(
      join(home, 'kernel.ts'),
      `import { PointsmanError, readTable } from 'pointsman'
try {
  console.log('read', (await readTable()) instanceof Map)
} catch (error) {
  console.log(error instanceof PointsmanError ? error.code : error)
}
`,
    )
    const { out } = await run(['kernel.ts'])
    expect(out.trim()).toBeOneOf(['read true', 'IPVS_MISSING', 'NO_PERMISSION'])
  })

  test('shows an error that nobody caught without a page of code', async () => {
    await writeFile(
      join(home, 'uncaught.ts'),
      "import { parseConfiguration } from 'pointsman'\nparseConfiguration('services: 1')\n",
    )
    const { err } = await run(['uncaught.ts'])
    expect(err).toContain('services: 1')
    expect(err.length).toBeLessThan(3_000)
  })

  test('does not run the program again that it is part of', async () => {
    // A thread that found no file of its own would begin at the caller's.
    const { out } = await run(['kernel.ts'])
    expect(out.trim().split('\n')).toHaveLength(1)
  })
})
