import { familyOf, type IpAddress } from '../../model/address.ts'
import type { Cure } from './facts.ts'

/** Modules without which a sysctl is not there yet when those of the configuration are set at boot. */
const MODULES = [
  ['net.ipv4.vs.', 'ip_vs'],
  ['net.netfilter.nf_conntrack', 'nf_conntrack'],
] as const

/**
 * Sets sysctls (`net.ipv4.ip_forward=1`; sysctl(8) writes dots within one part as slashes), in this order. `inHost`: those of the host, from a network
 * namespace that has them to read only.
 */
export function sysctlCure(assignments: readonly string[], { inHost = false } = {}): Cure {
  const name = assignments.at(-1)?.split('=')[0] ?? ''
  const file = quoted(`/etc/sysctl.d/60-pointsman-${name.replaceAll('/', '_')}.conf`)
  // Interfaces may have any name.
  const words = assignments.map(quoted).join(' ')
  const module = MODULES.find(([prefix]) => name.startsWith(prefix))?.[1]
  const write = `printf '%s\\n' ${words} > ${file}`
  return {
    run: `${inHost ? 'nsenter --net=/proc/1/ns/net ' : ''}sysctl -w ${words}`,
    keep: module === undefined ? write : `${moduleAtBoot(module)} && ${write}`,
  }
}

/** Loads a module now and at every boot. */
export function moduleCure(module: string): Cure {
  return { run: `modprobe ${module}`, keep: moduleAtBoot(module) }
}

export function moduleAtBoot(module: string): string {
  return `echo ${module} > /etc/modules-load.d/pointsman-${module}.conf`
}

/** As an address that is no source of this host's own packets. */
export function addAddress(address: IpAddress, link = 'lo'): string {
  const on = `dev ${quoted(link)}`
  return familyOf(address) === 'ipv6'
    ? `ip address add ${address}/128 ${on} nodad preferred_lft 0`
    : `ip address add ${address}/32 ${on}`
}

/** A process that is in the way. */
export interface OtherProcess {
  readonly pid: number
  readonly program: string
  /** Of systemd, which would start it again: `keepalived.service`. */
  readonly unit?: string
}

export function stopCure({ pid, unit }: OtherProcess): Cure {
  if (unit === undefined) return { run: `kill ${pid}` }
  return { run: `systemctl stop ${quoted(unit)}`, keep: `systemctl disable ${quoted(unit)}` }
}

/** Something of our own unit that the file of the package does not say. */
export function unitDropIn(name: string, setting: string): string {
  const directory = '/etc/systemd/system/pointsman.service.d'
  return `mkdir -p ${directory} && printf '%s\\n' '[Service]' '${setting}' > ${directory}/${name}.conf && systemctl daemon-reload`
}

/** All that a daemon needs beside the rights of any user. */
export const RIGHTS_OF_UNIT = unitDropIn('rights', 'AmbientCapabilities=CAP_NET_ADMIN CAP_NET_RAW')

/** A text as one word of the shell. */
export function quoted(text: string): string {
  return /^[\w./:@%+=,-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`
}
