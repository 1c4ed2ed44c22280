import { merge, type Observable, Subject } from 'rxjs'
import { EventLoopDelay } from './admin/event-loop-delay.ts'
import { judgeHealth } from './admin/health.ts'
import type { BuildInfo } from './admin/metric-facts.ts'
import { Metrics } from './admin/metrics.ts'
import { Scrape } from './admin/scrape.ts'
import { type AdminContent, startAdminServer } from './admin/server.ts'
import type { Translated } from './admin/translation-text.ts'
import type { Configuration, Overrides } from './config/configuration.ts'
import type { WhatWasRead } from './config/read-trace.ts'
import { serveAdmin } from './daemon/admin-address.ts'
import { announceStart, logSourceWarnings } from './daemon/announce.ts'
import { backendStates } from './daemon/backend-states.ts'
import { claimsPast, keepClaimsIn, openCatalogWith, wantedBefore } from './daemon/claims.ts'
import { conntrackUsage } from './daemon/conntrack-usage.ts'
import { openControlSocket } from './daemon/control-socket.ts'
import { disturbedResync } from './daemon/disturbed.ts'
import type { Host } from './daemon/host.ts'
import { openJournalOf } from './daemon/keep-journal.ts'
import { KernelWatch } from './daemon/kernel-known.ts'
import { keepIn, PATIENCE, pastOf, sourcesOf } from './daemon/last-good.ts'
import { restoreSysctls, setSysctls } from './daemon/managed-sysctls.ts'
import { Operator } from './daemon/operator.ts'
import { namesOf, OperatorControl } from './daemon/operator-control.ts'
import { overdueDrains } from './daemon/overdue-drains.ts'
import { becomeStuck } from './daemon/passes.ts'
import { Pausing } from './daemon/pausing.ts'
import { openProbeThreads } from './daemon/probe-threads.ts'
import { followConfiguration } from './daemon/reconfigure.ts'
import { RoadKeeper } from './daemon/road-keeper.ts'
import { Running } from './daemon/running.ts'
import { ShadowSink, shadowSinks } from './daemon/shadow.ts'
import { openSinks } from './daemon/sinks.ts'
import { Status } from './daemon/status.ts'
import { statusPageOf } from './daemon/status-page.ts'
import { leave } from './daemon/stop.ts'
import { announceStores, openStores } from './daemon/stores.ts'
import { Supervisor } from './daemon/supervisor.ts'
import { EXPIRE_NODEST_CONN } from './daemon/sysctl-advice.ts'
import { tellPause } from './daemon/tell-pause.ts'
import { wordCounts } from './daemon/tell-pools.ts'
import { Teller } from './daemon/teller.ts'
import { TrafficLog } from './daemon/traffic-log.ts'
import type { Issue } from './document/issue.ts'
import type { Log } from './log.ts'
import type { DestinationKey } from './model/destination.ts'
import type { IpvsTable } from './model/ipvs-table.ts'
import type { Changed } from './model/operator-words.ts'
import { isRoadName } from './model/probe-road.ts'
import { type ServiceIdentity, type ServiceKey, serviceKey } from './model/virtual-service.ts'
import type { WantedServices } from './pipeline/desired-update.ts'
import { createIpvsSink } from './sinks/ipvs/ipvs-sink.ts'
import type { Transition } from './sinks/ipvs/transition.ts'
import { openRegistriesWith } from './sources/registry.ts'
import { steadyScheduler } from './steady-scheduler.ts'
import type { OwnershipRecord } from './store/ownership.ts'
import { NEVER_PAUSED } from './store/pause.ts'

export interface DaemonOptions {
  readonly configuration: Configuration
  /** The bytes that it was made of. */
  readonly bytes: Uint8Array
  /** And what beside its own file; nothing where this is left out. */
  readonly read?: WhatWasRead | undefined
  readonly warnings: readonly Issue[]
  readonly overrides: Overrides
  readonly build: BuildInfo
  /** Nothing is written but the log: no table, no state, no socket, no hooks. What a pass would do is told. */
  readonly shadow?: boolean
  /** Where all that the pipeline is given is written down, and the bytes above which that file is begun anew; absent: nowhere. */
  readonly journal?: { readonly path: string; readonly limit: number }
  readonly log: Log
  /** Where the lines of `traffic_log` go; absent: into the log. */
  readonly trafficLog?: Pick<Log, 'logger'>
  /** Each value asks to read the configuration again (SIGHUP). */
  readonly reload$: Observable<unknown>
  /** Resolves with the name of the signal that asks to end. */
  readonly stop: Promise<string>
}

/**
 * The composition root: the one place that knows every room. Resolves after a clean end; rejects where the start is not
 * possible, before anything was written, and when a part of the daemon broke.
 */
export async function runDaemon(options: DaemonOptions, host: Host): Promise<void> {
  const { configuration, warnings, log, shadow = false } = options
  const { settings } = configuration
  const { logger } = log
  const clock = steadyScheduler.now
  await using parts = new AsyncDisposableStack()
  if (!shadow) parts.use(await host.holdTable('start'))
  const status = new Status('ipvs', settings.resyncInterval, clock)
  const health = () => judgeHealth(status.facts(), clock())
  const metrics = new Metrics(options.build, health, { wall: Date.now, steady: clock })
  const listeners = { status, metrics, logger }
  const kernel = parts.use(await host.openKernel(settings.kernelDeadline, (error) => becomeStuck(error, listeners)))
  const access = shadow ? 'read' : 'write'
  const { ownership, snapshots, claims, words, sysctls, pause } = await openStores(settings.stateDir, parts, logger, access)
  const eventLoop = parts.use(new EventLoopDelay())
  metrics.askEachTime({
    eventLoop: () => eventLoop.take(),
    overdueDrains: () => ({ ipvs: overdueDrains(ownership.record, clock()) }),
  })
  const pausing = parts.use(
    new Pausing(shadow ? NEVER_PAUSED : pause, { now: clock, onChange: (...change) => tellPause(...change, listeners) }),
  )
  const journal = options.journal && parts.use(await openJournalOf(options.journal, options.build, { metrics, logger }))
  const formerClaims = claimsPast(claims, ownership.record)
  const before = wantedBefore(configuration, formerClaims, clock())
  snapshots.retain(sourcesOf(before))
  let running: Running | undefined
  const teller = parts.use(
    new Teller({
      settings: () => (shadow ? undefined : (running?.configuration ?? configuration).hooks),
      logger,
      onEnd: (hook, result) => metrics.hookRan(hook, result),
      isThere: (service, backend) => {
        const known = running?.update?.provenance.get(service as ServiceKey)
        return backend === undefined ? known !== undefined : (known?.members.has(backend as DestinationKey) ?? false)
      },
      now: clock,
    }),
  )
  const mayWrite = () => pausing.pause === undefined
  const managesFirewall = () => (running?.configuration ?? configuration).settings.manageFirewall
  const writing = createIpvsSink({ kernel, ownership, log: logger, onTransition: (each) => written(each, teller, metrics) })
  const table = parts.use(shadow ? new ShadowSink(writing, { logger, metrics }) : writing)
  const sinks = parts.use(
    shadow
      ? shadowSinks(table)
      : await openSinks({ host, ipvs: table, configuration, managesFirewall, mayRepair: mayWrite, log: logger }),
  )
  const found = await table.readTable().catch(() => undefined)
  const kernelWatch = new KernelWatch(host, found)
  metrics.configLoaded(configuration.services.length)
  const supervisor = new Supervisor(host)
  const resync$ = new Subject<void>()
  const watch = { settle: settings.watchSettle, poll: settings.watchPoll }

  const scrape = new Scrape(metrics, {
    read: () => table.readTable({ statistics: true }),
    names: () => serviceNames(running?.services ?? before.services, ownership.record),
    states: () => (running?.update === undefined ? [] : backendStates(running.update, running.certificates, clock())),
    perBackend: settings.perBackendMetrics,
    translated: async () => translatedOf(await sinks.translations(), running?.services ?? before.services, ownership.record),
    lookUp: () => {
      metrics.conntrack(conntrackUsage(host))
      const facts = sinks.addresses()
      if (facts !== undefined) metrics.addresses(facts)
    },
    desired: () => running?.update?.desired.services,
    ...(settings.metricsNodeIpvs && { nodeIpvs: () => host.readIpvsTotals() }),
    isForProbes: (service) => isRoadName(ownership.record.services.get(service)?.name ?? ''),
  })
  const content: AdminContent = { metricsPath: metricsPath(settings), metrics: () => scrape.text(), health }
  const onWords = (changes: readonly Changed[], ranOut: boolean) => {
    const nameOf = namesOf({ services: running?.services ?? before.services })
    for (const change of changes) teller.word(change, nameOf(change.service), ranOut)
  }
  const operator = parts.use(new Operator(words, { now: clock, onChange: onWords }))
  if (settings.admin !== 'off') {
    const page = () =>
      statusPageOf({
        ...{ settings, build: options.build, shadow, health, now: clock, changes: teller.changes },
        ...{ update: () => running?.update, words: () => operator.words, pause: () => pausing.pause },
        sources: () => status.sources,
        failing: () => status.failingObjects,
        sinks: () => status.sinks.all(status.stuck !== undefined),
        readTable: () => table.readTable({ statistics: true }),
        lastTurn: (service, backend) => teller.lastTurn(service, backend),
        servesSince: (service, backend) => teller.servesSince(service, backend),
        lastResults: () => running?.lastResults ?? NO_RESULTS,
        onClients: (count) => metrics.statusClients(count),
      })
    const pages = { allowedHosts: settings.adminAllowedHosts, ...(settings.statusPage && { status: parts.use(page()) }) }
    const at = { host: settings.admin.address, port: settings.admin.port }
    const serve = () => startAdminServer(at, content, pages)
    // A shadow has the configuration of a daemon beside it, often enough, and would take the address when that one is restarted.
    parts.use(shadow ? await serve() : await serveAdmin(serve, listeners))
  }
  const manageSysctls = async () => {
    const { settings: now, services } = running?.configuration ?? configuration
    if (now.manageSysctls && !shadow && mayWrite()) await setSysctls(services, { host, store: sysctls, logger, mayWrite })
  }
  await manageSysctls()
  announceStart(host, logger, { configuration, warnings, ownership, snapshots })
  announceStores(logger, { claims, words })
  operator.words$.subscribe((said) => metrics.operatorWords(wordCounts(said)))
  const trafficLog = parts.use(
    new TrafficLog({
      read: () => table.readTable({ statistics: true }),
      write: (line) => (options.trafficLog?.logger ?? logger).info(line, `traffic of ${line.backend ?? line.service}`),
      onFailure: (sentence) => logger.warn(`The traffic log has a gap, because the kernel could not be read: ${sentence}`),
      scheduler: steadyScheduler,
    }),
  )
  const threads = parts.use(openProbeThreads(settings.probeThreads, { host, metrics, logger }))
  const probeFor: Host['probeFor'] = (kind, target) => threads.probeFor(kind, target)
  const registries = openRegistriesWith({ watch, onWarnings: (...said) => logSourceWarnings(logger, ...said) })
  const owned = (service: ServiceKey) => ownership.record.services.get(service)?.destinations ?? new Set<DestinationKey>()
  running = new Running(configuration, {
    ...listeners,
    sink: sinks.sink,
    supervisor,
    openSource: registries.source,
    probeFor,
    roads: new RoadKeeper({
      host,
      probeFor,
      settings: () => (running?.configuration ?? configuration).probeRoads,
      record: ownership.record,
      inKernel: () => identitiesIn(table.lastTable(), found),
      logger,
    }),
    probeLimit: settings.maxProbes,
    kernel$: kernelWatch.known$,
    owned,
    openCatalog: openCatalogWith(registries),
    claimsPast: formerClaims,
    onClaim: keepClaimsIn(claims),
    operator$: operator.words$,
    tell: (event) => teller.tell(event),
    hooks: teller,
    past: pastOf(snapshots, { now: clock, patience: PATIENCE.daemon, onOld: (sentence) => logger.warn(sentence) }),
    onLastGood: keepIn(snapshots),
    ...(journal !== undefined && { onTurn: (turn) => journal.record(turn) }),
    resyncInterval: settings.resyncInterval,
    onServices: (services) => trafficLog.follow(services),
    paused$: pausing.paused$,
    resync$: merge(
      resync$,
      disturbedResync((listener) => sinks.sink.onDisturbed(listener)),
    ),
    afterFullPass: () => {
      void manageSysctls()
      metrics.expireNodestConn(host.readSysctl(EXPIRE_NODEST_CONN))
      kernelWatch.look()
      // After a step of the clock the words on disk would end at the wrong hour: a crash must not find them like that.
      void words.flush()
    },
  })
  const control = new OperatorControl({
    running,
    operator,
    pausing,
    sources: () => status.sources,
    failing: () => status.failingObjects,
    adminError: () => status.adminUnserved,
    readTable: () => table.readTable(),
    lastTurn: (service, backend) => teller.lastTurn(service, backend),
    outages: (service, backend) => teller.changes.outages(service, backend),
    owned,
    now: clock,
    logger,
  })
  if (!shadow) parts.use(openControlSocket(settings.stateDir, content, control, logger))
  const following = followConfiguration(
    { ...options, watch },
    { ...listeners, host, running, threads, supervisor, resync$, manageSysctls },
  )
  try {
    const signal = await Promise.race([options.stop, running.ended.then(() => 'the end of the road')])
    logger.info({ signal }, `stopping on ${signal}`)
  } finally {
    following.unsubscribe()
  }
  const restore = (allIsGone: boolean) => restoreSysctls(allIsGone, { host, store: sysctls, logger })
  const onExit = shadow || pausing.pause !== undefined ? { onExit: 'keep' as const } : {}
  await leave({ running, sink: sinks.sink, restoreSysctls: restore, status, supervisor, logger, ...onExit })
}

/** Before anybody was asked. */
const NO_RESULTS = () => []

function written(transition: Transition, teller: Teller, metrics: Metrics): void {
  const { drained } = transition
  if (drained !== undefined) metrics.drainEnded('ipvs', drained.how, drained.connections)
  teller.written(transition)
}

function metricsPath({ metricsEnabled, metricsPath: path }: Configuration['settings']): string | undefined {
  return metricsEnabled ? path : undefined
}

/** As the sink knows the table; before its first pass, as it was found. */
function identitiesIn(known: IpvsTable, found: IpvsTable | undefined): ServiceIdentity[] {
  const table = known.size > 0 || found === undefined ? known : found
  return [...table.values()].map(({ service }) => service.identity)
}

/** Services without a name are not known to anybody any more. */
function translatedOf(
  translations: ReadonlyMap<ServiceKey, bigint>,
  services: WantedServices['services'],
  record: OwnershipRecord,
): Translated[] {
  if (translations.size === 0) return []
  const known = new Map<ServiceKey, Pick<Translated, 'name' | 'identity'>>(record.services)
  for (const { identity, name } of services) known.set(serviceKey(identity), { identity, name })
  return [...translations].flatMap(([key, connections]) => {
    const service = known.get(key)
    return service === undefined ? [] : [{ name: service.name, identity: service.identity, connections }]
  })
}

/** The names of what is ours and not for probes alone: of what is wanted, and of what left it and still drains. */
function serviceNames(services: WantedServices['services'], record: OwnershipRecord): ReadonlyMap<ServiceKey, string> {
  const names = new Map<ServiceKey, string>()
  for (const [key, owned] of record.services) if (!isRoadName(owned.name)) names.set(key, owned.name)
  for (const { identity, name } of services) names.set(serviceKey(identity), name)
  return names
}
