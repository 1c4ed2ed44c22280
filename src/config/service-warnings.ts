import type { Issue } from '../document/issue.ts'
import { familyOf } from '../model/address.ts'
import { serviceFamily } from '../model/virtual-service.ts'
import type { BuiltService } from './build-service.ts'
import { warnOfChecks } from './check-warnings.ts'
import type { IpvsSettings } from './configuration.ts'
import { effective } from './draft.ts'
import { Findings } from './findings.ts'
import { warnOfPolicies } from './policy-rules.ts'

/** Above this, adding destinations one by one to wrr takes the kernel seconds: it walks the list for each. */
const LARGE_WRR = 2000

/** What is accepted and does not do all that one might think. One warning per kind, however often it occurs. */
export function warnOfServices(services: readonly BuiltService[], findings: Findings): void {
  const found = new Map<string, { first: Issue; count: number }>()
  for (const service of services) {
    const own = new Findings(service.draft.document)
    warnOfChecks(service, own)
    warnOfScheduling(service, own)
    if (service.spec !== undefined) warnOfPolicies(service.draft, service.spec, own)
    for (const warning of own.warnings) {
      const before = found.get(warning.problem)
      if (before === undefined) found.set(warning.problem, { first: warning, count: 1 })
      else before.count++
    }
  }
  for (const { first, count } of found.values()) {
    const others = count === 2 ? ' (also in 1 other service)' : ` (also in ${count - 1} other services)`
    findings.warnings.push({ ...first, problem: `${first.problem}${count === 1 ? '' : others}` })
  }
}

function warnOfScheduling({ draft, spec }: BuiltService, own: Findings): void {
  if (spec === undefined) return
  const scheduler = effective(draft, 'scheduler')
  const { flags } = spec
  const refuses = 'a backend at weight 0 would refuse its share of the clients, so it is removed instead, and its connections end'
  if (spec.scheduler === 'dh')
    own.warn(scheduler.path, `with the scheduler dh ${refuses}`, 'write scheduler: mh, whose fallback flag keeps them')
  if ((spec.scheduler === 'sh' || spec.scheduler === 'mh') && flags?.flag1 === false) {
    const { path } = effective(draft, 'flags')
    own.warn(path, `without ${spec.scheduler}-fallback ${refuses}`, `add ${spec.scheduler}-fallback, or leave flags out`)
  }
  if (spec.scheduler === 'wrr' && spec.backends.size > LARGE_WRR) {
    own.warn(
      scheduler.path,
      `the kernel needs seconds to fill a wrr service of more than ${LARGE_WRR} backends`,
      'write scheduler: wlc',
    )
  }
}

/** While a sync daemon runs the kernel refuses backends of the other family. */
export function checkMixedFamilies(services: readonly BuiltService[], ipvs: IpvsSettings, findings: Findings): void {
  if ((ipvs.syncDaemons ?? []).length === 0) return
  for (const { draft, spec } of services) {
    if (spec === undefined) continue
    const index = [...spec.backends.values()].findIndex((backend) => familyOf(backend.address) !== serviceFamily(spec.identity))
    if (index < 0) continue
    findings.refuse(
      [...draft.path, 'backends', index],
      'the kernel refuses backends of the other address family while a sync daemon runs',
      'remove global.ipvs.sync_daemons, or keep one family in the service',
    )
  }
}
