import { counted } from '../counted.ts'
import { diagnoseFirewall } from './diagnose-firewall.ts'
import { diagnoseKernel } from './diagnose-kernel.ts'
import { diagnoseNeighbours } from './diagnose-neighbours.ts'
import { diagnoseNetwork } from './diagnose-network.ts'
import { diagnoseSysctls } from './diagnose-sysctls.ts'
import { diagnoseWayBack } from './diagnose-way-back.ts'
import { type DoctorFacts, type Finding, fail, ok, warn } from './facts.ts'

/** Every check, in the order in which a person would fix things. Pure: the same facts give the same report. */
export function diagnose(facts: DoctorFacts): Finding[] {
  return [
    configuration(facts),
    ...diagnoseKernel(facts),
    ...diagnoseSysctls(facts),
    ...diagnoseNetwork(facts),
    ...diagnoseWayBack(facts),
    ...diagnoseNeighbours(facts),
    ...diagnoseFirewall(facts),
    ...otherWriters(facts),
    holder(facts),
    stateDirectory(facts),
    record(facts),
  ]
}

function configuration({ configuration: known, configurationProblem }: DoctorFacts): Finding {
  if (known !== undefined) return ok('configuration', `${known.path} is valid, ${counted(known.services.length, 'service')}`)
  return fail(
    'configuration',
    configurationProblem ?? 'it cannot be read',
    'run "pointsman validate" and correct what it names; the checks below do without it',
  )
}

function otherWriters({ otherWriters: writers, kubeInterface }: DoctorFacts): Finding[] {
  const findings = writers.map(({ pid, program }) =>
    fail(
      'other writer',
      `${program} (process ${pid}) runs in this network namespace and may write the same IPVS table`,
      `stop ${program}, or give it or Pointsman a network namespace of its own`,
    ),
  )
  if (kubeInterface && !writers.some(({ program }) => program === 'kube-proxy')) {
    const cure = 'switch kube-proxy to another mode, or run Pointsman in another network namespace'
    findings.push(warn('other writer', 'the interface kube-ipvs0 is there: kube-proxy uses or used IPVS here', cure))
  }
  return findings.length > 0 ? findings : [ok('other writer', 'none found')]
}

function holder({ holder: who }: DoctorFacts): Finding {
  if (who === undefined) return ok('table', 'nobody holds it')
  if (who === 'silent') {
    return warn(
      'table',
      'a process that does not say who it is holds the table',
      'find it with "ss -xlp | grep pointsman/table" and stop it',
    )
  }
  return ok('table', `process ${who.pid} (pointsman ${who.command}) writes it since ${who.since}`)
}

function stateDirectory({ stateDirectory: { path, problem } }: DoctorFacts): Finding {
  if (problem === undefined) return ok('state directory', `${path} is writable`)
  return fail('state directory', problem, `make ${path} writable for the user of Pointsman, or set global.state_dir to another`)
}

function record({ record: known }: DoctorFacts): Finding {
  if ('problem' in known) return fail('ownership record', known.problem)
  const { origin } = known
  switch (origin.kind) {
    case 'none':
      return ok('ownership record', 'none yet')
    case 'loaded':
      return ok('ownership record', 'it is of this boot and this network namespace')
    case 'other-boot':
      return ok('ownership record', 'it is of an earlier boot and does not count: the table of that boot is gone')
    case 'other-namespace':
      return warn(
        'ownership record',
        'it is of another network namespace and does not count here',
        'start or run "pointsman once" in this namespace: it makes a record of its own and leaves that one alone',
      )
    case 'corrupt':
      return warn(
        'ownership record',
        `it cannot be read (${origin.reason}) and would be set aside`,
        'start adopts what the configuration names; look into the table for what is left with "pointsman plan"',
      )
  }
}
