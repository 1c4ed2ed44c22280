/** A lab of its own leaves no process, mount or file behind, however its owner ends. */

import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { attachLab, inCheckout, openLab } from '../lab/lab.ts'
import { startTime, sweepDeadRuns } from '../lab/run-dir.ts'

/** Processes, this one apart, whose command line or environment names the folder. */
function processesAbout(dir: string): readonly string[] {
  return readdirSync('/proc').filter((pid) => {
    if (!/^\d+$/.test(pid) || Number(pid) === process.pid) return false
    try {
      return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(dir)
    } catch {
      return false
    }
  })
}

const mounts = (): string => readFileSync('/proc/self/mounts', 'utf8')

async function waitUntil(what: string, holds: () => boolean, timeoutMs = 15_000): Promise<void> {
  const deadline = performance.now() + timeoutMs
  while (!holds()) {
    if (performance.now() > deadline) throw new Error(`still not after ${timeoutMs / 1000} s: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

interface Owner {
  readonly child: ChildProcess
  readonly socketPath: string
  readonly runDir: string
}

/** A separate process that owns a lab; its temporary folder is `temporary`. */
async function startOwner(temporary: string, environment: Record<string, string> = {}): Promise<Owner> {
  const child = spawn(process.execPath, [inCheckout('test/lab/shell.ts'), '--keep', '--name', `leftovers-${process.pid}`], {
    env: { ...process.env, TMPDIR: temporary, ...environment },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  for await (const line of createInterface({ input: child.stdout })) {
    const socketPath = /its socket is ([^;]+);/.exec(line)?.[1]
    if (socketPath !== undefined) return { child, socketPath, runDir: dirname(socketPath) }
  }
  throw new Error(`the owner ended with ${child.exitCode} before its lab was up`)
}

let temporary: string
let mountsBefore: string
beforeEach(() => {
  temporary = mkdtempSync(join(tmpdir(), 'pointsman-leftovers-'))
  mountsBefore = mounts()
})
afterEach(() => {
  vi.unstubAllEnvs()
  rmSync(temporary, { recursive: true, force: true })
})

function expectNothingLeft(): void {
  expect(processesAbout(temporary)).toEqual([])
  expect(readdirSync(temporary).filter((name) => name.startsWith('pointsman-lab-'))).toEqual([])
  expect(mounts()).toBe(mountsBefore)
}

describe.each([{ mode: 'vm' }, { mode: 'host' }])('a lab in mode $mode', ({ mode }) => {
  it('leaves nothing after SIGKILL of its owner, with a command running and a client attached', async () => {
    const owner = await startOwner(temporary, { LAB_MODE: mode })
    const lab = await attachLab(owner.socketPath)
    const running = lab.spawn('echo up; mkdir -p /tmp/in-the-lab; sleep 4343')
    await running.waitForLine((line) => line === 'up')
    expect(processesAbout(temporary).length).toBeGreaterThan(0)
    const guard = readFileSync(`/proc/${owner.child.pid}/task/${owner.child.pid}/children`, 'utf8')
    expect(guard.trim()).not.toBe('')

    owner.child.kill('SIGKILL')
    await expect(running.exited).rejects.toThrow(/the lab was closed|ended unexpectedly/)
    await lab.close()
    await waitUntil('all processes of the lab have ended', () => processesAbout(temporary).length === 0)
    await waitUntil('its folder is gone', () => !existsSync(owner.runDir))
    expectNothingLeft()
  })

  it('leaves nothing after SIGTERM of its owner', async () => {
    const owner = await startOwner(temporary, { LAB_MODE: mode })
    const ended = new Promise((resolve) => owner.child.once('exit', resolve))
    owner.child.kill('SIGTERM')
    expect(await ended).toBe(0)
    expectNothingLeft()
  })
})

it('tells its clients when the lab itself dies, and still leaves nothing', async () => {
  const owner = await startOwner(temporary, { LAB_MODE: 'host' })
  const lab = await attachLab(owner.socketPath)
  const running = lab.spawn('echo up; sleep 4343')
  await running.waitForLine((line) => line === 'up')
  process.kill(Number(readFileSync(join(owner.runDir, 'child.pid'), 'utf8')), 'SIGKILL')
  await expect(running.exited).rejects.toThrow('the lab ended unexpectedly')
  await expect(lab.run('true')).rejects.toThrow('the lab ended unexpectedly')
  const ended = new Promise((resolve) => owner.child.once('exit', resolve))
  owner.child.kill('SIGTERM')
  expect(await ended).toBe(0)
  expectNothingLeft()
})

describe('the sweep of dead runs', () => {
  it('removes folders and commands whose owner and guard both died, and nothing else', async () => {
    vi.stubEnv('TMPDIR', temporary)
    const dead = join(temporary, 'pointsman-lab-dead00')
    const alive = join(temporary, 'pointsman-lab-alive0')
    const fresh = join(temporary, 'pointsman-lab-fresh0')
    const stale = join(temporary, 'pointsman-lab-stale0')
    for (const dir of [dead, alive, fresh, stale]) mkdirSync(dir)
    utimesSync(stale, 0, 0)
    // Process ids come round again: the same id with another start time is not the owner.
    writeFileSync(join(dead, 'owner'), `${process.pid} 1`)
    writeFileSync(join(alive, 'owner'), `${process.pid} ${startTime(process.pid)}`)
    const orphan = spawn('sh', ['-c', 'read -r forever; true', join(dead, 'marker')], { stdio: ['pipe', 'ignore', 'ignore'] })
    const bystander = spawn('sleep', ['60'], { stdio: 'ignore' })
    const ended = new Promise((resolve) => orphan.once('exit', (_, signal) => resolve(signal)))
    writeFileSync(join(dead, 'child.pid'), String(orphan.pid))

    expect([...sweepDeadRuns()].sort()).toEqual([dead, stale])
    expect(await ended).toBe('SIGKILL')
    expect(existsSync(dead)).toBe(false)
    expect(existsSync(stale)).toBe(false)
    expect(existsSync(alive)).toBe(true)
    expect(existsSync(fresh)).toBe(true)

    // A process id that now belongs to someone else is left alone.
    mkdirSync(dead)
    writeFileSync(join(dead, 'owner'), '1 1')
    writeFileSync(join(dead, 'child.pid'), String(bystander.pid))
    expect(sweepDeadRuns()).toEqual([dead])
    expect(bystander.exitCode ?? bystander.signalCode).toBeNull()
    expect(startTime(bystander.pid ?? 0)).toBeDefined()
    bystander.kill('SIGKILL')
  })
})

describe('a lab that cannot start', () => {
  it('says in one sentence that a kernel series is not to be had, and leaves nothing', async () => {
    // An apt that knows a mirror and does not reach it.
    const apt = '#!/bin/sh\n[ "$1" = indextargets ] && exec echo http://127.0.0.1:9/debian/\nexit 100\n'
    for (const program of ['apt-get', 'apt-cache']) writeFileSync(join(temporary, program), apt, { mode: 0o755 })
    vi.stubEnv('PATH', `${temporary}:${process.env['PATH']}`)
    vi.stubEnv('XDG_CACHE_HOME', temporary)
    vi.stubEnv('TMPDIR', temporary)
    await expect(openLab({ mode: 'vm', kernel: '6.99' })).rejects.toThrow(
      'no Debian suite that apt can reach has a kernel 6.99: set LAB_KERNEL to a series such as 6.1 or 6.12, or leave it unset',
    )
    expect(readdirSync(join(temporary, 'pointsman/kernels'))).toEqual([])
    expectNothingLeft()
  })

  it('shows the console of a machine that does not boot, and leaves nothing', async () => {
    vi.stubEnv('TMPDIR', temporary)
    await expect(openLab({ mode: 'vm', memoryMiB: 80, startTimeoutMs: 20_000 })).rejects.toThrow(
      /(ended while starting, with code 0|did not start within 20 s); its console said:\n\[/,
    )
    expectNothingLeft()
  })

  it('starts once more when the emulator itself crashed, and says so', async () => {
    vi.stubEnv('TMPDIR', temporary)
    const said = vi.spyOn(process.stderr, 'write').mockReturnValue(true)
    const starting = openLab({ mode: 'vm' })
    const emulators = () => readdirSync(temporary).map((run) => join(temporary, run, 'child.pid'))
    await waitUntil('the emulator runs', () => emulators().some((file) => existsSync(file)))
    process.kill(Number(readFileSync(emulators().find((file) => existsSync(file)) ?? '', 'utf8')), 'SIGSEGV')
    const lab = await starting
    expect(said.mock.calls.join('')).toMatch(/died of signal 11 while starting.*; one more try/s)
    said.mockRestore()
    expect(await lab.check(['cat', '/proc/sys/kernel/ostype'])).toBe('Linux\n')
    await lab.close()
    expectNothingLeft()
  })

  it('says which mode and which kernel series make no sense', async () => {
    vi.stubEnv('LAB_MODE', 'cloud')
    await expect(openLab()).rejects.toThrow("LAB_MODE is 'cloud': write vm or host, or leave it unset")
    await expect(openLab({ mode: 'vm', kernel: 'latest' })).rejects.toThrow("LAB_KERNEL is 'latest': write a series such as 6.12")
  })
})
