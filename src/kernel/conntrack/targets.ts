import { addressBytes } from '../../model/address.ts'
import type { OriginalDestination, ReplySource } from '../conntrack-kernel.ts'
import { PROTOCOL_NUMBERS } from './constants.ts'

interface Target {
  readonly address: Uint8Array
  /** Undefined: any that IPVS serves. */
  readonly protocol: number | undefined
  readonly port: number
}

const SERVED: ReadonlySet<number> = new Set(Object.values(PROTOCOL_NUMBERS))

/**
 * Addresses with ports, found by the bytes of a message without making an object: the last word of the address leads to the few that
 * share it.
 */
export class Targets {
  readonly #byWord = new Map<number, Target[]>()

  constructor(ends: readonly (OriginalDestination | ReplySource)[]) {
    for (const end of ends) {
      const protocol = 'protocol' in end ? PROTOCOL_NUMBERS[end.protocol] : undefined
      const target = { address: addressBytes(end.address), protocol, port: end.port }
      const word = lastWord(target.address, 0, target.address.length)
      const others = this.#byWord.get(word)
      if (others === undefined) this.#byWord.set(word, [target])
      else others.push(target)
    }
  }

  get empty(): boolean {
    return this.#byWord.size === 0
  }

  /** The address is the `length` bytes at `start`. */
  has(bytes: Uint8Array, start: number, length: number, protocol: number, port: number): boolean {
    const targets = this.#byWord.get(lastWord(bytes, start, length))
    if (targets === undefined) return false
    for (const target of targets) {
      const isPort = target.port === port || target.port === 0
      const isProtocol = target.protocol === undefined ? SERVED.has(protocol) : target.protocol === protocol
      if (isPort && isProtocol && sameBytes(target.address, bytes, start, length)) return true
    }
    return false
  }
}

function lastWord(bytes: Uint8Array, start: number, length: number): number {
  let word = 0
  for (let at = start + length - 4; at < start + length; at++) word = (word << 8) | (bytes[at] ?? 0)
  return word
}

function sameBytes(address: Uint8Array, bytes: Uint8Array, start: number, length: number): boolean {
  if (address.length !== length) return false
  for (let index = 0; index < length; index++) if (address[index] !== bytes[start + index]) return false
  return true
}
