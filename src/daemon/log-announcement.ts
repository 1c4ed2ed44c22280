import { formatDuration } from '../document/values/duration.ts'
import type { Logger } from '../log.ts'
import type { DesiredUpdate } from '../pipeline/desired-update.ts'

/** One line for each service whose address hangs on its quorum, when it comes and when it goes. */
export function logAnnouncements(before: DesiredUpdate | undefined, after: DesiredUpdate, logger: Logger): void {
  for (const [key, { spec, pool }] of after.provenance) {
    const then = before?.provenance.get(key)?.pool.announced
    if (pool.announced === undefined || pool.announced === then || spec.identity.kind !== 'address') continue
    const { name, identity } = spec
    const detail = { service: name, vip: key, address: identity.address, announced: pool.announced }
    if (pool.announced) logger.info(detail, `${name}: its address ${identity.address} is to be here: its quorum is had`)
    else if (then === undefined)
      logger.info(detail, `${name}: its address ${identity.address} is not to be here before its quorum is had`)
    else
      logger.warn(
        detail,
        `${name}: its address ${identity.address} is taken away: its quorum has been lost for ${formatDuration(spec.virtualAddress?.hold ?? 0)}`,
      )
  }
}
