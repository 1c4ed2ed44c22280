import type { Overrides, SettingName } from '../config/configuration.ts'

/** The settings of `global:` as flags: `log_level` is `--log-level`. Values are checked where the file's are. */
export const SETTING_FLAGS: Readonly<Record<SettingName, { readonly placeholder: string; readonly help: string }>> = {
  log_level: { placeholder: 'level', help: 'trace, debug, info, warn, error, fatal or silent' },
  log_format: { placeholder: 'format', help: 'auto (pretty on a terminal), json or pretty' },
  log_file: { placeholder: 'file', help: 'where the log goes in place of standard output, or off' },
  log_max_size: { placeholder: 'megabytes', help: 'size at which the log file begins anew; 0 for never' },
  log_keep: { placeholder: 'number', help: 'how many former log files stay' },
  traffic_log_file: { placeholder: 'file', help: 'where the lines of traffic_log go in place of the log, or off' },
  admin: { placeholder: 'address', help: 'where /metrics, /healthz, /readyz and the status page are served, or off' },
  metrics_enabled: { placeholder: 'boolean', help: 'whether the metrics are served' },
  metrics_path: { placeholder: 'path', help: 'path of the metrics' },
  status_page: { placeholder: 'boolean', help: 'whether the status page is served' },
  admin_allowed_hosts: { placeholder: 'names', help: 'host names that the status page answers to, or none' },
  resync_interval: { placeholder: 'duration', help: 'time between two full reads of the kernel' },
  on_exit: { placeholder: 'policy', help: 'what becomes of the table at the end: keep, drain or remove' },
  state_dir: { placeholder: 'directory', help: 'directory of the durable record of what is ours' },
  kernel_deadline: { placeholder: 'duration', help: 'how long the kernel may take before it counts as stuck' },
  per_backend_metrics: { placeholder: 'boolean', help: 'whether there are metrics for each backend' },
  metrics_node_ipvs: { placeholder: 'boolean', help: "whether node_exporter's node_ipvs_* are served as well" },
  max_probes: { placeholder: 'number', help: 'how many probes of backends may be under way at a time' },
  probe_threads: { placeholder: 'number', help: 'how many threads ask backends; 0: the main thread does' },
  watch_settle: { placeholder: 'duration', help: 'how long a watched file must be quiet before it is read' },
  watch_poll: { placeholder: 'duration', help: 'how often a watched file is looked at although no event came' },
  instance: { placeholder: 'name', help: 'name of the nftables table and of the interface of our own' },
  manage_sysctls: { placeholder: 'boolean', help: 'whether sysctls that the services need are set' },
  manage_firewall: { placeholder: 'boolean', help: 'whether firewalls that would drop packets of services are opened for them' },
}

/** What beats the file: the flags among a command's options, then the environment. */
export function overridesFrom(options: Readonly<Record<string, unknown>>): Overrides {
  const flags: { [Name in SettingName]?: string } = {}
  for (const name of Object.keys(SETTING_FLAGS) as SettingName[]) {
    const value = options[camelCase(name)]
    if (typeof value === 'string') flags[name] = value
  }
  return { flags, environment: process.env }
}

/** commander's name for a flag: `--log-level` is `logLevel`. */
function camelCase(name: string): string {
  return name.replaceAll(/_(.)/g, (_, letter: string) => letter.toUpperCase())
}
