import type { Logger } from '../log.ts'
import { wallAhead } from '../steady-scheduler.ts'
import { type ClaimsStore, openClaims } from '../store/claims.ts'
import { type OwnershipStore, openOwnership } from '../store/ownership.ts'
import { openPause, type PauseStore } from '../store/pause.ts'
import { openSnapshots, type SnapshotStore } from '../store/snapshots.ts'
import { openSysctls, type SysctlStore } from '../store/sysctls.ts'
import { openWords, type WordsStore } from '../store/words.ts'
import { logFailure } from './announce.ts'
import { claimsSentence } from './claims.ts'
import { daemonServes } from './find-socket.ts'
import { wordsSentence } from './operator.ts'
import { asPointsmanError } from './passes.ts'
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
 * STATE_UNWRITABLE where there is no record either, and STATE_NEWER.
 */
export async function openStores(
  directory: string,
  parts: AsyncDisposableStack,
  logger: Logger,
  access: 'write' | 'read' = 'write',
): Promise<Stores> {
  const ownership = await openRecord(directory, logger, access)
  const options = {
    directory,
    access,
    inUse: daemonServes(directory),
    onFailure: (error: Parameters<typeof logFailure>[1]) => logFailure(logger, error),
  }
  const snapshots = parts.use(await openSnapshots({ ...options, ahead: wallAhead }))
  const claims = parts.use(await openClaims(options))
  const words = parts.use(await openWords({ ...options, ahead: wallAhead }))
  const pause = await openPause({ directory, ahead: wallAhead })
  return { ownership, snapshots, claims, words, sysctls: await openSysctls({ directory }), pause }
}

/**
 * A start after a crash must not wait for somebody to free space on the disk: with a record of this table whatever needs no new entry can be done.
 * Without one, and no way to keep one, nobody would know later what is ours.
 */
async function openRecord(directory: string, logger: Logger, access: 'write' | 'read'): Promise<OwnershipStore> {
  if (access === 'read') return openOwnership({ directory, access })
  const trouble = await assertWritable(directory).catch(asPointsmanError)
  const ownership = await openOwnership({ directory, access }).catch((error: unknown) => {
    throw trouble ?? error
  })
  if (trouble === undefined) return ownership
  if (ownership.origin.kind !== 'loaded') throw trouble
  logFailure(logger, trouble)
  return ownership
}

/** One line for each of them of which something is lost, less those of which `announceStart` tells. */
export function announceStores(logger: Logger, { claims, words }: Pick<Stores, 'claims' | 'words'>): void {
  const unread = claimsSentence(claims.origin)
  if (unread !== undefined) logger.warn({ path: claims.path }, unread)
  const lost = wordsSentence(words)
  if (lost !== undefined) logger.error({ path: words.path }, lost)
}
