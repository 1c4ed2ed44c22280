import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { chmod, chown, readFile, writeFile } from 'node:fs/promises'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { promisify } from 'node:util'
import { describe, expect, onTestFinished, test } from 'vitest'
import { runHook } from '../../src/daemon/hook-exec.ts'
import { parseExposition, sampleOf } from '../unit/admin/exposition-parser.ts'
import { command } from '../unit/daemon/command.ts'
import { type DaemonRig, startDaemon, yamlOf } from '../unit/daemon/rig.ts'
import { scratchDirectory } from './scratch.ts'

const until = (look: () => unknown) => expect.poll(look, { interval: 20, timeout: 8_000 })

const SERVICES =
  '\n  - { name: web, listen: 10.0.0.1:80, health_check: { enabled: false }, backends: [10.0.1.1:80, 10.0.1.2:80] }'

async function program(directory: string, script: string, name = 'hook'): Promise<string> {
  const path = join(directory, name)
  await writeFile(path, `#!/bin/sh\n${script}\n`)
  await chmod(path, 0o755)
  return path
}

async function webhook(answer: (request: IncomingMessage, response: ServerResponse) => unknown): Promise<string> {
  const server = createServer((request, response) => void answer(request, response))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  return `http://127.0.0.1:${address.port}/s3cret`
}

async function daemon(hooks: string, directory: string): Promise<DaemonRig> {
  const rig = await startDaemon((d, port) => yamlOf(d, port, SERVICES, `hooks: ${hooks}`), { directory })
  await until(() => rig.log.some(({ msg }) => msg.startsWith('ready'))).toBe(true)
  return rig
}

function drain(rig: DaemonRig, ...args: string[]) {
  return command('drain', 'web', ...args, '--state-dir', join(rig.directory, 'state'))
}

async function runs(rig: DaemonRig, hook: string, result: string): Promise<number | undefined> {
  return sampleOf(parseExposition((await rig.fetch('/metrics')).text), 'pointsman_hook_runs_total', { hook, result })
}

async function lines(path: string): Promise<string[]> {
  return (await readFile(path, 'utf8').catch(() => '')).split('\n').filter((line) => line !== '')
}

/** Whether a process lives; a zombie does not. */
async function lives(pid: string): Promise<boolean> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '')
  return stat !== '' && !/\) Z /.test(stat)
}

describe('hooks of a running daemon', () => {
  test('are told of the operator’s word, the program by its input and its environment, the web server by a body', async () => {
    const directory = await scratchDirectory()
    const out = join(directory, 'told')
    const path = await program(directory, `{ cat; echo "$1 $POINTSMAN_BACKEND $POINTSMAN_TO $HOME"; } >> "$2"`)
    const bodies: string[] = []
    const url = await webhook(async (request, response) => {
      bodies.push(`${request.method} ${request.headers['content-type']} ${await text(request)}`)
      response.end()
    })
    const rig = await daemon(`{ exec: [${path}, "two words", ${out}], webhook: ${url}, on: [operator, serving] }`, directory)
    await drain(rig, '10.0.1.1:80', '--reason', 'disk')
    await until(async () => (await lines(out)).length).toBe(4)
    const [told = '', environment] = await lines(out)
    expect(JSON.parse(told)).toMatchObject({
      at: expect.stringMatching(/^\d{4}-/),
      kind: 'operator',
      service: 'web',
      vip: 'tcp/10.0.0.1:80',
      backend: '10.0.1.1:80',
      from: 'ready',
      to: 'drain',
      cause: 'operator',
      reasons: ['drain because disk'],
    })
    const [, shown = ''] = /```json\n(.*?)```/s.exec(await readFile('docs/hooks.md', 'utf8')) ?? []
    expect(Object.keys(JSON.parse(told))).toEqual(Object.keys(JSON.parse(shown)))
    expect(environment).toBe('two words 10.0.1.1:80 drain ')
    await until(() => bodies.length).toBe(2)
    expect(bodies.map((body) => body.split(' ').slice(0, 2))).toEqual([
      ['POST', 'application/json'],
      ['POST', 'application/json'],
    ])
    expect(JSON.parse(bodies[1]?.split(' ').slice(2).join(' ') ?? '')).toMatchObject({ kind: 'serving', to: 'does not serve' })
    await until(() => runs(rig, 'exec', 'ok')).toBe(2)
    await until(() => runs(rig, 'webhook', 'ok')).toBe(2)
  })

  test('that hang hold up nothing, and are ended with all that they started', async () => {
    const directory = await scratchDirectory()
    const out = join(directory, 'pids')
    const path = await program(directory, `sleep 600 & echo $! >> ${out}; echo $$ >> ${out}; sleep 600`)
    const rig = await daemon(`{ exec: [${path}], timeout: 3s, on: [operator] }`, directory)
    expect((await drain(rig, '10.0.1.1:80')).code).toBe(0)
    await until(() => rig.log.some(({ backend, to }) => backend === '10.0.1.1:80' && to === 'weight 0')).toBe(true)
    expect(rig.log.some(({ hook }) => hook === 'exec')).toBe(false)
    await until(() => runs(rig, 'exec', 'timeout')).toBe(1)
    const pids = await lines(out)
    expect(pids).toHaveLength(2)
    await until(async () => (await Promise.all(pids.map(lives))).some(Boolean)).toBe(false)
    expect(rig.log.find(({ hook }) => hook === 'exec')).toMatchObject({ level: 'warn', result: 'timeout' })
  })

  test('that fail are said once, without the address, and said again when they work', async () => {
    const directory = await scratchDirectory()
    let status = 500
    const url = await webhook((request, response) => {
      request.resume()
      response.writeHead(status, status === 302 ? { location: '/elsewhere' } : {}).end()
    })
    const rig = await daemon(`{ webhook: ${url}, on: [operator] }`, directory)
    await drain(rig, '10.0.1.1:80', '--reason', 'one')
    await until(() => runs(rig, 'webhook', 'failed')).toBe(1)
    status = 302
    await drain(rig, '10.0.1.1:80', '--reason', 'two')
    await until(() => runs(rig, 'webhook', 'failed')).toBe(2)
    status = 204
    await drain(rig, '10.0.1.1:80', '--reason', 'three')
    await until(() => rig.log.filter(({ hook }) => hook === 'webhook').map(({ msg }) => msg)).toEqual([
      'the webhook hook fails: the web server answers with status 500 (further failures are counted and not logged)',
      'the webhook hook works again',
    ])
    expect(JSON.stringify(rig.log)).not.toContain('s3cret')
  })

  test('a web server that never ends its answer, or is not there', async () => {
    const directory = await scratchDirectory()
    const url = await webhook((request, response) => {
      request.resume()
      response.write('x')
    })
    const rig = await daemon(`{ webhook: ${url}, on: [operator] }`, directory)
    await drain(rig, '10.0.1.1:80')
    await until(() => runs(rig, 'webhook', 'ok')).toBe(1)
    const hooks = 'hooks: { webhook: "http://127.0.0.1:1/s3cret", on: [operator] }'
    await rig.reconfigure(yamlOf(directory, 1, SERVICES, hooks))
    await until(() => rig.log.some(({ msg }) => msg === 'the new configuration is in force')).toBe(true)
    await drain(rig, '10.0.1.2:80', '--force')
    await until(() => rig.log.find(({ hook }) => hook === 'webhook')?.msg).toMatch(
      /cannot be reached \((ECONNREFUSED|no connection)\)/,
    )
  })

  test('run programs when the quorum is had and lost, one after the other', async () => {
    const directory = await scratchDirectory()
    const out = join(directory, 'told')
    const up = await program(directory, `sleep 0.3; echo "$1 $POINTSMAN_SERVICE" >> ${out}`, 'up')
    const down = await program(directory, `echo "$1 $POINTSMAN_SERVICE" >> ${out}`, 'down')
    const rig = await startDaemon(
      (d, port) =>
        yamlOf(
          d,
          port,
          SERVICES.replace('name: web,', 'name: web, debounce: { min: 0s, max: 0s }, quorum: { min: 2 },'),
          `hooks: { quorum_up: [${up}, had], quorum_down: [${down}, lost] }`,
        ),
      { directory },
    )
    await until(() => rig.log.some(({ msg }) => msg.startsWith('ready'))).toBe(true)
    await drain(rig, '10.0.1.1:80')
    await until(() => rig.log.some(({ kind, to }) => kind === 'quorum' && to === 'lost')).toBe(true)
    await command('undrain', 'web', '10.0.1.1:80', '--state-dir', join(directory, 'state'))
    await until(() => lines(out)).toEqual(['had web', 'lost web', 'had web'])
    expect(rig.log.find(({ kind, to }) => kind === 'quorum' && to === 'lost')).toMatchObject({
      level: 'warn',
      service: 'web',
      reasons: ['1 by count, 2 are asked for'],
    })
    await until(() => runs(rig, 'quorum', 'ok')).toBe(3)
  })

  test('are few at a time, and told of what still waits when the daemon ends', async () => {
    const directory = await scratchDirectory()
    const out = join(directory, 'told')
    const path = await program(directory, `cat > /dev/null; sleep 0.3; echo "$POINTSMAN_TO" >> ${out}`)
    const rig = await daemon(`{ exec: [${path}], on: [operator] }`, directory)
    await drain(rig, '10.0.1.1:80')
    await command('maintenance', 'web', '10.0.1.1:80', '--state-dir', join(directory, 'state'))
    await command('undrain', 'web', '10.0.1.1:80', '--state-dir', join(directory, 'state'))
    await rig.stop()
    expect(await lines(out)).toEqual(['drain', 'maintenance', 'ready'])
  })
})

describe('a program', () => {
  const none = () => new AbortController().signal

  test.each([
    ['exit 3', 'exits with 3'],
    ['kill -9 $$', 'was ended by SIGKILL'],
  ])('that does not succeed: %s', async (script, sentence) => {
    const path = await program(await scratchDirectory(), script)
    await expect(runHook([path], '{}', {}, none())).rejects.toThrow(sentence)
  })

  test('that finds no file descriptor left says that', async () => {
    const program = `
      import { closeSync, openSync } from 'node:fs'
      import { runHook } from '${new URL('../../src/daemon/hook-exec.ts', import.meta.url)}'
      const run = () => runHook(['/bin/true'], '{}', {}, AbortSignal.timeout(10_000)).then(() => 'well', ({ message }) => message)
      const taken = []
      try { for (;;) taken.push(openSync('/dev/null')) } catch {}
      const without = await run()
      for (const one of taken) closeSync(one)
      console.log(JSON.stringify([without, await run()]))`
    const script = 'ulimit -n 80; exec "$0" --input-type=module --eval "$1"'
    const { stdout } = await promisify(execFile)('sh', ['-c', script, process.execPath, program], { timeout: 30_000 })
    expect(JSON.parse(stdout)).toEqual(['/bin/true cannot be run (EMFILE)', 'well'])
  })

  test('that does not exist, or is none', async () => {
    const directory = await scratchDirectory()
    await expect(runHook([join(directory, 'none')], '{}', {}, none())).rejects.toThrow('cannot be run (ENOENT)')
    await writeFile(join(directory, 'text'), 'x')
    await expect(runHook([join(directory, 'text')], '{}', {}, none())).rejects.toThrow('cannot be run (EACCES)')
  })

  test('that reads nothing is told of a lot all the same', async () => {
    const path = await program(await scratchDirectory(), 'exit 0')
    await runHook([path], 'x'.repeat(1_000_000), {}, none())
  })

  test('that others may change is not run', async () => {
    const directory = await scratchDirectory()
    const path = await program(directory, `touch ${directory}/ran`)
    await chmod(path, 0o775)
    await expect(runHook([path], '{}', {}, none())).rejects.toThrow(`${path} can be changed by others`)
    await chmod(path, 0o755)
    await chmod(directory, 0o777)
    await expect(runHook([path], '{}', {}, none())).rejects.toThrow(`${directory} can be changed by others`)
    await chmod(directory, 0o700)
    await runHook([path], '{}', {}, none())
  })

  test.runIf(process.getuid?.() === 0)('of another user is not run', async () => {
    const path = await program(await scratchDirectory(), 'exit 0')
    await chown(path, 65_534, 65_534)
    await expect(runHook([path], '{}', {}, none())).rejects.toThrow('can be changed by others')
  })
})
