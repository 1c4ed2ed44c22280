import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { IpvsSettings } from '../../../src/config/configuration.ts'
import { renderConfiguration } from '../../../src/config/render.ts'
import { type AddressFamily, addressFromBytes, type IpAddress } from '../../../src/model/address.ts'
import { type Destination, destinationKey, type Forwarding } from '../../../src/model/destination.ts'
import type { IpvsTable, ServiceReading } from '../../../src/model/ipvs-table.ts'
import type { ServiceSpec } from '../../../src/model/service-spec.ts'
import {
  type Persistence,
  SCHEDULERS,
  type ServiceIdentity,
  serviceFamily,
  serviceKey,
  type VirtualService,
} from '../../../src/model/virtual-service.ts'
import { loaded } from './support.ts'

const NO_FLAGS = { flag1: false, flag2: false, flag3: false }
const NAT: Forwarding = { method: 'nat' }

function reading(service: VirtualService, destinations: readonly Destination[]): ServiceReading {
  const connections = { active: 0, inactive: 0, persistent: 0 }
  return {
    service,
    destinations: new Map(destinations.map((destination) => [destinationKey(destination), { destination, connections }])),
  }
}

function table(...readings: readonly ServiceReading[]): IpvsTable {
  return new Map(readings.map((entry) => [serviceKey(entry.service.identity), entry]))
}

function tcp(address: string, port: number): ServiceIdentity {
  return { kind: 'address', protocol: 'tcp', address: address as IpAddress, port }
}

function plain(identity: ServiceIdentity, rest: Partial<VirtualService> = {}): VirtualService {
  return { identity, scheduler: 'wlc', flags: NO_FLAGS, onePacket: false, ...rest }
}

function destination(address: string, port: number, rest: Partial<Destination> = {}): Destination {
  return { address: address as IpAddress, port, forwarding: NAT, weight: 1, upperThreshold: 0, lowerThreshold: 0, ...rest }
}

/** An attribute that must be said: one that is left out would be left in the kernel as somebody sets it later. */
function said<T>(value: T | undefined, what: string): T {
  if (value === undefined) throw new Error(`${what} is left open`)
  return value
}

/** What a service in the kernel looks like once a configuration has put it back, whatever it looked like before. */
function asKernelHolds(spec: ServiceSpec): { readonly service: VirtualService; readonly destinations: readonly Destination[] } {
  const persistence = said(spec.persistence, 'persistence')
  const service: VirtualService = {
    identity: spec.identity,
    scheduler: spec.scheduler,
    flags: said(spec.flags, 'flags'),
    onePacket: said(spec.onePacket, 'one_packet'),
    ...(persistence === 'none' ? {} : { persistence }),
  }
  const destinations = [...spec.backends.values()].map((backend) => ({
    address: backend.address,
    port: backend.port,
    forwarding: backend.forwarding ?? spec.forwarding,
    weight: backend.weight ?? spec.weight,
    upperThreshold: said(backend.upperThreshold ?? spec.upperThreshold, 'upper_threshold'),
    lowerThreshold: said(backend.lowerThreshold ?? spec.lowerThreshold, 'lower_threshold'),
  }))
  return { service, destinations }
}

const addresses: Record<AddressFamily, fc.Arbitrary<IpAddress>> = {
  ipv4: fc
    .tuple(fc.integer({ min: 1, max: 223 }), fc.nat(255), fc.nat(255), fc.nat(255))
    .map((bytes) => addressFromBytes(Uint8Array.from(bytes))),
  ipv6: fc.uint8Array({ minLength: 15, maxLength: 15 }).map((bytes) => addressFromBytes(Uint8Array.of(0x20, ...bytes))),
}
const port = fc.integer({ min: 1, max: 65535 })
const family = fc.constantFrom<AddressFamily[]>('ipv4', 'ipv6')

const forwarding = fc.oneof(
  fc.constantFrom<Forwarding[]>(NAT, { method: 'direct' }, { method: 'local' }, { method: 'tunnel', tunnel: { type: 'ipip' } }),
  fc
    .record({
      type: fc.constant('gue' as const),
      port,
      checksum: fc.constantFrom('none' as const, 'checksum' as const, 'remote-checksum' as const),
    })
    .map((tunnel): Forwarding => ({ method: 'tunnel', tunnel })),
  fc
    .constantFrom('none' as const, 'checksum' as const)
    .map((checksum): Forwarding => ({ method: 'tunnel', tunnel: { type: 'gre', checksum } })),
)

function persistenceOf(of: AddressFamily, udp: boolean): fc.Arbitrary<Persistence> {
  const prefix = fc.integer({ min: 1, max: of === 'ipv4' ? 32 : 128 })
  const mask = prefix.map((length) => (of === 'ipv6' ? length : Number((0xffffffffn << BigInt(32 - length)) & 0xffffffffn)))
  const engine = udp ? fc.constantFrom(undefined, 'sip') : fc.constant(undefined)
  return fc
    .record({ timeout: fc.integer({ min: 1, max: 4_294_967 }), mask, engine })
    .map(({ engine: name, ...rest }) => (name === undefined ? rest : { ...rest, engine: name }))
}

const identity: fc.Arbitrary<ServiceIdentity> = fc.oneof(
  fc.record({ kind: fc.constant('fwmark' as const), fwmark: fc.integer({ min: 1, max: 0xffffffff }), family }),
  family.chain((of) =>
    fc.record({
      kind: fc.constant('address' as const),
      protocol: fc.constantFrom('tcp' as const, 'udp' as const, 'sctp' as const),
      address: addresses[of],
      port: fc.oneof({ weight: 5, arbitrary: port }, fc.constant(0)),
    }),
  ),
)

/** Services that a configuration can say. */
const expressible: fc.Arbitrary<VirtualService> = identity.chain((what) => {
  const datagrams = what.kind === 'fwmark' || what.protocol === 'udp'
  const persistence = persistenceOf(serviceFamily(what), datagrams)
  const anyPort = what.kind === 'address' && what.port === 0
  return fc
    .record({
      scheduler: fc.constantFrom(...SCHEDULERS),
      flags: fc.record({ flag1: fc.boolean(), flag2: fc.boolean(), flag3: fc.boolean() }),
      onePacket: datagrams ? fc.boolean() : fc.constant(false),
      persistence: anyPort ? persistence : fc.option(persistence, { nil: undefined }),
    })
    .map(({ persistence: kept, ...rest }) => ({ identity: what, ...rest, ...(kept === undefined ? {} : { persistence: kept }) }))
})

function destinationOf(service: VirtualService): fc.Arbitrary<Destination> {
  const own = serviceFamily(service.identity)
  const everyPort = service.identity.kind === 'fwmark' || service.identity.port === 0
  return forwarding
    .chain((how) => {
      const address = how.method === 'tunnel' ? fc.oneof(addresses.ipv4, addresses.ipv6) : addresses[own]
      const fixed = service.identity.kind === 'address' && how.method !== 'nat' ? fc.constant(service.identity.port) : undefined
      const thresholds = fc.tuple(fc.nat(0x7fffffff), fc.nat(0x7fffffff)).map((pair) => pair.toSorted((a, b) => a - b))
      return fc.record({
        address,
        port: fixed ?? (everyPort ? fc.oneof(port, fc.constant(0)) : port),
        forwarding: fc.constant(how),
        weight: fc.integer({ min: 0, max: 65535 }),
        thresholds: fc.oneof(fc.constant([0, 0]), thresholds),
      })
    })
    .map(({ thresholds: [lowerThreshold = 0, upperThreshold = 0], ...rest }) => ({ ...rest, upperThreshold, lowerThreshold }))
}

const entry = expressible.chain((service) =>
  fc.array(destinationOf(service), { maxLength: 5 }).map((destinations) => reading(service, destinations)),
)

describe('a rendered table', () => {
  it('loads back to the same services, over all that a configuration can say', () => {
    const seen = new Set<string>()
    fc.assert(
      fc.property(fc.array(entry, { maxLength: 4 }), (readings) => {
        const before = table(...readings)
        const { services } = loaded(renderConfiguration(before))
        const after = services.map(asKernelHolds)
        expect(after.map(({ service }) => service)).toEqual([...before.values()].map(({ service }) => service))
        expect(after.map(({ destinations }) => destinations)).toEqual(
          [...before.values()].map(({ destinations }) => [...destinations.values()].map((each) => each.destination)),
        )
        for (const { service, destinations } of after) {
          seen.add(service.identity.kind === 'fwmark' ? 'fwmark' : service.identity.protocol)
          for (const { forwarding: how } of destinations) seen.add(how.method === 'tunnel' ? how.tunnel.type : how.method)
          if (service.persistence) seen.add('persistence')
          if (service.onePacket) seen.add('one-packet')
        }
      }),
      { numRuns: 200 },
    )
    expect([...seen].toSorted()).toEqual(
      ['direct', 'fwmark', 'gre', 'gue', 'ipip', 'local', 'nat', 'one-packet', 'persistence', 'sctp', 'tcp', 'udp'].toSorted(),
    )
  }, 60_000)

  it('loads whatever the kernel holds, and says what is left out', () => {
    const odd: fc.Arbitrary<VirtualService> = expressible.chain((service) =>
      fc
        .record({
          scheduler: fc.oneof(fc.constant(service.scheduler), fc.constantFrom('homemade', 'x: y', '# no\n- yes')),
          onePacket: fc.boolean(),
          persistence: fc.option(fc.record({ timeout: fc.nat(10), mask: fc.nat(0xffffffff) }), { nil: undefined }),
        })
        .map(({ persistence, ...rest }) => {
          const { persistence: _, ...bare } = service
          return { ...bare, ...rest, ...(persistence === undefined ? {} : { persistence }) }
        }),
    )
    const oddDestination = fc.record({
      address: fc.oneof(addresses.ipv4, addresses.ipv6, fc.constant('224.0.0.1' as IpAddress)),
      port: fc.nat(65535),
      forwarding,
      weight: fc.nat(100_000),
      upperThreshold: fc.nat(5),
      lowerThreshold: fc.nat(5),
    })
    const oddEntry = odd.chain((service) => fc.array(oddDestination, { maxLength: 4 }).map((list) => reading(service, list)))
    fc.assert(
      fc.property(fc.array(oddEntry, { maxLength: 4 }), (readings) => {
        const before = table(...readings)
        const text = renderConfiguration(before)
        const { services } = loaded(text)
        const comments = text.split('\n').filter((line) => line.includes('# left out: ')).length
        const keptKeys = new Set(services.map((spec) => serviceKey(spec.identity)))
        const lostServices = [...before.keys()].filter((key) => !keptKeys.has(key)).length
        const lostDestinations = services.reduce(
          (sum, spec) => sum + (before.get(serviceKey(spec.identity))?.destinations.size ?? 0) - spec.backends.size,
          0,
        )
        expect(comments).toBe(lostServices + lostDestinations)
      }),
      { numRuns: 200 },
    )
  }, 60_000)

  it('reads well', () => {
    const text = renderConfiguration(
      table(
        reading(plain(tcp('10.0.0.9', 0)), []),
        reading(plain(tcp('10.0.0.1', 80), { scheduler: 'sh', persistence: { timeout: 300, mask: 0xffffff00 } }), [
          destination('10.1.0.1', 80, { weight: 5, upperThreshold: 10 }),
          destination('10.1.0.2', 80, { weight: 70000 }),
          destination('10.1.0.3', 81, { forwarding: { method: 'direct' } }),
          destination('10.1.0.5', 80, {
            forwarding: { method: 'unknown', code: 2, tunnelType: 7, tunnelPort: 0, tunnelFlags: 0 },
          }),
          destination('10.1.0.4', 80, { forwarding: { method: 'tunnel', tunnel: { type: 'gre', checksum: 'checksum' } } }),
        ]),
        reading(plain({ kind: 'fwmark', fwmark: 7, family: 'ipv6' }, { flags: { ...NO_FLAGS, flag3: true }, onePacket: true }), [
          destination('2001:db8::1', 0, { forwarding: { method: 'direct' } }),
        ]),
        reading(plain({ kind: 'fwmark', fwmark: 8, family: 'ipv4' }, { persistence: { timeout: 60, mask: 0xff00ff00 } }), [
          destination('10.1.0.1', 0),
        ]),
        reading(plain({ kind: 'fwmark', fwmark: 9, family: 'ipv4' }, { scheduler: 'homemade' }), []),
      ),
      { names: new Map([[serviceKey(tcp('10.0.0.1', 80)), 'web']]) },
    )
    expect(text).toBe(`# The IPVS table of the kernel as a configuration of Pointsman.
# Applied, it makes everything in it Pointsman's own, what others have made included.

services:
  # left out: tcp/10.0.0.9:0 (wlc, 0 backends): port 0 (every port) needs persistence
  - name: web
    listen: 10.0.0.1:80
    protocol: tcp
    scheduler: sh
    flags: []
    one_packet: false
    persistence: { timeout: 5m, netmask: 255.255.255.0 }
    upper_threshold: 0
    lower_threshold: 0
    backends:
      - { address: 10.1.0.1:80, weight: 5, forwarding: nat, upper_threshold: 10 }
      # left out: 10.1.0.2:80 (weight 70000): 70000 is above 65535
      # left out: 10.1.0.3:81 (weight 1): port 81 is not the service's port 80, and direct cannot translate ports (packets would go to port 80 all the same)
      # left out: 10.1.0.5:80 (weight 1): "unknown method 2 tunnel type 7 port 0 flags 0" is not known
      - { address: 10.1.0.4:80, weight: 1, forwarding: { tunnel: { type: gre, checksum: checksum } } }
  - name: fwmark/7/ipv6
    fwmark: 7
    family: ipv6
    scheduler: wlc
    flags: [ flag-3 ]
    one_packet: true
    persistence: none
    forwarding: direct
    upper_threshold: 0
    lower_threshold: 0
    backends:
      - { address: "[2001:db8::1]:0", weight: 1 }
# left out: fwmark/8/ipv4 (wlc, 1 backend): 255.0.255.0 has holes
# left out: fwmark/9/ipv4 (homemade, 0 backends): "homemade" is not known
`)
  })

  it('may be empty', () => {
    expect(loaded(renderConfiguration(new Map())).services).toEqual([])
  })

  it('carries timeouts and synchronisation daemons where it is given them', () => {
    const ipvs: IpvsSettings = {
      timeouts: { tcp: 900, tcpFin: 120, udp: 300 },
      syncDaemons: [
        { role: 'master', interface: 'eth0', id: 3 },
        { role: 'backup', interface: 'eth0', id: 3, maximumLength: 1400, group: '224.0.0.81', port: 8848, ttl: 1 },
      ],
    }
    expect(loaded(renderConfiguration(new Map(), { ipvs })).ipvs).toEqual(ipvs)
    const none: IpvsSettings = { timeouts: ipvs.timeouts ?? {}, syncDaemons: [] }
    expect(loaded(renderConfiguration(new Map(), { ipvs: none })).ipvs).toEqual(none)
  })

  it('keeps a name that looks like a parameter', () => {
    const name = `a $${'{'}env.HOME} b $$${'{'}x`
    const names = new Map([[serviceKey(tcp('10.0.0.1', 80)), name]])
    const text = renderConfiguration(table(reading(plain(tcp('10.0.0.1', 80)), [])), { names })
    expect(loaded(text).services[0]?.name).toBe(name)
  })
})
