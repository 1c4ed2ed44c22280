import type { z } from 'zod'
import { mapping, optional, section } from '../document/schema.ts'
import { choice, line, truth } from '../document/values/choice.ts'
import { duration } from '../document/values/duration.ts'
import { integer } from '../document/values/integer.ts'
import { interfaceName, multicastGroup } from '../document/values/network-link.ts'
import type { SettingName } from './configuration.ts'
import { hooksSchema } from './hooks-schema.ts'
import { probeRoadKeys } from './probe-road-schema.ts'
import { adminAddress, SETTING_DEFINITIONS } from './setting-definitions.ts'
import { listOf } from './shared-schema.ts'

function setting(name: SettingName) {
  const { grammar, initial, description } = SETTING_DEFINITIONS[name]
  const { type } = grammar.jsonSchema
  const written = type === 'boolean' ? initial === 'true' : type === 'integer' ? Number(initial) : initial
  return optional({ ...grammar, jsonSchema: { ...grammar.jsonSchema, default: written } }, description)
}

/** INT_MAX / HZ of a kernel with HZ=1000: the most that every kernel takes. */
const kernelTimeout = duration({ min: 1000, max: 2_147_483_000, wholeSeconds: true })

export const syncDaemonSchema = mapping(
  {
    role: optional(choice(['master', 'backup']), 'master sends its connections, backup receives them.'),
    interface: optional(interfaceName, 'Network interface that the messages use; it must be up.'),
    id: optional(
      integer('an id', 0, 255),
      'Id that tells groups of directors apart; 0 by default, which a backup takes for any.',
    ),
    maximum_length: optional(integer('a number of bytes', 1, 65507), "Largest message in bytes; the kernel's choice by default."),
    group: optional(multicastGroup, "Multicast group; the kernel's choice (224.0.0.81) by default."),
    port: optional(integer('a port', 1, 65535), "UDP port; the kernel's choice (8848) by default."),
    ttl: optional(integer('a time to live', 1, 255), 'Time to live of the multicast packets; 1 by default.'),
  },
  'A connection synchronisation daemon of the kernel.',
  { required: ['role', 'interface'] },
)

const ipvsSchema = mapping(
  {
    tcp_timeout: optional(kernelTimeout, 'Idle time after which an established TCP connection is forgotten; whole seconds.'),
    tcp_fin_timeout: optional(kernelTimeout, 'The same after a FIN.'),
    udp_timeout: optional(kernelTimeout, 'The same for UDP.'),
    sync_daemons: listOf(
      syncDaemonSchema,
      'Connection synchronisation daemons; [] stops those that Pointsman started.',
    ).optional(),
  },
  'What belongs to the IPVS of the kernel as a whole; keys that are left out stay as they are in the kernel.',
)

const port = integer('a port', 1, 65535)

const snatSchema = mapping(
  {
    by: optional(
      choice(['auto', 'nftables', 'iptables']),
      'What it is made with; auto by default: nftables, and iptables where that cannot be had.',
    ),
    port_range: section(
      mapping(
        { from: optional(port, 'The first one.'), to: optional(port, 'The last one.') },
        'Ports that translated connections come from, but for those of services and of listeners of this host.',
        { required: ['from', 'to'] },
      ),
    ).optional(),
  },
  'What concerns the source NAT (full_nat) of all services.',
)

const trafficLogSchema = mapping(
  {
    enabled: optional(truth, 'Accepted for files of ezlb; has no effect: traffic_log of a service decides.'),
    interval: optional(
      duration({ min: 5000, max: 86_400_000 }),
      'Accepted for files of ezlb; has no effect: write it in traffic_log of a service.',
    ),
  },
  'Accepted for files of ezlb; has no effect.',
)

const logSchema = mapping(
  {
    level: setting('log_level'),
    file: setting('log_file'),
    max_size: setting('log_max_size'),
    keep: setting('log_keep'),
    home: optional(line('a directory', 4000), 'Accepted for files of ezlb; has no effect.'),
    max_backups: optional(integer('a number of files', 0, 1_000_000), 'Accepted for files of ezlb; has no effect.'),
    max_age: optional(integer('a number of days', 0, 1_000_000), 'Accepted for files of ezlb; has no effect.'),
    compress: optional(truth, 'Accepted for files of ezlb; has no effect.'),
    traffic: section(trafficLogSchema).optional(),
  },
  'The log: level, file, max_size and keep are log_level, log_file, log_max_size and log_keep; the others are for files of ezlb.',
)

export const globalSchema = mapping(
  {
    log_level: setting('log_level'),
    log_format: setting('log_format'),
    log_file: setting('log_file'),
    log_max_size: setting('log_max_size'),
    log_keep: setting('log_keep'),
    traffic_log_file: setting('traffic_log_file'),
    admin: setting('admin'),
    metrics_enabled: setting('metrics_enabled'),
    metrics_path: setting('metrics_path'),
    status_page: setting('status_page'),
    admin_allowed_hosts: setting('admin_allowed_hosts'),
    resync_interval: setting('resync_interval'),
    on_exit: setting('on_exit'),
    state_dir: setting('state_dir'),
    kernel_deadline: setting('kernel_deadline'),
    per_backend_metrics: setting('per_backend_metrics'),
    metrics_node_ipvs: setting('metrics_node_ipvs'),
    max_probes: setting('max_probes'),
    probe_threads: setting('probe_threads'),
    watch_settle: setting('watch_settle'),
    watch_poll: setting('watch_poll'),
    instance: setting('instance'),
    manage_sysctls: setting('manage_sysctls'),
    manage_firewall: setting('manage_firewall'),
    ipvs: section(ipvsSchema).optional(),
    snat: section(snatSchema).optional(),
    hooks: section(hooksSchema).optional(),
    ...probeRoadKeys,
    admin_address: optional(adminAddress, 'The same as admin, for files of ezlb.'),
    cleanup_on_exit: optional(truth, 'For files of ezlb: true is on_exit: remove, false is on_exit: keep.'),
    log: section(logSchema).optional(),
  },
  'What concerns the process and the kernel as a whole.',
)

export type WrittenGlobal = z.output<typeof globalSchema>
