/** Lines of the doctor that need no kernel of their own, with real files, processes and servers. Those of the kernel: test/kernel/doctor-cures.test.ts. */

import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import type { Finding } from '../../src/daemon/doctor/facts.ts'
import { BundledProgram } from './bundled-program.ts'

let bundled: BundledProgram

beforeAll(async () => {
  bundled = await BundledProgram.make()
})
afterAll(() => bundled[Symbol.asyncDispose]())

const LISTENER = 'require("net").createServer().listen(+process.argv[1], "127.0.0.1", () => console.log("listening"))'

/** What the doctor says of one thing. */
async function said(config: string, check: string, args: readonly string[] = []): Promise<Finding[]> {
  const { code, out } = await bundled.run(['doctor', '-c', config, '--json', ...args])
  const { ok, checks } = JSON.parse(out) as { ok: boolean; checks: Finding[] }
  expect(code).toBe(ok ? 0 : 42)
  return checks.filter((each) => each.check === check)
}

const configured = (name: string, services: unknown[], global: object = {}): Promise<string> =>
  bundled.file(name, JSON.stringify({ global: { state_dir: join(bundled.directory, 'state'), ...global }, services }))

const WEB = { name: 'web', listen: '10.0.0.1:80', backends: ['10.0.1.1:80'] }

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

describe('sources are asked', () => {
  test('an HTTP server that is down, and answers', async () => {
    const port = await freePort()
    const url = `http://127.0.0.1:${port}/web.json`
    const config = await configured('http.yaml', [
      { ...WEB, backends: [], source: { http: { url } } },
      { ...WEB, name: 'shop', listen: '10.0.0.2:80', backends: [], source: { http: { url } } },
    ])
    expect(await said(config, 'source')).toEqual([
      {
        check: 'source',
        verdict: 'fail',
        message: expect.stringMatching(/^http http:.*\(web, shop\) does not answer: .*the connection is refused/),
        cure: expect.any(String),
      },
    ])
    const server = createServer((_, response) => {
      response.setHeader('content-type', 'application/json')
      response.end('[{"targets": ["10.0.1.1:80", "10.0.1.2:80"]}]')
    }).listen(port, '127.0.0.1')
    onTestFinished(() => void server.close())
    await once(server, 'listening')
    expect(await said(config, 'source')).toEqual([
      { check: 'source', verdict: 'ok', message: expect.stringMatching(/\(web, shop\) answers: 2 backends$/) },
    ])
  })

  test('a list that is not there, and is', async () => {
    const list = join(bundled.directory, 'list.yaml')
    const config = await configured('list-config.yaml', [{ ...WEB, backends: [], source: { file: { path: list } } }])
    expect(await said(config, 'source')).toMatchObject([{ verdict: 'fail', message: expect.stringContaining('list.yaml') }])
    await writeFile(list, '- 10.0.1.1:80\n')
    expect(await said(config, 'source')).toEqual([
      { check: 'source', verdict: 'ok', message: `file ${list} (web) answers: 1 backend` },
    ])
  })
})

test('an admin address that another process has: its cure, word for word', async () => {
  const port = await freePort()
  const config = await configured('admin.yaml', [WEB], { admin: `127.0.0.1:${port}` })
  expect(await said(config, 'admin address')).toEqual([
    { check: 'admin address', verdict: 'ok', message: `127.0.0.1:${port} is free` },
  ])
  const taker = spawn(process.execPath, ['-e', LISTENER, `${port}`], { stdio: ['ignore', 'pipe', 'inherit'] })
  onTestFinished(() => void taker.kill('SIGKILL'))
  await once(taker.stdout, 'data')
  const [taken] = await said(config, 'admin address')
  expect(taken).toMatchObject({
    verdict: 'fail',
    message: expect.stringMatching(
      new RegExp(`\\(process ${taker.pid}\\) listens on 127\\.0\\.0\\.1:${port}, so a daemon works without it$`),
    ),
  })
  const ended = once(taker, 'close')
  // Where the tests run under a unit of systemd, its cure would stop them too.
  const cure = taken?.run?.startsWith('systemctl') ? `kill ${taker.pid}` : taken?.run
  await promisify(execFile)('sh', ['-c', cure ?? 'false'])
  await ended
  expect(await said(config, 'admin address')).toMatchObject([{ verdict: 'ok' }])
})

test('an admin address that no socket can have, and another one', async () => {
  const config = await configured('odd.yaml', [WEB], { admin: '[fe80::1]:9095' })
  expect(await said(config, 'admin address')).toMatchObject([
    { verdict: 'fail', message: '[fe80::1]:9095 cannot be used (EINVAL)', cure: 'set global.admin to another address' },
  ])
  const other = await configured('even.yaml', [WEB], { admin: `127.0.0.1:${await freePort()}` })
  expect(await said(other, 'admin address')).toMatchObject([{ verdict: 'ok' }])
})

describe('the state directory', () => {
  test('a file in its place, and out of the way', async () => {
    const blocked = join(bundled.directory, 'blocked')
    await writeFile(blocked, '')
    const config = await configured('blocked.yaml', [WEB], { state_dir: join(blocked, 'state') })
    expect(await said(config, 'state directory')).toMatchObject([
      { verdict: 'fail', message: `${blocked} is not a directory`, cure: expect.stringMatching(/^move it away, or /) },
    ])
    await rm(blocked)
    await mkdir(blocked)
    expect(await said(config, 'state directory')).toMatchObject([{ verdict: 'ok' }])
    expect(await said(config, 'state file system')).toHaveLength(1)
  })

  test('a path that is too long for the operator socket', async () => {
    const long = join(bundled.directory, 'x'.repeat(100))
    const config = await configured('long.yaml', [WEB], { state_dir: long })
    expect(await said(config, 'operator socket')).toMatchObject([{ verdict: 'fail', cure: expect.stringContaining('shorter') }])
    expect(await said(config, 'operator socket', ['--state-dir', '/tmp/s'])).toMatchObject([{ verdict: 'ok' }])
  })

  test('written later than the clock says: then the clock is wrong', async () => {
    const state = join(bundled.directory, 'late')
    await mkdir(state)
    await promisify(execFile)('touch', ['-d', '+1 hour', join(state, 'words.json')])
    const config = await configured('late.yaml', [WEB], { state_dir: state })
    expect(await said(config, 'clock')).toMatchObject([{ verdict: 'warn', message: expect.stringContaining('it was set back') }])
    await promisify(execFile)('touch', [join(state, 'words.json')])
    const [now] = await said(config, 'clock')
    expect(now?.message).not.toContain('set back')
  })
})

test('the JSON has the keys that docs/commands/doctor.md names, and no others', async () => {
  const config = await configured('shape.yaml', [{ ...WEB, full_nat: true, snat_ip: '192.0.2.77' }])
  const { out } = await bundled.run(['doctor', '-c', config, '--json'])
  const report = JSON.parse(out) as { checks: Finding[] }
  expect(Object.keys(report)).toEqual(['ok', 'checks'])
  const keys = new Set(report.checks.flatMap((check) => Object.keys(check)))
  expect([...keys].toSorted()).toEqual(expect.arrayContaining(['check', 'message', 'verdict', 'run']))
  const page = readFileSync('docs/commands/doctor.md', 'utf8')
  for (const key of keys) expect(page).toContain(`\`${key}\``)
  expect(report.checks).toContainEqual(
    expect.objectContaining({ check: 'source NAT', verdict: 'fail', run: 'ip address add 192.0.2.77/32 dev lo' }),
  )
})
