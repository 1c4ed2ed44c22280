import { type ChildProcess, spawn } from 'node:child_process'
import { constants } from 'node:os'
import { PASSED, type ProbeResult } from '../model/probe-result.ts'
import type { ExecProbeSpec } from '../model/probe-spec.ts'
import { type Account, accountOf, ownAccount } from './account.ts'
import { beforeEnd } from './before-end.ts'
import { excerpt } from './excerpt.ts'
import type { EndSignal, Probe } from './probe.ts'
import { killGroup, PROGRAM_PATH } from './program.ts'
import type { ProbeTarget } from './target.ts'

/** Bytes that a program may write, both streams together; one that writes more is ended. */
const OUTPUT_LIMIT = 64 * 1024

/**
 * Passes by the program's exit code. The program is the leader of a process group of its own, without input and with the rights
 * of `user` alone (or `execUser`), and is told of the backend by POINTSMAN_ADDRESS and POINTSMAN_PORT. Nothing of the group outlives the probe;
 * a process that leaves the group by setsid(2) does.
 */
export function execProbe(target: ProbeTarget, spec: ExecProbeSpec): Probe {
  const program = spec.command[0] ?? ''
  const user = execUser(spec)
  return async (signal) => {
    try {
      const found = await beforeEnd(lookUp(user), signal)
      if (found === undefined) return unknown(`the user to run ${program} as could not be looked up in time`)
      const { account } = found
      if (account === undefined) return unknown(`there is no user ${user} to run ${program} as`)
      if (account.uid === 0 && user !== 'root') return unknown(`${user} is root by another name; write user: root`)
      if (signal.aborted) return overdue(program)
      return await run(target, spec, account, signal)
    } catch (error) {
      return notStarted(program, user, error as NodeJS.ErrnoException)
    }
  }
}

async function lookUp(user: string | undefined): Promise<{ readonly account: Account | undefined }> {
  return { account: user === undefined ? await ownAccount() : await accountOf(user) }
}

/** Whose rights the program gets; undefined: our own. They are root's only where that is written, and only root can give others. */
export function execUser({ user }: Pick<ExecProbeSpec, 'user'>): string | undefined {
  return user ?? (process.getuid?.() === 0 ? 'nobody' : undefined)
}

function run(target: ProbeTarget, spec: ExecProbeSpec, account: Account, signal: EndSignal): Promise<ProbeResult> {
  const [program = '', ...args] = spec.command
  const { promise, resolve } = Promise.withResolvers<ProbeResult>()
  const child: ChildProcess = spawn(program, args, {
    cwd: '/',
    detached: true,
    env: environmentOf(target, account),
    stdio: ['ignore', 'pipe', 'pipe'],
    // Who runs as that user already has nothing to change, and may not be allowed to.
    ...(process.getuid?.() !== account.uid && { uid: account.uid, gid: account.gid }),
  })
  const said = collect(child, () => resolve(unknown(`${program} writes more than ${OUTPUT_LIMIT / 1024} KiB; let it write less`)))
  let verdict: (() => ProbeResult) | undefined
  child.once('exit', (code, end) => {
    verdict = () => verdictOf(spec, code, end, said())
    // What it left behind holds its output open. Never later than now: the number may be another process's soon.
    killGroup(child)
  })
  const abort = () => resolve(verdict?.() ?? overdue(program))
  signal.addEventListener('abort', abort, { once: true })
  child.on('error', (error) => resolve(notStarted(program, account.name, error)))
  child.once('close', (code, end) => resolve(verdictOf(spec, code, end, said())))
  return promise.finally(() => {
    signal.removeEventListener('abort', abort)
    if (verdict === undefined) killGroup(child)
    // Where no file descriptor was left there are none of them.
    child.stdout?.destroy()
    child.stderr?.destroy()
  })
}

function environmentOf({ address, port }: ProbeTarget, { name, home }: Account): Record<string, string> {
  return { PATH: PROGRAM_PATH, HOME: home, USER: name, LOGNAME: name, POINTSMAN_ADDRESS: address, POINTSMAN_PORT: String(port) }
}

/** What it has written so far, its output in front of its errors. `onTooMuch` is told when that is more than anybody wants. */
function collect(child: ChildProcess, onTooMuch: () => void): () => string {
  let length = 0
  const texts = [child.stdout, child.stderr].map((stream) => {
    const chunks: Buffer[] = []
    stream?.on('error', () => {})
    stream?.on('data', (chunk: Buffer) => {
      length += chunk.length
      if (length > OUTPUT_LIMIT) onTooMuch()
      else chunks.push(chunk)
    })
    return () => Buffer.concat(chunks).toString()
  })
  return () => texts.map((text) => text()).join('\n')
}

/** The exit codes of keepalived's MISC_CHECK. */
function verdictOf(spec: ExecProbeSpec, code: number | null, end: NodeJS.Signals | null, output: string): ProbeResult {
  const program = spec.command[0] ?? ''
  if (code === null)
    return unknown(`${program} was ended by ${end} (${constants.signals[end ?? 'SIGKILL']})${saying(spec, output)}`)
  if (code === 0) return PASSED
  if (spec.dynamic && code !== 1) return { outcome: 'passed', report: { weight: code - 2 } }
  return { outcome: 'failed', failure: 'wrong-answer', message: `${program} exits with ${code}${saying(spec, output)}` }
}

/** Programs complain of their arguments by repeating them. */
function saying({ command }: ExecProbeSpec, output: string): string {
  const line = excerpt(output, command.slice(1).flatMap(possibleSecrets))
  return line === '' ? '' : `: ${line}`
}

/** Nobody's secret: options by their names, numbers, addresses, paths. */
const HARMLESS =
  /^(?:-\w|--[\w-]+|\d{1,5}(?:\.\d{1,3})?[a-z%]{0,2}|\d{1,3}(?:\.\d{1,3}){3}(?:[:/]\d{1,5})?|[\da-f]*:[\da-f:.]*|\/[\w./-]*)$/i

/** `--password=hunter2` and `-phunter2` are one as a whole and behind the name of the option. */
function possibleSecrets(argument: string): readonly string[] {
  const [, value] = /^(?:-[^=]*=|-\w)(.*)$/s.exec(argument) ?? []
  return [argument, ...(value === undefined ? [] : [value])].filter((each) => !HARMLESS.test(each))
}

function overdue(program: string): ProbeResult {
  return { outcome: 'failed', failure: 'no-answer', message: `${program} does not end in time` }
}

function notStarted(program: string, user = 'its own user', { code, message }: NodeJS.ErrnoException): ProbeResult {
  const isRoot = process.getuid?.() === 0
  const reasons: Readonly<Record<string, string>> = {
    ENOENT: `${program} or its interpreter does not exist`,
    EACCES: `${program} cannot be run by ${user}: make it readable and executable for it`,
    EPERM: `${program} cannot be run as ${user} by ${isRoot ? 'a root without CAP_SETUID and CAP_SETGID: write user: root' : 'a Pointsman that is not root: write no user'}`,
  }
  return unknown(reasons[code ?? ''] ?? `${program} could not be started (${code ?? message})`)
}

function unknown(message: string): ProbeResult {
  return { outcome: 'unknown', message }
}
