import type { LeftOut } from '../imported.ts'
import { flattened, leftOut } from './notes.ts'
import type { Directive } from './tree.ts'

export interface Vrrp {
  /** Addresses that keepalived places, with their prefix lengths where written. */
  readonly addresses: readonly string[]
  readonly leftOut: readonly LeftOut[]
}

const BLOCKS =
  /^(vrrp_|static_|track_|virtual_(ipaddress|routes|rules)|bfd_instance|linkbeat_interfaces|garp_group|interface_up_down_delays)/

/** Whether a block at the top of the file is about anything but IPVS. */
export function isVrrp({ name }: Directive): boolean {
  return BLOCKS.test(name)
}

const KEEP = 'keep keepalived for it beside Pointsman, with this block and without its virtual servers (docs/commands/import.md)'

/** Everything of VRRP stays with keepalived; each block is listed once, with the addresses in it. */
export function readVrrp(directives: readonly Directive[]): Vrrp {
  const addresses: string[] = []
  const left = directives.map((directive) => {
    const own = addressesOf(directive)
    addresses.push(...own)
    const held = own.length === 0 ? '' : ` (here of ${own.join(', ')})`
    return leftOut(directive, `Pointsman has no VRRP${held}`, KEEP)
  })
  return { addresses: [...new Set(addresses)], leftOut: [...left, ...directives.flatMap(syncInterfaces)] }
}

const PLACES = ['virtual_ipaddress', 'virtual_ipaddress_excluded', 'static_ipaddress']

function addressesOf(directive: Directive): readonly string[] {
  return flattened([directive])
    .filter(({ name }) => PLACES.includes(name))
    .flatMap(({ block = [] }) => block.map(({ name }) => name))
    .filter((word) => /^[\d.]+(\/\d+)?$|:/.test(word))
}

function syncInterfaces(directive: Directive): LeftOut[] {
  return flattened([directive])
    .filter(({ name }) => name === 'lvs_sync_daemon_interface')
    .map((each) =>
      leftOut(
        each,
        'whether the sync daemon is master or backup follows VRRP there',
        'leave it to keepalived, or write global: { ipvs: { sync_daemons: [...] } } with a role of its own on each host',
      ),
    )
}
