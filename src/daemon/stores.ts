import type { Logger } from '../log.ts'
import { wallAhead } from '../pipeline/steady-scheduler.ts'
import { type ClaimsStore, openClaims } from '../store/claims.ts'
import { type OwnershipStore, openOwnership } from '../store/ownership.ts'
import { openPause, type PauseStore } from '../store/pause.ts'
import { openSnapshots, type SnapshotStore } from '../store/snapshots.ts'
import { openSysctls, type SysctlStore } from '../store/sysctls.ts'
import { openWords, type WordsStore } from '../store/words.ts'
import { logFailure } from './announce.ts'
import { claimsSentence } from './claims.ts'
import { daemonServes } from './control-socket.ts'
import { wordsSentence } from './operator.ts'
import { assertWritable } from './state-directory.ts'

/** What a daemon keeps in its state directory. */
export interface Stores {
  readonly ownership: OwnershipStore
  readonly snapshots: SnapshotStore
  readonly claims: ClaimsStore
  readonly words: WordsStore
  readonly sysctls: SysctlStore
  readonly pause: PauseStore
}

/**
 * Opens everything, to be closed with `parts`; with access `read` nothing is written, then or later. Rejects with
 * STATE_UNWRITABLE and STATE_NEWER.
 */
export async function openStores(
  directory: string,
  parts: AsyncDisposableStack,
  logger: Logger,
  access: 'write' | 'read' = 'write',
): Promise<Stores> {
  if (access === 'write') await assertWritable(directory)
  const ownership = await openOwnership({ directory, access })
  const options = {
    directory,
    access,
    inUse: daemonServes(directory),
    onFailure: (error: Parameters<typeof logFailure>[1]) => logFailure(logger, error),
  }
  const snapshots = parts.use(await openSnapshots(options))
  const claims = parts.use(await openClaims(options))
  const words = parts.use(await openWords({ ...options, ahead: wallAhead }))
  const pause = await openPause({ directory, ahead: wallAhead })
  return { ownership, snapshots, claims, words, sysctls: await openSysctls({ directory }), pause }
}

/** One line for each of them of which something is lost, less those of which `announceStart` tells. */
export function announceStores(logger: Logger, { claims, words }: Pick<Stores, 'claims' | 'words'>): void {
  const unread = claimsSentence(claims.origin)
  if (unread !== undefined) logger.warn({ path: claims.path }, unread)
  const lost = wordsSentence(words)
  if (lost !== undefined) logger.error({ path: words.path }, lost)
}
