import { isDeepStrictEqual } from 'node:util'
import type { Path } from '../document/document.ts'
import { isMapping, type Reading } from '../document/reading.ts'
import { familyOf } from '../model/address.ts'
import type { CheckSpec, ProbeKind } from '../model/probe-spec.ts'
import type { ServiceIdentity } from '../model/virtual-service.ts'
import { type Draft, effective, writes } from './draft.ts'
import type { Findings } from './findings.ts'
import { type ProbeKindName, probeGrammar, type WrittenCheck } from './health-check-schema.ts'
import { checkRoad } from './probe-road-rules.ts'

/** A check as written, over the defaults as written, and where that is. */
export interface EffectiveCheck {
  readonly written: WrittenCheck
  readonly kind: ProbeKindName
  readonly path: Path
}

/** The health checks of a service; those that are switched off are left out. */
export function readChecks(draft: Draft, identity: ServiceIdentity | undefined, findings: Findings): readonly CheckSpec[] {
  const checks: CheckSpec[] = []
  if (bothForms(draft, findings)) return checks
  for (const { written, kind, path } of effectiveChecks(draft, identity)) {
    const probe = readProbe(written, kind, draft.directory)
    if (!probe.ok) {
      findings.refuse([...path, ...(written[kind] === undefined ? [] : [kind])], probe.problem, probe.remedy)
      continue
    }
    const check = toCheck(written, probe.value)
    if (checks.some((other) => isDeepStrictEqual(other, check)))
      findings.refuse(path, 'the same health check is listed twice', 'remove one of the two')
    checkFamilies(check, path, findings)
    checkRoad(check, path, { identity, forwarding: effective(draft, 'forwarding').value }, findings)
    checks.push(check)
  }
  return checks
}

/** What is asked of a service's backends, in the words of the configuration. */
export function effectiveChecks(draft: Draft, identity: ServiceIdentity | undefined): readonly EffectiveCheck[] {
  const listed = effective(draft, 'health_checks')
  const single = effective(draft, 'health_check')
  if (listed.unknown || single.unknown) return []
  if (listed.value !== undefined && (!listed.inherited || single.inherited || single.value === undefined)) {
    const checks = listed.value.map((written, index) => ({ written, kind: kindOf(written), path: [...listed.path, index] }))
    return checks.flatMap(asked)
  }
  const written = merged(draft.defaults.value?.health_check, draft.own.health_check)
  const { own } = draft
  const usual = own.health_check !== undefined || written.type !== undefined || hasCheckByDefault(identity)
  // A service that says how its backends are asked wants them asked, whatever the defaults switch off.
  const enabled = own.health_check?.enabled ?? (own.health_check?.type !== undefined || (written.enabled ?? usual))
  return enabled ? asked({ written: { ...written, enabled }, kind: kindOf(written), path: single.path }) : []
}

/** As ezlb has it, but for UDP: TCP services are probed where nothing is written. Defaults that name no kind switch nothing on. */
function hasCheckByDefault(identity: ServiceIdentity | undefined): boolean {
  return identity?.kind === 'address' && identity.protocol === 'tcp'
}

function asked({ written, kind, path }: Omit<EffectiveCheck, 'kind'> & { readonly kind: ReturnType<typeof kindOf> }) {
  return kind === 'none' || written.enabled === false ? [] : [{ written, kind, path }]
}

function kindOf({ type }: WrittenCheck): ProbeKindName | 'none' {
  return type ?? 'tcp'
}

/** Key by key, and key by key within the sections of the kinds. */
function merged(defaults: WrittenCheck | undefined, own: WrittenCheck | undefined): WrittenCheck {
  const result: Record<string, unknown> = { ...defaults }
  for (const [key, value] of Object.entries(own ?? {})) {
    if (value === undefined) continue
    const before = result[key]
    result[key] = isMapping(before) && isMapping(value) ? { ...before, ...value } : value
  }
  return result as unknown as WrittenCheck
}

function bothForms(draft: Draft, findings: Findings): boolean {
  const remedy = 'move the one into the list of the others'
  const problem = 'there is either health_check or health_checks'
  const inDefaults = draft.defaults.value?.health_check !== undefined && draft.defaults.value.health_checks !== undefined
  if (inDefaults) findings.refuse(['defaults', 'health_checks'], problem, remedy, 'key')
  const inOwn = writes(draft, 'health_check') && writes(draft, 'health_checks')
  if (inOwn) findings.refuse([...draft.path, 'health_checks'], problem, remedy, 'key')
  return inDefaults || inOwn
}

function readProbe(written: WrittenCheck, kind: ProbeKindName, directory: string): Reading<ProbeKind> {
  return probeGrammar(kind).toSpec(written[kind] ?? {}, directory)
}

function toCheck(written: WrittenCheck, probe: ProbeKind): CheckSpec {
  const { fast_interval: fastInterval, down_interval: downInterval, address, port, source_address: sourceAddress } = written
  const { fwmark, via = 'backend' } = written
  return {
    probe,
    interval: written.interval ?? 5_000,
    ...(fastInterval !== undefined && { fastInterval }),
    ...(downInterval !== undefined && { downInterval }),
    timeout: written.timeout ?? 3_000,
    rise: written.rise ?? 2,
    fall: written.fall ?? 3,
    jitter: written.jitter ?? 0,
    initial: written.initial ?? 'unknown',
    ...(address !== undefined && { address }),
    ...(port !== undefined && { port }),
    ...(sourceAddress !== undefined && { sourceAddress }),
    ...(fwmark !== undefined && { fwmark }),
    via,
  }
}

function checkFamilies({ address, sourceAddress }: CheckSpec, path: Path, findings: Findings): void {
  if (address === undefined || sourceAddress === undefined || familyOf(address) === familyOf(sourceAddress)) return
  findings.refuse(
    [...path, 'source_address'],
    `${sourceAddress} cannot reach ${address}, which is of the other address family`,
    'write two IPv4 or two IPv6 addresses',
  )
}
