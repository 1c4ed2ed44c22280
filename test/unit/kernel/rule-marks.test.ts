import { expect, it } from 'vitest'
import { readRuleMarks } from '../../../src/kernel/rule-marks.ts'

/** Attributes of `linux/fib_rules.h`, little-endian as on every machine of ours. */
const attribute = (type: number, value: number) => [8, 0, type, 0, ...bytesOf(value)]
const bytesOf = (value: number) => [value & 255, (value >>> 8) & 255, (value >>> 16) & 255, value >>> 24]

function message(type: number, body: readonly number[]): number[] {
  const length = 16 + body.length
  return [...bytesOf(length), type, 0, 2, 0, ...bytesOf(1), ...bytesOf(0), ...body]
}

/** `struct fib_rule_hdr` and what follows it. */
const rule = (...attributes: number[][]) => message(32, [2, ...Array<number>(11).fill(0), ...attributes.flat()])

const TABLE = attribute(15, 254)

function answering(...datagrams: number[][]) {
  const sent: Uint8Array[] = []
  let closed = 0
  const transport = {
    send: (bytes: Uint8Array) => void sent.push(bytes.slice()),
    receive: (into: Uint8Array) => {
      const next = datagrams.shift()
      if (next === undefined) return undefined
      into.set(next)
      return next.length
    },
    [Symbol.dispose]: () => void closed++,
  }
  return { open: () => transport, sent, closed: () => closed }
}

it('gives mark and mask of the rules that look at a mark, over several datagrams', () => {
  const kernel = answering(
    [...rule(TABLE), ...rule(attribute(10, 0xf0000001), attribute(16, 0xffffffff), TABLE)],
    rule(TABLE, attribute(16, 0xff)),
    message(3, [0, 0, 0, 0]),
  )
  expect(readRuleMarks(kernel.open)).toEqual([
    { mark: 0xf0000001, mask: 0xffffffff },
    { mark: 0, mask: 0xff },
  ])
  expect(kernel.sent.map((bytes) => [...bytes.subarray(0, 8)])).toEqual([[28, 0, 0, 0, 34, 0, 0x05, 0x03]])
  expect(kernel.closed()).toBe(1)
})

it('finds none where the kernel has no rules at all', () => {
  const EOPNOTSUPP = bytesOf(-95)
  expect(readRuleMarks(answering(message(2, [...EOPNOTSUPP, ...Array<number>(16).fill(0)])).open)).toEqual([])
})

it('refuses an answer that is cut short and closes the socket all the same', () => {
  const kernel = answering(message(32, [2, 0, 0, 0]), message(3, [0, 0, 0, 0]))
  expect(() => readRuleMarks(kernel.open)).toThrow('a routing rule is cut short')
  expect(kernel.closed()).toBe(1)
})
