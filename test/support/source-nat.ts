import { parseAddress } from '../../src/model/address.ts'
import type { DesiredService } from '../../src/model/desired-state.ts'
import type { SourceNat } from '../../src/model/source-nat.ts'
import { service } from './desired.ts'

/** `masquerade`, `10.0.0.9`, `10.0.0.9-10.0.0.12`. */
export function sourceNat(text: string): SourceNat {
  if (text === 'masquerade') return text
  const [first = '', last = first] = text.split('-')
  const range = { first: parseAddress(first), last: parseAddress(last) }
  if (range.first === undefined || range.last === undefined) throw new Error(`${text} is no range`)
  return { first: range.first, last: range.last }
}

/** A service with source NAT. */
export function translated(text: string, nat = 'masquerade', backends: readonly string[] = []): DesiredService {
  return service(text, backends, { sourceNat: sourceNat(nat) })
}
