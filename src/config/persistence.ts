import type { z } from 'zod'
import { accepted, type Grammar, type Reading, refused, show, wrongType } from '../document/reading.ts'
import { derived, either, mapping, optional } from '../document/schema.ts'
import { choice } from '../document/values/choice.ts'
import { duration } from '../document/values/duration.ts'
import { integer } from '../document/values/integer.ts'
import type { AddressFamily } from '../model/address.ts'
import { addressBytes, parseAddress } from '../model/address.ts'
import { type Persistence, singleClientMask } from '../model/virtual-service.ts'

/** Persistence as written, before the family of its service is known. Timeout in seconds. */
export interface WrittenPersistence {
  readonly timeout: number
  /** Contiguous IPv4 netmask as a number. */
  readonly netmask?: number
  readonly prefixLength?: number
  readonly engine?: string
}

/** Seconds that ipvsadm takes where only persistence is asked for. */
const INITIAL_TIMEOUT = 300

const timeout = duration({ min: 1000, max: 4_294_967_000, wholeSeconds: true })

const shortPersistence: Grammar<WrittenPersistence | 'none'> = {
  jsonSchema: { type: 'string', examples: ['none', '300s'] },
  read(raw) {
    if (raw === 'none') return accepted('none')
    if (raw === false || raw === 'off') return refused(`${show(raw)} is not a persistence`, 'write none')
    const reading = timeout.read(raw)
    return reading.ok ? accepted({ timeout: reading.value / 1000 }) : { ...reading, remedy: `${reading.remedy}, or none` }
  },
}

/** 255.255.255.0 and such: one bits, then zero bits, at least one bit. */
const netmask: Grammar<number> = {
  jsonSchema: { type: 'string', examples: ['255.255.255.255', '255.255.255.0'] },
  read(raw) {
    const remedy = 'write a netmask such as 255.255.255.0'
    if (typeof raw !== 'string') return wrongType(raw, 'a netmask', remedy)
    const parsed = parseAddress(raw)
    if (parsed === undefined || parsed.includes(':'))
      return refused(`${show(raw)} is not an IPv4 netmask`, `${remedy}, or prefix_length for IPv6`)
    const mask = addressBytes(parsed).reduce((sum, byte) => sum * 256 + byte, 0)
    if (mask === 0) return refused('0.0.0.0 would take all clients for one', remedy)
    if (!isContiguous(mask)) return refused(`${raw} has holes`, `${remedy}, one bits first and then zero bits`)
    return accepted(mask)
  },
}

/** Whether a 32-bit mask is one bits followed by zero bits. */
export function isContiguous(mask: number): boolean {
  const inverted = ~mask >>> 0
  return ((inverted + 1) & inverted) === 0
}

const longPersistence = mapping(
  {
    timeout: optional(
      timeout,
      'How long a client stays with its backend after its last connection; whole seconds, 300s by default.',
    ),
    netmask: optional(netmask, 'Clients in the same IPv4 network count as one; 255.255.255.255 by default.'),
    prefix_length: optional(
      integer('a prefix length', 1, 128),
      'The same as a prefix length, IPv4 and IPv6; 32 or 128 by default.',
    ),
    engine: optional(choice(['sip']), 'Persistence engine, for UDP and fwmark services: sip goes by the Call-ID.'),
  },
  'Keeps a client with its backend.',
)

/** A duration, `none`, or `{ timeout, netmask | prefix_length, engine }`. */
export const persistenceSchema = either(
  shortPersistence,
  derived(longPersistence, toWritten),
  'How long a client stays with its backend: a duration, none, or a mapping.',
)

function toWritten(keys: z.output<typeof longPersistence>): Reading<WrittenPersistence> {
  if (keys.netmask !== undefined && keys.prefix_length !== undefined) {
    return refused('netmask and prefix_length say the same thing', 'keep one of the two')
  }
  return accepted({
    timeout: keys.timeout === undefined ? INITIAL_TIMEOUT : keys.timeout / 1000,
    ...(keys.netmask === undefined ? {} : { netmask: keys.netmask }),
    ...(keys.prefix_length === undefined ? {} : { prefixLength: keys.prefix_length }),
    ...(keys.engine === undefined ? {} : { engine: keys.engine }),
  })
}

/** Persistence for a service of this family. */
export function toPersistence(written: WrittenPersistence, family: AddressFamily): Reading<Persistence> {
  const { timeout: seconds, engine } = written
  const mask = toMask(written, family)
  if (!mask.ok) return mask
  return accepted({ timeout: seconds, mask: mask.value, ...(engine === undefined ? {} : { engine }) })
}

function toMask({ netmask: mask, prefixLength }: WrittenPersistence, family: AddressFamily): Reading<number> {
  if (family === 'ipv6') {
    if (mask !== undefined) return refused('an IPv6 service has no netmask', 'write prefix_length, from 1 to 128')
    return accepted(prefixLength ?? singleClientMask(family))
  }
  if (prefixLength === undefined) return accepted(mask ?? singleClientMask(family))
  if (prefixLength > 32)
    return refused(`prefix_length ${prefixLength} is above 32 in an IPv4 service`, 'write a prefix_length from 1 to 32')
  return accepted(Number((0xffffffffn << BigInt(32 - prefixLength)) & 0xffffffffn))
}
