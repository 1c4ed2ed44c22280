/** Random histories of the address sink: whatever happens, it ends where it should and touches nothing of others. */

import { setImmediate as nextTurn } from 'node:timers/promises'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import type { InterfaceAddress } from '../../../../src/kernel/for-sinks.ts'
import { familyOf, type IpAddress } from '../../../../src/model/address.ts'
import type { DesiredService, DesiredState } from '../../../../src/model/desired-state.ts'
import { type ServiceKey, serviceKey } from '../../../../src/model/virtual-service.ts'
import type { AddressReport, AddressSink } from '../../../../src/sinks/addresses/address-sink.ts'
import { createAddressSink } from '../../../../src/sinks/addresses/create-address-sink.ts'
import { service, state } from '../../../support/desired.ts'
import { FakeAddresses } from '../../../support/fake-addresses.ts'
import { FakeRouteKernel, interfaceAddress, ip, networkLink } from '../../../support/fake-route-kernel.ts'

/** Services by TCP and UDP on addresses of a network of eth0, of eth1 and of none. */
const ADDRESSES = ['10.0.0.50', '10.1.0.50', '192.0.2.50', '2001:db8::50'].map(ip)
const KEYS = ADDRESSES.flatMap((address) => {
  const host = familyOf(address) === 'ipv6' ? `[${address}]` : address
  return [`tcp/${host}:80`, `udp/${host}:53`]
})

type As = 'announced' | 'silent' | 'undecided' | 'plain' | 'absent'

class Crash extends Error {}

type Step =
  | {
      readonly do: 'configure'
      readonly key: number
      readonly as: As
      readonly on: number
    }
  | { readonly do: 'ipvs'; readonly key: number; readonly holds: boolean }
  | { readonly do: 'take-off'; readonly address: number }
  | { readonly do: 'put-on'; readonly address: number; readonly link: number }
  | { readonly do: 'neighbour'; readonly address: number; readonly holds: boolean }
  | { readonly do: 'link'; readonly index: number; readonly up: boolean }
  | { readonly do: 'undeprecate' }
  | { readonly do: 'pass'; readonly scope: 'changes' | 'full' }
  | { readonly do: 'crash'; readonly after: number }
  | { readonly do: 'restart'; readonly instance: string }

const key = fc.nat({ max: KEYS.length - 1 })
const address = fc.nat({ max: ADDRESSES.length - 1 })
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('configure' as const),
      key,
      as: fc.constantFrom('announced', 'announced', 'announced', 'silent', 'undecided', 'plain', 'absent'),
      on: fc.nat({ max: 3 }),
    }),
  },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('ipvs' as const), key, holds: fc.boolean() }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('take-off' as const), address }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('put-on' as const), address, link: fc.constantFrom(1, 2, 3) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('neighbour' as const), address, holds: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('link' as const), index: fc.constantFrom(2, 3), up: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('undeprecate' as const) }) },
  { weight: 5, arbitrary: fc.record({ do: fc.constant('pass' as const), scope: fc.constantFrom('changes', 'full') }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('crash' as const), after: fc.nat({ max: 6 }) }) },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant('restart' as const), instance: fc.constantFrom('pointsman', 'director') }),
  },
)

class History {
  readonly kernel = new FakeRouteKernel()
  readonly store = new FakeAddresses()
  readonly #services = new Map<string, DesiredService>()
  readonly #inIpvs = new Set<string>()
  /** Addresses that somebody else put there, as they are in the kernel. */
  readonly #foreign = new Set<InterfaceAddress>()
  /** What must not happen and did. */
  readonly broken: string[] = []
  #now = 1_000_000
  #instance = 'pointsman'
  #sink: AddressSink = this.#newSink()

  constructor(dummies: boolean) {
    this.kernel.dummies = dummies
    for (const [index, name] of [
      [2, 'eth0'],
      [3, 'eth1'],
    ] as const)
      this.kernel.plug(networkLink(name, index))
    for (const one of [
      interfaceAddress(2, '10.0.0.1/24'),
      interfaceAddress(2, '2001:db8::1/64'),
      interfaceAddress(3, '10.1.0.1/24'),
    ]) {
      this.kernel.addresses.push(one)
    }
    for (const one of this.kernel.addresses) this.#foreign.add(one)
    this.kernel.onWrite = this.#witness
  }

  get desired(): DesiredState {
    return state([...this.#services.values()])
  }

  opened = (name: ServiceKey): boolean => this.#inIpvs.has(name)

  /** Nothing is added that nobody can reach yet, or that is not recorded. */
  readonly #witness = (write: string): void => {
    const [what, text = ''] = write.split(' ')
    if (what !== 'add') return
    const known = [...this.store.record.addresses.values()].filter((one) => one.address === text)
    const open = KEYS.some((name) => name.includes(text) && this.opened(name as ServiceKey))
    if (!open) this.broken.push(`${write} before IPVS`)
    if (known.length === 0) this.broken.push(`${write} without a record`)
  }

  async take(one: Step): Promise<void> {
    const { kernel } = this
    switch (one.do) {
      case 'configure':
        return this.#configure(KEYS[one.key] ?? '', one.as, [undefined, 'eth0', 'eth1', undefined][one.on])
      case 'ipvs':
        if (one.holds) this.#inIpvs.add(KEYS[one.key] ?? '')
        else this.#inIpvs.delete(KEYS[one.key] ?? '')
        return
      case 'take-off':
        for (const on of kernel.addresses.filter((on) => on.address === ADDRESSES[one.address])) {
          this.#foreign.delete(on)
          kernel.takeOff(on.address, on.link)
        }
        return
      case 'put-on': {
        const foreign = ADDRESSES[one.address] as IpAddress
        // Who adds what is there already gets EEXIST.
        if (kernel.addresses.some((on) => on.address === foreign)) return
        // What waits to be put back there has no label in IPv6: nobody can tell the two apart.
        if (familyOf(foreign) === 'ipv6' && this.store.record.addresses.has(`${foreign} ${one.link}`)) return
        const there = interfaceAddress(one.link, `${foreign}/${familyOf(foreign) === 'ipv4' ? 32 : 128}`, { deprecated: true })
        kernel.addresses.push(there)
        this.#foreign.add(there)
        return
      }
      case 'neighbour':
        if (one.holds) kernel.holders.set(ADDRESSES[one.address] as IpAddress, '02:00:00:00:00:99')
        else kernel.holders.delete(ADDRESSES[one.address] as IpAddress)
        return
      case 'link':
        return kernel.plug(networkLink(one.index === 2 ? 'eth0' : 'eth1', one.index, { up: one.up, carrier: one.up }))
      case 'undeprecate':
        // As an object of its own, which is no more the one that was put there by somebody.
        kernel.addresses = kernel.addresses.map((on) => (this.#foreign.has(on) ? on : { ...on, deprecated: false }))
        return
      case 'pass':
        await this.pass(one.scope)
        return
      case 'crash':
        return this.#crash(one.after)
      case 'restart':
        this.#instance = one.instance
        this.#sink = this.#newSink()
        return
    }
  }

  async pass(scope: 'changes' | 'full'): Promise<AddressReport> {
    await nextTurn()
    this.#now += 100
    await this.#sink.withdraw(this.desired, this.#now)
    const report = await this.#sink.hold(this.desired, this.opened, scope, this.#now)
    this.#check()
    return report
  }

  /** Passes until nobody is asked and nothing is left to be done, past every back-off. */
  async settle(): Promise<AddressReport> {
    let report = await this.pass('full')
    for (let turn = 0; turn < 12 && (turn < 3 || report.pending > 0); turn++) {
      // An answer of the neighbours counts for a moment alone.
      this.#now += report.pending > 0 ? 600 : 61_000
      report = await this.pass('full')
    }
    return report
  }

  remove(): Promise<void> {
    return this.#sink.remove()
  }

  /** What should be on the interfaces of ours, once everybody has had time. */
  expected(): string[] {
    const there: string[] = []
    for (const vip of ADDRESSES) {
      const wanted = this.#wanted(vip)
      if (wanted !== undefined) there.push(wanted)
    }
    return there.sort()
  }

  ours(): string[] {
    return this.kernel.addresses
      .filter((one) => !this.#foreign.has(one))
      .map((one) => `${one.address} ${this.kernel.links.get(one.link)?.name}`)
      .sort()
  }

  /** What the record has, but for what is wanted and waits to be put back: for a link, for IPVS. */
  recorded(): string[] {
    const ours = this.ours()
    const waits = (vip: IpAddress) => this.#isWanted(vip) && !ours.some((text) => text.startsWith(`${vip} `))
    const recorded = [...this.store.record.addresses.values()].filter((one) => !waits(one.address))
    return recorded.map((one) => `${one.address} ${one.linkName}`).sort()
  }

  #isWanted(vip: IpAddress): boolean {
    const services = [...this.#services.values()].filter(
      ({ identity }) => identity.kind === 'address' && identity.address === vip,
    )
    return this.#leaving(vip).length > 0 || services.some((one) => this.#wants(one))
  }

  #wanted(vip: IpAddress): string | undefined {
    const there = this.kernel.addresses.filter((on) => on.address === vip)
    if (there.some((on) => this.#foreign.has(on))) return undefined
    const [owned] = there
    const services = [...this.#services.values()].filter(
      (one) => one.identity.kind === 'address' && one.identity.address === vip && this.#wants(one),
    )
    const leaving = this.#leaving(vip)
    if (services.length + leaving.length === 0) return undefined
    const open = services.some(({ identity }) => this.opened(serviceKey(identity))) || leaving.length > 0
    const name = services.find(({ virtualAddress }) => virtualAddress?.interface !== undefined)?.virtualAddress?.interface
    const network = { '10.0.0.50': 'eth0', '2001:db8::50': 'eth0', '10.1.0.50': 'eth1' }[vip as string]
    const at = owned === undefined ? undefined : this.kernel.links.get(owned.link)
    const target = name ?? network ?? at?.name ?? (this.kernel.dummies ? this.#instance : 'lo')
    if (at?.name === target) return `${vip} ${target}`
    const link = [...this.kernel.links.values()].find((one) => one.name === target)
    const neighbours = target.startsWith('eth')
    const possible = open && (link?.up ?? true) && !(neighbours && this.kernel.holders.has(vip))
    if (possible) return `${vip} ${target}`
    return at === undefined ? undefined : `${vip} ${at.name}`
  }

  #wants({ identity, virtualAddress }: DesiredService): boolean {
    if (virtualAddress?.announced !== 'undecided') return virtualAddress?.announced === true
    const recorded = [...this.store.record.addresses.values()]
    return recorded.some(({ services }) => services.includes(serviceKey(identity)))
  }

  #leaving(vip: IpAddress): ServiceKey[] {
    const known = [...this.store.record.addresses.values()]
      .filter((one) => one.address === vip)
      .flatMap(({ services }) => services)
    return known.filter((one) => !this.desired.services.has(one) && this.opened(one))
  }

  #configure(name: string, as: As, on: string | undefined): void {
    if (as === 'absent') this.#services.delete(name)
    else if (as === 'plain') this.#services.set(name, service(name))
    else {
      const virtualAddress = {
        announced: as === 'undecided' ? as : as === 'announced',
        ...(on !== undefined && { interface: on }),
      }
      this.#services.set(name, service(name, [], { virtualAddress }))
    }
  }

  /** The process dies at its n-th write from now, and another begins. */
  async #crash(after: number): Promise<void> {
    let writes = 0
    this.kernel.onWrite = (write) => {
      if (writes++ >= after) throw new Crash()
      this.#witness(write)
    }
    const record = this.store.write.bind(this.store)
    this.store.write = async (edits) => {
      if (edits.length > 0 && writes++ >= after) throw new Crash()
      await record(edits)
    }
    for (let turn = 0; turn < 2; turn++) await this.pass('full').catch(() => undefined)
    this.kernel.onWrite = this.#witness
    this.store.write = record
    this.#sink = this.#newSink()
  }

  #newSink(): AddressSink {
    const clock = () => this.#now
    return createAddressSink({ kernel: this.kernel, store: this.store, instance: this.#instance, random: () => 0.5, clock })
  }

  /** At every moment: others keep theirs, and what is ours is known to be. */
  #check(): void {
    const there = new Set(this.kernel.addresses)
    for (const one of this.#foreign) {
      expect(there.has(one), `${one.address} on ${one.link} belongs to somebody else`).toBe(true)
    }
    for (const one of this.kernel.addresses) {
      if (this.#foreign.has(one)) continue
      expect(this.store.record.addresses.has(`${one.address} ${one.link}`), `${one.address} on ${one.link} is known`).toBe(true)
    }
  }
}

it('ends with what is wanted, keeps what is not ours, then writes nothing, and leaves nothing behind', async () => {
  await fc.assert(
    fc.asyncProperty(fc.boolean(), fc.array(step, { maxLength: 40, size: 'max' }), async (dummies, steps) => {
      const history = new History(dummies)
      for (const one of steps) await history.take(one)
      await history.settle()
      expect(history.broken).toEqual([])
      expect(history.ours()).toEqual(history.expected())
      expect(history.recorded()).toEqual(history.ours())
      const { writes } = history.kernel
      const before = writes.length
      const report = await history.pass('full')
      expect([writes.slice(before), report.driftRepaired]).toEqual([[], 0])
      await history.remove()
      expect([history.ours(), history.recorded()]).toEqual([[], []])
      const links = [...history.kernel.links.values()].map(({ name }) => name)
      expect(links).toEqual(['lo', 'eth0', 'eth1'])
    }),
    { numRuns: 300 },
  )
})
