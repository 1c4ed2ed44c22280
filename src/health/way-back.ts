import { familyOf, type IpAddress } from '../model/address.ts'
import type { Forwarding } from '../model/destination.ts'
import { interfaceWith } from './source-address.ts'

/**
 * What the kernel must be told to let in answers that carry an address of this host as their source, in a sentence; undefined
 * where nothing is missing. `source`: where probes come from.
 */
export function wayBackLacks(
  source: IpAddress,
  method: Forwarding['method'],
  readSysctl: (name: string) => number | undefined,
): string | undefined {
  // Answers of NAT come from the backend's own address, and IPv6 asks for none of this.
  if (method === 'nat' || familyOf(source) === 'ipv6') return undefined
  const device = interfaceWith(source)
  if (device === undefined) return `no interface that is up has ${source}, where probes are to come from`
  const name = (key: string, scope = device.replaceAll('.', '/')) => `net.ipv4.conf.${scope}.${key}`
  const on = (key: string) => Math.max(readSysctl(name(key)) ?? 0, readSysctl(name(key, 'all')) ?? 0)
  const why = `answers of ${method} backends come from the virtual address itself, and the kernel drops them`
  if (on('accept_local') === 0) return `${why}: sysctl -w ${name('accept_local')}=1`
  if (on('rp_filter') !== 1) return undefined
  const strict = readSysctl(name('rp_filter', 'all')) === 1 ? [name('rp_filter', 'all')] : []
  const own = readSysctl(name('rp_filter')) === 1 ? [name('rp_filter')] : []
  return `${why}: sysctl -w ${[...strict, ...own].map((key) => `${key}=2`).join(' ')}`
}
