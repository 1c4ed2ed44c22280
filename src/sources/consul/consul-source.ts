import { isDeepStrictEqual } from 'node:util'
import { distinctUntilChanged, map, scan, startWith } from 'rxjs'
import type { BackendContext } from '../../document/backend-rules.ts'
import type { Issue } from '../../document/issue.ts'
import { type BackendSet, sameBackends } from '../../model/backend.ts'
import type { ConsulSourceSpec } from '../../model/consul-source-spec.ts'
import type { ServiceSpec } from '../../model/service-spec.ts'
import type { SourceEvent, SourceFailure } from '../../model/source-event.ts'
import { sourceName } from '../../model/source-spec.ts'
import type { Source } from '../source.ts'
import type { ReadEntry } from './health-entry.ts'
import { type Instances, instancesOf, readInstances } from './instances.ts'
import type { ConsulReading } from './query-reader.ts'
import type { HealthHeard } from './watch.ts'
import type { ConsulWatches } from './watches.ts'

export interface ConsulSourceOptions {
  /** Shared by all sources of the process. */
  readonly watches: ConsulWatches
  /** Its members from before it was opened. */
  readonly known?: BackendSet['backends']
  /** Told what was put aside or passed over, again only when that changes. */
  readonly onWarnings?: (warnings: readonly Issue[]) => void
}

/** The instances of a Consul service, with what Consul knows of their health. */
export function consulSource(spec: ConsulSourceSpec, service: ServiceSpec, options: ConsulSourceOptions): Source {
  const id = sourceName(spec)
  const { watches, known = new Map(), onWarnings = () => {} } = options
  const nothing: Knowledge = { event: { kind: 'pending' }, instances: instancesOf(known) }
  return {
    id,
    watch: () =>
      watches.watch(spec).pipe(
        scan((before: Knowledge, heard: HealthHeard) => {
          const after = afterHeard(before, heard, spec, service)
          const warnings = warningsOf(after)
          if (warnings.length > 0 && !isDeepStrictEqual(warnings, warningsOf(before))) onWarnings(warnings)
          return after
        }, nothing),
        startWith(nothing),
        map(({ event }) => event),
        distinctUntilChanged(),
      ),
  }
}

/** What is known after some answers, and what it was read from. */
export interface Knowledge {
  readonly event: SourceEvent
  readonly entries?: readonly ReadEntry[]
  readonly instances?: Instances
  /** Why the last answers may not remove anybody. */
  readonly doubt?: Issue
}

/** What is odd about the answer in use, one sentence each. */
export function warningsOf({ instances, doubt }: Knowledge): readonly Issue[] {
  const { warnings = [] } = instances ?? {}
  return doubt === undefined ? warnings : [doubt, ...warnings]
}

const DOUBTS: Readonly<Record<Exclude<BackendSet['trust'], 'fresh'>, Pick<Issue, 'problem' | 'remedy'>>> = {
  leaderless: {
    problem: 'the servers know no leader',
    remedy: 'look at them (consul operator raft list-peers); until they do, members are added and none is removed',
  },
  stale: {
    problem: 'the servers answer with what may be old',
    remedy: 'look at them, or write a longer max_stale; until they do better, members are added and none is removed',
  },
  truncated: {
    problem: 'the token may not see everything that was asked for',
    remedy: 'give it service:read and node:read; until then members are added and none is removed',
  },
}

/** The first doubt about a leader is cleared at once: only one that stays is worth a word. What a token may see does not change by asking. */
function doubtOf({ event }: Knowledge, { trust }: ConsulReading<unknown>, origin: string): Issue | undefined {
  if (trust === 'fresh') return undefined
  if (trust !== 'truncated' && (event.kind !== 'fresh' || event.set.trust === 'fresh')) return undefined
  return { file: origin, path: '', ...DOUBTS[trust] }
}

/** What is known after one more answer or fault. An equal answer confirms: the same members, later. */
export function afterHeard(before: Knowledge, heard: HealthHeard, spec: ConsulSourceSpec, service: BackendContext): Knowledge {
  if (heard.kind === 'fault') {
    const { code, message } = heard.fault
    return { ...before, event: afterFault(before.event, { code, message, at: heard.at }) }
  }
  const origin = sourceName(spec)
  const { content: entries } = heard.reading
  const { instances: previous } = before
  const instances =
    previous !== undefined && before.entries === entries
      ? previous
      : readInstances(entries, spec, service, { origin, ...(previous !== undefined && { previous }) })
  const event: SourceEvent = { kind: 'fresh', set: setOf(before.event, instances, heard.reading, origin) }
  const doubt = doubtOf(before, heard.reading, origin)
  return { event, entries, instances, ...(doubt !== undefined && { doubt }) }
}

function setOf(last: SourceEvent, instances: Instances, { trust, at }: ConsulReading<unknown>, origin: string): BackendSet {
  const known = last.kind === 'pending' ? undefined : last.set.backends
  const backends = known !== undefined && sameBackends(known, instances.backends) ? known : instances.backends
  const { incomplete, quarantined } = instances
  return {
    backends,
    origin,
    trust: incomplete && trust === 'fresh' ? 'truncated' : trust,
    at,
    ...(quarantined > 0 && { quarantined }),
  }
}

function afterFault(last: SourceEvent, failure: SourceFailure): SourceEvent {
  if (last.kind !== 'fresh' && last.failure?.message === failure.message) return last
  if (last.kind === 'pending') return { kind: 'pending', failure }
  return { kind: 'stale', set: { ...last.set, trust: 'stale' }, failure }
}
