import { isDeepStrictEqual } from 'node:util'
import { isMapping } from '../../document/reading.ts'
import { type IpAddress, parseAddress } from '../../model/address.ts'
import type { LeftOut, Written } from '../imported.ts'
import { leftOut, unknown } from './notes.ts'
import { type Check, checkOf, readOptions, type Surroundings, tellOthers } from './options.ts'
import type { CheckedServer } from './pool-checks.ts'
import { quoted } from './shell.ts'
import { type Usual, writeTiming } from './timing.ts'
import type { Directive } from './tree.ts'
import { commandOf, timer } from './values.ts'

const EXEC: Usual = { retry: 0, delayBeforeRetry: 1_000 }

export function execCheck(directive: Directive, around: Surroundings, notes: LeftOut[]): readonly Check[] {
  const options = readOptions(directive.block ?? [], around.timing)
  let command: string[] | undefined
  let timeout = options.timing.delayLoop ?? 60_000
  let dynamic = false
  let user = around.scriptUser
  for (const other of options.others) {
    const [word, group] = other.words
    if (other.name === 'misc_path' && word !== undefined) command = commandOf(other.words.join(' '))
    else if (other.name === 'misc_timeout') {
      timeout = timer(word) ?? timeout
      if (timer(word) === undefined || timeout < 10 || timeout > 3_600_000) notes.push(unknown(other, {}))
    } else if (other.name === 'misc_dynamic') dynamic = true
    else if (other.name === 'user' && word !== undefined) {
      user = word
      notes.push(ofUser(other, word, group))
    } else tellOthers([other], notes)
  }
  if (command === undefined) {
    notes.push(leftOut(directive, 'it names no program', 'write exec: { command: [/usr/local/bin/check] }'))
    return []
  }
  const exec = { command, ...(dynamic && { dynamic }), ...(user !== undefined && { user }) }
  return [checkOf(directive, options, around, { ...writeTiming(options.timing, EXEC, timeout), exec })]
}

/** `user` of a check, or `script_user`: written as it is, which is not enough for a Pointsman with fewer rights than keepalived. */
export function ofUser(directive: Directive, user: string, group: string | undefined): LeftOut {
  const ofGroup = group === undefined || group === user ? '' : `, and its group is that of /etc/passwd, not ${group}`
  return leftOut(
    directive,
    `only a Pointsman that is root can run a check as ${user}${ofGroup}`,
    'run it as root, or remove user: from exec and give its own user what the program needs',
  )
}

/** Texts of one server that a program finds in its environment, as POINTSMAN_ADDRESS and POINTSMAN_PORT. */
interface Asked {
  readonly address: IpAddress
  readonly port: number
}

/** How a command may be written so that it is the same for several servers, what changes least first. */
const WAYS: readonly ((command: readonly string[], asked: Asked) => readonly string[])[] = [
  (command) => command,
  (command, { address }) => withEnvironment(command, [['POINTSMAN_ADDRESS', address]]),
  (command, { address, port }) =>
    withEnvironment(command, [
      ['POINTSMAN_ADDRESS', address],
      ...(port === 0 ? [] : [['POINTSMAN_PORT', String(port)] as const]),
    ]),
]

/**
 * The servers with one command for all that are asked by programs: what is a server's own address or port in its arguments comes from
 * the environment. Where they differ still, or one server alone is asked by a program, nobody is, and each is listed: arguments of one
 * server would say whether another one is up.
 */
export function withOneCommand(servers: readonly CheckedServer[], left: LeftOut[]): readonly CheckedServer[] {
  const asked = servers.filter(({ checks }) => checks.length > 0)
  const byProgram = asked.filter(({ checks }) => checks.some(isExec))
  if (byProgram.length === 0) return servers
  // A command of one server may hold its address, which is none for a server that comes later.
  const ways = byProgram.length > 1 ? WAYS : asked.length > 1 ? [] : WAYS.slice(1)
  for (const way of ways) {
    const commandsOf = (server: CheckedServer) =>
      server.checks.filter(isExec).map((check) => way(commandIn(check), askedBy(server, check)))
    const [first, ...others] = byProgram.map(commandsOf)
    if (!others.every((commands) => isDeepStrictEqual(commands, first))) continue
    return servers.map((server) => ({
      ...server,
      checks: server.checks.map((check) =>
        isExec(check) ? { ...check, written: withCommand(check.written, way(commandIn(check), askedBy(server, check))) } : check,
      ),
    }))
  }
  for (const { checks } of byProgram) left.push(...checks.filter(isExec).map(different))
  return servers.map((server) => ({ ...server, checks: server.checks.filter((check) => !isExec(check)) }))
}

function different({ directive }: Check): LeftOut {
  return leftOut(
    directive,
    'servers of the pool are not asked by the same command, and all backends of a service are asked alike',
    'write exec: { command: [...] } with a program that looks at POINTSMAN_ADDRESS and POINTSMAN_PORT',
  )
}

function isExec({ written: { exec } }: Check): boolean {
  return isMapping(exec)
}

function commandIn({ written: { exec } }: Check): readonly string[] {
  return (exec as { command: readonly string[] }).command
}

function withCommand(written: Written, command: readonly string[]): Written {
  return { ...written, exec: { ...(written['exec'] as Written), command } }
}

function askedBy(server: CheckedServer, { address = server.address, port = server.port }: Check): Asked {
  return { address, port }
}

type Variable = readonly [name: string, value: string]

/** The command as it is where nothing of it is the value of a variable. */
function withEnvironment(command: readonly string[], variables: readonly Variable[]): readonly string[] {
  const [program = '', option, text = ''] = command
  // No shell may look for what is no whole path, which the validation refuses.
  if (!program.startsWith('/')) return command
  if (program === '/bin/sh' && option === '-c') {
    // Between single quotes a variable is none.
    if (text.includes("'")) return command
    return [
      program,
      option,
      pieces(text, variables)
        .map((piece) => (typeof piece === 'string' ? piece : `$${piece[0]}`))
        .join(''),
    ]
  }
  const words = command.map((word) => pieces(word, variables))
  if (words.every((parts) => parts.every((part) => typeof part === 'string'))) return command
  const written = words.map((parts) => parts.map((part) => (typeof part === 'string' ? quoted(part) : `"$${part[0]}"`)).join(''))
  return ['/bin/sh', '-c', `exec ${written.join(' ')}`]
}

/** The text, cut where it has the value of a variable. A word that is an address in another spelling counts as well. */
function pieces(text: string, variables: readonly Variable[]): readonly (string | Variable)[] {
  if (text === '') return [text]
  const whole = variables.find(([, value]) => parseAddress(text) === value)
  if (whole !== undefined) return [whole]
  const values = variables.map(([, value]) => value.replaceAll('.', '\\.')).join('|')
  const found = text.split(new RegExp(`(?<![\\w.])(${values})(?!\\w|\\.\\d)`))
  return found.flatMap((part, at) => {
    const variable = at % 2 === 1 ? variables.find(([, value]) => value === part) : undefined
    return part === '' ? [] : [variable ?? part]
  })
}
