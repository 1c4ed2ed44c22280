import type { Tunnel, UnknownForwarding } from '../../model/destination.ts'
import type { MessageWriter } from '../netlink/message-writer.ts'
import { DEST, TUNNEL, TUNNEL_CHECKSUM } from './constants.ts'

/** The tunnel attributes of a destination; the kernel takes ipip, port 0 and no checksum for what is not sent. */
export function encodeTunnel(writer: MessageWriter, tunnel: Tunnel): void {
  writer.uint8(DEST.tunnelType, TUNNEL[tunnel.type])
  if (tunnel.type === 'ipip') return
  if (tunnel.type === 'gue') writer.port(DEST.tunnelPort, tunnel.port)
  writer.uint16(DEST.tunnelFlags, TUNNEL_CHECKSUM[tunnel.checksum])
}

/** What was read of a forwarding without a name, as it was. */
export function encodeUnknownTunnel(writer: MessageWriter, { tunnelType, tunnelPort, tunnelFlags }: UnknownForwarding): void {
  writer.uint8(DEST.tunnelType, tunnelType)
  writer.port(DEST.tunnelPort, tunnelPort)
  writer.uint16(DEST.tunnelFlags, tunnelFlags)
}

/** Undefined for a type that is not known here. */
export function decodeTunnel(type: number, port: number, flags: number): Tunnel | undefined {
  const checksum = (flags & TUNNEL_CHECKSUM.checksum) !== 0 ? 'checksum' : 'none'
  switch (type) {
    case TUNNEL.ipip:
      return Object.freeze({ type: 'ipip' })
    case TUNNEL.gue:
      return Object.freeze({
        type: 'gue',
        port,
        checksum: (flags & TUNNEL_CHECKSUM['remote-checksum']) !== 0 ? 'remote-checksum' : checksum,
      })
    case TUNNEL.gre:
      return Object.freeze({ type: 'gre', checksum })
    default:
      return undefined
  }
}
