import { LITTLE_ENDIAN } from '../libc.ts'
import { align4, MESSAGE_HEADER } from './constants.ts'
import { protocolError } from './protocol-error.ts'

/** Steps through the messages of a datagram in place. Throws NETLINK_PROTOCOL rather than step over the end. */
export class MessageCursor {
  readonly bytes: Uint8Array
  readonly #view: DataView
  #next: number
  #end: number
  /** Of the message that `next` stepped onto. */
  type = 0
  flags = 0
  sequence = 0
  /** Where its header starts, where its body starts and where both end. */
  start = 0
  body = 0
  end = 0

  constructor(bytes: Uint8Array, from = 0, to = bytes.length) {
    this.bytes = bytes
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.#next = from
    this.#end = to
  }

  /** Sets out again over another part of the same bytes. */
  over(from: number, to: number): void {
    this.#next = from
    this.#end = to
  }

  next(): boolean {
    const start = this.#next
    if (start >= this.#end) return false
    if (start + MESSAGE_HEADER > this.#end) throw protocolError(`${this.#end - start} bytes are too few for a message header`)
    const length = this.#view.getUint32(start, LITTLE_ENDIAN)
    if (length < MESSAGE_HEADER || start + length > this.#end) {
      throw protocolError(`a message of ${length} bytes does not fit the ${this.#end - start} that were received`)
    }
    this.start = start
    this.type = this.#view.getUint16(start + 4, LITTLE_ENDIAN)
    this.flags = this.#view.getUint16(start + 6, LITTLE_ENDIAN)
    this.sequence = this.#view.getUint32(start + 8, LITTLE_ENDIAN)
    this.body = start + MESSAGE_HEADER
    this.end = start + length
    this.#next = start + align4(length)
    return true
  }

  /** The signed number at the start of the body: the result in NLMSG_ERROR and NLMSG_DONE, 0 where there is none. */
  result(): number {
    return this.body + 4 > this.end ? 0 : this.#view.getInt32(this.body, LITTLE_ENDIAN)
  }
}
