import type { IpAddress } from '../../model/address.ts'
import { type LeftOut, present, type Written } from '../imported.ts'
import { type Counterparts, unknown } from './notes.ts'
import { type Timing, takeTiming } from './timing.ts'
import type { Directive } from './tree.ts'
import { addressOf, wholeNumber } from './values.ts'

/** A health check of one real server. */
export interface Check {
  readonly directive: Directive
  /** Its kind and times. */
  readonly written: Written
  /** Who is asked in place of the server. */
  readonly address?: IpAddress
  readonly port?: number
}

/** What a checker may rest on outside its own block. */
export interface Surroundings {
  readonly server: { readonly address: IpAddress; readonly port: number }
  /** The times of its real server and virtual server. */
  readonly timing: Timing
  /** `script_user` of global_defs. */
  readonly scriptUser: string | undefined
  /** Keys of `tls` that the block SSL comes to. */
  readonly tls: Written
}

/** What a block says of who is asked and when; the rest of its directives. */
export interface Options {
  readonly timing: Timing
  readonly connection: { address?: IpAddress; port?: number; source_address?: IpAddress; fwmark?: number }
  readonly others: readonly Directive[]
}

export const CONNECTION: Counterparts = {
  bind_if: [
    'probes are not bound to an interface',
    'write source_address with an address of that interface, or fwmark with a routing rule',
  ],
  bind_port: ['probes come from ports that the kernel chooses', 'let firewalls pass all of them'],
  warmup: ['first probes are spread over the interval by themselves', 'do nothing, or write jitter'],
  log_all_failures: ['every change of a verdict is logged with its reason', 'do nothing, or write log_level: debug'],
  ha_suspend: ['probes do not wait for an address', 'do nothing, or run Pointsman on the active host alone'],
}

/** Reads the options that every checker has. */
export function readOptions(block: readonly Directive[], timing: Timing): Options {
  const own: Timing = { ...timing }
  const connection: Options['connection'] = {}
  const others = block.filter((directive) => !takeTiming(directive, own) && !takeConnection(directive, connection))
  return { timing: own, connection, others }
}

function takeConnection({ name, words, block }: Directive, connection: Options['connection']): boolean {
  if (block !== undefined) return false
  const address = addressOf(words[0])
  const number = wholeNumber(words[0])
  if (name === 'connect_ip' && address !== undefined) connection.address = address
  else if (name === 'connect_port' && number !== undefined) connection.port = number
  else if (['bindto', 'bind_to'].includes(name) && address !== undefined) connection.source_address = address
  else if (name === 'fwmark' && number !== undefined) connection.fwmark = number
  else return false
  return true
}

/** A check of these options; who is asked stands beside it, because it may be the server itself. */
export function checkOf(directive: Directive, { connection }: Options, { server }: Surroundings, written: Written): Check {
  const { address, port, source_address, fwmark } = connection
  return {
    directive,
    written: present({ ...written, source_address, fwmark: fwmark === 0 ? undefined : fwmark }),
    ...(address !== undefined && address !== server.address && { address }),
    ...(port !== undefined && { port }),
  }
}

/** Lists the directives of a checker that nothing is made of. */
export function tellOthers(others: readonly Directive[], notes: LeftOut[], known: Counterparts = {}): void {
  notes.push(...others.map((directive) => unknown(directive, { ...CONNECTION, ...known })))
}
