import { setTimeout as sleep } from 'node:timers/promises'
import { type AddressFamily, familyOf, type IpAddress } from '../../model/address.ts'
import { SystemCallError } from '../libc.ts'
import { Pace } from '../pace.ts'
import type { NetworkLink } from '../route-kernel.ts'
import { arpClaim, arpProbe, BROADCAST, ETH_P_ARP, gratuitousArp } from './arp.ts'
import type { LinkSocket, LinkSocketOptions } from './link-socket.ts'
import {
  ADVERTISEMENTS_ONLY,
  advertisedClaim,
  duplicateSolicitation,
  ETH_P_IPV6,
  unsolicitedAdvertisement,
} from './neighbour-discovery.ts'

/**
 * Milliseconds of listening after each question. RFC 5227 has seconds, for links that come up slowly and hosts that are slow to answer; half a second
 * is what a virtual address can wait.
 */
const LISTEN_AFTER = [150, 150, 200]
const LOOK_EVERY = 10
/** Longer than every packet that is looked at. */
const LARGEST_PACKET = 256

/** The link itself, or what stands for it in a test. */
export interface Neighbourhood {
  open(options: LinkSocketOptions): LinkSocket
  now(): number
  sleep(milliseconds: number): Promise<unknown>
}

type EthernetLink = Pick<NetworkLink, 'index' | 'neighbourAddress'>
type Packet = { readonly bytes: Uint8Array; readonly to: Uint8Array }

const FAMILIES = ['ipv4', 'ipv6'] as const

/** As RouteKernel.announce; throws SystemCallError. Nothing leaves a link without neighbours. */
export async function announceOn(
  { index, neighbourAddress }: EthernetLink,
  addresses: readonly IpAddress[],
  times: number,
  open: Neighbourhood['open'],
): Promise<number> {
  if (neighbourAddress === undefined) return 0
  const hardware = hardwareBytes(neighbourAddress)
  const pace = new Pace()
  let left = 0
  for (const family of FAMILIES) {
    const packets = addresses.filter((address) => familyOf(address) === family).map((address) => announcement(hardware, address))
    if (packets.length === 0) continue
    using socket = open({ link: index, protocol: protocolOf(family), listen: false })
    for (let round = 0; round < times; round++) {
      for (const { bytes, to } of packets) {
        if (socket.send(bytes, to)) left++
        if (pace.due()) await pace.rest()
      }
    }
  }
  return left
}

/** As RouteKernel.findHolders; throws SystemCallError. On a link without neighbours nobody holds anything. */
export async function findHoldersOn(
  { index, neighbourAddress }: EthernetLink,
  addresses: readonly IpAddress[],
  place: Neighbourhood,
): Promise<ReadonlyMap<IpAddress, string>> {
  const holders = new Map<IpAddress, string>()
  if (neighbourAddress === undefined) return holders
  const asking = new Asking(place, index, neighbourAddress, addresses)
  try {
    await asking.run(holders)
  } finally {
    asking[Symbol.dispose]()
  }
  return holders
}

/** One round of questions about some addresses on one link. */
class Asking implements Disposable {
  readonly #place: Neighbourhood
  readonly #ours: string
  readonly #addresses: ReadonlySet<IpAddress>
  readonly #voices: { readonly socket: LinkSocket; readonly family: AddressFamily; readonly packets: readonly Packet[] }[] = []
  readonly #buffer = new Uint8Array(LARGEST_PACKET)
  readonly #pace = new Pace()

  constructor(place: Neighbourhood, link: number, ours: string, addresses: readonly IpAddress[]) {
    this.#place = place
    this.#ours = ours
    this.#addresses = new Set(addresses)
    const hardware = hardwareBytes(ours)
    for (const family of FAMILIES) {
      const packets = addresses.filter((address) => familyOf(address) === family).map((address) => question(hardware, address))
      if (packets.length === 0) continue
      const filter = family === 'ipv6' ? { filter: ADVERTISEMENTS_ONLY } : {}
      const socket = place.open({ link, protocol: protocolOf(family), listen: true, ...filter })
      this.#voices.push({ socket, family, packets })
    }
  }

  async run(holders: Map<IpAddress, string>): Promise<void> {
    for (const listen of LISTEN_AFTER) {
      await this.#ask(holders)
      const until = this.#place.now() + listen
      do {
        await this.#hear(holders)
        if (holders.size === this.#addresses.size) return
        await this.#place.sleep(LOOK_EVERY)
      } while (this.#place.now() < until)
    }
    await this.#hear(holders)
  }

  [Symbol.dispose](): void {
    for (const { socket } of this.#voices) socket[Symbol.dispose]()
  }

  async #ask(holders: Map<IpAddress, string>): Promise<void> {
    for (const { socket, packets } of this.#voices) {
      for (const { bytes, to } of packets) {
        socket.send(bytes, to)
        if (!this.#pace.due()) continue
        await this.#hear(holders)
        await this.#pace.rest()
      }
    }
  }

  async #hear(holders: Map<IpAddress, string>): Promise<void> {
    for (const { socket, family } of this.#voices) {
      for (;;) {
        const length = socket.receive(this.#buffer)
        if (length === undefined) break
        const heard = this.#buffer.subarray(0, Math.min(length, this.#buffer.length))
        const claim = family === 'ipv4' ? arpClaim(heard) : advertisedClaim(heard)
        if (claim !== undefined && claim.holder !== this.#ours && this.#addresses.has(claim.address)) {
          holders.set(claim.address, claim.holder)
        }
        if (this.#pace.due()) await this.#pace.rest()
      }
    }
  }
}

/** The clock and the sleep of this machine. */
export function neighbourhood(open: Neighbourhood['open']): Neighbourhood {
  return { open, now: () => performance.now(), sleep }
}

/** Whether a link went away or down while it was spoken on: nobody hears anything there. */
export function isLinkLoss(error: unknown): boolean {
  return error instanceof SystemCallError && ['ENETDOWN', 'ENXIO', 'ENODEV'].includes(error.errno)
}

function announcement(hardware: Uint8Array, address: IpAddress): Packet {
  if (familyOf(address) === 'ipv6') return unsolicitedAdvertisement(hardware, address)
  return { bytes: gratuitousArp(hardware, address), to: BROADCAST }
}

function question(hardware: Uint8Array, address: IpAddress): Packet {
  if (familyOf(address) === 'ipv6') return duplicateSolicitation(address)
  return { bytes: arpProbe(hardware, address), to: BROADCAST }
}

function protocolOf(family: AddressFamily): number {
  return family === 'ipv4' ? ETH_P_ARP : ETH_P_IPV6
}

function hardwareBytes(text: string): Uint8Array {
  return Uint8Array.from(text.split(':'), (part) => Number.parseInt(part, 16))
}
