import type { Path } from '../document/document.ts'
import { familyOf } from '../model/address.ts'
import type { Forwarding } from '../model/destination.ts'
import type { MarkRange } from '../model/probe-road.ts'
import type { CheckSpec } from '../model/probe-spec.ts'
import type { ServiceIdentity } from '../model/virtual-service.ts'
import type { ProbeRoadSettings } from './configuration.ts'
import type { Findings } from './findings.ts'
import type { WrittenGlobal } from './global-schema.ts'

/** The service that a check is for, as far as it is known. */
export interface CheckedService {
  readonly identity: ServiceIdentity | undefined
  readonly forwarding: Forwarding | undefined
}

/** On which way a check's packets go, and whether there is one. */
export function checkRoad(check: CheckSpec, path: Path, service: CheckedService, findings: Findings): void {
  const { fwmark, probe, via } = check
  if (probe.kind === 'exec' && fwmark !== undefined)
    findings.refuse(
      [...path, 'fwmark'],
      'packets of a program carry no mark of ours',
      'remove fwmark, or let the program set it',
      'key',
    )
  if (via !== 'vip') return
  const fault = faultOfWords(check) ?? faultOfService(check, service)
  if (fault !== undefined) findings.refuse([...path, 'via'], `via: vip ${fault.problem}`, fault.remedy)
}

interface Fault {
  readonly problem: string
  readonly remedy: string
}

function faultOfWords({ address, port, fwmark, probe }: CheckSpec): Fault | undefined {
  if (probe.kind === 'exec')
    return { problem: 'is not for exec: a program connects by itself', remedy: 'remove via, or write another type' }
  if (probe.kind === 'http' && probe.proxy !== undefined && 'through' in probe.proxy)
    return { problem: 'cannot go through a proxy', remedy: 'remove one of the two' }
  if (fwmark !== undefined) return { problem: 'takes a mark of its own, out of global.probe_marks', remedy: 'remove fwmark' }
  const other = address !== undefined ? 'address' : port !== undefined ? 'port' : undefined
  if (other === undefined) return undefined
  return { problem: `asks at the address and port of the service, so that ${other} has no meaning`, remedy: `remove ${other}` }
}

function faultOfService({ sourceAddress }: CheckSpec, { identity, forwarding }: CheckedService): Fault | undefined {
  if (identity?.kind === 'fwmark')
    return { problem: 'needs a service with an address, and this one goes by a mark', remedy: 'remove via' }
  if (identity?.port === 0) return { problem: 'needs a service with a port, and this one takes every port', remedy: 'remove via' }
  if (forwarding?.method === 'local')
    return { problem: 'needs backends on other machines, and forwarding is local', remedy: 'remove via' }
  if (identity === undefined || sourceAddress === undefined || familyOf(identity.address) === familyOf(sourceAddress))
    return undefined
  return {
    problem: `asks at ${identity.address}, which ${sourceAddress} cannot reach: it is of the other address family`,
    remedy: 'write a source_address of the same family',
  }
}

/** Far from the marks that people choose, and without the bits that kube-proxy looks at (0x4000 and 0x8000). */
const USUAL_MARKS: MarkRange = { from: 0x7000_0000, to: 0x7000_3fff }

/** What `global:` says of probes with `via: vip`. */
export function readProbeRoads(written: WrittenGlobal, findings: Findings): ProbeRoadSettings {
  const sources = written.probe_source ?? []
  for (const [index, source] of sources.entries()) {
    if (sources.findIndex((other) => familyOf(other) === familyOf(source)) === index) continue
    const problem = `${source} is the second address of its family`
    findings.refuse(['global', 'probe_source', index], problem, 'keep one IPv4 and one IPv6 address at most')
  }
  return { marks: readMarks(written, findings), sources }
}

/** Enough for every backend of a large table, and little enough to be searched. */
const MOST_MARKS = 0x10_0000

function readMarks({ probe_marks: marks }: WrittenGlobal, findings: Findings): MarkRange {
  if (marks === undefined) return USUAL_MARKS
  const { from, to } = marks
  const path = ['global', 'probe_marks']
  if (from === undefined || to === undefined) {
    findings.refuse(
      path,
      `the range has no ${from === undefined ? 'from' : 'to'}`,
      'write probe_marks: { from: 0x70000000, to: 0x70003fff }',
    )
    return USUAL_MARKS
  }
  if (to - from >= MOST_MARKS)
    findings.refuse(path, `the range holds ${to - from + 1} marks`, `write a range of ${MOST_MARKS} marks at most`)
  if (from > to) findings.refuse(path, `from (${from}) is above to (${to})`, 'write the smaller one as from')
  return { from, to }
}
