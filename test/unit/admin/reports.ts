import type { BackendReport, ServiceReport, StatusReport } from '../../../src/admin/status-schema.ts'

const AT = '2026-01-01T00:00:00.000Z'

/** A backend that is up and serves. */
export function backendReport(backend: string, more: Partial<BackendReport> = {}): BackendReport {
  return {
    backend,
    state: 'up',
    since: AT,
    admin: { state: 'ready' },
    discovered: { state: 'listed', by: 'static' },
    operational: { state: 'up', since: AT },
    weight: 1,
    reasons: ['configuration'],
    kernel: { weight: 1, active: 0, inactive: 0, persistent: 0 },
    failed_probes: 0,
    times_down: 0,
    downtime: { seconds: 0 },
    ...more,
  }
}

export function serviceReport(service: string, backends: BackendReport[], more: Partial<ServiceReport> = {}): ServiceReport {
  return {
    service,
    key: `tcp/${service}:80`,
    scheduler: 'wlc',
    complete: true,
    pool: { mode: 'normal', held_failures: [] },
    totals: { backends: backends.length, serving: backends.length, weight: 0, active: 0, inactive: 0, persistent: 0 },
    times_down: 0,
    downtime: { seconds: 0 },
    sources: [],
    backends,
    ...more,
  }
}

export function statusReport(services: ServiceReport[], more: Partial<StatusReport> = {}): StatusReport {
  return {
    at: AT,
    instance: 'pointsman',
    version: '1.2.3',
    started: AT,
    health: { status: 'ready', reasons: [] },
    sinks: [],
    absent_words: [],
    services,
    changes: [],
    ...more,
  }
}
