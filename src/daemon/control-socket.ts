import { type Control, startControlServer } from '../admin/control.ts'
import type { AdminContent } from '../admin/server.ts'
import type { Logger } from '../log.ts'
import { logFailure } from './announce.ts'
import { ownSocket } from './find-socket.ts'
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
