import type { Configuration } from '../config/configuration.ts'
import { formatIssue, type Issue, MAX_ISSUES_TOLD } from '../document/issue.ts'
import type { PointsmanError } from '../errors.ts'
import type { Logger } from '../log.ts'
import type { ServiceSpec } from '../model/service-spec.ts'
import type { OwnershipOrigin, OwnershipStore } from '../store/ownership.ts'
import type { SnapshotStore } from '../store/snapshots.ts'
import { counted } from './counted.ts'
import { adviseExecUsers } from './exec-users.ts'
import type { Host } from './host.ts'
import { snapshotsSentence } from './last-good.ts'
import { sysctlAdvice } from './sysctl-advice.ts'

/** What is worth a line although it stops nothing: warnings of the configuration, sysctls, a record that does not count. */
export function announceStart(
  host: Host,
  logger: Logger,
  facts: {
    readonly configuration: Configuration
    readonly warnings: readonly Issue[]
    readonly ownership: OwnershipStore
    readonly snapshots: SnapshotStore
  },
): void {
  logWarnings(logger, facts.warnings)
  const lost = originSentence(facts.ownership.origin)
  if (lost !== undefined) logger.warn({ path: facts.ownership.path, origin: facts.ownership.origin.kind }, lost)
  const unread = snapshotsSentence(facts.snapshots.origin)
  if (unread !== undefined) logger.warn({ path: facts.snapshots.path }, unread)
  adviseSysctls(host, logger, facts.configuration)
  void adviseExecUsers(logger, facts.configuration.services)
}

/** One line for each of the first warnings of a configuration, and how many more there are. */
export function logWarnings(logger: Logger, warnings: readonly Issue[]): void {
  logFirst(logger, {}, warnings)
}

/** The same for the oddities of a source's answer that is good all the same. */
export function logSourceWarnings(logger: Logger, source: string, service: ServiceSpec, warnings: readonly Issue[]): void {
  logFirst(logger, { service: service.name, source }, warnings)
}

function logFirst(logger: Logger, subject: object, warnings: readonly Issue[]): void {
  for (const warning of warnings.slice(0, MAX_ISSUES_TOLD)) logger.warn({ ...subject, path: warning.path }, formatIssue(warning))
  const untold = warnings.length - MAX_ISSUES_TOLD
  if (untold > 0) logger.warn(subject, `and ${counted(untold, 'more warning')} like these`)
}

/** Something that was tried beside the road of events did not succeed; the road itself goes on. */
export function logFailure(logger: Logger, error: PointsmanError): void {
  logger.error({ code: error.code }, error.message)
}

/** One line for each sysctl that harms what the configuration asks for. */
export function adviseSysctls(host: Host, logger: Logger, configuration: Configuration): void {
  for (const advice of sysctlAdvice(configuration.services, host)) {
    logger.warn({ sysctl: advice.sysctl, value: advice.value }, `${advice.problem} ${advice.cure}`)
  }
}

/** Why nothing that an earlier run made is known to be ours; undefined where the record is good or there never was one. */
export function originSentence(origin: OwnershipOrigin): string | undefined {
  const adopted = 'what the configuration names is adopted, everything else in the table is foreign and stays'
  switch (origin.kind) {
    case 'none':
    case 'loaded':
      return undefined
    case 'other-boot':
      return `The record of what is ours is of an earlier boot and does not count: ${adopted}.`
    case 'other-namespace':
      return `The record of what is ours is of another network namespace and does not count: ${adopted}.`
    case 'corrupt':
      return `The record of what is ours cannot be read (${origin.reason}): ${adopted}.${
        origin.setAside === undefined ? '' : ` The unreadable file is now ${origin.setAside}.`
      }`
  }
}
