import type { Logger } from '../log.ts'
import type { ServiceSpec } from '../model/service-spec.ts'
import type { SysctlStore } from '../store/sysctls.ts'
import { logFailure } from './announce.ts'
import type { Host } from './host.ts'
import { asPointsmanError } from './passes.ts'
import { FORWARDING, sysctlAdvice } from './sysctl-advice.ts'

interface Parts {
  readonly host: Pick<Host, 'readSysctl' | 'writeSysctl' | 'routesLostToForwarding'>
  readonly store: SysctlStore
  readonly logger: Logger
  /** Asked before each is set; absent: yes. */
  readonly mayWrite?: () => boolean
}

/** Sets what the services need (`manage_sysctls`), and remembers what it was. Where one cannot be set the log says so, and the rest is. */
export async function setSysctls(services: readonly ServiceSpec[], { host, store, logger, mayWrite }: Parts): Promise<void> {
  for (const { sysctl, value, wanted, isHarmful } of sysctlAdvice(services, host)) {
    // The advice at each start and reload says why, and what to do.
    if (isHarmful) continue
    try {
      const known = store.set.get(sysctl)
      // Somebody set back what we had set: what was before us is what was before that.
      if (known?.after !== wanted) await store.note(sysctl, { before: known?.before ?? value, after: wanted })
      // A pause may have begun meanwhile.
      if (mayWrite?.() === false) return
      host.writeSysctl(sysctl, wanted)
      logger.info({ sysctl, before: value, after: wanted }, `${sysctl} is set from ${value} to ${wanted} (manage_sysctls)`)
    } catch (error) {
      logFailure(logger, asPointsmanError(error))
    }
  }
}

/**
 * Puts back what `setSysctls` set, in this process or an earlier one, unless somebody has set it otherwise since. Forwarding stays on, for containers and
 * others may rely on it by now; and nothing is put back while a service goes on that may need it. What stays is said, and stays noted.
 */
export async function restoreSysctls(allIsGone: boolean, { host, store, logger }: Parts): Promise<void> {
  const settled: string[] = []
  for (const [sysctl, { before, after }] of store.set) {
    if (host.readSysctl(sysctl) !== after) {
      settled.push(sysctl)
      continue
    }
    const stays = FORWARDING.has(sysctl)
      ? 'others may forward through this host by now'
      : allIsGone
        ? undefined
        : 'not everything is out of the kernel'
    if (stays !== undefined) {
      const sentence = `${sysctl} stays ${after}, because ${stays}: it was ${before} before, "sysctl -w ${sysctl}=${before}" sets it back`
      logger.warn({ sysctl, before, after }, sentence)
      continue
    }
    try {
      host.writeSysctl(sysctl, before)
      settled.push(sysctl)
      logger.info({ sysctl, before: after, after: before }, `${sysctl} is set back from ${after} to ${before}`)
    } catch (error) {
      logFailure(logger, asPointsmanError(error))
    }
  }
  await store.forget(settled).catch((error: unknown) => logFailure(logger, asPointsmanError(error)))
}
