import { type Destination, forwardingText } from '../model/destination.ts'
import type { IpvsTimeouts, SyncDaemon } from '../model/ipvs-table.ts'
import type { Persistence, VirtualService } from '../model/virtual-service.ts'

/** Attributes in the order in which people read them, each as text; equal texts are equal attributes. */
export type Described = ReadonlyMap<string, string>

export function describeService(service: VirtualService): Described {
  return new Map([
    ['scheduler', service.scheduler],
    ['flags', flagText(service)],
    ['persistence', persistenceText(service.persistence)],
    ['one-packet', service.onePacket ? 'yes' : 'no'],
  ])
}

export function describeDestination(destination: Destination): Described {
  return new Map([
    ['forwarding', forwardingText(destination.forwarding)],
    ['weight', `${destination.weight}`],
    ['upper threshold', destination.upperThreshold === 0 ? 'none' : `${destination.upperThreshold}`],
    ['lower threshold', destination.lowerThreshold === 0 ? 'automatic' : `${destination.lowerThreshold}`],
  ])
}

export function describeTimeouts(timeouts: IpvsTimeouts): Described {
  return new Map([
    ['tcp', `${timeouts.tcp}s`],
    ['tcp fin', `${timeouts.tcpFin}s`],
    ['udp', `${timeouts.udp}s`],
  ])
}

/** `master on eth0, id 1` */
export function syncDaemonText(daemon: SyncDaemon): string {
  return `${daemon.role} on ${daemon.interface}, id ${daemon.id}`
}

/** What is worth saying of an object that is new or goes: everything that is not the kernel's own default. */
export function notable(described: Described): string {
  const plain: ReadonlySet<string> = new Set(['none', 'no', 'automatic'])
  const parts: string[] = []
  for (const [name, text] of described) {
    if (plain.has(text)) continue
    parts.push(name === 'scheduler' || name === 'forwarding' ? text : `${name} ${text}`)
  }
  return parts.join(', ')
}

/** The attributes that differ: name, text before, text after. */
export function differences(before: Described, after: Described): { name: string; before: string; after: string }[] {
  const differing: { name: string; before: string; after: string }[] = []
  for (const [name, text] of after) {
    const old = before.get(name) ?? 'none'
    if (old !== text) differing.push({ name, before: old, after: text })
  }
  return differing
}

function flagText({ scheduler, flags }: VirtualService): string {
  const hashed = scheduler === 'sh' || scheduler === 'mh' ? scheduler : undefined
  const names = [
    flags.flag1 && (hashed === undefined ? 'flag-1' : `${hashed}-fallback`),
    flags.flag2 && (hashed === undefined ? 'flag-2' : `${hashed}-port`),
    flags.flag3 && 'flag-3',
  ].filter((name) => name !== false)
  return names.length === 0 ? 'none' : names.join(' ')
}

function persistenceText(persistence: Persistence | undefined): string {
  if (persistence === undefined) return 'none'
  const engine = persistence.engine === undefined ? '' : ` engine ${persistence.engine}`
  return `${persistence.timeout}s ${maskText(persistence.mask)}${engine}`
}

/** An IPv6 prefix length is at most 128, below every IPv4 netmask but the empty one. */
function maskText(mask: number): string {
  if (mask <= 128) return `mask /${mask}`
  return `mask ${[24, 16, 8, 0].map((shift) => (mask >>> shift) & 255).join('.')}`
}
