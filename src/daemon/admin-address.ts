import { setTimeout } from 'node:timers/promises'
import type { AdminServer } from '../admin/server.ts'
import type { Logger } from '../log.ts'
import { logFailure } from './announce.ts'
import { asPointsmanError } from './passes.ts'
import type { Status } from './status.ts'

/** Milliseconds between two tries. */
const AGAIN = 1_000

interface Listeners {
  readonly status: Status
  readonly logger: Logger
}

/**
 * Serves the admin address. Where it cannot be had, because another process listens there or no interface has it yet, backends that fail must
 * leave the table all the same: that is told, and tried again for ever. Any user may listen at a port above 1023 while the daemon is restarted.
 */
export async function serveAdmin(start: () => Promise<AdminServer>, listeners: Listeners): Promise<AsyncDisposable> {
  const first = await attempt(start, listeners)
  if (first !== undefined) return first
  const ending = new AbortController()
  const later = tryAgain(start, listeners, ending.signal)
  return {
    [Symbol.asyncDispose]: async () => {
      ending.abort()
      await (await later)?.[Symbol.asyncDispose]()
    },
  }
}

async function tryAgain(
  start: () => Promise<AdminServer>,
  listeners: Listeners,
  ending: AbortSignal,
): Promise<AdminServer | undefined> {
  while (!ending.aborted) {
    await setTimeout(AGAIN, undefined, { signal: ending, ref: false }).catch(() => {})
    const server = ending.aborted ? undefined : await attempt(start, listeners)
    if (server !== undefined) return server
  }
  return undefined
}

/** Undefined: it cannot be had now. */
async function attempt(start: () => Promise<AdminServer>, { status, logger }: Listeners): Promise<AdminServer | undefined> {
  try {
    const server = await start()
    status.adminChanged(undefined)
    logger.info({ address: server.address }, 'the admin address is served')
    return server
  } catch (error) {
    const known = asPointsmanError(error)
    if (known.code !== 'ADMIN_ADDRESS') throw error
    if (known.message !== status.adminUnserved) logFailure(logger, known)
    status.adminChanged(known.message)
    return undefined
  }
}
