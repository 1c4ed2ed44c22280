import { LITTLE_ENDIAN } from '../libc.ts'
import { MESSAGE_HEADER, NLM_F_REQUEST } from '../netlink/constants.ts'
import { NETFILTER_HEADER } from './constants.ts'

export interface NetfilterRequest {
  /** As netfilterType gives it. */
  readonly type: number
  /** Besides NLM_F_REQUEST. */
  readonly flags: number
  readonly sequence: number
  /** NFPROTO_UNSPEC, AF_INET, AF_INET6. */
  readonly family: number
  /** Encoded and padded already. */
  readonly attributes?: readonly Uint8Array[]
}

/** One message to a subsystem of netfilter. */
export function netfilterRequest({ type, flags, sequence, family, attributes = [] }: NetfilterRequest): Uint8Array {
  const length = attributes.reduce((sum, { length }) => sum + length, MESSAGE_HEADER + NETFILTER_HEADER)
  const bytes = new Uint8Array(length)
  const view = new DataView(bytes.buffer)
  view.setUint32(0, length, LITTLE_ENDIAN)
  view.setUint16(4, type, LITTLE_ENDIAN)
  view.setUint16(6, flags | NLM_F_REQUEST, LITTLE_ENDIAN)
  view.setUint32(8, sequence, LITTLE_ENDIAN)
  view.setUint8(MESSAGE_HEADER, family)
  let at = MESSAGE_HEADER + NETFILTER_HEADER
  for (const attribute of attributes) {
    bytes.set(attribute, at)
    at += attribute.length
  }
  return bytes
}
