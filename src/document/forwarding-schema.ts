import type { z } from 'zod'
import { type Destination, type Forwarding, forwardingText, type Tunnel } from '../model/destination.ts'
import { accepted, type Grammar, type Reading, refused } from './reading.ts'
import { derived, either, mapping, optional, section } from './schema.ts'
import { choice } from './values/choice.ts'
import { integer } from './values/integer.ts'

const METHODS = ['nat', 'direct', 'tunnel', 'local'] as const

/** Words of ipvsadm, keepalived and others for the same methods. */
const method = choice(METHODS, {
  masq: 'nat',
  masquerade: 'nat',
  masquerading: 'nat',
  dr: 'direct',
  droute: 'direct',
  route: 'direct',
  gatewaying: 'direct',
  gateway: 'direct',
  tun: 'tunnel',
  ipip: 'tunnel',
  localnode: 'local',
})

const shortForwarding: Grammar<Forwarding> = {
  jsonSchema: method.jsonSchema,
  read(raw) {
    const reading = method.read(raw)
    if (!reading.ok) return reading
    return accepted(reading.value === 'tunnel' ? { method: 'tunnel', tunnel: { type: 'ipip' } } : { method: reading.value })
  },
}

const tunnelKeys = mapping(
  {
    type: optional(choice(['ipip', 'gue', 'gre']), 'Encapsulation; ipip by default.'),
    port: optional(integer('a port', 1, 65535), 'UDP port of gue on the backend, such as 6080.'),
    checksum: optional(
      choice(['none', 'checksum', 'remote-checksum']),
      'Checksum of the outer header for gue and gre; remote-checksum for gue only; none by default.',
    ),
  },
  'A tunnel to the backend.',
)

/** The parts of a tunnel that must fit together. */
function readTunnel({ type = 'ipip', port, checksum = 'none' }: z.output<typeof tunnelKeys>): Reading<Tunnel> {
  if (type === 'gue') {
    if (port === undefined) return refused('a gue tunnel has no port', 'write its UDP port, such as port: 6080')
    return accepted<Tunnel>({ type, port, checksum })
  }
  if (port !== undefined)
    return refused(`${type === 'ipip' ? 'an ipip' : 'a gre'} tunnel has no port`, 'remove port, or write type: gue')
  if (type === 'ipip') {
    if (checksum !== 'none') return refused('an ipip tunnel has no checksum', 'remove checksum, or write type: gue or gre')
    return accepted<Tunnel>({ type })
  }
  if (checksum === 'remote-checksum')
    return refused('a gre tunnel knows no remote-checksum', 'write none or checksum, or type: gue')
  return accepted<Tunnel>({ type, checksum })
}

const DESCRIPTION = 'How packets reach the backend: nat, direct (routing), local, or tunnel; tunnel alone is ipip.'

/** `nat`, `direct`, `local`, `tunnel`, or `{ tunnel: { type, port, checksum } }`. */
export const forwardingSchema = either(
  shortForwarding,
  derived(mapping({ tunnel: derived(section(tunnelKeys), readTunnel).optional() }, DESCRIPTION), ({ tunnel }) =>
    tunnel === undefined
      ? refused('the mapping names no forwarding', 'write { tunnel: { type: ipip } } or one of nat, direct, local, tunnel')
      : accepted<Forwarding>({ method: 'tunnel', tunnel }),
  ),
  DESCRIPTION,
)

/** How a forwarding is written in a configuration. */
export function writeForwarding(forwarding: Destination['forwarding']): string | { readonly tunnel: Tunnel } {
  if (forwarding.method === 'unknown') return forwardingText(forwarding)
  if (forwarding.method !== 'tunnel') return forwarding.method
  return forwarding.tunnel.type === 'ipip' ? 'tunnel' : { tunnel: forwarding.tunnel }
}
