import { isDeepStrictEqual } from 'node:util'
import type { LeftOut, Written } from '../imported.ts'
import { leftOut } from './notes.ts'
import { quoted } from './shell.ts'
import type { QuorumScript, ReadServer } from './virtual-server.ts'

/** Keys of `global.hooks`. */
export function readHooks(read: readonly ReadServer[], left: LeftOut[]): Written {
  const up = commandFor(read, ({ quorumUp }) => quorumUp, left)
  const down = commandFor(read, ({ quorumDown }) => quorumDown, left)
  return { ...(up !== undefined && { quorum_up: up }), ...(down !== undefined && { quorum_down: down }) }
}

/**
 * One program is told of the quorums of all services. Where not every virtual server that has a quorum names the same one, a shell
 * chooses by the service: a program that nobody named for a service must not be run for it.
 */
function commandFor(
  read: readonly ReadServer[],
  scriptOf: (server: ReadServer) => QuorumScript | undefined,
  left: LeftOut[],
): readonly string[] | undefined {
  const told = read.filter(({ services }) => services.some(({ written }) => written['quorum'] !== undefined))
  const scripts = told.map(scriptOf)
  const [first] = scripts
  for (const script of scripts) if (script !== undefined) tellUser(script, left)
  if (first !== undefined && scripts.every((script) => isDeepStrictEqual(script?.command, first.command))) return first.command
  const arms = new Map<string, string[]>()
  for (const server of told) {
    const script = scriptOf(server)
    if (script === undefined) continue
    if (!script.command[0]?.startsWith('/')) {
      const reason = 'a hook is the whole path of a program'
      left.push(leftOut(script.directive, reason, 'write the whole path, and import again'))
      continue
    }
    const command = script.command.map(quoted).join(' ')
    const names = server.services.map(({ written }) => quoted(String(written['name'])))
    arms.set(command, [...(arms.get(command) ?? []), ...names])
  }
  if (arms.size === 0) return undefined
  const choice = [...arms].map(([command, names]) => `${names.join('|')}) exec ${command};;`).join(' ')
  return ['/bin/sh', '-c', `case "$POINTSMAN_SERVICE" in ${choice} esac`]
}

function tellUser({ directive }: QuorumScript, left: LeftOut[]): void {
  const [, user] = directive.words
  if (user !== undefined)
    left.push(leftOut(directive, 'hooks have the rights of Pointsman', `let the program become ${user} by itself`))
}
