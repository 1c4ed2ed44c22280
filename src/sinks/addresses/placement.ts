import { createHash } from 'node:crypto'
import type { InterfaceAddress, NetworkLink } from '../../kernel/for-sinks.ts'
import { addressBytes, familyOf, type IpAddress, isLinkLocal } from '../../model/address.ts'

/** IFNAMSIZ less the NUL byte; labels of IPv4 addresses have the same length. */
const LONGEST_NAME = 15

/** A network that neighbours of a link are in. */
export interface OnLinkPrefix {
  readonly link: number
  readonly bytes: Uint8Array
  readonly length: number
}

/** Where an address goes. `own`: to the link of our own. `missing`: nowhere, with the reason. */
export type Placement =
  | { readonly kind: 'link'; readonly link: NetworkLink }
  | { readonly kind: 'own' }
  | { readonly kind: 'missing'; readonly reason: string }

/** The networks on the links, from the addresses that the links have. Those of one host, of the loopback and of link-local IPv6 are none. */
export function onLinkPrefixes(links: readonly NetworkLink[], addresses: readonly InterfaceAddress[]): OnLinkPrefix[] {
  const loopbacks = new Set(links.filter(({ loopback }) => loopback).map(({ index }) => index))
  const prefixes: OnLinkPrefix[] = []
  for (const { link, address, peer, prefixLength } of addresses) {
    const alone = prefixLength === (familyOf(address) === 'ipv4' ? 32 : 128)
    if (alone || prefixLength === 0 || loopbacks.has(link) || isLinkLocal(address)) continue
    prefixes.push({ link, bytes: addressBytes(peer ?? address), length: prefixLength })
  }
  return prefixes
}

/**
 * The configured interface; else the one whose network has the address, the smallest network first; else where the address is (`current`), so that an
 * interface that loses its own address for a moment does not lose the virtual ones; else a link of our own.
 */
export function placeAddress(
  address: IpAddress,
  configured: string | undefined,
  links: ReadonlyMap<number, NetworkLink>,
  prefixes: readonly OnLinkPrefix[],
  current: number | undefined,
): Placement {
  if (configured !== undefined) {
    for (const link of links.values()) if (link.name === configured) return { kind: 'link', link }
    const reason = `this network namespace has no interface ${configured}: make it, or correct virtual_address of its services.`
    return { kind: 'missing', reason }
  }
  const link = links.get(prefixWith(address, prefixes)?.link ?? current ?? Number.NaN)
  return link === undefined ? { kind: 'own' } : { kind: 'link', link }
}

/** `eth0:pm`, by which people see whose an IPv4 address is; undefined where the name of the link leaves no room. */
export function addressLabel(address: IpAddress, linkName: string): string | undefined {
  const label = `${linkName}:pm`
  return familyOf(address) === 'ipv4' && label.length <= LONGEST_NAME ? label : undefined
}

/** Name of the link of our own: that of the instance where it can be the name of a link, else the start of it and a hash. */
export function ownLinkName(instance: string): string {
  const legal = instance.replace(/[^\w.-]/g, '-')
  if (legal === instance && legal.length <= LONGEST_NAME && !/^\.{0,2}$/.test(legal)) return legal
  const hash = createHash('sha256').update(instance).digest('hex').slice(0, 8)
  return `${legal.slice(0, LONGEST_NAME - 9)}-${hash}`
}

/** The network that has the address, the smallest first. */
export function prefixWith(address: IpAddress, prefixes: readonly OnLinkPrefix[]): OnLinkPrefix | undefined {
  const bytes = addressBytes(address)
  let best: OnLinkPrefix | undefined
  for (const prefix of prefixes) {
    if (!contains(prefix, bytes)) continue
    const better = best === undefined || prefix.length > best.length
    if (better || (prefix.length === best?.length && prefix.link < best.link)) best = prefix
  }
  return best
}

function contains({ bytes, length }: OnLinkPrefix, address: Uint8Array): boolean {
  if (bytes.length !== address.length) return false
  const whole = length >> 3
  for (let at = 0; at < whole; at++) if (bytes[at] !== address[at]) return false
  const rest = length & 7
  return rest === 0 || ((bytes[whole] ?? 0) ^ (address[whole] ?? 0)) >> (8 - rest) === 0
}
