import { parseAddress } from '../../../src/model/address.ts'
import type { Backend, BackendSet } from '../../../src/model/backend.ts'
import { type DestinationKey, destinationKey } from '../../../src/model/destination.ts'
import { DEFAULT_POLICY } from '../../../src/model/policy-spec.ts'
import type { CheckSpec } from '../../../src/model/probe-spec.ts'
import type { GuardSpec, ServiceSpec } from '../../../src/model/service-spec.ts'
import type { SourceEvent } from '../../../src/model/source-event.ts'
import type { SourceSpec } from '../../../src/model/source-spec.ts'
import type { ServiceIdentity } from '../../../src/model/virtual-service.ts'
import type { ServiceProvenance } from '../../../src/pipeline/desired-update.ts'
import type { Members } from '../../../src/pipeline/hold.ts'

function address(text: string) {
  const parsed = parseAddress(text)
  if (parsed === undefined) throw new Error(`not an address: ${text}`)
  return parsed
}

/** `tcp/10.0.0.<last>:80`. */
export function identity(last = 1): ServiceIdentity {
  return { kind: 'address', protocol: 'tcp', address: address(`10.0.0.${last}`), port: 80 }
}

/** The backend 10.1.x.y:8080 for a number. */
export function backend(number: number, more: Partial<Backend> = {}): Backend {
  return { address: address(`10.1.${number >> 8}.${number & 0xff}`), port: 8080, ...more }
}

export function key(number: number): DestinationKey {
  return destinationKey(backend(number))
}

export function backends(...list: (number | Backend)[]): ReadonlyMap<DestinationKey, Backend> {
  return new Map(list.map((one) => (typeof one === 'number' ? backend(one) : one)).map((one) => [destinationKey(one), one]))
}

const interned = new Map<string, Members extends ReadonlyMap<DestinationKey, infer M> ? M : never>()

/** Members with the identity that the hold step would give: the same number and weight is the same object. */
export function members(...list: (number | Backend)[]): Members {
  const result: [DestinationKey, { backend: Backend; origin: string }][] = []
  for (const [at, one] of backends(...list)) {
    const name = `${at} ${JSON.stringify(one)}`
    const member = interned.get(name) ?? { backend: one, origin: 'test' }
    interned.set(name, member)
    result.push([at, member])
  }
  return new Map(result)
}

export function numbers(held: ReadonlyMap<DestinationKey, unknown> | Iterable<readonly [DestinationKey, unknown]>): string[] {
  return [...held].map(([at]) => at).sort()
}

/** Lets every removal pass, for tests of what comes before and after the guard. */
export const UNGUARDED: GuardSpec = { maxRemoval: 100, window: 60_000, onEmpty: 'apply' }

export function spec(more: Partial<ServiceSpec> = {}): ServiceSpec {
  return {
    name: 'web',
    identity: identity(),
    scheduler: 'wlc',
    forwarding: { method: 'nat' },
    weight: 1,
    sources: [],
    backends: new Map(),
    debounce: { min: 500, max: 2_000 },
    guard: UNGUARDED,
    hold: { snapshotMaxAge: 86_400_000 },
    drainTimeout: 300_000,
    adopt: 'named',
    fullNat: false,
    checks: [],
    policy: DEFAULT_POLICY,
    ...more,
  }
}

/** A connection, as it is asked where nothing is written. */
export const tcpCheck: CheckSpec = {
  probe: { kind: 'tcp' },
  interval: 5_000,
  timeout: 3_000,
  rise: 2,
  fall: 3,
  jitter: 0,
  initial: 'unknown',
  via: 'backend',
}

export function file(path = '/lists/web.yaml'): SourceSpec {
  return { kind: 'file', path }
}

export function fresh(list: (number | Backend)[], more: Partial<BackendSet> = {}): SourceEvent {
  return { kind: 'fresh', set: { backends: backends(...list), origin: 'file /lists/web.yaml', trust: 'fresh', at: 0, ...more } }
}

export function stale(list: (number | Backend)[], message = 'it is gone'): SourceEvent {
  return {
    kind: 'stale',
    set: { backends: backends(...list), origin: 'file /lists/web.yaml', trust: 'stale', at: 0 },
    failure: { code: 'SOURCE_UNREADABLE', message, at: 0 },
  }
}

/** A service of which nothing special is known; without members unless they are given. */
export function provenance(of: ServiceSpec, more: Partial<ServiceProvenance> = {}): ServiceProvenance {
  return {
    spec: of,
    sources: [],
    members: members(),
    held: new Map(),
    leftOut: new Map(),
    waiting: 0,
    operational: new Map(),
    admin: new Map(),
    pool: { mode: 'normal', heldFailures: new Map() },
    ...more,
  }
}
