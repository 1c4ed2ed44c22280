/** How a metric is made; docs/metrics.md lists the same names. */
export interface MetricDefinition {
  readonly type: 'counter' | 'gauge' | 'histogram'
  readonly name: string
  readonly help: string
  readonly labels: readonly string[]
  /** Upper bounds in seconds; histograms only. */
  readonly buckets?: readonly number[]
  /** A histogram of what happens too often for prom-client's; it has one label at most. */
  readonly tallied?: boolean
}

const SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]

/** Every metric that is not a service's or a backend's (those are in traffic-text.ts). */
export const DEFINITIONS = {
  buildInfo: gauge('pointsman_build_info', 'Always 1; what runs here.', ['version', 'commit', 'node']),
  ready: gauge('pointsman_ready', '1 while /readyz answers 200.'),
  degraded: gauge('pointsman_degraded', '1 while the named thing is wrong; /readyz has the sentences.', ['reason']),
  kernelStuck: gauge(
    'pointsman_kernel_stuck',
    '1 after the kernel did not answer within its deadline or the thread that talks to it died; nothing is written any more until a restart.',
  ),
  expireNodestConn: gauge(
    'pointsman_expire_nodest_conn',
    'net.ipv4.vs.expire_nodest_conn: while 0, connections of a deleted destination hang instead of ending.',
  ),
  paused: gauge('pointsman_paused', '1 while the operator has it write nothing to the kernel.'),
  configLoaded: counter('pointsman_config_loads_total', 'Configuration files read, by what became of them.', ['result']),
  configCurrent: gauge('pointsman_config_last_load_successful', '1 while the newest configuration file is the one that runs.'),
  configTime: gauge('pointsman_config_last_load_success_timestamp_seconds', 'When the running configuration was loaded.'),
  configServices: gauge('pointsman_config_services', 'Services in the running configuration.'),
  sourceUp: gauge('pointsman_source_up', '1 while the source answers, 0 while it does not.', ['service', 'source']),
  sourceAge: gauge('pointsman_source_age_seconds', 'Age of the answer in use; absent before the first.', ['service', 'source']),
  sourceRecords: gauge('pointsman_source_records', 'Backends in the answer in use.', ['service', 'source']),
  sourceQuarantined: gauge('pointsman_source_quarantined', 'Entries of that answer that could not be used.', [
    'service',
    'source',
  ]),
  sourcePartial: gauge(
    'pointsman_source_partial',
    '1 while the answers of the source may lack backends (no known leader, too old, a token that may not see all): they are added, and none is removed.',
    ['service', 'source'],
  ),
  sourceUpdates: counter('pointsman_source_updates_total', 'Answers of the source that told something new.', [
    'service',
    'source',
  ]),
  sourceOutages: counter('pointsman_source_outages_total', 'How often the source ceased to answer.', ['service', 'source']),
  sourceHeldRemovals: gauge(
    'pointsman_source_held_removals',
    'Backends that the source no longer names and that the guard keeps; `pointsman approve SERVICE` lets them go.',
    ['service', 'source'],
  ),
  probes: counter('pointsman_probes_total', 'Probes of backends that have ended, by type and result.', ['type', 'result']),
  probeDuration: tallied(
    'pointsman_probe_duration_seconds',
    'How long a probe of a backend takes, by type; one that gets no answer ends with its timeout.',
    ['type'],
    SECONDS,
  ),
  probeLateness: tallied(
    'pointsman_probe_lateness_seconds',
    'How much later than its moment a probe of a health check begins; its first moment is at once.',
    [],
    SECONDS,
  ),
  probeThreads: gauge('pointsman_probe_threads', 'Threads that ask backends; 0: the main thread does.'),
  probeThreadEnds: counter(
    'pointsman_probe_thread_ends_total',
    'How often a thread that asks backends ended unasked or could not be started.',
    [],
  ),
  poolMode: gauge(
    'pointsman_service_pool_mode',
    '1 for who answers for the service: normal (its members), panic (members that are not up), sorry (the sorry server), nobody.',
    ['service', 'mode'],
  ),
  poolQuorum: gauge('pointsman_service_quorum', '1 while enough of the pool serves, 0 while not; absent without a quorum.', [
    'service',
  ]),
  poolHeldFailures: gauge(
    'pointsman_service_held_failures',
    'Backends that serve although they fail or ask to be let go: with too many others, or as the last that can serve; `pointsman approve SERVICE` believes them.',
    ['service'],
  ),
  operatorWords: gauge('pointsman_operator_words', "Backends of which the operator's word counts: drain, maintenance, weight.", [
    'word',
  ]),
  journalLost: counter('pointsman_journal_lost_events_total', 'Events that could not be written to the journal.', []),
  hookRuns: counter('pointsman_hook_runs_total', 'Runs of a hook, by what became of them: ok, failed, timeout, dropped.', [
    'hook',
    'result',
  ]),
  sourceErrors: counter('pointsman_source_errors_total', 'Failures of the source, by error code; one that goes on counts once.', [
    'service',
    'source',
    'code',
  ]),
  catalogUp: gauge('pointsman_catalog_up', '1 while the registry lists its services, 0 while it does not answer.', ['catalog']),
  catalogClaims: gauge(
    'pointsman_catalog_claims',
    'Services of the registry that hold a virtual service, by how they stand: serving, held (without an instance), yielding (to a service of the configuration).',
    ['catalog', 'state'],
  ),
  catalogRefused: gauge(
    'pointsman_catalog_refused',
    '1 while what the service says is refused; the log has the sentence. Of each registry the 100 that have been for the longest time.',
    ['catalog', 'service'],
  ),
  passes: counter('pointsman_sink_passes_total', 'Passes begun: changes only, or a full read.', ['sink', 'scope']),
  passFailures: counter('pointsman_sink_pass_failures_total', 'Passes that could do nothing at all, by error code.', [
    'sink',
    'code',
  ]),
  objectFailures: counter('pointsman_sink_object_failures_total', 'Objects that the kernel refused, by error code.', [
    'sink',
    'code',
  ]),
  failingObjects: gauge('pointsman_sink_failing_objects', 'Objects that failed in the last pass and will be tried again.', [
    'sink',
  ]),
  changes: counter('pointsman_sink_changes_total', 'Changes that the kernel took, by kind.', ['sink', 'kind']),
  driftRepaired: counter('pointsman_sink_drift_repaired_total', 'Differences that nobody asked for and that were repaired.', [
    'sink',
  ]),
  foreign: gauge('pointsman_sink_foreign_objects', 'Objects in the kernel that are not ours and are left alone.', ['sink']),
  draining: gauge('pointsman_sink_draining_objects', 'Drains that are still running.', ['sink']),
  shadowChanges: gauge(
    'pointsman_shadow_changes',
    'Changes that a pass would make now, by kind; only with start --shadow, which makes none.',
    ['kind'],
  ),
  overdueDrains: gauge('pointsman_sink_overdue_drains', 'Drains that go on beyond their deadline.', ['sink']),
  drains: counter('pointsman_sink_drains_total', 'Drains that have ended by themselves: idle, or at their deadline.', [
    'sink',
    'how',
  ]),
  drainCut: counter(
    'pointsman_sink_drain_cut_connections_total',
    'Connections that were active when a drain reached its deadline.',
    ['sink'],
  ),
  conntrackEntries: gauge('pointsman_conntrack_entries', 'Connections that the kernel tracks in this network namespace.'),
  conntrackLimit: gauge(
    'pointsman_conntrack_entries_limit',
    'How many it tracks at most, +Inf without a limit; beyond that new connections are dropped.',
  ),
  addressesHeld: gauge('pointsman_addresses_held', 'Virtual addresses of ours that are on an interface.'),
  addressConflicts: gauge('pointsman_address_conflicts', 'Virtual addresses that are not added because another host holds them.'),
  addressConflictsSeen: counter(
    'pointsman_address_conflicts_total',
    'How often an address was not added because a neighbour said that it holds it.',
    [],
  ),
  addressRepairs: counter('pointsman_address_repairs_total', 'Addresses that somebody took away and that were put back.', []),
  addressAnnouncements: counter(
    'pointsman_address_announcements_total',
    'Gratuitous ARPs and unsolicited neighbour advertisements that left.',
    [],
  ),
  lastAttempt: gauge('pointsman_sink_last_attempt_timestamp_seconds', 'When the last pass began.', ['sink']),
  lastSuccess: gauge(
    'pointsman_sink_last_success_timestamp_seconds',
    'When the last good pass ended: one that was not rejected as a whole and in which some service did not fail.',
    ['sink'],
  ),
  passDuration: histogram('pointsman_sink_pass_duration_seconds', 'How long a pass takes.', ['sink', 'scope'], SECONDS),
  programming: histogram(
    'pointsman_programming_duration_seconds',
    'From an event of a source or of the configuration to the kernel that has it, debounce included.',
    [],
    SECONDS,
  ),
  stateHash: gauge(
    'pointsman_state_hash',
    'One number below 2^53 for what the kernel should hold of ours (desired) and does hold (actual): equal where two directors agree.',
    ['state'],
  ),
  eventLoopDelay: gauge(
    'pointsman_event_loop_delay_seconds',
    'How late the main thread is since the scrape before: its median (p50), 99th percentile (p99), most (max).',
    ['stat'],
  ),
  statusClients: gauge('pointsman_status_clients', 'Browsers and programs that follow the status page now.'),
  scrapeErrors: counter('pointsman_scrape_errors_total', 'Metrics left out of an answer because making them failed.', ['metric']),
} as const satisfies Record<string, MetricDefinition>

export type MetricKey = keyof typeof DEFINITIONS

function gauge(name: string, help: string, labels: readonly string[] = []): MetricDefinition & { type: 'gauge' } {
  return { type: 'gauge', name, help, labels }
}

function counter(name: string, help: string, labels: readonly string[]): MetricDefinition & { type: 'counter' } {
  return { type: 'counter', name, help, labels }
}

function histogram(
  name: string,
  help: string,
  labels: readonly string[],
  buckets: readonly number[],
): MetricDefinition & { type: 'histogram' } {
  return { type: 'histogram', name, help, labels, buckets }
}

function tallied(
  name: string,
  help: string,
  labels: readonly [] | readonly [string],
  buckets: readonly number[],
): MetricDefinition & { type: 'histogram'; tallied: true } {
  return { ...histogram(name, help, labels, buckets), tallied: true }
}
