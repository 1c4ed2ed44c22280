import { formatDuration } from '../document/values/duration.ts'
import type { Logger } from '../log.ts'
import { differingKeys } from '../model/shared-map.ts'
import type { DesiredUpdate } from '../pipeline/desired-update.ts'

/** One line for each service whose address hangs on its quorum, when it comes and when it goes. */
export function logAnnouncements(before: DesiredUpdate | undefined, after: DesiredUpdate, logger: Logger): void {
  for (const key of differingKeys(before?.provenance, after.provenance)) {
    const known = after.provenance.get(key)
    if (known === undefined) continue
    const { spec, pool } = known
    if (pool.announced === undefined || spec.identity.kind !== 'address') continue
    const then = before?.provenance.get(key)?.pool.announced
    if (pool.announced === then) continue
    const { name, identity } = spec
    const detail = { service: name, vip: key, address: identity.address, announced: pool.announced }
    const here = `${name}: its address ${identity.address}`
    const hold = formatDuration(spec.virtualAddress?.hold ?? 0)
    if (pool.announced === 'undecided')
      logger.info(detail, `${here} is left as it is until a backend is up, or its quorum has been lost for ${hold}`)
    else if (pool.announced) logger.info(detail, `${here} is to be here: its quorum is had`)
    else {
      const goes = then === true ? 'is taken away' : 'is not to be here'
      logger.warn(detail, `${here} ${goes}: its quorum has been lost for ${hold}`)
    }
  }
}
