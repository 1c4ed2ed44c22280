import { diagnoseFirewall } from './diagnose-firewall.ts'
import {
  diagnoseAdmin,
  diagnoseClock,
  diagnoseConfiguration,
  diagnoseDescriptors,
  diagnoseHolder,
  diagnoseOtherWriters,
  diagnoseSources,
} from './diagnose-host.ts'
import { diagnoseKernel } from './diagnose-kernel.ts'
import { diagnoseNeighbours } from './diagnose-neighbours.ts'
import { diagnoseNetwork } from './diagnose-network.ts'
import { diagnoseRecord, diagnoseStateDirectory } from './diagnose-state.ts'
import { diagnoseSysctls } from './diagnose-sysctls.ts'
import { diagnoseWayBack } from './diagnose-way-back.ts'
import type { DoctorFacts, Finding } from './facts.ts'

/** What is looked at, in the order in which a person would fix things. */
const LINES: readonly ((facts: DoctorFacts) => readonly Finding[])[] = [
  diagnoseConfiguration,
  diagnoseKernel,
  diagnoseSysctls,
  diagnoseNetwork,
  diagnoseWayBack,
  diagnoseNeighbours,
  diagnoseFirewall,
  diagnoseSources,
  diagnoseOtherWriters,
  diagnoseHolder,
  diagnoseStateDirectory,
  diagnoseRecord,
  diagnoseAdmin,
  diagnoseDescriptors,
  diagnoseClock,
]

/** Every check. Pure: the same facts give the same report. */
export function diagnose(facts: DoctorFacts): Finding[] {
  return LINES.flatMap((line) => line(facts))
}
