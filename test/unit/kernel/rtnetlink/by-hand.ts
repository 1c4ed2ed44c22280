/** Netlink messages byte by byte, little-endian as on every machine of ours (`linux/netlink.h`). */

export function bytes32(value: number): number[] {
  return [value & 255, (value >>> 8) & 255, (value >>> 16) & 255, value >>> 24]
}

export function text(value: string): number[] {
  return [...Buffer.from(`${value}\0`)]
}

/** `struct nlattr` and a value, padded. */
export function attribute(type: number, value: readonly number[]): number[] {
  const length = 4 + value.length
  return [length & 255, length >> 8, type & 255, type >> 8, ...value, ...Array<number>((4 - (length % 4)) % 4).fill(0)]
}

/** `struct nlmsghdr` with sequence number 1, and a body. */
export function message(type: number, flags: number, body: readonly number[]): number[] {
  return [...bytes32(16 + body.length), type & 255, type >> 8, flags & 255, flags >> 8, ...bytes32(1), ...bytes32(0), ...body]
}

/** NLMSG_ERROR about a request of which the header alone is repeated. */
export function errorMessage(errno: number): number[] {
  return message(2, 0x100, [...bytes32(-errno), ...message(0, 0, [])])
}

export const DONE = message(3, 0x2, bytes32(0))
