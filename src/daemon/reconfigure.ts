import { isDeepStrictEqual } from 'node:util'
import type { Observable, Subject, Subscription } from 'rxjs'
import type { Metrics } from '../admin/metrics.ts'
import type { Configuration, Overrides } from '../config/configuration.ts'
import type { WhatWasRead } from '../config/read-trace.ts'
import { andMore } from '../document/issue.ts'
import type { ProbeThreads } from '../health/threads/probe-threads.ts'
import type { Logger } from '../log.ts'
import { adviseSysctls, logWarnings } from './announce.ts'
import { counted } from './counted.ts'
import { adviseExecUsers } from './exec-users.ts'
import type { Host } from './host.ts'
import { type Reload, reloads, restartNeeded } from './reload.ts'
import type { Running } from './running.ts'
import type { Status } from './status.ts'
import type { Supervisor } from './supervisor.ts'

interface Source {
  readonly configuration: Configuration
  readonly bytes: Uint8Array
  readonly read?: WhatWasRead | undefined
  readonly overrides: Overrides
  readonly watch: { readonly settle: number; readonly poll: number }
  readonly reload$: Observable<unknown>
}

interface Parts {
  readonly host: Host
  readonly running: Running
  /** That ask backends. */
  readonly threads: Pick<ProbeThreads, 'resize'>
  readonly status: Status
  readonly metrics: Metrics
  readonly logger: Logger
  readonly supervisor: Supervisor
  readonly resync$: Subject<void>
  /** Sets the sysctls that the configuration in force needs, where that is asked for. */
  readonly manageSysctls: () => Promise<void>
}

/** Follows the configuration file and SIGHUP for as long as the subscription lives; the signal also asks for a full pass. */
export function followConfiguration(source: Source, parts: Parts): Subscription {
  const { overrides, bytes, read, watch } = source
  const started = source.configuration
  const subscription = source.reload$.subscribe(() => {
    parts.supervisor.reloading()
    parts.resync$.next()
  })
  subscription.add(
    reloads({ path: started.path, overrides, bytes, read, ...watch }, source.reload$).subscribe((reload) => {
      accept(reload, started, parts)
      parts.supervisor.reloaded(counted(parts.running.configuration.services.length, 'service'))
    }),
  )
  return subscription
}

function accept(reload: Reload, started: Configuration, parts: Parts): void {
  const { logger } = parts
  switch (reload.kind) {
    case 'unchanged':
      logger.info('the configuration says what it said before')
      return
    case 'rejected':
      reject(reload, started, parts)
      return
    case 'accepted':
      take(reload, started, parts)
  }
}

/** The verdict comes first: of a long list the log may lose the end. */
function reject(reload: Reload & { kind: 'rejected' }, started: Configuration, { status, metrics, logger }: Parts): void {
  const { sentences, problems } = reload
  const code = 'CONFIG_INVALID'
  metrics.configRejected()
  status.configRejected(andMore(sentences[0] ?? 'it is not valid', problems - 1))
  logger.error({ code, problems }, `the new configuration is rejected for ${counted(problems, 'problem')}, the running one stays`)
  for (const sentence of sentences) logger.error({ code }, sentence)
  const untold = problems - sentences.length
  if (untold > 0) {
    const cure = `pointsman validate -c ${started.path} names them all`
    logger.error({ code }, `and ${counted(untold, 'more problem')}; ${cure}`)
  }
}

function take(reload: Reload & { kind: 'accepted' }, started: Configuration, parts: Parts): void {
  const { status, metrics, logger, running, host } = parts
  const { configuration } = reload
  const waiting = [
    ...restartNeeded(started.settings, configuration.settings),
    ...(isDeepStrictEqual(started.snat, configuration.snat) ? [] : ['snat']),
  ]
  logWarnings(logger, reload.warnings)
  for (const setting of waiting) logger.warn({ setting }, `the change of ${setting} takes effect at the next restart`)
  logger.level = configuration.settings.logLevel
  metrics.configLoaded(configuration.services.length)
  status.configAccepted(waiting)
  logger.info({ services: configuration.services.length }, 'the new configuration is in force')
  const isOtherFirewall = running.configuration.settings.manageFirewall !== configuration.settings.manageFirewall
  parts.threads.resize(configuration.settings.probeThreads)
  running.reconfigure(configuration)
  if (isOtherFirewall) parts.resync$.next()
  void parts.manageSysctls().then(() => adviseSysctls(host, logger, configuration))
  void adviseExecUsers(logger, configuration.services)
}
