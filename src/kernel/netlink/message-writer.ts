import type { AddressFamily, IpAddress, Port } from '../../model/address.ts'
import { LITTLE_ENDIAN } from '../libc.ts'
import { writeAddress } from './address-bytes.ts'
import { ATTRIBUTE_HEADER, align4, GENERIC_HEADER, MESSAGE_HEADER } from './constants.ts'

const encoder = new TextEncoder()

/**
 * Writes netlink messages one behind the other into a buffer that is made once. Nothing is allocated on the way; a
 * buffer that is too small throws RangeError, which callers rule out by leaving room before they begin a message.
 */
export class MessageWriter {
  readonly bytes: Uint8Array
  readonly #view: DataView
  position = 0

  constructor(bytes: Uint8Array) {
    this.bytes = bytes
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  /** Begins a generic netlink message and gives its start, which `end` needs. */
  begin(family: number, flags: number, sequence: number, command: number): number {
    const start = this.position
    this.#view.setUint16(start + 4, family, LITTLE_ENDIAN)
    this.#view.setUint16(start + 6, flags, LITTLE_ENDIAN)
    this.#view.setUint32(start + 8, sequence, LITTLE_ENDIAN)
    this.#view.setUint32(start + 12, 0, LITTLE_ENDIAN)
    const VERSION = 1
    this.#view.setUint32(start + MESSAGE_HEADER, 0, LITTLE_ENDIAN)
    this.#view.setUint8(start + MESSAGE_HEADER, command)
    this.#view.setUint8(start + MESSAGE_HEADER + 1, VERSION)
    this.position = start + MESSAGE_HEADER + GENERIC_HEADER
    return start
  }

  /** Ends the message: every attribute is padded, so the length is already a multiple of 4. */
  end(start: number): void {
    this.#view.setUint32(start, this.position - start, LITTLE_ENDIAN)
  }

  /** Changes the flags of a message that is written already. */
  setFlags(start: number, flags: number): void {
    this.#view.setUint16(start + 6, flags, LITTLE_ENDIAN)
  }

  /** Begins a nested attribute and gives its start. */
  beginNest(type: number): number {
    const start = this.position
    this.#view.setUint16(start + 2, type, LITTLE_ENDIAN)
    this.position = start + ATTRIBUTE_HEADER
    return start
  }

  endNest(start: number): void {
    this.#view.setUint16(start, this.position - start, LITTLE_ENDIAN)
  }

  uint8(type: number, value: number): void {
    const at = this.#header(type, 1)
    this.#view.setUint32(at, 0, LITTLE_ENDIAN)
    this.#view.setUint8(at, value)
  }

  uint16(type: number, value: number): void {
    const at = this.#header(type, 2)
    this.#view.setUint32(at, 0, LITTLE_ENDIAN)
    this.#view.setUint16(at, value, LITTLE_ENDIAN)
  }

  /** Ports travel in network order, everything else in the host's. */
  port(type: number, value: Port): void {
    const at = this.#header(type, 2)
    this.#view.setUint32(at, 0, LITTLE_ENDIAN)
    this.#view.setUint16(at, value, false)
  }

  uint32(type: number, value: number): void {
    this.#view.setUint32(this.#header(type, 4), value, LITTLE_ENDIAN)
  }

  /** An IPv4 netmask given in host order. */
  netmask(type: number, value: number): void {
    this.#view.setUint32(this.#header(type, 4), value, false)
  }

  /** `struct ip_vs_flags`: the bits and which of them are meant. */
  flags(type: number, value: number, mask: number): void {
    const at = this.#header(type, 8)
    this.#view.setUint32(at, value, LITTLE_ENDIAN)
    this.#view.setUint32(at + 4, mask, LITTLE_ENDIAN)
  }

  /** `union nf_inet_addr`: 16 bytes also for IPv4, whose last twelve are zero. */
  unionAddress(type: number, address: IpAddress): void {
    const at = this.#header(type, 16)
    for (let word = 0; word < 16; word += 4) this.#view.setUint32(at + word, 0)
    writeAddress(this.bytes, at, address)
  }

  /** An address of its family's own length. */
  address(type: number, address: IpAddress, family: AddressFamily): void {
    const length = family === 'ipv4' ? 4 : 16
    const at = this.#header(type, length)
    this.bytes.fill(0, at, at + length)
    writeAddress(this.bytes, at, address)
  }

  /**
   * Text with the NUL byte that NLA_NUL_STRING wants. The kernel takes 15 bytes: of a longer text enough is sent for it to
   * be refused.
   */
  text(type: number, value: string): void {
    const encoded = encoder.encode(value).subarray(0, 32)
    const at = this.#header(type, encoded.length + 1)
    this.bytes.fill(0, at, this.position)
    this.bytes.set(encoded, at)
  }

  /** Bytes that are already encoded attributes. */
  raw(bytes: Uint8Array): void {
    this.bytes.set(bytes, this.position)
    this.position += bytes.length
  }

  /** Writes an attribute's header, moves behind its padded value and gives where the value goes. */
  #header(type: number, length: number): number {
    const start = this.position
    this.#view.setUint16(start, ATTRIBUTE_HEADER + length, LITTLE_ENDIAN)
    this.#view.setUint16(start + 2, type, LITTLE_ENDIAN)
    this.position = start + ATTRIBUTE_HEADER + align4(length)
    return start + ATTRIBUTE_HEADER
  }
}
