import type { OriginalDestination, ReplySource } from '../../../../src/kernel/for-sinks.ts'
import type { DesiredState } from '../../../../src/model/desired-state.ts'
import type { ServiceKey } from '../../../../src/model/virtual-service.ts'
import { createSnatSink, type SnatSinkOptions, type StillServed } from '../../../../src/sinks/snat/snat-sink.ts'
import { service, state } from '../../../support/desired.ts'
import { FakeNftables } from '../../../support/fake-nftables.ts'
import { translated } from '../../../support/source-nat.ts'

export const TABLE = 'inet pointsman'
export const NOTHING_SERVED: StillServed = { service: () => false, destination: () => false }
export const ALL_SERVED: StillServed = { service: () => true, destination: () => true }

/** A sink on nftables in memory, and what both of them saw. */
export function rig(options: Partial<SnatSinkOptions> & { kernel?: FakeNftables } = {}) {
  const kernel = options.kernel ?? new FakeNftables()
  const cleaned: string[] = []
  const warnings: string[] = []
  const conntrack = {
    deleteUntranslated: async (
      targets: readonly OriginalDestination[],
      backends: readonly ReplySource[] = [],
      others: readonly OriginalDestination[] = [],
    ) => {
      cleaned.push(...targets.map(({ protocol, address, port }) => `${protocol}/${address}:${port}`))
      cleaned.push(...backends.map(({ address, port }) => `sent to ${address}:${port}`))
      cleaned.push(...others.map(({ protocol, address, port }) => `not by ${protocol}/${address}:${port}`))
      return targets.length + backends.length
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

export { service, state, translated }
