import type { Logger } from '../log.ts'
import type { ServiceSpec } from '../model/service-spec.ts'
import type { SysctlStore } from '../store/sysctls.ts'
import { logFailure } from './announce.ts'
import { conntrackUsage } from './conntrack-usage.ts'
import type { Host } from './host.ts'
import { asPointsmanError } from './passes.ts'
import { FORWARDING, sysctlAdvice } from './sysctl-advice.ts'
import { CONNTRACK_MAX, type Machine, NEARLY_FULL, usefulSysctls } from './useful-sysctls.ts'

interface Parts {
  readonly host: Pick<Host, 'readSysctl' | 'writeSysctl' | 'routesLostToForwarding'>
  readonly store: SysctlStore
  readonly logger: Logger
  /** Asked before each is set; absent: yes. */
  readonly mayWrite?: () => boolean
  /** Left out: this one. */
  readonly machine?: Machine
}

/** Sets what the services need, and what is good for them (`manage_sysctls`), and remembers what it was. Where one cannot be set the log says so, and the rest is. */
export async function setSysctls(
  services: readonly ServiceSpec[],
  { host, store, logger, mayWrite, machine }: Parts,
): Promise<void> {
  // The advice at each start and reload says why, and what to do.
  const needed = sysctlAdvice(services, host).filter(({ isHarmful }) => !isHarmful)
  for (const { sysctl, value, wanted } of [...needed, ...usefulSysctls(services, host, machine)]) {
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

function reasonToStay(sysctl: string, before: number, allIsGone: boolean, host: Parts['host']): string | undefined {
  if (FORWARDING.has(sysctl)) return 'others may forward through this host by now'
  if (!allIsGone) return 'not everything is out of the kernel'
  const tracked = sysctl === CONNTRACK_MAX ? (conntrackUsage(host)?.count ?? 0) : 0
  return tracked * 100 > before * NEARLY_FULL ? `${tracked} connections are tracked` : undefined
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
    const stays = reasonToStay(sysctl, before, allIsGone, host)
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
