import { existsSync, readdirSync } from 'node:fs'
import { chmod, readFile, stat, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { BundledProgram } from './bundled-program.ts'

let bundled: BundledProgram
let directory = ''

beforeAll(async () => {
  bundled = await BundledProgram.make()
  directory = bundled.directory
})
afterAll(() => bundled[Symbol.asyncDispose]())

const pointsman: BundledProgram['run'] = (...call) => bundled.run(...call)
const file: BundledProgram['file'] = (...call) => bundled.file(...call)

async function assertValid(configuration: string): Promise<void> {
  expect(await pointsman(['validate', '-f', '-'], { input: configuration })).toMatchObject({ code: 0 })
}

/** Fenced blocks of the page, with the words behind the fence. */
const PAGE = 'docs/commands/import.md'

describe(`the examples of ${PAGE}`, () => {
  test('do what the page says: every command in it, on the files in it', async () => {
    const page = await readFile(PAGE, 'utf8')
    const blocks = [...page.matchAll(/^```(\w+) (\S+)\n(.*?)^```/gms)].map(([, , name = '', content = '']) => ({ name, content }))
    const examples = new Set(blocks.map(({ name }) => name.split('.')[0] ?? ''))
    expect(examples).toEqual(new Set(['keepalived', 'ipvsadm', 'ezlb', 'ipvsctl', 'kglb']))
    const named = (name: string) => {
      const found = blocks.find((block) => block.name === name)
      if (found === undefined) throw new Error(`${PAGE} has no block ${name}`)
      return found.content
    }
    for (const tool of examples) {
      const input = blocks.find(({ name }) => name.startsWith(`${tool}.`) && !/\.(out|err)$/.test(name))
      if (input === undefined) throw new Error(`${PAGE} has no input of ${tool}`)
      const path = await file(`page/${input.name}`, input.content)
      const { code, out, err } = await pointsman(['import', tool, path])
      expect(out).toBe(named(`${tool}.out`))
      const said = blocks.some(({ name }) => name === `${tool}.err`) ? named(`${tool}.err`) : ''
      expect(err.replaceAll(path, input.name)).toBe(said)
      expect(code).toBe(said === '' ? 0 : 11)
      await assertValid(out)
    }
  })
})

describe('where it goes', () => {
  const SAVED = '-A -t 10.0.0.1:80 -s rr\n-a -t 10.0.0.1:80 -r 10.0.1.1:80 -m -w 1\n'

  test('to standard output, from standard input', async () => {
    const { code, out, err } = await pointsman(['import', 'ipvsadm', '-'], { input: SAVED })
    expect({ code, err }).toEqual({ code: 0, err: '' })
    expect(out).toContain('listen: 10.0.0.1:80')
    await assertValid(out)
  })

  test('to a file, which is not replaced unless that is said, nor for everybody to read', async () => {
    const saved = await file('saved', SAVED)
    const path = join(directory, 'written.yaml')
    expect(await pointsman(['import', 'ipvsadm', saved, '-o', path])).toEqual({ code: 0, out: '', err: '' })
    expect((await stat(path)).mode & 0o007).toBe(0)
    await writeFile(path, 'mine')
    const again = await pointsman(['import', 'ipvsadm', saved, '-o', path])
    expect(again).toEqual({
      code: 33,
      out: '',
      err: `pointsman: ${path} is there already: write --force to replace it, or name another file.\n`,
    })
    expect(await readFile(path, 'utf8')).toBe('mine')
    expect((await pointsman(['import', 'ipvsadm', saved, '-o', path, '--force'])).code).toBe(0)
    await assertValid(await readFile(path, 'utf8'))
    const nowhere = await pointsman(['import', 'ipvsadm', saved, '-o', join(directory, 'none', 'x.yaml')])
    expect(nowhere).toMatchObject({ code: 47, out: '' })
  })

  test('to a file whole or not at all: a daemon may follow the one that is there, and a part of a configuration may be valid', async () => {
    const table = Array.from({ length: 200 }, (_, number) => `-A -t 10.0.${number}.1:80 -s rr`).join('\n')
    const saved = await file('large.saved', table)
    const path = await file('followed/pointsman.yaml', 'services: []\n')
    await chmod(path, 0o604)
    const into = (target: string, ...more: string[]) =>
      pointsman(['import', 'ipvsadm', saved, '-o', target, ...more], { largestFile: 8192 })
    expect(await into(path, '--force')).toMatchObject({ code: 47, err: expect.stringContaining('(EFBIG)') })
    expect(await readFile(path, 'utf8')).toBe('services: []\n')
    expect(await into(join(directory, 'followed', 'new.yaml'))).toMatchObject({ code: 47 })
    expect(readdirSync(join(directory, 'followed'))).toEqual(['pointsman.yaml'])
    const link = join(directory, 'link.yaml')
    await symlink(path, link)
    expect((await pointsman(['import', 'ipvsadm', saved, '-o', link, '--force'])).code).toBe(0)
    await assertValid(await readFile(path, 'utf8'))
    expect((await stat(path)).mode & 0o777).toBe(0o604)
    expect(readdirSync(join(directory, 'followed'))).toEqual(['pointsman.yaml'])
  })

  test('as JSON with both', async () => {
    const path = await file('k.conf', 'global_defs {\n router_id x\n}\nvirtual_server 10.0.0.1 80 {\n}\n')
    const { code, out } = await pointsman(['import', 'keepalived', path, '--json'])
    expect(code).toBe(11)
    const json = JSON.parse(out)
    expect(json.left_out).toEqual([
      { file: path, line: 2, directive: 'router_id x', reason: expect.any(String), remedy: expect.any(String) },
    ])
    await assertValid(json.configuration)
  })
})

describe('what is not understood', () => {
  test.each<[string, string[], number, RegExp]>([
    [
      'an unknown tool',
      ['import', 'haproxy', 'x'],
      2,
      /^pointsman: command-argument value 'haproxy' is invalid for argument 'tool'\. Allowed choices are/,
    ],
    ['no tool', ['import'], 2, /missing required argument 'tool'/],
    ['no file', ['import', 'keepalived'], 33, /^pointsman: No file is named: write `pointsman import keepalived FILE`, or -/],
    ['no such file', ['import', 'keepalived', '/nowhere/k.conf'], 30, /^\/nowhere\/k\.conf: there is no such file; /],
    ['no such file of YAML', ['import', 'kglb', '/nowhere/k.json'], 30, /there is no such file/],
    ['an output without a name', ['import', 'ezlb', '-', '-o', ''], 33, /^pointsman: --output is empty/],
  ])('%s', async (_, args, code, sentence) => {
    const outcome = await pointsman(args)
    expect(outcome).toMatchObject({ code, out: '' })
    expect(outcome.err).toMatch(sentence)
    expect(outcome.err).not.toMatch(/^\s+at /m)
  })

  test.each<[string, string, RegExp]>([
    ['keepalived', 'virtual_server 10.0.0.1 80 {\n', /^-:1:1: the block of virtual_server has no end/],
    ['keepalived', 'frontend web\n', /^-:1:1: nothing in this file is of keepalived; name a keepalived\.conf/],
    ['ipvsadm', 'nothing of the kind\n', /^-:1:1: this is no line that ipvsadm -S writes/],
    ['ezlb', 'services: {}\n', /^-:1:1: this is no file of ezlb; name one with a list of services/],
    ['ipvsctl', '\t- x\n', /^-:1:1: /],
    ['kglb', '{"balancers": 3}', /^-:1:1: this is no file of kglb/],
  ])('a file that is none of %s', async (tool, input, sentence) => {
    const { code, out, err } = await pointsman(['import', tool, '-'], { input })
    expect({ code, out }).toEqual({ code: 32, out: '' })
    expect(err).toMatch(sentence)
    const json = JSON.parse((await pointsman(['import', tool, '-', '--json'], { input })).out)
    expect(json.error).toMatchObject({ code: 'CONFIG_INVALID', exit: 32 })
  })
})

describe('keepalived in several files', () => {
  test('is read by patterns; lines of other hosts are left out where the host is named', async () => {
    await file('ka/conf.d/a.conf', '@lb1 virtual_server 10.0.0.1 80 {\n@lb1 }\n')
    await file('ka/conf.d/b.conf', '@lb2 virtual_server 10.0.0.2 80 {\n@lb2 }\n')
    const path = await file('ka/keepalived.conf', 'include conf.d/*.conf\n')
    const unnamed = await pointsman(['import', 'keepalived', path])
    expect(unnamed.code).toBe(11)
    expect(unnamed.err).toContain(`${join(directory, 'ka/conf.d/a.conf')}:1: @lb1 virtual_server 10.0.0.1 80 {: `)
    const named = await pointsman(['import', 'keepalived', path, '--config-id', 'lb2'])
    expect(named).toMatchObject({ code: 0, err: '' })
    expect(named.out).toContain('listen: 10.0.0.2:80')
    expect(named.out).not.toContain('10.0.0.1')
  })

  test('a link that leads nowhere is named', async () => {
    const path = await file('linked/keepalived.conf', 'include conf.d/*.conf\n')
    await file('linked/conf.d/a.conf', 'virtual_server 10.0.0.1 80 {\n}\n')
    const link = join(directory, 'linked/conf.d/b.conf')
    await symlink('/nowhere', link)
    const { code, err } = await pointsman(['import', 'keepalived', path])
    expect({ code, err }).toEqual({ code: 30, err: `${link}: there is no such file; check the path, or create the file\n` })
  })
})

describe('parameters of ipvsctl', () => {
  const MODEL = `services:
  - address: "tcp://\${some.ip}:\${env.PORT}"
    destinations: [{ address: "\${some.ip}:1000", forward: nat }]
`

  test('stay parameters where they stand for something here', async () => {
    const parameters = await file('params.yaml', 'some: { ip: 10.5.4.3 }\n')
    const more = await file('more.json', '{}')
    const { code, out, err } = await pointsman(['import', 'ipvsctl', '--params-file', parameters, '--params-file', more, '-'], {
      input: MODEL,
      environment: { PORT: '8080' },
    })
    expect({ code, err }).toEqual({ code: 0, err: '' })
    expect(out).toContain(`\${some.ip}:\${env.PORT}`)
    expect(out).toContain(`files: [ ${parameters}, ${more} ]`)
  })

  test('need their documents', async () => {
    const { code, out, err } = await pointsman(['import', 'ipvsctl', '-', '--params-file', '/nowhere/p.yaml'], { input: MODEL })
    expect({ code, out }).toEqual({ code: 32, out: '' })
    expect(err).toMatch(/\/nowhere\/p\.yaml.*there is no such file/)
  })

  test('are listed where they do not', async () => {
    const { code, err } = await pointsman(['import', 'ipvsctl', '-'], { input: MODEL })
    expect(code).toBe(11)
    expect(err).toMatch(/^-:2: service tcp\/\$\{some\.ip\}/)
  })
})

describe('a variable that stands for a setting', () => {
  test('says nothing about the file', async () => {
    const environment = { POINTSMAN_LOG_LEVEL: 'chatty' }
    expect(await pointsman(['import', 'ezlb', '-'], { input: 'services: []\n', environment })).toMatchObject({ code: 0 })
  })
})

test.skipIf(existsSync('/proc/net/ip_vs'))('the live table of a kernel without IPVS is the failure of get', async () => {
  expect(await pointsman(['import', 'ipvsadm'])).toMatchObject({
    code: 20,
    out: '',
    err: expect.stringMatching(/^pointsman: This kernel has no IPVS/),
  })
})

const samples = process.env['POINTSMAN_SAMPLES']

/** Files that other projects ship, by the name of their tool. They are not ours to copy; POINTSMAN_SAMPLES says where they are. */
describe.skipIf(samples === undefined)('samples of other projects (only where POINTSMAN_SAMPLES names their directory)', () => {
  const found = ['keepalived', 'ezlb', 'ipvsctl', 'kglb'].flatMap((tool) =>
    samples !== undefined && existsSync(join(samples, tool))
      ? readdirSync(join(samples, tool)).map((name) => ({ tool, name }))
      : [],
  )

  test.each(found)('$tool/$name comes to a valid configuration, and what is left out has lines', async ({ tool, name }) => {
    const path = join(samples ?? '', tool, name)
    const { code, out, err } = await pointsman(['import', tool, path])
    if (name.startsWith('params-file')) {
      expect({ code, out }).toEqual({ code: 32, out: '' })
      return
    }
    expect([0, 11]).toContain(code)
    await assertValid(out)
    const told = err.split('\n').filter((line) => line !== '' && !line.startsWith('pointsman: '))
    expect(told.every((line) => /^\S+:\d+: \S.*: .*; /.test(line))).toBe(true)
  })
})
