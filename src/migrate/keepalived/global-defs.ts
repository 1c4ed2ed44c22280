import { ownEntry } from '../../document/own-entry.ts'
import { formatDuration } from '../../document/values/duration.ts'
import type { LeftOut, Place, Written } from '../imported.ts'
import { ofUser } from './misc-check.ts'
import { type Counterparts, leftOut, unknown } from './notes.ts'
import type { Directive } from './tree.ts'
import { wholeNumber } from './values.ts'

export interface GlobalDefs {
  /** Keys of `global.ipvs`. */
  readonly ipvs: Written
  readonly scriptUser: string | undefined
  /** Where each of `ipvs` was written. */
  readonly places: ReadonlyMap<string, Place>
}

const MAIL = ['no mail is sent', 'write global: { hooks: { webhook: ... } }, or alert on the metrics'] as const
const KEEPALIVED = ['it concerns keepalived itself', 'do nothing'] as const
const VRRP = ['there is no VRRP here', 'keep it in the keepalived that keeps the addresses'] as const
const FIFO = ['there is no notify FIFO', 'write global: { hooks: { exec: [...] } }'] as const

const KNOWN: Counterparts = {
  notification_email: MAIL,
  notification_email_from: MAIL,
  smtp_server: MAIL,
  smtp_helo_name: MAIL,
  smtp_connect_timeout: MAIL,
  smtp_alert: MAIL,
  smtp_alert_checker: MAIL,
  smtp_alert_vrrp: VRRP,
  no_email_faults: MAIL,
  router_id: KEEPALIVED,
  lvs_id: KEEPALIVED,
  checker_log_all_failures: ['every change of a verdict is logged with its reason', 'do nothing, or write log_level: debug'],
  enable_script_security: ['programs that others could change are refused anyway', 'do nothing'],
  lvs_flush: ['services that others made are left alone', 'remove them by ipvsadm, or name them here'],
  lvs_flush_on_stop: ['services stay in the kernel when Pointsman ends', 'write global: { on_exit: remove }'],
  default_interface: ['addresses are not placed by this configuration', 'keep it in the keepalived that keeps the addresses'],
  notify_fifo: FIFO,
  notify_fifo_script: FIFO,
  lvs_notify_fifo: FIFO,
  lvs_notify_fifo_script: FIFO,
  startup_script: ['no program is run at the start', 'write ExecStartPre= in the unit of systemd'],
  startup_script_timeout: ['no program is run at the start', 'write TimeoutStartSec= in the unit of systemd'],
  shutdown_script: ['no program is run at the end', 'write ExecStopPost= in the unit of systemd'],
  shutdown_script_timeout: ['no program is run at the end', 'write TimeoutStopSec= in the unit of systemd'],
  net_namespace: [
    'Pointsman works in the network namespace that it is started in',
    'write NetworkNamespacePath= in the unit of systemd',
  ],
  lvs_timeouts: [
    'it is read as tcp, tcpfin and udp, each with a number of seconds',
    'write global: { ipvs: { tcp_timeout: ... } }',
  ],
  nftables_ipvs: ['every address of a group is a service of its own', 'do nothing, or write one service with fwmark'],
  nftables_ipvs_start_fwmark: ['every address of a group is a service of its own', 'do nothing'],
  no_checker_emails: MAIL,
  rs_init_notifies: ['hooks tell every change, the first verdict included', 'do nothing'],
  random_seed: KEEPALIVED,
  include_check: ['a file that cannot be read ends the import', 'do nothing'],
  net_namespace_ipvs: ['IPVS and probes are in one network namespace', 'write NetworkNamespacePath= in the unit of systemd'],
}

/** Whether keepalived has a directive of this name outside of blocks, or had. */
export function isKnownGlobal({ name }: Directive): boolean {
  return (
    Object.hasOwn(KNOWN, name) || /^(instance|use_pid_dir|linkbeat_use_polling|child_wait_time|namespace_with_ipsets)$/.test(name)
  )
}

/** What is known of a directive of `global_defs`, or of the same at the top of the file. */
export function unknownGlobal(directive: Directive): LeftOut {
  const { name } = directive
  if (Object.hasOwn(KNOWN, name)) return unknown(directive, KNOWN)
  if (/^vrrp|^garp|^dynamic_interfaces$|^static|^nftables|^vmac|vrid|igmp|iptables/.test(name)) return leftOut(directive, ...VRRP)
  if (/snmp|dbus|^enable_traps$/.test(name)) return leftOut(directive, 'there is no SNMP and no D-Bus here', 'use the metrics')
  if (/process|priority|affinity|swap|rlimit|instance|pid_dir|reload|config|umask|bfd|linkbeat|child_wait|rcv_bufs/.test(name))
    return leftOut(directive, ...KEEPALIVED)
  return unknown(directive, KNOWN)
}

export function readGlobalDefs(directives: readonly Directive[], notes: LeftOut[]): GlobalDefs {
  let ipvs: Written = {}
  let scriptUser: string | undefined
  const places = new Map<string, Place>()
  const take = (directive: Directive, written: Written) => {
    ipvs = { ...ipvs, ...written }
    for (const key of Object.keys(written)) places.set(`global.ipvs.${key}`, directive.place)
  }
  for (const directive of directives) {
    const timeouts = directive.name === 'lvs_timeouts' ? timeoutsOf(directive) : undefined
    if (timeouts !== undefined) take(directive, timeouts)
    else if (directive.name === 'script_user' && directive.words[0] !== undefined) {
      const [user, group] = directive.words
      scriptUser = user
      notes.push(ofUser(directive, user, group))
    } else if (directive.name === 'lvs_sync_daemon') {
      const daemons = syncDaemonsOf(directive, notes)
      if (daemons !== undefined) take(directive, { sync_daemons: daemons })
    } else notes.push(unknownGlobal(directive))
  }
  return { ipvs, scriptUser, places }
}

const TIMEOUTS: Readonly<Record<string, string>> = { tcp: 'tcp_timeout', tcpfin: 'tcp_fin_timeout', udp: 'udp_timeout' }

function timeoutsOf({ words }: Directive): Written | undefined {
  const written: Written = {}
  for (let at = 0; at < words.length; at += 2) {
    const key = ownEntry(TIMEOUTS, words[at] ?? '')
    const seconds = wholeNumber(words[at + 1])
    if (key === undefined || seconds === undefined) return undefined
    // 0 leaves that of the kernel.
    if (seconds > 0) written[key] = formatDuration(seconds * 1000)
  }
  return words.length === 0 ? undefined : written
}

const OPTIONS: Readonly<Record<string, string>> = { id: 'id', maxlen: 'maximum_length', port: 'port', ttl: 'ttl', group: 'group' }

/** Without an instance of VRRP keepalived runs both daemons all the time; with one its state decides, of which nothing is known here. */
function syncDaemonsOf(directive: Directive, notes: LeftOut[]): readonly Written[] | undefined {
  const [device, ...rest] = directive.words
  const options: Written = {}
  for (let at = 0; at < rest.length; at += 2) {
    const key = ownEntry(OPTIONS, rest[at] ?? '')
    const word = rest[at + 1]
    if (key === undefined || word === undefined) {
      notes.push(
        leftOut(
          directive,
          'whether the daemon is master or backup follows VRRP there',
          'write global: { ipvs: { sync_daemons: [...] } } with a role of its own on each host, or leave it to keepalived',
        ),
      )
      return undefined
    }
    options[key] = key === 'group' ? word : Number(word)
  }
  return ['master', 'backup'].map((role) => ({ role, interface: device, ...options }))
}
