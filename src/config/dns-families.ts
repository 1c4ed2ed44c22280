import type { ServiceSpec } from '../model/service-spec.ts'
import { type SourceSpec, sourceName } from '../model/source-spec.ts'
import { serviceFamily } from '../model/virtual-service.ts'
import type { Draft } from './draft.ts'
import type { Findings } from './findings.ts'

/** A DNS source that wants only addresses that the service cannot use would never have a member. */
export function checkDnsFamilies(
  draft: Draft,
  sources: readonly SourceSpec[],
  { identity, forwarding }: Pick<ServiceSpec, 'identity' | 'forwarding'>,
  findings: Findings,
): void {
  const family = serviceFamily(identity)
  if (forwarding.method === 'tunnel') return
  for (const source of sources) {
    if ((source.kind !== 'dns' && source.kind !== 'dns_srv') || source.families === undefined) continue
    if (source.families.includes(family)) continue
    const problem = `${sourceName(source)} wants ${source.families.join()} addresses only, which are out of reach for ${forwarding.method} from an ${family} service`
    findings.refuse(draft.path, problem, `write families: [${family}], or leave families out`)
  }
}
