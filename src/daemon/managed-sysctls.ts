import type { Logger } from '../log.ts'
import type { ServiceSpec } from '../model/service-spec.ts'
import type { SysctlStore } from '../store/sysctls.ts'
import { logFailure } from './announce.ts'
import type { Host } from './host.ts'
import { asPointsmanError } from './passes.ts'
import { ADVISED_SYSCTLS, sysctlAdvice } from './sysctl-advice.ts'

interface Parts {
  readonly host: Pick<Host, 'readSysctl' | 'writeSysctl'>
  readonly store: SysctlStore
  readonly logger: Logger
}

/** Sets what the services need (`manage_sysctls`), and remembers what it was. Where one cannot be set the log says so, and the rest is. */
export async function setSysctls(services: readonly ServiceSpec[], { host, store, logger }: Parts): Promise<void> {
  const values = new Map(ADVISED_SYSCTLS.map((name) => [name, host.readSysctl(name)] as const))
  for (const { sysctl, value, wanted } of sysctlAdvice(services, values)) {
    try {
      const known = store.set.get(sysctl)
      // Somebody set back what we had set: what was before us is what was before that.
      if (known?.after !== wanted) await store.note(sysctl, { before: known?.before ?? value, after: wanted })
      host.writeSysctl(sysctl, wanted)
      logger.info({ sysctl, before: value, after: wanted }, `${sysctl} is set from ${value} to ${wanted} (manage_sysctls)`)
    } catch (error) {
      logFailure(logger, asPointsmanError(error))
    }
  }
}

/** Puts back what `setSysctls` set, in this process or an earlier one, unless somebody has set it otherwise since. */
export async function restoreSysctls({ host, store, logger }: Parts): Promise<void> {
  for (const [sysctl, { before, after }] of store.set) {
    if (host.readSysctl(sysctl) !== after) continue
    try {
      host.writeSysctl(sysctl, before)
      logger.info({ sysctl, before: after, after: before }, `${sysctl} is set back from ${after} to ${before}`)
    } catch (error) {
      logFailure(logger, asPointsmanError(error))
    }
  }
  await store.clear()
}
