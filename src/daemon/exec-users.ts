import { accountOf } from '../health/account.ts'
import { execUser } from '../health/exec.ts'
import { effectiveCapabilities } from '../kernel/for-daemon.ts'
import type { Logger } from '../log.ts'
import type { ServiceSpec } from '../model/service-spec.ts'

/** One line for each service whose `exec` check is to run as a user that this process cannot become: it would prove nothing, for ever. */
export async function adviseExecUsers(logger: Logger, services: readonly ServiceSpec[]): Promise<void> {
  const rights = effectiveCapabilities()
  if (rights.has('CAP_SETUID') && rights.has('CAP_SETGID')) return
  for (const service of services) {
    for (const user of usersOf(service)) {
      // A file of users that cannot be read knows none.
      const account = await accountOf(user).catch(() => undefined)
      if (account !== undefined && account.uid === process.getuid?.()) continue
      logger.warn(
        { service: service.name, user },
        `The exec check of ${service.name} is to run as ${user}, which a Pointsman without CAP_SETUID and CAP_SETGID cannot do: its backends stay what they are. Write ${cureOf()}.`,
      )
    }
  }
}

function usersOf({ checks }: ServiceSpec): ReadonlySet<string> {
  const users = checks.map(({ probe }) => (probe.kind === 'exec' ? execUser(probe) : undefined))
  return new Set(users.filter((user) => user !== undefined))
}

function cureOf(): string {
  return process.getuid?.() === 0 ? 'user: root' : 'no user, and it has the rights of Pointsman'
}
