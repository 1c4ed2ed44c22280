/** Messages of netfilter written by hand after `linux/netlink.h` and `linux/netfilter/nfnetlink.h`, little-endian as on every machine of ours. */

export const host16 = (value: number) => [value & 255, value >> 8]
export const host32 = (value: number) => [value & 255, (value >>> 8) & 255, (value >>> 16) & 255, value >>> 24]
export const network16 = (value: number) => [value >> 8, value & 255]
export const network32 = (value: number) => [value >>> 24, (value >>> 16) & 255, (value >>> 8) & 255, value & 255]
export const text = (value: string) => [...Buffer.from(value), 0]

/** `struct nlattr`: length, type, value, padding. */
export function attribute(type: number, value: readonly number[]): number[] {
  const padding = Array<number>((4 - (value.length % 4)) % 4).fill(0)
  return [...host16(4 + value.length), ...host16(type), ...value, ...padding]
}

/** NLA_F_NESTED. */
export const nest = (type: number, ...attributes: readonly number[][]) => attribute(type | 0x8000, attributes.flat())

/** `struct nlmsghdr`, then the body. */
export function message(type: number, body: readonly number[], sequence = 1, flags = 0): number[] {
  return [...host32(16 + body.length), ...host16(type), ...host16(flags), ...host32(sequence), ...host32(0), ...body]
}

/** With `struct nfgenmsg`. */
export const netfilterMessage = (type: number, family: number, ...attributes: readonly number[][]) =>
  message(type, [family, 0, 0, 0, ...attributes.flat()])

/** NLMSG_DONE. */
export const done = (sequence = 1) => message(3, host32(0), sequence)
/** NLMSG_ERROR with the header of the request that it is about; 0 is an acknowledgement. */
export const failure = (errno: number, sequence = 1) => message(2, [...host32(-errno), ...Array<number>(16).fill(0)], sequence)

export interface ScriptedSocket {
  readonly sent: Uint8Array[]
  closed: boolean
}

/** A socket of which each question is answered by what `answer` gives: the datagrams. */
export function scriptedSocket(answer: (request: Uint8Array) => readonly number[][]) {
  const queue: number[][] = []
  const state: ScriptedSocket = { sent: [], closed: false }
  return Object.assign(state, {
    send(bytes: Uint8Array) {
      state.sent.push(bytes.slice())
      queue.push(...answer(bytes))
    },
    receive(into: Uint8Array) {
      const next = queue.shift()
      if (next === undefined) return undefined
      into.set(next)
      return next.length
    },
    [Symbol.dispose]() {
      state.closed = true
    },
  })
}
