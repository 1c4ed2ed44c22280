import { readFileSync } from 'node:fs'
import { readSysctl } from './sysctl.ts'

/** Of `linux/ipv6_route.h`: a default router, and what router advertisements said. */
const RTF_DEFAULT = 0x1_0000
const RTF_ADDRCONF = 0x4_0000
/** The kernel takes advertisements also while it forwards. */
const ALSO_WHILE_FORWARDING = '2'

/**
 * Interfaces whose default route was learnt from router advertisements and is dropped by the kernel when `net.ipv6.conf.all.forwarding` becomes 1
 * (rt6_purge_dflt_routers in its net/ipv6/route.c).
 */
export function routesLostToForwarding(): string[] {
  let text: string
  try {
    text = readFileSync('/proc/net/ipv6_route', 'utf8')
  } catch {
    return []
  }
  return advertisedDefaults(text).filter(
    (link) => readSysctl(`net.ipv6.conf.${link.replaceAll('.', '/')}.accept_ra`) !== ALSO_WHILE_FORWARDING,
  )
}

/** Of /proc/net/ipv6_route: destination and its length, source and its length, gateway, metric, two counters, flags (base 16), interface. */
export function advertisedDefaults(text: string): string[] {
  const links = new Set<string>()
  for (const line of text.split('\n')) {
    if (!line.startsWith('00000000000000000000000000000000 00 ')) continue
    const [flags = '', link] = line.trim().split(/\s+/).slice(8)
    if (link !== undefined && (Number.parseInt(flags, 16) & (RTF_DEFAULT | RTF_ADDRCONF)) !== 0) links.add(link)
  }
  return [...links]
}
