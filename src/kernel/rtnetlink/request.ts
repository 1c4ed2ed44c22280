import { LITTLE_ENDIAN } from '../libc.ts'
import { MESSAGE_HEADER, NLM_F_ACK, NLM_F_REQUEST } from '../netlink/constants.ts'
import { MessageWriter } from '../netlink/message-writer.ts'

/** Larger than every request of ours: a header, a fixed part and a handful of short attributes. */
const LARGEST_REQUEST = 512
/** One request is on its way at a time on a socket. */
export const SEQUENCE = 1

/** One rtnetlink request that asks for an acknowledgement: a fixed part that `fill` writes into, then attributes. */
export function routeRequest(
  type: number,
  flags: number,
  fixed: number,
  fill: (view: DataView) => void,
  attributes: (writer: MessageWriter) => void = () => undefined,
): Uint8Array {
  const header = new Uint8Array(MESSAGE_HEADER + fixed)
  const view = new DataView(header.buffer)
  view.setUint16(4, type, LITTLE_ENDIAN)
  view.setUint16(6, NLM_F_REQUEST | NLM_F_ACK | flags, LITTLE_ENDIAN)
  view.setUint32(8, SEQUENCE, LITTLE_ENDIAN)
  fill(new DataView(header.buffer, MESSAGE_HEADER))
  const writer = new MessageWriter(new Uint8Array(LARGEST_REQUEST))
  writer.raw(header)
  attributes(writer)
  writer.end(0)
  return writer.bytes.subarray(0, writer.position)
}
