import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { chmod, readdir, readFile, readlink, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { userInfo } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, it, onTestFinished } from 'vitest'
import { accountOf } from '../../../src/health/account.ts'
import { execProbe } from '../../../src/health/exec.ts'
import type { ExecProbeSpec } from '../../../src/model/probe-spec.ts'
import { scratchDirectory } from '../scratch.ts'
import { address, nothingIsLeft, serving } from './bad-servers.ts'

const TARGET = { address: address('127.0.0.1'), port: 8080 }
const US = userInfo().username

/** Runs `script` by a shell that the test names itself; the probe uses none. */
function run(script: string, spec: Partial<ExecProbeSpec> = {}, within = 5_000) {
  const probe = execProbe(TARGET, { kind: 'exec', command: ['/bin/sh', '-c', script], dynamic: false, user: US, ...spec })
  return probe(AbortSignal.timeout(within))
}

/** Processes that carry this mark in their command. */
async function living(mark: string): Promise<number[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name))
  const commands = await Promise.all(pids.map((pid) => readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')))
  return pids.filter((_, index) => commands[index]?.includes(mark)).map(Number)
}

let marks = 0
/** A duration for sleep(1) that no other process has. */
const mark = () => `${600 + process.pid}.${++marks}`

describe('a program', () => {
  it('passes by its exit code 0 and fails by any other, with the first line that it says', async () => {
    expect(await run('echo fine')).toEqual({ outcome: 'passed' })
    expect(await run('echo "a warning" >&2; echo; echo "no replica"; echo more; exit 1')).toEqual({
      outcome: 'failed',
      failure: 'wrong-answer',
      message: '/bin/sh exits with 1: no replica',
    })
    expect(await run('echo trouble >&2; exit 2')).toMatchObject({ message: '/bin/sh exits with 2: trouble' })
    expect(await run('exit 3')).toMatchObject({ outcome: 'failed', message: '/bin/sh exits with 3' })
    await nothingIsLeft()
  })

  it.each([
    [0, { outcome: 'passed' }],
    [1, { outcome: 'failed', failure: 'wrong-answer' }],
    [2, { outcome: 'passed', report: { weight: 0 } }],
    [3, { outcome: 'passed', report: { weight: 1 } }],
    [255, { outcome: 'passed', report: { weight: 253 } }],
  ])('that is dynamic sets the weight by its exit code, as with keepalived: %i', async (code, result) => {
    expect(await run(`exit ${code}`, { dynamic: true })).toMatchObject(result)
  })

  it('is told of the backend, has no input, no shell, and nothing else of our environment', async () => {
    const place = await scratchDirectory()
    const out = join(place, 'out')
    process.env['POINTSMAN_TEST_SECRET'] = 'secret'
    expect(await run(`pwd >${out}; env | sort >>${out}; read line || echo end >>${out}`)).toEqual({ outcome: 'passed' })
    const lines = (await readFile(out, 'utf8')).trim().split('\n')
    expect(lines).toEqual(
      expect.arrayContaining(['/', 'POINTSMAN_ADDRESS=127.0.0.1', 'POINTSMAN_PORT=8080', `USER=${US}`, 'end']),
    )
    expect(lines.join()).not.toContain('secret')
    const literal = await execProbe(TARGET, {
      kind: 'exec',
      command: ['/bin/echo', '$(touch /nowhere); exit 1'],
      dynamic: false,
      user: US,
    })(AbortSignal.timeout(5_000))
    expect(literal).toEqual({ outcome: 'passed' })
  })

  it('has none of our sockets', async () => {
    const target = await serving(() => {})
    const socket = connect(target.port, target.address)
    onTestFinished(() => void socket.destroy())
    await once(socket, 'connect')
    const out = join(await scratchDirectory(), 'out')
    expect(await run(`for one in /proc/$$/fd/*; do readlink $one; done >${out}; exit 0`)).toEqual({ outcome: 'passed' })
    const theirs = new Set((await readFile(out, 'utf8')).split('\n'))
    const links = (await readdir('/proc/self/fd')).map((fd) => readlink(`/proc/self/fd/${fd}`).catch(() => ''))
    const ours = (await Promise.all(links)).filter((link) => link.startsWith('socket:'))
    expect(ours.length).toBeGreaterThanOrEqual(3)
    expect(ours.filter((link) => theirs.has(link))).toEqual([])
  })

  it('that forks and hangs is killed with its whole group when its time is over', async () => {
    const sleep = mark()
    const begun = performance.now()
    expect(await run(`trap '' TERM; (trap '' TERM; sleep ${sleep} & sleep ${sleep}) & sleep ${sleep}`, {}, 700)).toEqual({
      outcome: 'failed',
      failure: 'no-answer',
      message: '/bin/sh does not end in time',
    })
    expect(performance.now() - begun).toBeLessThan(2_000)
    await expect.poll(() => living(sleep)).toEqual([])
    await nothingIsLeft()
  })

  it('that ends and leaves children behind does not leave them for long, nor is it waited for them', async () => {
    const sleep = mark()
    const begun = performance.now()
    expect(await run(`sleep ${sleep} & echo on; exit 0`)).toEqual({ outcome: 'passed' })
    expect(performance.now() - begun).toBeLessThan(4_000)
    await expect.poll(() => living(sleep)).toEqual([])
    await nothingIsLeft()
  })

  it('has its verdict also while a child that left the group holds its output', async () => {
    const sleep = mark()
    expect(await run(`setsid sleep ${sleep} & sleep 0.3; exit 1`, {}, 1_500)).toMatchObject({ message: '/bin/sh exits with 1' })
    for (const pid of await living(sleep)) process.kill(pid, 'SIGKILL')
    await expect.poll(() => living(sleep)).toEqual([])
    await nothingIsLeft()
  })

  it('that never stops writing is ended and tells nothing', async () => {
    const begun = performance.now()
    expect(await run('while :; do echo 0123456789012345678901234567890123456789; done')).toEqual({
      outcome: 'unknown',
      message: '/bin/sh writes more than 64 KiB; let it write less',
    })
    expect(performance.now() - begun).toBeLessThan(4_000)
    await nothingIsLeft()
  })

  it('that is ended by a signal tells nothing', async () => {
    expect(await run('kill -SEGV $$')).toMatchObject({ outcome: 'unknown', message: expect.stringContaining('ended by SIGSEGV') })
    await nothingIsLeft()
  })

  it('that cannot be started tells nothing, and says why', async () => {
    expect(await run('', { command: ['/no/such/program'] })).toEqual({
      outcome: 'unknown',
      message: '/no/such/program or its interpreter does not exist',
    })
    const file = join(await scratchDirectory(), 'check')
    await writeFile(file, '#!/bin/sh\n')
    await chmod(file, 0o600)
    expect(await run('', { command: [file] })).toMatchObject({
      outcome: 'unknown',
      message: expect.stringContaining('executable'),
    })
    expect(await run('', { user: 'nobody-of-that-name' })).toEqual({
      outcome: 'unknown',
      message: 'there is no user nobody-of-that-name to run /bin/sh as',
    })
    await nothingIsLeft()
  })

  it('is not started when there is no time for it', async () => {
    const probe = execProbe(TARGET, { kind: 'exec', command: ['/bin/true'], dynamic: false, user: US })
    expect(await probe(AbortSignal.abort())).toMatchObject({ outcome: 'failed', failure: 'no-answer' })
  })
})

/** What a probe finds in a process that is begun by `wrapper`. */
async function asked(wrapper: readonly string[], user?: string): Promise<unknown> {
  const spec = {
    kind: 'exec',
    command: ['/bin/sh', '-c', 'echo $(id -u) $(id -g) $USER $HOME; exit 1'],
    dynamic: false,
    ...(user !== undefined && { user }),
  } satisfies ExecProbeSpec
  const script = `import { execProbe } from '${import.meta.resolve('../../../src/health/exec.ts')}'
    const probe = execProbe(${JSON.stringify(TARGET)}, ${JSON.stringify(spec)})
    console.log(JSON.stringify(await probe(AbortSignal.timeout(20_000))))`
  const [program = '', ...args] = [...wrapper, process.execPath, '--input-type=module', '--eval', script]
  return JSON.parse((await promisify(execFile)(program, args)).stdout)
}

describe.runIf(process.getuid?.() === 0)('a program of a director that is not root', () => {
  /** The user of the container image is one that the base image does not know. */
  const director = ['setpriv', '--reuid', '65532', '--regid', '65532', '--clear-groups']

  it('has the rights of the director where no user is written, also if nobody knows that by name', async () => {
    const message = '/bin/sh exits with 1: 65532 65532 65532 /'
    expect(await asked(director)).toEqual({ outcome: 'failed', failure: 'wrong-answer', message })
  })

  it('cannot be started as another, and says so', async () => {
    expect(await asked(director, 'nobody')).toEqual({
      outcome: 'unknown',
      message: '/bin/sh cannot be run as nobody by a Pointsman that is not root: write no user',
    })
  })
})

describe.runIf(process.getuid?.() === 0)('a program of a director that is root', () => {
  it('has the rights of nobody and of no group, unless another user is written', async () => {
    const nobody = await accountOf('nobody')
    const identity = 'echo $(id -u) $(id -g) $(id -G); exit 1'
    const message = `/bin/sh exits with 1: ${nobody?.uid} ${nobody?.gid} ${nobody?.gid}`
    expect(await run(identity, { user: 'nobody' })).toMatchObject({ outcome: 'failed', message })
    expect(await run(identity, { user: 'root' })).toMatchObject({ outcome: 'failed', message: '/bin/sh exits with 1: 0 0 0' })
  })

  it('has the rights of nobody where no user is written', async () => {
    expect(await asked(['setpriv', '--clear-groups'])).toMatchObject({ message: expect.stringMatching(/: (\d{5}) \1 nobody /) })
  })

  it('that may not change users cannot be started as nobody, and says so', async () => {
    const bounded = ['setpriv', '--bounding-set', '-setuid,-setgid']
    expect(await asked(bounded)).toEqual({
      outcome: 'unknown',
      message: '/bin/sh cannot be run as nobody by a root without CAP_SETUID and CAP_SETGID: write user: root',
    })
    expect(await asked(bounded, 'root')).toMatchObject({ message: expect.stringContaining(': 0 0 root') })
  })

  it('cannot do what only root can', async () => {
    expect(await run('kill -0 1', { user: 'nobody' })).toMatchObject({ outcome: 'failed' })
    expect(await run('grep -q "^CapEff:[[:space:]]*0*$" /proc/self/status', { user: 'nobody' })).toEqual({ outcome: 'passed' })
  })
})
