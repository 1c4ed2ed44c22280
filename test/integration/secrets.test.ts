// biome-ignore-all lint/suspicious/noTemplateCurlyInString: that is how parameters are written
/** A secret in every place of a configuration that may hold one, and everything that Pointsman says, serves and keeps. */

import { once } from 'node:events'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { type AddressInfo, createServer as createTcpServer } from 'node:net'
import { join } from 'node:path'
import { beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { probeFor } from '../../src/health/registry.ts'
import { command } from '../unit/daemon/command.ts'
import { FakeHost } from '../unit/daemon/fake-host.ts'
import { type DaemonRig, freePort, startDaemon, temporaryDirectory, yamlOf } from '../unit/daemon/rig.ts'

/** Commands that look at a machine themselves have one each. */
vi.mock('../../src/daemon/real-host.ts', async (original) => ({
  ...(await original<object>()),
  realHost: () => new ProbingHost(),
}))

const until = (look: () => unknown) => expect.poll(look, { interval: 50, timeout: 30_000 })

/** Every secret begins so; what follows says where it was written. */
const MARK = 'hunter2'
const found = (text: string): string[] => [...new Set(text.match(/hunter2[\w-]*/g))]

/** It asks backends for real: what is said of failures comes from the probes themselves. */
class ProbingHost extends FakeHost {
  override probeFor = probeFor
}

/** Refuses everybody, and says what it was told. */
async function talkativeServer(): Promise<number> {
  const server = createServer(({ headers, url }, response) => response.writeHead(403).end(JSON.stringify({ url, headers })))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  return (server.address() as AddressInfo).port
}

/** Says back what it is told. */
async function echoingServer(): Promise<number> {
  const server = createTcpServer((socket) => socket.on('error', () => {}).pipe(socket))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  return (server.address() as AddressInfo).port
}

/** Servers that say nothing are soon given up; a program has to begin first, on a busy machine too. */
const CHECK = (probe: string) => `{ interval: 200ms, timeout: ${probe.startsWith('exec') ? '20s' : '150ms'}, fall: 1, ${probe} }`

/** Ports. */
interface Servers {
  readonly talks: number
  readonly echoes: number
}

async function servers(): Promise<Servers> {
  return { talks: await talkativeServer(), echoes: await echoingServer() }
}

/** A probe of each kind that sends something; all of them fail. */
const PROBES = ({ talks: port, echoes }: Servers): readonly string[] => [
  `http: { path: "/x?token=${MARK}-query", host: www.example, headers: { Authorization: "Bearer ${MARK}-header" }, identity: { header: X-Id, value: ${MARK}-identity } }`,
  `http: { headers: { X-Key: "\${env.PROBE_KEY}" }, proxy: { through: "http://127.0.0.1:${port}" } }`,
  `http: { proxy: { url: "http://www.example/?key=${MARK}-proxied" } }`,
  `tcp: { send: "AUTH ${MARK}-tcp\\r\\n", expect: "+OK" }`,
  `udp: { send: "${MARK}-udp", expect: pong }`,
  `exec: { command: [/bin/false, --password, ${MARK}-exec] }`,
  `exec: { command: [/no/such/program, ${MARK}-lost] }`,
  `exec: { command: [/bin/ls, ${MARK}-repeated] }`,
  `exec: { command: [/bin/ls, --color=${MARK}-option] }`,
  `syslog: { transport: tcp, message: ${MARK}-syslog }`,
  `agent: { send: "${MARK}-agent\\n" }`,
  `address: 127.0.0.1, port: ${echoes}, agent: { send: "AUTH ${MARK}-echoed\\n" }`,
]

function configuration(directory: string, admin: number, ports: Servers, more = ''): string {
  const { talks: port } = ports
  const services = PROBES(ports).map(
    (probe, at) =>
      `\n  - { name: probe-${at}, listen: "10.0.1.${at + 1}:80", backends: ["127.0.0.1:${port}"], health_check: ${CHECK(probe)} }`,
  )
  const global = `log_level: trace
hooks: { exec: [/bin/false, --token, ${MARK}-hook], webhook: "http://127.0.0.1:${port}/${MARK}-path?key=${MARK}-webhook", quorum_down: [/bin/false, ${MARK}-quorum] }`
  return `${yamlOf(
    directory,
    admin,
    `
  - { name: consul, listen: "10.0.0.1:80", source: { consul: { service: web, address: "http://127.0.0.1:${port}", token: ${MARK}-token } } }
  - { name: filed, listen: "10.0.0.2:80", source: { consul: { service: web, address: "http://127.0.0.1:${port}", token_file: ${directory}/token } } }
  - { name: param, listen: "10.0.0.3:80", source: { consul: { service: web, address: "http://127.0.0.1:${port}", token: "\${api.token}" } } }
  - { name: listed, listen: "10.0.0.4:80", source: { http: { url: "http://127.0.0.1:${port}/list?token=${MARK}-url", interval: 1s } } }
  - { name: hidden, listen: "10.0.0.5:80", source: { http: { url: "http://127.0.0.1:${port}/\${env.LIST_KEY}/list", interval: 1s, basic_auth: { username: me, password_file: ${directory}/password } } } }
  - { name: bearer, listen: "10.0.0.6:80", source: { http: { url: "http://127.0.0.1:${port}/list?x=\${web.key}", interval: 1s, bearer_token_file: ${directory}/token } } }${services.join('')}${more}`,
    global,
  )}parameters: { files: [p.yaml] }\n`
}

const ENVIRONMENT = { PROBE_KEY: `${MARK}-env`, LIST_KEY: `${MARK}-list-key` }

async function files(): Promise<string> {
  const directory = await temporaryDirectory()
  await writeFile(join(directory, 'token'), `${MARK}-token-file`)
  await writeFile(join(directory, 'password'), `${MARK}-password-file`)
  await writeFile(join(directory, 'p.yaml'), `api: { token: ${MARK}-parameter }\nweb: { key: ${MARK}-web }\n`)
  return directory
}

/** Everything below a directory, but for what the test itself has written there. */
async function kept(directory: string): Promise<string> {
  const names = await readdir(directory, { recursive: true, withFileTypes: true })
  const texts = names.map(async (entry) => {
    const mine = ['token', 'password', 'p.yaml', 'pointsman.yaml'].includes(entry.name)
    return entry.isFile() && !mine ? readFile(join(entry.parentPath, entry.name), 'utf8') : ''
  })
  return (await Promise.all(texts)).join('\n')
}

/** What each command line says, on both streams. */
async function saidBy(...commands: readonly (readonly string[])[]): Promise<Record<string, string>> {
  const said: Record<string, string> = {}
  for (const args of commands) {
    const { out, err } = await command(...args)
    said[args.join(' ')] = out + err
  }
  return said
}

function expectNone(said: Readonly<Record<string, string>>): void {
  for (const [what, text] of Object.entries(said)) expect([what, found(text)]).toEqual([what, []])
}

/** Commands read what parameters stand for in their own environment. */
beforeEach(() => {
  for (const [name, value] of Object.entries(ENVIRONMENT)) vi.stubEnv(name, value)
  return () => void vi.unstubAllEnvs()
})

async function served({ fetch, port }: DaemonRig): Promise<string> {
  const texts = await Promise.all(
    ['/', '/status', '/api/v1/status', '/api/v1/openapi.json', '/metrics', '/readyz', '/healthz'].map(async (path) => {
      const { status, text } = await fetch(path)
      expect(status).toBeLessThan(504)
      return text
    }),
  )
  expect(port).toBeGreaterThan(0)
  return texts.join('\n')
}

test('a daemon tells, serves and keeps none of them, nor do commands beside it', async () => {
  const [directory, server] = [await files(), await servers()]
  const journal = join(directory, 'journal')
  const daemon = await startDaemon((at, port) => configuration(at, port, server), {
    host: new ProbingHost(),
    directory,
    journal,
    overrides: { environment: ENVIRONMENT },
  })
  // Every source and every probe has failed at least once, and both hooks.
  const report = async () => JSON.parse((await daemon.fetch('/api/v1/status')).text)
  await until(async () => {
    const { services } = await report()
    const silent = services.filter(
      ({ sources, backends }: { sources: { failure?: string }[]; backends: { check?: unknown }[] }) =>
        !(sources.some(({ failure }) => failure !== undefined) || backends.some(({ check }) => check !== undefined)),
    )
    return silent.map(({ service }: { service: string }) => service)
  }).toEqual([])
  await until(
    async () => (await daemon.fetch('/metrics')).text.match(/pointsman_hook_runs_total\{.*failed/g)?.length ?? 0,
  ).toBeGreaterThan(1)

  const state = ['--state-dir', join(directory, 'state')]
  const path = join(directory, 'pointsman.yaml')
  const backend = `127.0.0.1:${server.talks}`
  const said: Record<string, string> = {
    served: await served(daemon),
    ...(await saidBy(
      ['status', ...state],
      ['status', '--json', ...state],
      ...PROBES(server).flatMap((_, at) => [
        ['why', `probe-${at}`, backend, ...state],
        ['why', `probe-${at}`, backend, '--json', ...state],
      ]),
      ['drain', 'probe-6', '--reason', 'a test', '--force', ...state],
      ['plan', '-c', path],
      ['plan', '-f', path, '--json'],
    )),
  }
  // Sources were asked, and refuse.
  expect(said[`plan -c ${path}`]).toMatch(/of consul does not answer: .*403/)
  // A configuration that is refused is told of, and none of its lines.
  await daemon.reconfigure(configuration(directory, daemon.port, server, `\n  - { name: x, token: ${MARK}-reload, listen: 1 }`))
  await until(() => daemon.log.some(({ msg }) => msg.includes('pointsman.yaml:'))).toBe(true)
  said['metrics after a bad reload'] = await served(daemon)
  await until(() => daemon.log.some(({ msg }) => msg.includes('/bin/ls exits with 2'))).toBe(true)
  await daemon.stop()
  said['log'] = daemon.log.map((line) => JSON.stringify(line)).join('\n')
  said['journal and state'] = await kept(directory)
  await writeFile(path, configuration(directory, daemon.port, server).replace('fall: 1', 'fall: 2'))
  Object.assign(said, await saidBy(['replay', journal], ['replay', journal, '--json'], ['replay', journal, '-c', path]))
  expect(said[`replay ${journal}`]).toMatch(/decisions? out of \d+ events/)
  expect(said['log'].length).toBeGreaterThan(1_000)
  // What backends and programs say back is told without it.
  expect(said['log']).toMatch(/\/bin\/ls exits with 2: .*'\*\*\*'/)
  expect(said['journal and state'].length).toBeGreaterThan(1_000)
  expectNone(said)
})

test('nor does a command that asks sources and backends by itself', async () => {
  const [directory, server, admin] = [await files(), await servers(), await freePort()]
  const path = join(directory, 'pointsman.yaml')
  await writeFile(path, configuration(directory, admin, server))
  const said = await saidBy(
    ['validate', '-c', path],
    ['plan', '-f', path],
    ['plan', '-c', path, '--json'],
    ['plan', '-c', path, '--probes', '--probe-timeout', '3s', '--json'],
    ['doctor', '-c', path],
    ['doctor', '-c', path, '--json'],
    ['once', '-c', path, '--probe-timeout', '3s'],
    ['once', '-c', path, '--probe-timeout', '3s', '--json'],
    ['get', '--state-dir', join(directory, 'state')],
  )
  said['state'] = await kept(directory)
  expect(said[`plan -c ${path} --probes --probe-timeout 3s --json`]).toMatch(/"state": "down",\s+"failure": "/)
  expect(Object.values(said).join('\n')).toMatch(/says nothing that is known: [^a-z]*\*\*\*/)
  expect(said[`doctor -c ${path}`]).toMatch(/fail {2}source .*403/)
  expect(said[`once -c ${path} --probe-timeout 3s`]).toMatch(/does not answer: .*403/)
  expectNone(said)
})

test('nor does an import, but for the configuration that it makes', async () => {
  const directory = await temporaryDirectory()
  const [path, made] = [join(directory, 'keepalived.conf'), join(directory, 'made.yaml')]
  const check = `HTTP_GET { url { path /\n username me\n password ${MARK}-url\n digest 0f } }`
  await writeFile(
    path,
    `vrrp_instance V {\n authentication {\n auth_pass ${MARK}-vrrp\n }\n}
virtual_server 10.0.0.1 80 {\n real_server 10.0.1.1 80 {\n notify_down "/bin/tell ${MARK}-notify"\n ${check}\n }\n}\n`,
  )
  const { code, out, err } = await command('import', 'keepalived', path, '-o', made)
  expect({ code, out }).toEqual({ code: 11, out: '' })
  expect(err).toMatch(/notify_down \/bin\/tell \*\*\*/)
  const json = await command('import', 'keepalived', path, '--json')
  expectNone({ said: err, 'left out': JSON.stringify(JSON.parse(json.out).left_out), beside: json.err })
  expect(await readFile(made, 'utf8')).toContain(Buffer.from(`me:${MARK}-url`).toString('base64'))
})

describe('a message about a configuration', () => {
  const service = (keys: string) => `services:\n  - { name: web, listen: "10.0.0.1:80", ${keys} }\n`
  const consul = (keys: string) => service(`source: { consul: { service: web, ${keys} } }`)
  const check = (probe: string) => service(`backends: ["10.0.1.1:80"], health_check: { ${probe} }`)
  const hooks = (keys: string) => `global: { hooks: { ${keys} } }\nservices: []\n`

  test.each<[what: string, text: string]>([
    ['a misspelled key', consul('tokn: hunter2')],
    ['a key beside it', consul('token: hunter2, wate: 5m')],
    ['a token of digits', consul('token: 200320032003')],
    ['a token with a blank', consul('token: " hunter2"')],
    ['a list of tokens', consul('token: [hunter2]')],
    ['a login in an address', consul('address: "http://admin:hunter2@consul:8500"')],
    ['a login without a scheme', consul('address: "admin:hunter2@consul host"')],
    ['a query behind an address', consul('address: "http://consul:8500/?token=hunter2"')],
    ['a login in a url', service('source: { http: "https://admin:hunter2@inventory.example/web.json" }')],
    ['a url that is none', service('source: { http: "inventory.example/web.json?token=hunter2" }')],
    ['a url with a fragment', service('source: { http: "https://inventory.example/?token=abc#hunter2" }')],
    ['a login in one text', service('source: { http: { url: "https://a.example/", basic_auth: "me:hunter2" } }')],
    [
      'a password in its place',
      service('source: { http: { url: "https://a.example/", basic_auth: { username: me, password: hunter2 } } }'),
    ],
    ['a token in the place of its file', service('source: { http: { url: "https://a.example/", bearer_token: hunter2 } }')],
    ['headers in one text', check('http: { headers: "Authorization: hunter2" }')],
    ['a header with a line break', check('http: { headers: { Authorization: "hunter2\\n" } }')],
    ['a header of digits', check('http: { headers: { Authorization: 200320032003 } }')],
    ['a path without a slash', check('http: { path: "x?token=hunter2" }')],
    ['a path with a blank', check('http: { path: "/x?token=hunter2 " }')],
    ['a path with an umlaut', check('http: { path: "/ä?token=hunter2" }')],
    ['a login of a proxy', check('http: { proxy: { through: "http://me:hunter2@10.0.0.5:3128" } }')],
    ['a proxy that is none', check('http: { proxy: { through: "me:hunter2@10.0.0.5 3128" } }')],
    ['a command line in one text', check('exec: "/bin/check --password hunter2"')],
    ['a command line in the place of a list', check('exec: { command: "/bin/check --password hunter2" }')],
    ['a command line as the first of a list', check('exec: { command: ["check --password hunter2"] }')],
    ['an argument of digits', check('exec: { command: [/bin/check, 200320032003] }')],
    ['what is sent, as digits', check('tcp: { send: 200320032003, expect: x }')],
    ['what is sent to an agent, as a list', check('agent: { send: [hunter2] }')],
    ['a message with a blank', check('syslog: { message: "hunter2 " }')],
    ['a webhook in the place of hooks', 'global: { hooks: "https://hooks.example/hunter2" }\nservices: []\n'],
    ['a webhook that is none', hooks('webhook: "hooks.example/hunter2"')],
    ['a login in a webhook', hooks('webhook: "https://me:hunter2@hooks.example/"')],
    ['a webhook of another scheme', hooks('webhook: "ftp://hooks.example/hunter2"')],
    ['a hook in one text', hooks('exec: "/bin/tell --token hunter2"')],
    ['a login in the url of parameters', 'parameters: { urls: ["https://me:hunter2@inventory.example/p.yaml"] }\nservices: []\n'],
    ['parameters in one text', 'parameters: { urls: "https://inventory.example/?token=hunter2" }\nservices: []\n'],
    ['a default of a misspelled parameter', consul('token: "${evn.TOKEN:-hunter2}"')],
    ['a default that does not fit', service('weight: "${env.PATH:-hunter2}", backends: []')],
    ['an alias of YAML', 'services:\n  - name: web\n    password: *hunter2\n'],
    ['a tag of YAML', 'services:\n  - name: web\n    token: !hunter2\n'],
    ['a block of YAML', 'services:\n  - name: web\n    token: |hunter2\n      x\n'],
    ['a reserved character of YAML', 'services:\n  - name: web\n    token: @hunter2\n'],
    ['a quote that does not end', 'services:\n  - name: web\n    token: "hunter2\n'],
    ['text behind a quote', 'services:\n  - name: web\n    token: "abc" hunter2\n'],
    ['a bracket that does not end', 'services:\n  - { name: web, token: hunter2\n'],
    ['a second colon', 'services:\n  - name: web\n    token: abc: hunter2\n'],
    ['an escape that is none', 'services:\n  - name: web\n    token: "\\hunter2"\n'],
    ['a tab', 'services:\n  - name: web\n\t  token: hunter2\n'],
    ['JSON that is none', '{"services": [{"name": "web", "token": "hunter2" "listen": 1}]}'],
  ])('shows none: %s', async (_, text) => {
    const path = join(await temporaryDirectory(), 'pointsman.yaml')
    await writeFile(path, text)
    const plain = await command('validate', '-c', path)
    expect(plain.code).toBe(32)
    const json = await command('validate', '-c', path, '--json')
    const started = await command('start', '-c', path, '--state-dir', join(path, '..', 'state'))
    expect(started.code).toBe(32)
    for (const { out, err } of [plain, json, started]) expect(out + err).not.toMatch(/hunter2|200320032003/)
  })
})
