import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { type Control, controlSocket, isControlSocket, startControlServer } from '../admin/control.ts'
import { socketState } from '../admin/http-server.ts'
import type { AdminContent } from '../admin/server.ts'
import { PointsmanError } from '../errors.ts'
import type { Logger } from '../log.ts'
import type { InUse } from '../store/left-behind.ts'
import { currentPlace } from '../store/ownership.ts'
import { logFailure } from './announce.ts'
import { asPointsmanError } from './passes.ts'

/** Opens the operator's socket in the state directory; without it, which is logged, the daemon does its work all the same. */
export function openControlSocket(stateDir: string, content: AdminContent, control: Control, logger: Logger): AsyncDisposable {
  const opening = ownSocket(stateDir)
    .then((path) => startControlServer(path, content, control))
    .catch((error: unknown) => {
      logFailure(logger, asPointsmanError(error))
      return undefined
    })
  return { [Symbol.asyncDispose]: async () => (await opening)?.[Symbol.asyncDispose]() }
}

/** Asks whether the daemon of a network namespace, which may be another than ours, serves its socket in a state directory. */
export function daemonServes(stateDir: string): InUse {
  return async (netns) => (await socketState(join(stateDir, controlSocket(netns)))) !== 'dead'
}

/**
 * The socket of the daemon that is meant by a state directory: that of this network namespace; where none is served there, the
 * one that another namespace's daemon serves. Rejects with NO_DAEMON where several do.
 */
export async function socketToAsk(stateDir: string): Promise<string> {
  const own = await ownSocket(stateDir)
  if ((await socketState(own)) !== 'dead') return own
  const names = await readdir(stateDir).catch((): string[] => [])
  const live: string[] = []
  for (const path of names.filter(isControlSocket).map((name) => join(stateDir, name))) {
    if ((await socketState(path)) !== 'dead') live.push(path)
  }
  if (live.length <= 1) return live[0] ?? own
  throw new PointsmanError(
    'NO_DAEMON',
    `No daemon of this network namespace answers in ${stateDir}, and those of several others do (${live.join(', ')}): run this in the namespace of the one that is meant, with \`nsenter --net\` or \`ip netns exec\`.`,
  )
}

async function ownSocket(stateDir: string): Promise<string> {
  return join(stateDir, controlSocket((await currentPlace()).netns))
}
