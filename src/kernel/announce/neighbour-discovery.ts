import { addressBytes, addressFromBytes, type IpAddress } from '../../model/address.ts'
import { hardwareText } from '../rtnetlink/link-codec.ts'

/** Numbers of RFC 8200, RFC 4861 and `linux/if_ether.h`. */
export const ETH_P_IPV6 = 0x86dd
const IPV6_HEADER = 40
const ICMPV6 = 58
/** What came through a router has less: neighbours believe nothing else (RFC 4861, section 7.1). */
const HOP_LIMIT = 255
const SOLICITATION = 135
const ADVERTISEMENT = 136
/** Type, code, checksum, flags or nothing, target; then options. */
const MESSAGE = 24
const TARGET = IPV6_HEADER + 8
const OPTION = IPV6_HEADER + MESSAGE
const TARGET_LINK_ADDRESS = 2
/** Of an advertisement: it takes the place of what is known. */
const OVERRIDE = 0x20000000

const UNSPECIFIED = new Uint8Array(16)
const ALL_NODES = addressBytes('ff02::1' as IpAddress)

/** An IPv6 packet and the hardware address of those who are to hear it. */
export interface MulticastPacket {
  readonly bytes: Uint8Array
  readonly to: Uint8Array
}

/** An unsolicited neighbour advertisement to all nodes, with the override flag (RFC 4861, section 7.2.6), sent from the address itself. */
export function unsolicitedAdvertisement(hardware: Uint8Array, address: IpAddress): MulticastPacket {
  const target = addressBytes(address)
  const option = Uint8Array.of(TARGET_LINK_ADDRESS, 1, ...hardware)
  return packet(target, ALL_NODES, ADVERTISEMENT, OVERRIDE, target, option)
}

/** The question of duplicate address detection (RFC 4862, section 5.4.2): from nobody, to the solicited-node group of the address. */
export function duplicateSolicitation(address: IpAddress): MulticastPacket {
  const target = addressBytes(address)
  const group = addressBytes('ff02::1:ff00:0' as IpAddress)
  group.set(target.subarray(13), 13)
  return packet(UNSPECIFIED, group, SOLICITATION, 0, target)
}

/**
 * Who claims which address in a neighbour advertisement; undefined for every other packet. `unknown` where it does not give the hardware address
 * that it has to give (RFC 4861, section 4.4).
 */
export function advertisedClaim(bytes: Uint8Array): { readonly address: IpAddress; readonly holder: string } | undefined {
  if (bytes.length < OPTION || bytes[6] !== ICMPV6 || bytes[7] !== HOP_LIMIT || bytes[IPV6_HEADER] !== ADVERTISEMENT)
    return undefined
  const address = addressFromBytes(bytes.subarray(TARGET, TARGET + 16))
  const given = bytes.length >= OPTION + 8 && bytes[OPTION] === TARGET_LINK_ADDRESS
  return { address, holder: given ? hardwareText(bytes.subarray(OPTION + 2, OPTION + 8)) : 'unknown' }
}

/** `struct sock_filter` of `linux/filter.h`: a packet that starts with its IPv6 header passes if it is a neighbour advertisement of the link. */
export const ADVERTISEMENTS_ONLY = Buffer.concat([
  ...passesOnly(6, ICMPV6, 5),
  ...passesOnly(7, HOP_LIMIT, 3),
  ...passesOnly(IPV6_HEADER, ADVERTISEMENT, 1),
  instruction(0x06, 0, 0, 0x40000),
  instruction(0x06, 0, 0, 0),
])

/** Loads the byte at `offset`; another than `value` jumps over `rest` instructions, to the refusal. */
function passesOnly(offset: number, value: number, rest: number): Buffer[] {
  return [instruction(0x30, 0, 0, offset), instruction(0x15, 0, rest, value)]
}

function instruction(code: number, jumpTrue: number, jumpFalse: number, constant: number): Buffer {
  const bytes = new Uint8Array(8)
  new Uint16Array(bytes.buffer, 0, 1)[0] = code
  bytes[2] = jumpTrue
  bytes[3] = jumpFalse
  new Uint32Array(bytes.buffer, 4, 1)[0] = constant
  return Buffer.from(bytes)
}

function packet(
  source: Uint8Array,
  destination: Uint8Array,
  type: number,
  flags: number,
  target: Uint8Array,
  option = new Uint8Array(),
): MulticastPacket {
  const bytes = new Uint8Array(OPTION + option.length)
  const view = new DataView(bytes.buffer)
  view.setUint32(0, 0x60000000)
  view.setUint16(4, MESSAGE + option.length)
  bytes[6] = ICMPV6
  bytes[7] = HOP_LIMIT
  bytes.set(source, 8)
  bytes.set(destination, 24)
  bytes[IPV6_HEADER] = type
  view.setUint32(IPV6_HEADER + 4, flags)
  bytes.set(target, TARGET)
  bytes.set(option, OPTION)
  view.setUint16(IPV6_HEADER + 2, checksum(view, MESSAGE + option.length))
  // RFC 2464, section 7: 33:33 and the last four bytes of the group.
  return { bytes, to: Uint8Array.of(0x33, 0x33, ...destination.subarray(12)) }
}

/** Of the message and the pseudo-header: both addresses, the length and the next header (RFC 8200, section 8.1). */
function checksum(view: DataView, length: number): number {
  let sum = length + ICMPV6
  for (let at = 8; at < IPV6_HEADER + length; at += 2) sum += view.getUint16(at)
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16)
  return ~sum & 0xffff
}
