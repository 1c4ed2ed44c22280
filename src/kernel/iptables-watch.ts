import { readFileSync } from 'node:fs'
import type { AddressFamily } from '../model/address.ts'
import { AF_INET, AF_INET6, LITTLE_ENDIAN, RawSocket, SOCK_DGRAM, SystemCallError } from './libc.ts'
import { openChangeSource, RulesetWatch } from './nftables/ruleset-watch.ts'

/** Milliseconds between two looks at tables of iptables-legacy, of which the kernel tells nobody. */
const LOOK = 250

/** `linux/netfilter_ipv4/ip_tables.h`, and the same for IPv6: how a table is asked for, and `struct ipt_getinfo` that answers. */
const GET_INFO = 64
const INFO = { bytes: 84, entries: 76, size: 80 } as const
const PLACES: readonly {
  readonly family: AddressFamily
  readonly domain: number
  readonly level: number
  readonly names: string
}[] = [
  { family: 'ipv4', domain: AF_INET, level: 0, names: '/proc/net/ip_tables_names' },
  { family: 'ipv6', domain: AF_INET6, level: 41, names: '/proc/net/ip6_tables_names' },
]
/** Where iptables-nft keeps its nat tables. */
const BY_NFT = ['ip nat', 'ip6 nat']

/** What is looked at; tests put their own here. */
export interface NatWatchParts {
  /** Rules in the nat table of iptables-legacy, with their bytes; undefined where nobody has made it. Asking makes no table. */
  readonly legacy: (family: AddressFamily) => string | undefined
  /** Throws where the kernel has no nftables. */
  readonly ruleset: (listener: (change: { readonly tables: ReadonlySet<string> | undefined }) => void) => Disposable
}

const REAL: NatWatchParts = {
  legacy: legacyNat,
  ruleset: (listener) => new RulesetWatch(listener, openChangeSource()),
}

/**
 * Calls `listener` when a nat table of iptables may have been changed, by us too. Of iptables-nft the kernel tells; tables of iptables-legacy are looked at
 * four times a second, and a rule that takes the place of one of the same size goes unseen. Returns the end of it.
 */
export function watchNatTables(listener: () => void, { legacy, ruleset }: NatWatchParts = REAL): () => void {
  const parts = new DisposableStack()
  try {
    parts.use(
      ruleset(({ tables }) => {
        if (tables === undefined || BY_NFT.some((name) => tables.has(name))) listener()
      }),
    )
  } catch (error) {
    if (!(error instanceof SystemCallError)) throw error
  }
  const look = () => PLACES.map(({ family }) => legacy(family)).join()
  let before = look()
  const timer = setInterval(() => {
    const now = look()
    if (now === before) return
    before = now
    listener()
  }, LOOK)
  timer.unref()
  parts.defer(() => clearInterval(timer))
  return () => parts.dispose()
}

function legacyNat(wanted: AddressFamily): string | undefined {
  const place = PLACES.find(({ family }) => family === wanted)
  if (place === undefined || !hasNat(place.names)) return undefined
  const info = new Uint8Array(INFO.bytes)
  info.set(Buffer.from('nat'))
  try {
    using socket = new RawSocket(place.domain, SOCK_DGRAM, 0)
    socket.getOption(place.level, GET_INFO, info)
  } catch {
    return undefined
  }
  const view = new DataView(info.buffer)
  return `${view.getUint32(INFO.entries, LITTLE_ENDIAN)} ${view.getUint32(INFO.size, LITTLE_ENDIAN)}`
}

/** To ask for a table that is not there makes it. */
function hasNat(names: string): boolean {
  try {
    return readFileSync(names, 'utf8').split('\n').includes('nat')
  } catch {
    return false
  }
}
