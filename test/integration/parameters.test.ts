// biome-ignore-all lint/suspicious/noTemplateCurlyInString: that is how parameters are written
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { dirname, join } from 'node:path'
import { text } from 'node:stream/consumers'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { scratchDirectory } from './scratch.ts'

let program = ''

/** What users run: the thread that loads such a configuration is the same file. */
beforeAll(async () => {
  await mkdir('dist', { recursive: true })
  program = join(await mkdtemp('dist/test-'), 'pointsman.mjs')
  await promisify(execFile)(process.execPath, ['tools/bundle.mjs', program])
})

afterAll(() => rm(dirname(program), { recursive: true, force: true }))

async function pointsman(args: readonly string[], environment: NodeJS.ProcessEnv = {}, input = '') {
  const child = spawn(process.execPath, [program, ...args], { env: { PATH: process.env['PATH'], ...environment }, stdio: 'pipe' })
  child.stdin.on('error', () => {})
  child.stdin.end(input)
  const [[code], out, err] = await Promise.all([once(child, 'close'), text(child.stdout), text(child.stderr)])
  return { code: code as number | null, out, err }
}

async function files(contents: Readonly<Record<string, string>>): Promise<string> {
  const directory = await scratchDirectory()
  for (const [name, content] of Object.entries(contents)) {
    await mkdir(dirname(join(directory, name)), { recursive: true })
    await writeFile(join(directory, name), content)
  }
  return directory
}

const TREE = {
  'c.yaml':
    'include: [conf.d/*.yaml]\nparameters: { files: [p.json] }\nservices:\n  - { name: a, listen: "${host.lo}:${env.PORT:-80}", weight: "${weight}", backends: [] }\n',
  'p.json': '{"weight": 7, "deep": [{"port": 81}]}',
  'conf.d/b.yaml': 'services:\n  - name: b\n    listen: 127.0.0.1:${deep[0].port}\n    backends: []\n',
}

describe('validate', () => {
  test('reads what the configuration names', async () => {
    const directory = await files(TREE)
    expect(await pointsman(['validate', '-c', join(directory, 'c.yaml')])).toEqual({
      code: 0,
      out: `${directory}/c.yaml: valid, 2 services.\n`,
      err: '',
    })
  })

  test('points at the file, line and column of what nothing resolves, and at both of two that are the same', async () => {
    const directory = await files(TREE)
    const same = await pointsman(['validate', '-c', join(directory, 'c.yaml')], { PORT: '81' })
    expect(same).toMatchObject({ code: 32, out: '' })
    expect(same.err).toContain(
      `${directory}/conf.d/b.yaml:3:13: services[0].listen: tcp/127.0.0.1:81 is served already by the service at ${directory}/c.yaml:4;`,
    )
    await writeFile(join(directory, 'p.json'), '{"weight": 7}')
    const unresolved = await pointsman(['validate', '-c', join(directory, 'c.yaml'), '--json'])
    expect(unresolved.code).toBe(32)
    expect(JSON.parse(unresolved.out)).toMatchObject({
      valid: false,
      issues: [{ file: `${directory}/conf.d/b.yaml`, line: 3, column: 23, path: 'services[0].listen' }],
    })
  })

  test('shows no value of the environment', async () => {
    const directory = await files({ 'c.yaml': 'services:\n  - { name: a, listen: "${env.SECRET}", backends: [] }\n' })
    const { code, out, err } = await pointsman(['validate', '-c', join(directory, 'c.yaml')], { SECRET: 'hunter2hunter2' })
    expect({ code, out }).toEqual({ code: 32, out: '' })
    expect(err).toContain('services[0].listen: what ${env.SECRET} stands for does not fit here')
    expect(err).not.toContain('hunter2')
  })

  test('reads standard input, whose files are those of the working directory', async () => {
    const input = 'include: [config/conf.d/*.yaml]\n'
    expect(await pointsman(['validate', '-f', '-'], {}, input)).toMatchObject({ code: 0, out: '-: valid, 1 service.\n' })
  })

  test('the example that comes along', async () => {
    const path = 'config/pointsman-parameters.yaml'
    expect(await pointsman(['validate', '-c', path], { STAGE: 'test' })).toMatchObject({
      code: 0,
      out: `${path}: valid, 2 services.\n`,
    })
    expect((await pointsman(['validate', '-c', path])).err).toContain(
      `${path}:14:15: services[0].name: \${env.STAGE} is not in the environment`,
    )
  })
})

describe('start', () => {
  test('is tried again by the unit where an interface has no address yet, and not where more is wrong', async () => {
    const ended = async (backend: string) => {
      const directory = await files({
        'c.yaml': `services:\n  - { name: a, listen: "\${host.eth77}:80", backends: ["${backend}:80"] }\n`,
      })
      return await pointsman(['start', '-c', join(directory, 'c.yaml'), '--state-dir', directory])
    }
    const late = await ended('10.0.0.1')
    expect(late.code).toBe(30)
    expect(late.out + late.err).toContain('${host.eth77} is no address of this host')
    expect((await ended('${env.GONE}')).code).toBe(32)
  })

  test('ends with the place of a document that no web server gives', async () => {
    const server = createServer((_, response) => response.writeHead(500).end('hunter2'))
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    onTestFinished(() => void server.close())
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/p?token=hunter2`
    const directory = await files({ 'c.yaml': `parameters:\n  urls:\n    - ${url}\nservices: []\n` })
    const { code, err } = await pointsman(['start', '-c', join(directory, 'c.yaml'), '--state-dir', directory])
    // The unit starts it again.
    expect(code).toBe(30)
    expect(err).toContain(
      `${directory}/c.yaml:3:7: parameters.urls[0]: ${url.replace('hunter2', '***')}: the web server answers with status 500;`,
    )
  })
})
