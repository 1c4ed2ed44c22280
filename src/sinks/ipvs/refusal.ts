import type { CommandFailure } from '../../kernel/for-sinks.ts'
import { familyOf } from '../../model/address.ts'
import type { Change, TableChange } from '../../model/change.ts'
import { destinationKey } from '../../model/destination.ts'
import { groupFamily, type SyncDaemon } from '../../model/ipvs-table.ts'
import { serviceFamily, serviceKey } from '../../model/virtual-service.ts'

/** Whether a refusal only says that the table is not as it was believed to be: the cure is to read the service again. */
export function isSurprise(change: Change, errno: string): boolean {
  switch (change.kind) {
    case 'add-service':
      return errno === 'EEXIST'
    case 'add-destination':
      return errno === 'EEXIST' || errno === 'ESRCH'
    // ENOENT of an edited service is a scheduler or engine that the kernel has not.
    case 'edit-service':
      return errno === 'ESRCH'
    case 'edit-destination':
    case 'delete-destination':
    case 'delete-service':
      return errno === 'ENOENT' || errno === 'ESRCH'
  }
}

/** One sentence: what the kernel refused and what to do about it. */
export function refusalText(change: Change, failure: CommandFailure): string {
  const object =
    change.kind === 'add-service' || change.kind === 'edit-service' || change.kind === 'delete-service'
      ? `service ${change.name} (${serviceKey(change.service)})`
      : `backend ${destinationKey(change.kind === 'delete-destination' ? change.before : change.after)} of service ${change.name}`
  const verb = change.kind.startsWith('add') ? 'create' : change.kind.startsWith('edit') ? 'change' : 'delete'
  const words = failure.message === undefined ? failure.errno : `${failure.errno}: ${failure.message}`
  return `The kernel refused to ${verb} ${object} (${words})${cureOf(change, failure.errno)}`
}

/** As refusalText, for what belongs to the whole table. */
export function tableRefusalText(change: TableChange, failure: CommandFailure): string {
  const words = failure.message === undefined ? failure.errno : `${failure.errno}: ${failure.message}`
  if (change.kind === 'set-timeouts')
    return `The kernel refused the IPVS timeouts (${words}): check global.ipvs.tcp_timeout, tcp_fin_timeout and udp_timeout.`
  if (change.kind === 'stop-sync-daemon') return `The kernel refused to stop the ${change.before.role} sync daemon (${words}).`
  const { role, interface: link } = change.after
  return `The kernel refused to start the ${role} sync daemon on ${link} (${words})${startCure(change.after, failure.errno)}`
}

/** What start_sync_thread and the sockets that it opens mean by their errors (ip_vs_ctl.c, ip_vs_sync.c). */
function startCure(daemon: SyncDaemon, errno: string): string {
  const family = groupFamily(daemon) === 'ipv4' ? 'IPv4' : 'IPv6'
  switch (errno) {
    case 'ENODEV':
      return `: this network namespace has no interface ${daemon.interface}, or the interface has no ${family} address; make it, or correct global.ipvs.sync_daemons.`
    case 'EINVAL':
      return ': it runs none while a service has backends of the other address family; remove those, or the daemon from global.ipvs.sync_daemons.'
    case 'EEXIST':
      return `: one of this role runs already; stop it with \`ipvsadm --stop-daemon ${daemon.role}\`, or take ours out of global.ipvs.`
    default:
      return `: the interface must be up, and have an ${family} address and a route for the multicast group.`
  }
}

function cureOf(change: Change, errno: string): string {
  if (change.kind === 'add-service' || change.kind === 'edit-service') {
    const { scheduler, persistence } = change.after
    const engine = persistence?.engine === undefined ? '' : ` or ip_vs_pe_${persistence.engine}`
    if (errno === 'ENOENT')
      return `: it has no scheduler "${scheduler}"; load the module ip_vs_${scheduler}${engine}, or name another scheduler.`
    if (errno === 'EINVAL') return ': check its address, persistence mask and flags.'
  }
  if (change.kind === 'add-destination' || change.kind === 'edit-destination') {
    if (errno === 'EINVAL' && familyOf(change.after.address) !== serviceFamily(change.service)) {
      return ': it takes no backend of the other address family while a sync daemon runs, ours or not (`ipvsadm -L --daemon` shows it), and else by tunnel only, at a unicast address; remove the backend, or the daemon from global.ipvs.sync_daemons.'
    }
    if (errno === 'EINVAL') {
      return ': the address must be a unicast address that this network namespace can route (is the interface `lo` up?).'
    }
    if (errno === 'ERANGE') return ': the weight must be 0 to 65535 and the lower threshold not above the upper one.'
  }
  if (errno === 'ENOMEM') return ': the machine is out of memory.'
  return '; it is tried again.'
}
