import { type BackendContext, readBackends } from '../document/backend-list.ts'
import type { Path } from '../document/document.ts'
import { hint } from '../document/reading.ts'
import { interpret } from '../document/schema.ts'
import { standsFor } from '../document/suggest.ts'
import type { PolicySpec } from '../model/policy-spec.ts'
import { isRoadName } from '../model/probe-road.ts'
import type { ServiceSpec } from '../model/service-spec.ts'
import { type SourceSpec, sourceName } from '../model/source-spec.ts'
import { readChecks } from './build-checks.ts'
import { checkDnsFamilies } from './dns-families.ts'
import { type Draft, effective, merged, writes } from './draft.ts'
import type { Findings } from './findings.ts'
import { toFlags } from './flags.ts'
import { readPolicy } from './policy-rules.ts'
import {
  checkFullNat,
  checkScheduling,
  readDebounce,
  readGuard,
  readHold,
  readIdentity,
  readPersistence,
} from './service-rules.ts'
import { withShownUrl } from './shown-url.ts'
import { sourceSchema, type WrittenSource } from './source-schema.ts'
import { LEAST_QUORUM, readVirtualAddress } from './virtual-address.ts'

/** Milliseconds. */
const INITIAL_DRAIN = 300_000

/** What is known of a service after its checks: its identity even where the rest is wrong, for the search of duplicates. */
export interface BuiltService {
  readonly draft: Draft
  readonly identity: ServiceSpec['identity'] | undefined
  /** Complete only where there was no finding. */
  readonly spec: ServiceSpec | undefined
}

/** Makes one service of what is written about it and of the defaults; every fault goes to the findings. */
export function buildService(draft: Draft, findings: Findings): BuiltService {
  const { own, path, unreadable } = draft
  if (own.name === undefined && !standsFor(unreadable, 'name'))
    findings.refuse(path, 'the service has no name', 'write name: and a word that logs and metrics may use')
  else if (own.name !== undefined && isRoadName(own.name))
    findings.refuse([...path, 'name'], 'names of this form are those of services for probes', 'write another name')
  const identity = readIdentity(draft, findings)
  const sources = readSources(draft, findings)
  const context = identity === undefined ? undefined : readContext(draft, identity, findings)
  if (context !== undefined) checkDnsFamilies(draft, sources, context, findings)
  const backends = readInlineBackends(draft, context, findings)
  checkOrigin(draft, findings)
  const debounce = readDebounce(draft, findings)
  const checks = readChecks(draft, identity, findings)
  if (identity === undefined || context === undefined || own.name === undefined) return { draft, identity, spec: undefined }
  const flags = effective(draft, 'flags').value
  const onePacket = effective(draft, 'one_packet').value
  const snatRange = effective(draft, 'snat_ip').value
  const trafficLog = effective(draft, 'traffic_log').value
  const virtualAddress = readVirtualAddress(draft, identity, findings)
  const scheduler = effective(draft, 'scheduler').value ?? 'wlc'
  const weight = effective(draft, 'weight').value ?? 1
  const spec: ServiceSpec = {
    ...context,
    name: own.name,
    scheduler,
    ...(flags === undefined ? {} : { flags: toFlags(flags) }),
    ...(onePacket === undefined ? {} : { onePacket }),
    weight,
    sources,
    backends,
    debounce,
    guard: readGuard(draft),
    hold: readHold(draft),
    drainTimeout: merged(draft, 'drain').timeout ?? INITIAL_DRAIN,
    adopt: effective(draft, 'adopt').value ?? 'named',
    ...(context.fullNat && snatRange !== undefined ? { snatRange } : {}),
    ...(virtualAddress === undefined ? {} : { virtualAddress }),
    checks,
    policy: withQuorum(readPolicy(draft, { service: context, scheduler, weight, backends }, findings), virtualAddress),
    ...(trafficLog === undefined || trafficLog === 'off' ? {} : { trafficLog }),
  }
  return { draft, identity, spec }
}

/** An address that is announced by a quorum needs one. */
function withQuorum(policy: PolicySpec, virtualAddress: ServiceSpec['virtualAddress']): PolicySpec {
  if (virtualAddress?.announceWhen !== 'quorum' || policy.quorum !== undefined) return policy
  return { ...policy, quorum: LEAST_QUORUM }
}

type Context = BackendContext & Pick<ServiceSpec, 'fullNat'>

function readContext(draft: Draft, identity: ServiceSpec['identity'], findings: Findings): Context | undefined {
  const scheduler = effective(draft, 'scheduler')
  const forwarding = effective(draft, 'forwarding')
  const upper = effective(draft, 'upper_threshold')
  const lower = effective(draft, 'lower_threshold')
  const persistence = readPersistence(draft, identity, findings)
  checkScheduling(draft, identity, scheduler.unknown ? undefined : (scheduler.value ?? 'wlc'), findings)
  checkFullNat(draft, identity, forwarding.value, findings)
  if (forwarding.unknown || upper.unknown || lower.unknown || effective(draft, 'persistence').unknown) return undefined
  return {
    name: draft.own.name ?? '',
    identity,
    fullNat: effective(draft, 'full_nat').value ?? false,
    forwarding: forwarding.value ?? { method: 'nat' },
    ...(persistence === undefined ? {} : { persistence }),
    ...(upper.value === undefined ? {} : { upperThreshold: upper.value }),
    ...(lower.value === undefined ? {} : { lowerThreshold: lower.value }),
  }
}

function readInlineBackends(draft: Draft, context: Context | undefined, findings: Findings): ServiceSpec['backends'] {
  const path = [...draft.path, 'backends']
  const list = listAt(draft, 'backends', '- 10.0.1.1:8080', findings)
  const read = readBackends(draft.document, list, path, context)
  findings.issues.push(...read.issues)
  findings.warnings.push(...read.warnings)
  return read.backends
}

function readSources(draft: Draft, findings: Findings): SourceSpec[] {
  if (writes(draft, 'source') && writes(draft, 'sources')) {
    findings.refuse(
      [...draft.path, 'sources'],
      'a service has either source or sources',
      'move the one into the list of the other',
      'key',
    )
  }
  const sources: SourceSpec[] = []
  const take = (written: WrittenSource, path: Path): void => {
    const reading = written.toSpec(draft.directory)
    if (!reading.ok) {
      findings.refuse(path, reading.problem, reading.remedy)
      return
    }
    const source = withShownUrl(reading.value, draft.document, path)
    if (sources.some((other) => sourceName(other) === sourceName(source)))
      findings.refuse(path, `${sourceName(source)} is a source already`, 'remove one of the two')
    sources.push(source)
  }
  if (draft.own.source !== undefined) take(draft.own.source, [...draft.path, 'source'])
  for (const [index, raw] of listAt(draft, 'sources', '- file: { path: /etc/pointsman/web.yaml }', findings).entries()) {
    const path: Path = [...draft.path, 'sources', index]
    const read = interpret(sourceSchema, raw, draft.document, path)
    findings.issues.push(...read.issues)
    if (read.value !== undefined) take(read.value, path)
  }
  return sources
}

function listAt(draft: Draft, key: 'sources' | 'backends', example: string, findings: Findings): readonly unknown[] {
  const raw = draft.own[key]
  if (raw === undefined || Array.isArray(raw)) return raw ?? []
  const problem = raw === null ? 'nothing is written here' : `${hint(raw)} stands where a list is due`
  findings.refuse([...draft.path, key], problem, `write a list, such as ${example}, or [] for none`)
  return []
}

function checkOrigin(draft: Draft, findings: Findings): void {
  const keys = ['backends', 'source', 'sources'] as const
  if (keys.some((key) => writes(draft, key) || standsFor(draft.unreadable, key))) return
  findings.refuse(
    draft.path,
    'the service has neither backends nor a source',
    'write backends: with a list ([] for none), or source: { file: { path: ... } }',
  )
}
