import type { IpAddress } from '../../model/address.ts'
import { readAddress, writeAddress } from '../netlink/address-bytes.ts'
import { hardwareText } from '../rtnetlink/link-codec.ts'

/** Numbers of RFC 826 and `linux/if_ether.h`. */
export const ETH_P_ARP = 0x0806
const HARDWARE_ETHERNET = 1
const PROTOCOL_IPV4 = 0x0800
const REQUEST = 1
/** Hardware type, protocol type, their lengths, operation; then hardware and protocol address of sender and of target. */
const ARP_BYTES = 28
const OPERATION = 6
const SENDER_HARDWARE = 8
const SENDER = 14
const TARGET_HARDWARE = 18
const TARGET = 24

export const BROADCAST = Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0xff, 0xff)
const UNSPECIFIED = '0.0.0.0'

/**
 * A gratuitous ARP: the address as sender and as target. As a request, which is what keepalived sends and what RFC 5227 (section 3) asks for: every
 * host takes a request in, some ignore an answer to which they put no question.
 */
export function gratuitousArp(hardware: Uint8Array, address: IpAddress): Uint8Array {
  const bytes = arpRequest(hardware, address)
  writeAddress(bytes, SENDER, address)
  bytes.set(BROADCAST, TARGET_HARDWARE)
  return bytes
}

/** A question for the address that changes nobody's table (RFC 5227, section 2.1.1): the sender's address is 0.0.0.0. */
export function arpProbe(hardware: Uint8Array, address: IpAddress): Uint8Array {
  return arpRequest(hardware, address)
}

/**
 * Who claims which address in a packet: the sender for its own, or, when it probes as we do, for that of the target. Undefined where it is no ARP
 * for IPv4 on Ethernet.
 */
export function arpClaim(packet: Uint8Array): { readonly address: IpAddress; readonly holder: string } | undefined {
  if (packet.length < ARP_BYTES) return undefined
  const view = new DataView(packet.buffer, packet.byteOffset)
  if (view.getUint16(0) !== HARDWARE_ETHERNET || view.getUint16(2) !== PROTOCOL_IPV4) return undefined
  const sender = readAddress(packet, SENDER, 4)
  const holder = hardwareText(packet.subarray(SENDER_HARDWARE, SENDER))
  return { address: sender === UNSPECIFIED ? readAddress(packet, TARGET, 4) : sender, holder }
}

function arpRequest(hardware: Uint8Array, target: IpAddress): Uint8Array {
  const bytes = new Uint8Array(ARP_BYTES)
  const view = new DataView(bytes.buffer)
  view.setUint16(0, HARDWARE_ETHERNET)
  view.setUint16(2, PROTOCOL_IPV4)
  view.setUint8(4, 6)
  view.setUint8(5, 4)
  view.setUint16(OPERATION, REQUEST)
  bytes.set(hardware, SENDER_HARDWARE)
  writeAddress(bytes, TARGET, target)
  return bytes
}
