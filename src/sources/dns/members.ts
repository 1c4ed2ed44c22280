import { checkBackend } from '../../document/backend-rules.ts'
import type { Issue } from '../../document/issue.ts'
import type { IpAddress, Port } from '../../model/address.ts'
import type { Backend } from '../../model/backend.ts'
import { type DestinationKey, destinationKey } from '../../model/destination.ts'
import type { ServiceSpec } from '../../model/service-spec.ts'

/** What an SRV record says: a name whose addresses are members. A plain name is one without weight and priority. */
export interface Target {
  /** Lower case, without the dot at the end. */
  readonly name: string
  readonly port: Port
  readonly weight?: number
  readonly priority?: number
}

export function targetText({ name, port }: Target): string {
  return `${name}:${port}`
}

export interface Composed {
  readonly backends: ReadonlyMap<DestinationKey, Backend>
  /** Members that the kernel would not take, or not as they are meant; they are left out. */
  readonly refused: readonly Issue[]
  /** What is odd about members that are taken. */
  readonly warnings: readonly Issue[]
}

export interface ComposeRules {
  readonly origin: string
  readonly service: ServiceSpec
  readonly zeroWeight: 'serve' | 'drain'
}

/**
 * Every address of every target, each with the target's whole weight. Where two records lead to the same address and port,
 * the lower priority decides, and of equal ones the higher weight.
 */
export function compose(
  targets: readonly Target[],
  addressesOf: (name: string) => readonly IpAddress[],
  { origin, service, zeroWeight }: ComposeRules,
): Composed {
  const backends = new Map<DestinationKey, Backend>()
  const refused: Issue[] = []
  const warnings: Issue[] = []
  for (const target of targets.toSorted(byPreference)) {
    for (const address of addressesOf(target.name)) {
      const backend = backendOf(target, address, zeroWeight)
      const key = destinationKey(backend)
      if (backends.has(key)) continue
      const mismatches = checkBackend(backend, service)
      const issues = mismatches.map(({ problem, remedy }) => ({ file: origin, path: target.name, problem, remedy }))
      if (mismatches.some(({ severity }) => severity === 'error')) refused.push(...issues)
      else {
        warnings.push(...issues)
        backends.set(key, backend)
      }
    }
  }
  return { backends, refused, warnings }
}

function byPreference(a: Target, b: Target): number {
  return (a.priority ?? 0) - (b.priority ?? 0) || (b.weight ?? 0) - (a.weight ?? 0)
}

/** RFC 2782 gives weight 0 "a very small chance of being selected", IPVS none at all. */
function backendOf({ port, weight, priority }: Target, address: IpAddress, zeroWeight: 'serve' | 'drain'): Backend {
  return {
    address,
    port,
    ...(weight !== undefined && { weight: weight === 0 && zeroWeight === 'serve' ? 1 : weight }),
    ...(priority !== undefined && { priority }),
  }
}
