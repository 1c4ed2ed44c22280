import { addressBytes } from '../../model/address.ts'
import type { OriginalDestination } from '../conntrack-kernel.ts'
import { PROTOCOL_NUMBERS } from './constants.ts'

interface Target {
  readonly address: Uint8Array
  readonly protocol: number
  readonly port: number
}

/**
 * Original destinations, found by the bytes of a message without making an object: the last word of the address leads to the few that
 * share it.
 */
export class Targets {
  readonly #byWord = new Map<number, Target[]>()

  constructor(destinations: readonly OriginalDestination[]) {
    for (const { protocol, address, port } of destinations) {
      const target = { address: addressBytes(address), protocol: PROTOCOL_NUMBERS[protocol], port }
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
      if (isPort && target.protocol === protocol && sameBytes(target.address, bytes, start, length)) return true
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
