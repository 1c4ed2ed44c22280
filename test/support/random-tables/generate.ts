import fc from 'fast-check'
import { type AddressFamily, parseAddress } from '../../../src/model/address.ts'
import { ChunkedMap } from '../../../src/model/chunked-map.ts'
import type { DesiredDestination, DesiredService } from '../../../src/model/desired-state.ts'
import { destinationKey, type Forwarding } from '../../../src/model/destination.ts'
import {
  type Persistence,
  type SchedulerFlags,
  type ServiceIdentity,
  serviceFamily,
  serviceKey,
} from '../../../src/model/virtual-service.ts'

/** The schedulers of Debian's kernels 6.1 and later; `twos` is not built there. */
export const SCHEDULERS_IN_DEBIAN = [
  'rr',
  'wrr',
  'lc',
  'wlc',
  'fo',
  'ovf',
  'lblc',
  'lblcr',
  'dh',
  'sh',
  'mh',
  'sed',
  'nq',
] as const

/** Milliseconds that a destination of a generated service may drain. */
export const DRAIN = 60_000

/** What another program does to the table, in terms of the few objects that are its own. */
export interface ForeignMove {
  readonly service: ServiceIdentity
  readonly kind: 'add-service' | 'add-destination' | 'delete-destination'
  readonly last: number
}

/** One table to get to, and what happens on the way. */
export interface RandomTable {
  readonly services: readonly DesiredService[]
  readonly foreign: readonly ForeignMove[]
  /** How the drains end: by two idle reads, or by the deadline. */
  readonly drainsEnd: 'idle' | 'deadline'
}

/**
 * Few identities and few addresses, so that each table shares much with the one before. IPv6 and firewall marks come as
 * often as IPv4, and every forwarding, flag and threshold often enough to be met in each combination.
 */
const addresses = (family: AddressFamily, prefix: number, last: number) => {
  const address = parseAddress(family === 'ipv4' ? `10.77.${prefix}.${last}` : `fd77::${prefix}:${last}`)
  if (address === undefined) throw new Error('no address')
  return address
}

const family = fc.constantFrom<AddressFamily>('ipv4', 'ipv6')
const identity: fc.Arbitrary<ServiceIdentity> = fc.oneof(
  fc.record({
    kind: fc.constant('address' as const),
    protocol: fc.constantFrom('tcp' as const, 'udp' as const, 'sctp' as const),
    address: fc.tuple(family, fc.integer({ min: 1, max: 2 })).map(([of, last]) => addresses(of, 0, last)),
    port: fc.constantFrom(80, 5060),
  }),
  fc.record({ kind: fc.constant('fwmark' as const), fwmark: fc.integer({ min: 1, max: 2 }), family }),
)

const forwarding: fc.Arbitrary<Forwarding> = fc.oneof(
  fc.constant<Forwarding>({ method: 'nat' }),
  fc.constant<Forwarding>({ method: 'direct' }),
  fc.constant<Forwarding>({ method: 'tunnel', tunnel: { type: 'ipip' } }),
  fc
    .record({
      port: fc.constantFrom(6080, 6081),
      checksum: fc.constantFrom('none' as const, 'checksum' as const, 'remote-checksum' as const),
    })
    .map((gue): Forwarding => ({ method: 'tunnel', tunnel: { type: 'gue', ...gue } })),
  fc
    .constantFrom('none' as const, 'checksum' as const)
    .map((checksum): Forwarding => ({ method: 'tunnel', tunnel: { type: 'gre', checksum } })),
)

const weight = fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 65_535 }))
const thresholds = fc.oneof(
  fc.constant({}),
  fc.integer({ min: 1, max: 2_147_483_647 }).map((upperThreshold) => ({ upperThreshold })),
  fc.constantFrom({ upperThreshold: 100, lowerThreshold: 50 }, { upperThreshold: 0, lowerThreshold: 0 }),
)

function destination(service: ServiceIdentity): fc.Arbitrary<DesiredDestination> {
  const port = service.kind === 'fwmark' ? 0 : service.port
  return fc
    .record({ last: fc.integer({ min: 1, max: 6 }), forwarding, weight, thresholds, natPort: fc.constantFrom(port, 8080) })
    .map((parts) => ({
      address: addresses(serviceFamily(service), 1, parts.last),
      // Only NAT may change the port; the kernel would take it for the others too and not use it.
      port: parts.forwarding.method === 'nat' && parts.last > 4 ? parts.natPort : port,
      forwarding: parts.forwarding,
      weight: parts.weight,
      ...parts.thresholds,
      reasons: ['generated'],
    }))
}

const flags: fc.Arbitrary<SchedulerFlags> = fc.record({ flag1: fc.boolean(), flag2: fc.boolean(), flag3: fc.boolean() })

function persistence(of: AddressFamily): fc.Arbitrary<Persistence | 'none'> {
  const mask = of === 'ipv4' ? fc.constantFrom(0xffffffff, 0xffffff00, 0xffff0000) : fc.constantFrom(128, 64, 48)
  return fc.oneof(fc.constant('none' as const), fc.record({ timeout: fc.integer({ min: 1, max: 86_400 }), mask }))
}

/** Often the same values again, so that many services of a table are as they were in the one before. */
function service(schedulers: readonly string[]): fc.Arbitrary<DesiredService> {
  return identity.chain((one) => {
    const mayBeOnePacket = one.kind === 'fwmark' || one.protocol === 'udp'
    return fc
      .record({
        scheduler: fc.constantFrom(...schedulers),
        flags: fc.option(flags, { nil: undefined }),
        onePacket: mayBeOnePacket ? fc.option(fc.boolean(), { nil: undefined }) : fc.constant(undefined),
        persistence: fc.option(persistence(serviceFamily(one)), { nil: undefined }),
        destinations: fc.uniqueArray(destination(one), { maxLength: 6, selector: destinationKey }),
      })
      .map(({ destinations, scheduler, ...rest }) => ({
        name: `random ${serviceKey(one)}`,
        identity: one,
        scheduler,
        ...(rest.flags === undefined ? {} : { flags: rest.flags }),
        ...(rest.onePacket === undefined ? {} : { onePacket: rest.onePacket }),
        ...(rest.persistence === undefined ? {} : { persistence: rest.persistence }),
        destinations: ChunkedMap.from(destinations.map((each) => [destinationKey(each), each])),
        complete: true,
        drainTimeout: DRAIN,
        adopt: 'named' as const,
      }))
  })
}

const foreignMove: fc.Arbitrary<ForeignMove> = fc.record({
  service: identity,
  kind: fc.constantFrom('add-service' as const, 'add-destination' as const, 'delete-destination' as const),
  last: fc.integer({ min: 1, max: 3 }),
})

/** The address that only the other program uses. */
export function foreignAddress(of: AddressFamily, last: number) {
  return addresses(of, 9, last)
}

/** The same tables for the same seed, on any machine. */
export function randomTables(seed: number, count: number, schedulers: readonly string[] = SCHEDULERS_IN_DEBIAN): RandomTable[] {
  const table = fc.record({
    services: fc.uniqueArray(service(schedulers), {
      minLength: 1,
      maxLength: 8,
      selector: ({ identity: one }) => serviceKey(one),
    }),
    foreign: fc.oneof(
      { weight: 2, arbitrary: fc.constant([]) },
      { weight: 1, arbitrary: fc.array(foreignMove, { minLength: 1, maxLength: 3 }) },
    ),
    drainsEnd: fc.constantFrom('idle' as const, 'deadline' as const, 'deadline' as const),
  })
  return withRepeats(fc.sample(table, { seed, numRuns: count }))
}

/** Every third service is taken over unchanged from the table before, where that had it. */
function withRepeats(tables: readonly RandomTable[]): RandomTable[] {
  let before = new Map<string, DesiredService>()
  return tables.map((table, index) => {
    const services = table.services.map((one, at) =>
      (index + at) % 3 === 0 ? (before.get(serviceKey(one.identity)) ?? one) : one,
    )
    before = new Map(services.map((one) => [serviceKey(one.identity), one]))
    return { ...table, services }
  })
}
