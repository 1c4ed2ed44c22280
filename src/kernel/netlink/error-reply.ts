import { errnoName, LITTLE_ENDIAN } from '../libc.ts'
import { AttributeCursor } from './attribute-cursor.ts'
import { align4, MESSAGE_HEADER, NLM_F_ACK_TLVS, NLM_F_CAPPED, NLMSGERR_ATTR_MSG } from './constants.ts'
import type { MessageCursor } from './message-cursor.ts'
import { protocolError } from './protocol-error.ts'

/** What an NLMSG_ERROR says about the request with its sequence number. */
export interface Refusal {
  /** `EEXIST`, … */
  readonly errno: string
  /** The kernel's own words, where it gave any. */
  readonly message?: string
}

/** Reads the NLMSG_ERROR that `cursor` stands on; undefined is an acknowledgement (error 0). */
export function readErrorReply(cursor: MessageCursor): Refusal | undefined {
  if (cursor.body + 4 + MESSAGE_HEADER > cursor.end) throw protocolError('an error message ends before the request it is about')
  const result = cursor.result()
  if (result === 0) return undefined
  const message = extendedText(cursor)
  return { errno: errnoName(-result), ...(message === undefined ? {} : { message }) }
}

/** The text of the extended acknowledgement: behind the repeated request, whole or capped to its header. */
function extendedText(cursor: MessageCursor): string | undefined {
  if ((cursor.flags & NLM_F_ACK_TLVS) === 0) return undefined
  const request = cursor.body + 4
  const view = new DataView(cursor.bytes.buffer, cursor.bytes.byteOffset)
  const repeated = (cursor.flags & NLM_F_CAPPED) !== 0 ? MESSAGE_HEADER : align4(view.getUint32(request, LITTLE_ENDIAN))
  const attributes = new AttributeCursor(cursor.bytes)
  attributes.over(request + repeated, cursor.end)
  while (attributes.next()) if (attributes.type === NLMSGERR_ATTR_MSG) return attributes.text()
  return undefined
}
