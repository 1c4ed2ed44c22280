import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { controlSocket, isControlSocket } from '../admin/control-socket-name.ts'
import { socketState } from '../admin/http-server.ts'
import { PointsmanError } from '../errors.ts'
import type { InUse } from '../store/left-behind.ts'
import { currentPlace } from '../store/place.ts'

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

/** The one of this network namespace. */
export async function ownSocket(stateDir: string): Promise<string> {
  return join(stateDir, controlSocket((await currentPlace()).netns))
}
