import type { BuildInfo } from '../admin/metric-facts.ts'
import type { Metrics } from '../admin/metrics.ts'
import type { Logger } from '../log.ts'
import { type Journal, openJournal } from '../store/journal.ts'
import { logFailure } from './announce.ts'
import { counted } from './counted.ts'

/** Opens the journal of a daemon, whose log is told when it cannot be written and when it can be again. */
export function openJournalOf(
  { path, limit }: { readonly path: string; readonly limit: number },
  { version, commit }: Pick<BuildInfo, 'version' | 'commit'>,
  { metrics, logger }: { readonly metrics: Metrics; readonly logger: Logger },
): Promise<Journal> {
  return openJournal({
    path,
    limit,
    build: { version, commit },
    onFailure: (error) => logFailure(logger, error),
    onLost: (count) => metrics.journalLost(count),
    onRecovered: (lost) =>
      logger.warn({ path, lost }, `the journal ${path} is written again; ${counted(lost, 'turn')} of the pipeline are missing`),
  })
}
