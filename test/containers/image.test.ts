import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { command } from '../lab/command.ts'
import { blockOf } from '../support/doc-examples.ts'
import { importBaseImage } from './support/base-image.ts'
import { builders } from './support/builders.ts'
import { clientEnvironment } from './support/engine.ts'
import { type ImageContext, imageContext } from './support/image-context.ts'
import { withEnvironment } from './support/import-image.ts'

/** Milliseconds. */
const PATIENCE = 300_000

let env: Readonly<Record<string, string>> = {}
let context: ImageContext

beforeAll(async () => {
  env = await clientEnvironment(inject('engine').host)
  context = await imageContext()
  await importBaseImage(env)
}, PATIENCE)

afterAll(() => context.remove())

function docker(...args: string[]): Promise<string> {
  return command([...withEnvironment(env), 'docker', ...args], { timeoutMs: PATIENCE })
}

const run = (...args: string[]) => docker('run', '--rm', '--network', 'none', '--cap-add', 'NET_ADMIN', ...args)

describe.each(builders.map((builder, index) => ({ ...builder, image: `pointsman-test/pointsman-${index}` })))(
  'an image made by $name',
  ({ build, image }) => {
    beforeAll(() => build({ env, context: context.path, image }), PATIENCE)

    test('runs the program, whose configuration is valid', async () => {
      expect(await run(image, 'version')).toMatch(/^pointsman \d.* Node v24\./)
      expect(await run(image, 'validate')).toContain('valid, 0 services')
    })

    test('runs it not as root, with the rights that it needs and no other, and lets it write its state', async () => {
      const script = `
      const { readFileSync, writeFileSync } = require('node:fs')
      writeFileSync('/var/lib/pointsman/try', '')
      console.log(JSON.stringify({ uid: process.getuid(), name: require('node:os').userInfo().username, effective: /CapEff:\\s*(\\w+)/.exec(readFileSync('/proc/self/status', 'utf8'))[1] }))`
      const said = await run('--read-only', '--tmpfs', '/tmp', '--entrypoint', '/usr/lib/pointsman/node', image, '-e', script)
      // Bits 12 and 13: CAP_NET_ADMIN, CAP_NET_RAW.
      expect(JSON.parse(said)).toEqual({ uid: 65532, name: 'pointsman', effective: '0000000000003000' })
    })

    test('starts the daemon by default, which reaches the kernel', async () => {
      const said = await run(image).catch(String)
      // A kernel with IPVS would let it run for ever; the machines of these tests have none.
      expect(said).toMatch(/no IPVS/)
    })

    test('is run by the command of docs/install.md, with the configuration and the state that it names', async () => {
      const block = blockOf('docs/install.md', 'sh', 'npm run deb && docker build')
      const line = block.slice(block.indexOf('docker run ')).replaceAll('\\\n', ' ')
      // The folder of the configuration would be this machine's.
      const configuration = join(context.path, 'etc')
      mkdirSync(configuration, { recursive: true })
      writeFileSync(join(configuration, 'pointsman.yaml'), 'services: none\n')
      await docker('tag', image, 'pointsman:0.1.0')
      const variables = Object.entries(env).map(([key, value]) => `${key}=${value}`)
      const asWritten = line.replace('/etc/pointsman:', `${configuration}:`)
      await command(['env', ...variables, 'sh', '-c', asWritten], { timeoutMs: PATIENCE })
      await docker('wait', 'pointsman')
      const said = await command(['env', ...variables, 'sh', '-c', 'docker logs pointsman 2>&1'])
      expect(said).toMatch(/pointsman\.yaml:1:\d+: services/)
      await docker('rm', 'pointsman')
      await docker('volume', 'rm', 'pointsman')
    })

    test('has for its health what the daemon answers at its socket', async () => {
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
  },
)
