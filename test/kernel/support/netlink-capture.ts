/**
 * A capture of a netlink monitor device, as tcpdump writes it: the witness that knows nothing of the daemon. Own constants on purpose
 * (linux/netlink.h, LINKTYPE_NETLINK of tcpdump).
 */

export const NETLINK_ROUTE = 0
export const NETLINK_NETFILTER = 12
export const NETLINK_GENERIC = 16

const LINKTYPE_NETLINK = 253
const PCAP_MAGIC = 0xa1b2c3d4
const FILE_HEADER = 24
const PACKET_HEADER = 16
/** Its last two bytes are the netlink protocol, big endian. */
const COOKED_HEADER = 16

/** What one process sent to the kernel, or the kernel to one. */
export interface CapturedPacket {
  /** When it was sent, by the kernel's clock, in milliseconds since the epoch. */
  readonly at: number
  readonly protocol: number
  readonly datagram: Buffer
  /** Bytes of the datagram that were not captured. */
  readonly missing: number
}

export interface NetlinkMessage {
  readonly type: number
  readonly flags: number
  /** Behind the header. */
  readonly body: Buffer
}

/** The packets in order. A capture that was cut short, or is still being written, is read as far as it goes. */
export function* packetsOf(capture: Buffer): Generator<CapturedPacket> {
  if (capture.length < FILE_HEADER) return
  if (capture.readUInt32LE(0) !== PCAP_MAGIC) throw new Error('not a pcap file of a little-endian machine in microseconds')
  if (capture.readUInt32LE(20) !== LINKTYPE_NETLINK) throw new Error(`link type ${capture.readUInt32LE(20)} is not netlink`)
  let at = FILE_HEADER
  while (at + PACKET_HEADER <= capture.length) {
    const [seconds, microseconds] = [capture.readUInt32LE(at), capture.readUInt32LE(at + 4)]
    const [captured, original] = [capture.readUInt32LE(at + 8), capture.readUInt32LE(at + 12)]
    const end = at + PACKET_HEADER + captured
    if (end > capture.length) return
    const packet = capture.subarray(at + PACKET_HEADER, end)
    at = end
    const protocol = packet.readUInt16BE(COOKED_HEADER - 2)
    const datagram = packet.subarray(COOKED_HEADER)
    yield { at: seconds * 1_000 + microseconds / 1_000, protocol, datagram, missing: original - captured }
  }
}

/** One datagram may carry many messages. */
export function* messagesIn({ datagram, missing }: CapturedPacket): Generator<NetlinkMessage> {
  if (missing > 0) throw new Error(`of ${datagram.length + missing} bytes ${missing} were not captured`)
  let at = 0
  while (at + 16 <= datagram.length) {
    const length = datagram.readUInt32LE(at)
    if (length < 16) return
    const [type, flags] = [datagram.readUInt16LE(at + 4), datagram.readUInt16LE(at + 6)]
    yield { type, flags, body: datagram.subarray(at + 16, at + length) }
    at += (length + 3) & ~3
  }
}

/** By their number; of several of the same number the last. */
export function readAttributes(bytes: Buffer | undefined): Map<number, Buffer> {
  const attributes = new Map<number, Buffer>()
  let at = 0
  while (bytes !== undefined && at + 4 <= bytes.length) {
    const length = bytes.readUInt16LE(at)
    if (length < 4) break
    attributes.set(bytes.readUInt16LE(at + 2) & 0x3fff, bytes.subarray(at + 4, at + length))
    at += (length + 3) & ~3
  }
  return attributes
}
