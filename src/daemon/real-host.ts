import { probeFor } from '../health/registry.ts'
import { startProbeWorker } from '../health/threads/start-thread.ts'
import {
  holdTable,
  linkTowards,
  listeningPorts,
  openConntrackKernel,
  openFirewallKernel,
  openIptablesKernel,
  openIpvsKernel,
  openNftablesKernel,
  openRouteKernel,
  readIpvsTotals,
  readRuleMarks,
  readSysctl,
  routesLostToForwarding,
  systemdNotify,
  whoHoldsTable,
  writeSysctl,
} from '../kernel/for-daemon.ts'
import type { Host } from './host.ts'

/** The machine that this process runs on. */
export function realHost(version?: string): Host {
  return {
    openKernel: (deadline, onStuck) => openIpvsKernel({ deadlineMs: deadline, ...(onStuck !== undefined && { onStuck }) }),
    openNftables: () => openNftablesKernel(),
    openIptables: () => openIptablesKernel(),
    openFirewall: () => openFirewallKernel(),
    openConntrack: () => openConntrackKernel(),
    openRoutes: () => openRouteKernel(),
    holdTable: (command) => holdTable({ command, ...(version !== undefined && { version }) }),
    whoHoldsTable,
    probeFor,
    startProbeThread: (listener) => startProbeWorker(listener),
    readRuleMarks: () => readRuleMarks(),
    linkTowards: (address) => linkTowards(address),
    readSysctl: (name) => numberOf(readSysctl(name)),
    writeSysctl,
    routesLostToForwarding,
    listeningPorts: () => listeningPorts(),
    readIpvsTotals,
    notify: (message) => void systemdNotify(message),
    watchdog: watchdogInterval(process.env, process.pid),
  }
}

/** WATCHDOG_USEC in milliseconds, unless it is meant for another process (sd_watchdog_enabled(3)). */
export function watchdogInterval(environment: NodeJS.ProcessEnv, pid: number): number | undefined {
  const { WATCHDOG_USEC: interval, WATCHDOG_PID: meant } = environment
  if (interval === undefined || !/^[1-9]\d*$/.test(interval)) return undefined
  if (meant !== undefined && meant !== `${pid}`) return undefined
  return Number(interval) / 1000
}

function numberOf(text: string | undefined): number | undefined {
  return text === undefined || !/^-?\d+$/.test(text) ? undefined : Number(text)
}
