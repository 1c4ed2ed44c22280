import type { IpAddress, Port } from '../../model/address.ts'
import { LITTLE_ENDIAN } from '../libc.ts'
import { readAddress } from './address-bytes.ts'
import { ATTRIBUTE_HEADER, align4, NLA_TYPE_MASK } from './constants.ts'
import { protocolError } from './protocol-error.ts'

const decoder = new TextDecoder()

/**
 * Steps through attributes in place, without making an object for each. Every value is read only after its length is
 * checked; what does not fit throws NETLINK_PROTOCOL. Kernels may send longer values than we know, never shorter ones.
 */
export class AttributeCursor {
  readonly bytes: Uint8Array
  readonly #view: DataView
  #next = 0
  #end = 0
  /** Of the attribute that `next` stepped onto: its type without flag bits, where its value starts and how long it is. */
  type: number
  start = 0
  length = 0

  constructor(bytes: Uint8Array) {
    this.type = 0
    this.bytes = bytes
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  over(from: number, to: number): void {
    this.#next = from
    this.#end = to
  }

  /** Where the attribute after this one starts. */
  get padded(): number {
    return this.#next
  }

  next(): boolean {
    const start = this.#next
    if (start >= this.#end) return false
    if (start + ATTRIBUTE_HEADER > this.#end) throw protocolError(`${this.#end - start} bytes are too few for an attribute`)
    const length = this.#view.getUint16(start, LITTLE_ENDIAN)
    if (length < ATTRIBUTE_HEADER || start + length > this.#end) {
      throw protocolError(`an attribute of ${length} bytes does not fit the ${this.#end - start} that are left`)
    }
    this.type = this.#view.getUint16(start + 2, LITTLE_ENDIAN) & NLA_TYPE_MASK
    this.start = start + ATTRIBUTE_HEADER
    this.length = length - ATTRIBUTE_HEADER
    this.#next = start + align4(length)
    return true
  }

  uint8(): number {
    this.#need(1)
    return this.#view.getUint8(this.start)
  }

  uint16(): number {
    this.#need(2)
    return this.#view.getUint16(this.start, LITTLE_ENDIAN)
  }

  /** Ports travel in network order. */
  port(): Port {
    this.#need(2)
    return this.#view.getUint16(this.start, false)
  }

  uint32(): number {
    this.#need(4)
    return this.#view.getUint32(this.start, LITTLE_ENDIAN)
  }

  /** 32 bits in network order as a number in host order. */
  networkUint32(): number {
    this.#need(4)
    return this.#view.getUint32(this.start, false)
  }

  uint64(): bigint {
    this.#need(8)
    return this.#view.getBigUint64(this.start, LITTLE_ENDIAN)
  }

  address(length: 4 | 16): IpAddress {
    this.#need(length)
    return readAddress(this.bytes, this.start, length)
  }

  /** The value as it is, for what can be understood only once other attributes are known. */
  value(): Uint8Array {
    return this.bytes.subarray(this.start, this.start + this.length)
  }

  /** Text up to its NUL byte, if it has one. */
  text(): string {
    const value = this.bytes.subarray(this.start, this.start + this.length)
    const nul = value.indexOf(0)
    return decoder.decode(nul < 0 ? value : value.slice(0, nul))
  }

  #need(length: number): void {
    if (this.length < length) {
      throw protocolError(`attribute ${this.type} has ${this.length} bytes where ${length} are needed`)
    }
  }
}
