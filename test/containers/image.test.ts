import { cpSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { command } from '../lab/command.ts'
import { baseImage, importBaseImage } from './support/base-image.ts'
import { clientEnvironment } from './support/engine.ts'

const image = 'pointsman-test/pointsman'
/** Milliseconds. */
const PATIENCE = 300_000

let env: Readonly<Record<string, string>> = {}
let context = ''

beforeAll(async () => {
  env = await clientEnvironment(inject('engine').host)
  context = mkdtempSync(join(tmpdir(), 'pointsman-image-'))
  await command(['node', 'tools/deb.mjs', '--fast', join(context, 'dist')], { timeoutMs: PATIENCE })
  mkdirSync(join(context, 'deploy'))
  cpSync('deploy/container', join(context, 'deploy/container'), { recursive: true })
  cpSync('.dockerignore', join(context, '.dockerignore'))
  await importBaseImage(env)
  const options = ['--network', 'none', '--build-arg', `BASE=${baseImage}`, '-t', image]
  await docker('build', ...options, '-f', join(context, 'deploy/container/Dockerfile'), context)
}, PATIENCE)

afterAll(() => rmSync(context, { recursive: true, force: true }))

function docker(...args: string[]): Promise<string> {
  const variables = Object.entries(env).map(([key, value]) => `${key}=${value}`)
  return command(['env', ...variables, 'docker', ...args], { timeoutMs: PATIENCE })
}

const run = (...args: string[]) => docker('run', '--rm', '--network', 'none', '--cap-add', 'NET_ADMIN', ...args)

test('the image runs the program, whose configuration is valid', async () => {
  expect(await run(image, 'version')).toMatch(/^pointsman \d.* Node v24\./)
  expect(await run(image, 'validate')).toContain('valid, 0 services')
})

test('the program is not root, has the rights that it needs and no other, and may write its state', async () => {
  const script = `
    const { readFileSync, writeFileSync } = require('node:fs')
    writeFileSync('/var/lib/pointsman/try', '')
    console.log(JSON.stringify({ uid: process.getuid(), name: require('node:os').userInfo().username, effective: /CapEff:\\s*(\\w+)/.exec(readFileSync('/proc/self/status', 'utf8'))[1] }))`
  const said = await run('--read-only', '--tmpfs', '/tmp', '--entrypoint', '/usr/lib/pointsman/node', image, '-e', script)
  // Bits 12 and 13: CAP_NET_ADMIN, CAP_NET_RAW.
  expect(JSON.parse(said)).toEqual({ uid: 65532, name: 'pointsman', effective: '0000000000003000' })
})

test('it starts the daemon by default, which reaches the kernel', async () => {
  const said = await run(image).catch(String)
  // A kernel with IPVS would let it run for ever; the machines of these tests have none.
  expect(said).toMatch(/no IPVS/)
})

test('its health is what the daemon answers at its socket', async () => {
  const daemon = `
    const { statSync } = require('node:fs')
    let status = 200
    process.on('SIGUSR2', () => { status = 503 })
    require('node:http')
      .createServer((request, response) => { response.statusCode = request.url === '/healthz' ? status : 404; response.end('{}') })
      .listen('/var/lib/pointsman/admin-' + statSync('/proc/self/ns/net').ino + '.sock')`
  const options = ['--detach', '--network', 'none', '--cap-add', 'NET_ADMIN']
  const node = '/usr/lib/pointsman/node'
  const silent = (await docker('run', ...options, '--entrypoint', node, image, '-e', 'setInterval(() => {}, 1e6)')).trim()
  const healthy = (await docker('run', ...options, '--entrypoint', node, image, '-e', daemon)).trim()
  const [first, ...check] = JSON.parse(
    await docker('inspect', '--format', '{{json .Config.Healthcheck.Test}}', healthy),
  ) as string[]
  expect(first).toBe('CMD')
  const ask = (container: string) => docker('exec', container, ...check).then(() => 'healthy', String)

  expect(await ask(silent)).toMatch(/failed/)
  await expect.poll(() => ask(healthy), { timeout: 20_000 }).toBe('healthy')
  await docker('kill', '--signal', 'USR2', healthy)
  await expect.poll(() => ask(healthy), { timeout: 20_000 }).toMatch(/failed/)
  await docker('rm', '--force', silent, healthy)
})
