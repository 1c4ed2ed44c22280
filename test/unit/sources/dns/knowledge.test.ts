import fc from 'fast-check'
import { of, VirtualTimeScheduler } from 'rxjs'
import { expect, it } from 'vitest'
import type { SourceEvent } from '../../../../src/model/source-event.ts'
import { dnsSource } from '../../../../src/sources/dns/dns-source.ts'
import type { Answer } from '../../../../src/sources/dns/resolver.ts'
import { spec as service } from '../../pipeline/makers.ts'
import { address, records, srv, srvSpec, trouble } from './support.ts'

const HOSTS = ['a', 'b', 'c', 'd']
const SRV = 'SRV'

type State = Readonly<Record<string, Answer>>

const troubles = fc.constantFrom(
  ...(['nxdomain', 'nodata', 'servfail', 'refused', 'timeout'] as const).map((kind): Answer => trouble(kind)),
)
const ttl = fc.constantFrom(0, 5_000, 20_000, 90_000)
const srvAnswer = fc
  .tuple(fc.subarray(HOSTS, { minLength: 1 }), ttl, fc.boolean(), fc.boolean())
  .map(([hosts, time, along, complete]) => {
    const additionals = along ? hosts.map((host) => address(host, `10.1.0.${host.charCodeAt(0)}`, time / 1_000)) : []
    return records(
      hosts.map((host) => srv(host)),
      { ttl: time, additionals, complete },
    )
  })
const hostAnswer = (host: string) =>
  fc.tuple(fc.subarray([1, 2, 3], { minLength: 1 }), ttl).map(([nets, time]) =>
    records(
      nets.map((net) => address(host, `10.${net}.0.${host.charCodeAt(0)}`)),
      { ttl: time },
    ),
  )

/** What the DNS says for a while: seconds, and the answers. */
const period = fc.record({
  seconds: fc.integer({ min: 1, max: 120 }),
  srv: fc.oneof({ weight: 3, arbitrary: srvAnswer }, troubles),
  hosts: fc.tuple(...HOSTS.map((host) => fc.oneof({ weight: 3, arbitrary: hostAnswer(host) }, troubles))),
})

function keysOf(event: SourceEvent): ReadonlySet<string> {
  return new Set(event.kind === 'pending' ? [] : event.set.backends.keys())
}

/** What anybody would read from a state without trouble. */
function truth(state: State): string[] {
  const answer = state[SRV]
  if (!answer?.ok) return []
  return answer.records
    .flatMap((record) => {
      if (record.type !== 'SRV') return []
      const along = answer.additionals.filter(({ name }) => name === record.target)
      const own = state[record.target]
      const found = along.length > 0 ? along : own?.ok ? own.records : []
      return found.flatMap((one) => (one.type === 'SRV' ? [] : [`${one.address}:8080`]))
    })
    .sort()
}

/** A source in virtual time over a DNS that changes its mind. */
function bench(random: number) {
  const scheduler = new VirtualTimeScheduler()
  let state: State = {}
  const given: Record<string, Answer> = {}
  const heard: { readonly event: SourceEvent; readonly given: State }[] = []
  const lookups = {
    ask: ({ type, name }: { type: string; name: string }) => {
      const key = type === SRV ? SRV : name.slice(0, -1)
      const answer = { ...(state[key] ?? trouble('servfail')), at: scheduler.now() }
      given[key] = answer
      if (answer.ok) for (const along of answer.additionals) given[along.name] = records([along])
      return of(answer)
    },
  }
  const source = dnsSource(srvSpec(), service(), { lookups, scheduler, random: () => random })
  const subscription = source.watch().subscribe((event) => heard.push({ event, given: { ...given } }))
  const pass = (seconds: number, next: State) => {
    state = next
    scheduler.maxFrames = (Number.isFinite(scheduler.maxFrames) ? scheduler.maxFrames : 0) + seconds * 1_000
    scheduler.flush()
  }
  return { heard, pass, subscription }
}

/** Members may leave on a word that is whole and fresh: every answer behind it is whole, or is a "no". */
function mayRemove(event: SourceEvent, given: State): boolean {
  if (event.kind !== 'fresh' || event.set.trust !== 'fresh') return false
  const answer = given[SRV]
  if (answer === undefined || !answer.ok) return isNo(answer) && event.set.backends.size === 0
  const targets = answer.records.flatMap((record) => (record.type === 'SRV' ? [record.target] : []))
  const asked = targets.filter((target) => !answer.additionals.some(({ name }) => name === target))
  return answer.complete && asked.every((target) => given[target]?.ok === true || isNo(given[target]))
}

function isNo(answer: Answer | undefined): boolean {
  return answer !== undefined && !answer.ok && (answer.trouble === 'nxdomain' || answer.trouble === 'nodata')
}

function stateOf(srvAnswer: Answer, hosts: readonly Answer[]): State {
  return {
    [SRV]: srvAnswer,
    ...Object.fromEntries(HOSTS.map((host, index) => [`${host}.example`, hosts[index] ?? trouble('timeout')])),
  }
}

it('whatever the DNS does: members leave on whole and fresh answers only, and in the end all is as the DNS has it', () => {
  const well = stateOf(
    records(HOSTS.slice(1).map((host) => srv(host))),
    HOSTS.map((host) => records([address(host, `10.9.0.${host.charCodeAt(0)}`)])),
  )
  let departures = 0
  const periods = fc.array(period, { minLength: 1, maxLength: 12 })
  const property = fc.property(periods, fc.double({ min: 0, max: 0.99, noNaN: true }), (list, random) => {
    const { heard, pass, subscription } = bench(random)
    for (const { seconds, srv: answer, hosts } of list) pass(seconds, stateOf(answer, hosts))
    pass(400, well)
    subscription.unsubscribe()
    for (const [index, { event, given }] of heard.entries()) {
      const before = keysOf(heard[index - 1]?.event ?? { kind: 'pending' })
      const after = keysOf(event)
      if ([...before].every((key) => after.has(key))) continue
      departures++
      if (!mayRemove(event, given))
        console.log(
          JSON.stringify(
            {
              left: [...before].filter((k) => !after.has(k)),
              event: event.kind,
              trust: event.kind === 'fresh' && event.set.trust,
              at: event.kind === 'fresh' && event.set.at,
              given,
            },
            null,
            0,
          ),
        )
      expect(mayRemove(event, given)).toBe(true)
    }
    const last = heard.at(-1)?.event ?? { kind: 'pending' }
    expect(last).toMatchObject({ kind: 'fresh', set: { trust: 'fresh' } })
    expect([...keysOf(last)].sort()).toEqual(truth(well))
  })
  fc.assert(property, { numRuns: 150 })
  expect(departures).toBeGreaterThan(150)
}, 60_000)
