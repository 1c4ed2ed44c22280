import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
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

const GOOD = 'services:\n  - { name: web, listen: 10.0.0.1:80, backends: [10.0.1.1:80] }\n'
const hasIpvs = existsSync('/proc/net/ip_vs')

describe('usage', () => {
  test.each<[string, string[], RegExp]>([
    ['no command', [], /^Usage: pointsman/],
    ['an unknown command', ['strat'], /^pointsman: unknown command 'strat'\n\(Did you mean start\?\)\n$/],
    ['an unknown option', ['validate', '--conifg', 'x'], /^pointsman: unknown option '--conifg'/],
    ['an argument too many', ['version', 'now'], /^pointsman: too many arguments/],
    ...['validate', 'plan'].map((command): [string, string[], RegExp] => [
      `${command} with two files`,
      [command, '-c', 'bad.yaml', '-f', 'good.yaml'],
      /^pointsman: option '-f, --file <file>' cannot be used with option '-c, --config <file>'\n$/,
    ]),
    ['apply without a file', ['apply'], /^pointsman: required option '-f, --file <file>' not specified\n$/],
    ['--version behind a command', ['validate', '--version'], /^pointsman: unknown option '--version'/],
    ['an option without its value', ['start', '--log-level'], /^pointsman: option '--log-level <level>' argument missing\n$/],
  ])('%s ends with 2 and a sentence', async (_, args, sentence) => {
    const { code, out, err } = await pointsman(args)
    expect({ code, out }).toEqual({ code: 2, out: '' })
    expect(err).toMatch(sentence)
  })

  test('help is an answer, not a failure', async () => {
    const { code, out } = await pointsman(['start', '--help'])
    expect(code).toBe(0)
    expect(out).toContain('--resync-interval <duration>')
  })
})

test('version, for people and for programs', async () => {
  const { out } = await pointsman(['version'])
  expect(out).toMatch(/^pointsman \d+\.\d+\.\d+ \(.*Node v\d+.*, Linux /)
  expect(await pointsman(['--version'])).toEqual({ code: 0, out, err: '' })
  expect(await pointsman(['--version', '--json'])).toMatchObject({ code: 0, out: expect.stringMatching(/^\{/) })
  const json = JSON.parse((await pointsman(['version', '--json'])).out)
  expect(json).toMatchObject({ version: expect.any(String), node: process.version, kernel: expect.any(String) })
})

describe('validate', () => {
  test('a good file', async () => {
    const path = await file('good.yaml', GOOD)
    expect(await pointsman(['validate', '-c', path])).toMatchObject({ code: 0, out: `${path}: valid, 1 service.\n` })
    const json = JSON.parse((await pointsman(['validate', '-c', path, '--json'])).out)
    expect(json).toMatchObject({ valid: true, services: 1 })
  })

  test('a file with a catalog', async () => {
    const catalog = 'catalog: [{ consul: , allow: [{ service: web-*, listen: [10.0.0.0/24:80] }] }]\n'
    const path = await file('catalog.yaml', `services: []\n${catalog}`)
    expect(await pointsman(['validate', '-c', path])).toMatchObject({ code: 0, out: `${path}: valid, 0 services, 1 catalog.\n` })
    const json = JSON.parse((await pointsman(['validate', '-c', path, '--json'])).out)
    expect(json).toMatchObject({ valid: true, services: 0, catalogs: 1 })
  })

  test('a file in the manner of ezlb, without a word', async () => {
    const path = 'test/unit/config/fixtures/ezlb-short.yaml'
    const { code, out, err } = await pointsman(['validate', '-c', path])
    expect({ code, out }).toEqual({ code: 0, out: `${path}: valid, 3 services.\n` })
    expect(err).toBe('')
  })

  test('standard input, relative to nothing', async () => {
    const start = ['--shadow', '--journal', 'x', '--journal-limit', '1MiB', '--on-exit', 'drain']
    expect(await pointsman(['validate', ...start, '-f', '-'], { input: GOOD })).toMatchObject({ code: 0 })
    expect(await pointsman(['validate', '--journal-limit', '1MiB', '-f', '-'], { input: GOOD })).toMatchObject({ code: 33 })
    expect(await pointsman(['validate', '-f', '-'], { input: GOOD })).toMatchObject({ code: 0, out: '-: valid, 1 service.\n' })
  })

  test('all problems at once, each with its place; no stack', async () => {
    const path = await file(
      'bad.yaml',
      'services:\n  - { name: a, listen: 10.0.0.1:http, backends: [] }\n  - { name: b, listen: x, backends: [] }\n',
    )
    const { code, out, err } = await pointsman(['validate', '-c', path])
    expect({ code, out }).toEqual({ code: 32, out: '' })
    expect(err).toContain(`${path}:2:`)
    expect(err).toContain(`${path}:3:`)
    expect(err).not.toMatch(/^\s+at /m)
    const json = JSON.parse((await pointsman(['validate', '-c', path, '--json'])).out)
    expect(json.valid).toBe(false)
    expect(json.issues.length).toBeGreaterThanOrEqual(2)
    expect(json.issues[0]).toMatchObject({ file: path, line: 2, problem: expect.any(String), remedy: expect.any(String) })
  })

  test.each<[string, string | Buffer, number]>([
    ['an empty file', '', 32],
    ['a tab', 'services:\n\t- {}\n', 32],
    ['binary', Buffer.from([0, 1, 2, 255, 254]).toString('latin1'), 32],
  ])('%s is refused', async (name, content, expected) => {
    const path = await file(`${name.replaceAll(' ', '-')}.yaml`, `${content}`)
    const { code, err } = await pointsman(['validate', '-c', path])
    expect(code).toBe(expected)
    expect(err).toContain(path)
    expect(err).not.toMatch(/^\s+at /m)
  })

  test('a file that is too large is not even read', async () => {
    const path = await file('large.yaml', 'x'.repeat(9 * 1024 * 1024))
    const { code, err } = await pointsman(['validate', '-c', path])
    expect(code).toBe(30)
    expect(err).toContain('more than the')
    expect((await pointsman(['validate', '-f', '-'], { input: 'x'.repeat(9 * 1024 * 1024) })).code).toBe(30)
  })

  test('a file that is not there, a directory', async () => {
    const missing = await pointsman(['validate', '-c', join(directory, 'nope.yaml')])
    expect(missing).toMatchObject({ code: 30, out: '' })
    expect(missing.err).toContain('there is no such file')
    expect(await pointsman(['validate', '-c', directory])).toMatchObject({ code: 30 })
    const json = JSON.parse((await pointsman(['plan', '-c', join(directory, 'nope.yaml'), '--json'])).out)
    expect(json.error).toMatchObject({ code: 'CONFIG_UNREADABLE', exit: 30 })
  })

  test('flags and variables are checked too', async () => {
    const path = await file('flags.yaml', GOOD)
    const flag = await pointsman(['validate', '-c', path, '--resync-interval', 'soon'])
    expect(flag.code).toBe(33)
    expect(flag.err).toContain('--resync-interval')
    const variable = await pointsman(['validate', '-c', path], { environment: { POINTSMAN_LOG_LEVEL: 'chatty' } })
    expect(variable.code).toBe(33)
    expect(variable.err).toContain('POINTSMAN_LOG_LEVEL')
    const bad = await file('flags-and-file.yaml', 'services: 7\n')
    const both = await pointsman(['validate', '-c', bad, '--resync-interval', 'soon'])
    expect(both.code).toBe(32)
    expect(both.err).toMatch(/flags-and-file\.yaml:1:[\s\S]*--resync-interval: /)
  })
})

describe('options with values that make no sense', () => {
  test.each<[string, string[], RegExp]>([
    ['a duration without unit', ['start', '--resync-interval', '30'], /^--resync-interval: 30 has no unit; write 30s /],
    ['a level that is none', ['start', '--log-level', 'loud'], /^--log-level: "loud" is not known; /],
    ['a directory that is not absolute, of get', ['get', '--state-dir', 'rel'], /^--state-dir: "rel" is not an absolute path; /],
    ['of doctor', ['doctor', '--state-dir', 'rel'], /^--state-dir: "rel" is not an absolute path; /],
    ['of approve', ['approve', 'web', '--state-dir', 'rel'], /^--state-dir: "rel" is not an absolute path; /],
    ['of status', ['status', '--state-dir', 'rel'], /^--state-dir: "rel" is not an absolute path; /],
    ['a drain that names nothing', ['drain'], /^pointsman: No service is named: write `pointsman drain SERVICE`, /],
    ['an end without a unit', ['drain', 'web', '--for', '5'], /^pointsman: --for: 5 has no unit; write 5s for seconds /],
    [
      'a weight that is none',
      ['weight', 'web', '10.0.1.1:80', 'x'],
      /^pointsman: weight: "x" is no whole number from 0 to 65535/,
    ],
    ['a colour that is none', ['plan', '--color', 'pink'], /^pointsman: --color: "pink" is not known; write auto, /],
    ['a file without a name', ['validate', '-c', ''], /^pointsman: --config is empty: write the name of a file\.\n$/],
    ['the same of apply', ['apply', '-f', ''], /^pointsman: --file is empty: write the name of a file\.\n$/],
  ])('%s ends with 33 and a sentence', async (_, args, sentence) => {
    const path = await file('values.yaml', GOOD)
    const { code, out, err } = await pointsman(args[0] === 'start' ? [...args, '-c', path] : args)
    expect({ code, out }).toEqual({ code: 33, out: '' })
    expect(err).toMatch(sentence)
  })

  test('programs get the code', async () => {
    const { code, out } = await pointsman(['plan', '--color', 'pink', '--json'])
    expect(code).toBe(33)
    expect(JSON.parse(out).error).toMatchObject({ code: 'BAD_INPUT', exit: 33 })
    const variable = await pointsman(['get', '--json'], { environment: { POINTSMAN_STATE_DIR: 'rel' } })
    expect(variable.code).toBe(33)
    expect(JSON.parse(variable.out).error).toMatchObject({ code: 'BAD_INPUT', exit: 33 })
  })

  test('allowed actions', async () => {
    const { code, err } = await pointsman(['apply', '-f', '-', '--allowed-actions', 'as,xx'], { input: GOOD })
    expect(code).toBe(33)
    expect(err).toMatch(/^pointsman: "xx" is not an allowed action: write \* alone, or a list of as \(add a service\), .*\n$/)
  })

  test('start from standard input', async () => {
    expect(await pointsman(['plan', '-f', '-'], { input: 'services: 7' })).toMatchObject({
      code: 32,
      err: expect.stringMatching(/^-:1:11: services: /),
    })
    expect(await pointsman(['start', '-c', '-'], { input: GOOD })).toMatchObject({ code: 33, out: '' })
  })
})

describe.skipIf(hasIpvs)('a kernel without IPVS', () => {
  const state = () => join(directory, 'state')

  test.each([['start'], ['once'], ['plan']])('%s ends with 20, the cause and the cure', async (command) => {
    const path = await file('kernel.yaml', GOOD)
    const { code, err } = await pointsman([command, '-c', path, '--state-dir', state()])
    expect(code).toBe(20)
    expect(err).toMatch(/^pointsman: This kernel has no IPVS .*modprobe ip_vs.*\n$/)
  })

  test('get and apply too; with --json programs get the code', async () => {
    expect((await pointsman(['get'])).code).toBe(20)
    const { code, out } = await pointsman(['apply', '-f', '-', '--json', '--state-dir', state()], { input: GOOD })
    expect(code).toBe(20)
    expect(JSON.parse(out).error).toMatchObject({ code: 'IPVS_MISSING', exit: 20 })
  })

  test('doctor reports it among everything else and ends with 42', async () => {
    const path = await file('doctor.yaml', GOOD)
    const { code, out } = await pointsman(['doctor', '-c', path, '--json', '--state-dir', state()])
    expect(code).toBe(42)
    const { ok, checks } = JSON.parse(out) as { ok: boolean; checks: { check: string; verdict: string; message: string }[] }
    expect(ok).toBe(false)
    expect(checks.find(({ check }) => check === 'ip_vs')).toMatchObject({
      verdict: 'fail',
      message: expect.stringContaining('no IPVS'),
    })
    expect(checks.find(({ check }) => check === 'configuration')).toMatchObject({ verdict: 'ok' })
    expect(checks.find(({ check }) => check === 'state directory')).toMatchObject({ verdict: 'ok' })
    expect(existsSync(state())).toBe(false)
  })

  test('doctor goes on without a configuration', async () => {
    const { code, out } = await pointsman(['doctor', '-c', join(directory, 'nope.yaml')])
    expect(code).toBe(42)
    expect(out).toMatch(/^fail {2}configuration /)
    expect(out).toMatch(/^ok {4}other writer /m)
  })
})

test('output into a pipe that is closed early is no failure of ours', async () => {
  const child = spawn(process.execPath, [bundled.path, 'start', '--help'], { stdio: ['ignore', 'pipe', 'pipe'] })
  child.stdout.destroy()
  const [[code], err] = await Promise.all([once(child, 'close'), text(child.stderr)])
  expect({ code, err }).toEqual({ code: 0, err: '' })
})
