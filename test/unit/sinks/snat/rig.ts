import type { OriginalDestination } from '../../../../src/kernel/for-sinks.ts'
import { parseAddress } from '../../../../src/model/address.ts'
import type { DesiredService, DesiredState } from '../../../../src/model/desired-state.ts'
import type { SourceNat } from '../../../../src/model/source-nat.ts'
import type { ServiceKey } from '../../../../src/model/virtual-service.ts'
import { createSnatSink, type SnatSinkOptions, type StillServed } from '../../../../src/sinks/snat/snat-sink.ts'
import { service, state } from '../../../support/desired.ts'
import { FakeNftables } from '../../../support/fake-nftables.ts'

export const TABLE = 'inet pointsman'
export const NOTHING_SERVED: StillServed = { service: () => false, destination: () => false }
export const ALL_SERVED: StillServed = { service: () => true, destination: () => true }

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

/** A sink on nftables in memory, and what both of them saw. */
export function rig(options: Partial<SnatSinkOptions> & { kernel?: FakeNftables } = {}) {
  const kernel = options.kernel ?? new FakeNftables()
  const cleaned: string[] = []
  const warnings: string[] = []
  const conntrack = {
    deleteUntranslated: async (targets: readonly OriginalDestination[]) => {
      cleaned.push(...targets.map(({ protocol, address, port }) => `${protocol}/${address}:${port}`))
      return targets.length
    },
  }
  const log = {
    info: () => {},
    warn: (_: object, message: string) => void warnings.push(message),
    error: (_: object, message: string) => void warnings.push(message),
  }
  const sink = createSnatSink({ random: () => 0.5, conntrack, log, ...options, kernel })
  let now = 1_000_000
  return {
    kernel,
    sink,
    /** The targets that conntrack was cleaned of since the last call. */
    cleaned: () => cleaned.splice(0),
    warnings: () => warnings.splice(0),
    /** Transactions since the last call. */
    transactions: () => kernel.transactions.splice(0),
    elements: () => kernel.elements(TABLE),
    pass: async (desired: DesiredState, scope: 'changes' | 'full' = 'changes', still: StillServed = NOTHING_SERVED) => {
      now += 100
      return { opened: await sink.open(desired, scope, now), closed: await sink.close(desired, still, now) }
    },
    open: (desired: DesiredState, scope: 'changes' | 'full' = 'changes') => {
      now += 100
      return sink.open(desired, scope, now)
    },
    wait: (milliseconds: number) => {
      now += milliseconds
    },
  }
}

export function keys(...texts: string[]): Set<ServiceKey> {
  return new Set(texts as ServiceKey[])
}

export { service, state }
