import { familyOf, type IpAddress } from '../model/address.ts'
import type { Forwarding } from '../model/destination.ts'
import { interfaceWith } from './source-address.ts'

/** What keeps answers out whose source is an address of this host. */
export interface LostWayBack {
  /** A sentence without its end. */
  readonly why: string
  /** Sysctls that let them in: `net.ipv4.conf.eth0.accept_local=1`. Empty where none does. */
  readonly sysctls: readonly string[]
}

/** What of this host matters to answers that carry an address of its own as their source. */
export interface WayIn {
  readonly readSysctl: (name: string) => number | undefined
  /** The interface that leads to the backend, and that its answers come in by; undefined where that is not known. */
  readonly link: string | undefined
}

/**
 * What the kernel must be told to let in answers that carry an address of this host as their source, in a sentence; undefined
 * where nothing is missing. `source`: where probes come from.
 */
export function wayBackLacks(...asked: Parameters<typeof lostWayBack>): string | undefined {
  const lost = lostWayBack(...asked)
  if (lost === undefined || lost.sysctls.length === 0) return lost?.why
  return `${lost.why}: sysctl -w ${lost.sysctls.join(' ')}`
}

/** The same in its parts. */
export function lostWayBack(
  source: IpAddress,
  method: Forwarding['method'],
  { readSysctl, link }: WayIn,
): LostWayBack | undefined {
  // Answers of NAT come from the backend's own address, and IPv6 asks for none of this.
  if (method === 'nat' || familyOf(source) === 'ipv6') return undefined
  const holder = interfaceWith(source)
  if (holder === undefined) {
    return { why: `no interface that is up has ${source}, where probes are to come from`, sysctls: [] }
  }
  // The kernel asks the interface that a packet comes in by, and the address may be on another one: loopback, a dummy.
  const device = link ?? holder
  const name = (key: string, scope = device.replaceAll('.', '/')) => `net.ipv4.conf.${scope}.${key}`
  const on = (key: string) => Math.max(readSysctl(name(key)) ?? 0, readSysctl(name(key, 'all')) ?? 0)
  const strict = [name('rp_filter', 'all'), name('rp_filter')].filter((key) => on('rp_filter') === 1 && readSysctl(key) === 1)
  const sysctls = [...(on('accept_local') === 0 ? [`${name('accept_local')}=1`] : []), ...strict.map((key) => `${key}=2`)]
  if (sysctls.length === 0) return undefined
  return { why: `answers of ${method} backends come from the virtual address itself, and the kernel drops them`, sysctls }
}
