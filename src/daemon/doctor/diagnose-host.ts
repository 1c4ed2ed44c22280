import { counted } from '../counted.ts'
import { type OtherProcess, quoted, stopCure, unitDropIn } from './cures.ts'
import { type DoctorFacts, type Finding, fail, ok, warn } from './facts.ts'

/** Descriptors beside those of probes: sources, programs, clients of the admin address. */
const BESIDE_PROBES = 256
/** What a unit of ours gets at least. */
const USUAL_LIMIT = 65_536
const AS_ROOT = 'run the doctor as root, which names it and the command that stops it'
/** Milliseconds by which files may be younger than the clock. */
const CLOCK_SLACK = 300_000
const NTP_CLIENTS = 'chrony, ntpd, systemd-timesyncd'
/** 2024-01-01: no release is older. */
const EARLIEST = 1_704_067_200_000

export function diagnoseConfiguration(facts: DoctorFacts): Finding[] {
  const { configuration: known, configurationProblem, configurationPath = 'FILE' } = facts
  if (known !== undefined) return [ok('configuration', `${known.path} is valid, ${counted(known.services.length, 'service')}`)]
  const cure = `correct it until "pointsman validate --config ${quoted(configurationPath)}" has nothing to say; the checks below do without it`
  return [fail('configuration', configurationProblem ?? 'it cannot be read', cure)]
}

/** Probes hold a descriptor each; a daemon that runs is looked at, else what a start from here would get. */
export function diagnoseDescriptors({ configuration, descriptors, systemd }: DoctorFacts): Finding[] {
  if (configuration === undefined || descriptors === undefined) return []
  const { limit, pid } = descriptors
  const { maxProbes } = configuration.settings
  const needed = maxProbes + BESIDE_PROBES
  const whose = pid === undefined ? 'a start from here' : `process ${pid}`
  const have = `${whose} may open ${limit} files, and max_probes is ${maxProbes}`
  if (limit >= needed) return [ok('descriptors', have)]
  const wanted = Math.max(USUAL_LIMIT, 2 ** Math.ceil(Math.log2(needed)))
  return [
    warn('descriptors', `${have}: probes beyond that find nothing out`, {
      run: pid === undefined ? `ulimit -n ${wanted}` : `prlimit --pid ${pid} --nofile=${wanted}:${wanted}`,
      ...(systemd && { keep: unitDropIn('descriptors', `LimitNOFILE=${wanted}`) }),
    }),
  ]
}

/** Ends of what the operator said, ages of answers and certificates are told by the wall clock. */
export function diagnoseClock({ clock, systemd }: DoctorFacts): Finding[] {
  if (clock === undefined) return []
  const { now, lastWrite, isKept } = clock
  const time = new Date(now).toISOString()
  const cure = {
    cure: `set it with date --set, and let an NTP client keep it (${NTP_CLIENTS})`,
    ...(systemd && { run: 'timedatectl set-ntp true' }),
  }
  if (now < EARLIEST) return [fail('clock', `it says ${time}, which is before this program was made`, cure)]
  if (lastWrite !== undefined && lastWrite > now + CLOCK_SLACK) {
    const written = new Date(lastWrite).toISOString()
    return [
      warn('clock', `it says ${time}, and the state directory was written at ${written}: it was set back, or is wrong`, cure),
    ]
  }
  if (isKept === false) {
    const problem =
      'nothing keeps it in step (adjtimex: unsynchronised): it drifts away from those of registries and other directors'
    return [
      warn(
        'clock',
        problem,
        systemd
          ? {
              cure: `where it says that NTP is not supported, install a client first (${NTP_CLIENTS})`,
              run: 'timedatectl set-ntp true',
            }
          : `run an NTP client (${NTP_CLIENTS})`,
      ),
    ]
  }
  return [ok('clock', `it says ${time}${isKept === true ? ' and is kept in step' : ''}`)]
}

export function diagnoseAdmin({ admin, holder }: DoctorFacts): Finding[] {
  if (admin === undefined) return []
  const { endpoint, errno, listener, hidden } = admin
  if (errno === undefined) return [ok('admin address', `${endpoint} is free`)]
  if (listener !== undefined && typeof holder === 'object' && listener.pid === holder.pid)
    return [ok('admin address', `process ${listener.pid} (pointsman ${holder.command}) serves ${endpoint}`)]
  if (hidden === true && typeof holder === 'object') {
    const who = `process ${holder.pid} (pointsman ${holder.command})`
    return [ok('admin address', `${endpoint} is taken by the user of ${who}, whose sockets cannot be seen from here`)]
  }
  const elsewhere = 'or set global.admin to another address'
  switch (errno) {
    case 'EADDRINUSE': {
      if (listener === undefined)
        return [
          fail('admin address', `${endpoint} is taken by a process that cannot be seen from here`, `${AS_ROOT}, ${elsewhere}`),
        ]
      const problem = `${listener.program} (process ${listener.pid}) listens on ${endpoint}, so a daemon works without it`
      return [fail('admin address', problem, { cure: elsewhere, ...stopCure(listener) })]
    }
    case 'EADDRNOTAVAIL':
      return [fail('admin address', `no interface of this host has the address of ${endpoint}`, elsewhere.slice(3))]
    case 'EACCES':
      return [
        fail(
          'admin address',
          `${endpoint} cannot be used: ports below 1024 need root or CAP_NET_BIND_SERVICE`,
          'set global.admin to a higher port',
        ),
      ]
    default:
      return [fail('admin address', `${endpoint} cannot be used (${errno})`, elsewhere.slice(3))]
  }
}

export function diagnoseOtherWriters(facts: DoctorFacts): Finding[] {
  const findings = [...facts.otherWriters.map((writer) => otherWriter(writer, facts)), ...besideVrrp(facts), ...kubeTrace(facts)]
  if (findings.length > 0) return findings
  const where = facts.seesEveryProcess ? '' : ' among the processes that can be seen from here'
  return [ok('other writer', `none found${where}`)]
}

function otherWriter(writer: OtherProcess, { kubeInterface: trace }: DoctorFacts): Finding {
  const { pid, program } = writer
  // It makes the interface before it writes the first service.
  if (program === 'kube-proxy' && trace === undefined)
    return ok('other writer', `${program} (process ${pid}) runs in another mode than IPVS: it has no interface kube-ipvs0`)
  const problem = `${program} (process ${pid}) runs in this network namespace and may write the same IPVS table`
  // The kubelet would start it again.
  if (program === 'kube-proxy') return fail('other writer', problem, `${KUBE}; ${CLEANED}`)
  if (program === 'kube-router') return fail('other writer', problem, `start it with --run-service-proxy=false, or ${APART}`)
  const apart = 'or give it or Pointsman a network namespace of its own'
  const cure = program === 'keepalived' ? `${APART_FROM_VRRP}; ${apart}` : apart
  return fail('other writer', problem, { cure, ...stopCure(writer) })
}

const APART_FROM_VRRP = 'where it moves addresses, start it with --vrrp instead: stopping it lets them go'

function besideVrrp({ addressMovers, otherWriters }: DoctorFacts): Finding[] {
  const alone = addressMovers.filter(
    ({ program, pid }) => program === 'keepalived' && !otherWriters.some((writer) => writer.pid === pid),
  )
  return alone.map(({ program, pid }) =>
    ok('other writer', `${program} (process ${pid}) runs for VRRP alone (--vrrp), and writes no IPVS table`),
  )
}

/** Without the interface kube-proxy serves nobody, and whether it runs is not always seen from here. */
function kubeTrace({ otherWriters, kubeInterface: trace, seesEveryProcess }: DoctorFacts): Finding[] {
  if (trace === undefined || otherWriters.some(({ program }) => program === 'kube-proxy')) return []
  const { addresses } = trace
  if (addresses !== undefined && addresses > 0) {
    const problem = `the interface kube-ipvs0 carries addresses (${addresses}): kube-proxy writes the same IPVS table, or ended without cleaning up`
    return [fail('other writer', problem, `${KUBE}; ${CLEANED}`)]
  }
  const problem = 'the interface kube-ipvs0 is there: kube-proxy uses or used IPVS here'
  if (addresses === undefined || !seesEveryProcess)
    return [warn('other writer', problem, `look in the host whether kube-proxy runs; ${CLEANED}`)]
  const cure = { cure: 'once kube-proxy is gone from here, or runs in another mode', run: 'ip link delete kube-ipvs0' }
  return [warn('other writer', problem, cure)]
}

const APART = 'run Pointsman in another network namespace'
const KUBE = `switch it to the mode iptables or nftables, or ${APART}`
const CLEANED =
  'once it is gone for good, or runs in another mode, "kube-proxy --cleanup" or "ip link delete kube-ipvs0" ends this'

export function diagnoseHolder({ holder: who, silentHolder }: DoctorFacts): Finding[] {
  if (who === undefined) return [ok('table', 'nobody holds it')]
  if (who !== 'silent') return [ok('table', `process ${who.pid} (pointsman ${who.command}) writes it since ${who.since}`)]
  if (silentHolder === undefined) {
    return [warn('table', 'a process that does not say who it is holds the table', AS_ROOT)]
  }
  const problem = `${silentHolder.program} (process ${silentHolder.pid}) holds the table and does not say who it is: no start can write it`
  return [warn('table', problem, stopCure(silentHolder))]
}

export function diagnoseSources({ sources }: DoctorFacts): Finding[] {
  return (sources ?? []).map(({ name, services, named, failure }) => {
    const of = services.length <= 3 ? services.join(', ') : counted(services.length, 'service')
    const whose = services.length === 0 ? name : `${name} (${of})`
    if (named !== undefined)
      return ok('source', `${whose} answers: ${counted(named, services.length === 0 ? 'service' : 'backend')}`)
    const cure = 'its last good answer stands in while there is one; see to it that it answers, or correct source'
    return fail('source', `${whose} does not answer: ${failure ?? 'it says nothing'}`, cure)
  })
}
