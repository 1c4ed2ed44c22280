import { from, map, mergeMap, type Observable, of, switchMap, toArray } from 'rxjs'
import type { AddressFamily, IpAddress } from '../../model/address.ts'
import type { DnsNetwork } from '../../model/dns-source-spec.ts'
import type { Attempt } from '../recovery.ts'
import { type AddressKey, addressKey, isDue, type Knowledge, type KnowledgeRules, type Look } from './knowledge.ts'
import type { Lookups } from './lookups.ts'
import type { Target } from './members.ts'
import type { AddressRecord, Question, SrvRecord } from './message.ts'
import type { Answer } from './resolver.ts'
import { clamp, type Reading, type Slot } from './settle.ts'

const TYPE_OF = { ipv4: 'A', ipv6: 'AAAA' } as const

/** Questions that one look asks at a time. */
const AT_ONCE = 32

export interface Looker {
  readonly lookups: Pick<Lookups, 'ask'>
  readonly network: DnsNetwork
  /** As written; with `srv` the name of the SRV records, else the plain name that is the only target. */
  readonly name: string
  readonly srv: boolean
  readonly rules: KnowledgeRules
  /** Milliseconds since the epoch. */
  readonly now: () => number
  readonly attempt?: Attempt
}

type Found = ReadonlyMap<AddressKey, Reading<IpAddress>>

/** Asks for everything that is due: the records, and then the addresses that did not come with them. One value, then the end. */
export function look(knowledge: Knowledge, looker: Looker): Observable<Look> {
  return lookForTargets(knowledge, looker).pipe(
    switchMap(({ reading, along }) => {
      // While the records are in trouble, what they last said stays as it is.
      const targets = reading === undefined ? (knowledge.targets.values ?? []) : reading.ok ? reading.values : []
      return lookForAddresses(targets, along, knowledge, looker).pipe(
        map((asked) => ({ at: looker.now(), ...(reading && { targets: reading }), addresses: new Map([...along, ...asked]) })),
      )
    }),
  )
}

interface FoundTargets {
  readonly reading: Reading<Target> | undefined
  /** Addresses that came along with the records. */
  readonly along: Found
}

function lookForTargets(knowledge: Knowledge, looker: Looker): Observable<FoundTargets> {
  const { name, srv, rules } = looker
  if (!srv || !isDue(knowledge.targets, knowledge, looker.now())) return of({ reading: undefined, along: new Map() })
  return ask({ name, type: 'SRV' }, knowledge.targets, looker).pipe(
    map((answer) => ({ reading: targetsIn(answer, name), along: addressesAlong(answer, rules.families) })),
  )
}

function lookForAddresses(targets: readonly Target[], along: Found, knowledge: Knowledge, looker: Looker): Observable<Found> {
  const { families } = looker.rules
  const now = looker.now()
  const wanted = new Map<AddressKey, Question>()
  for (const { name } of targets) {
    for (const family of families) {
      const key = addressKey(family, name)
      if (along.has(key) || !isDue(knowledge.addresses.get(key), knowledge, now)) continue
      // The search list is for names that people write, not for names in records.
      wanted.set(key, { name: looker.srv ? `${name}.` : looker.name, type: TYPE_OF[family] })
    }
  }
  return from(wanted).pipe(
    mergeMap(([key, question]) => {
      const slot = knowledge.addresses.get(key)
      return ask(question, slot, looker).pipe(map((answer) => [key, addressesIn(answer)] as const))
    }, AT_ONCE),
    toArray(),
    map((readings) => new Map(readings)),
  )
}

/** An answer that another source was given is as good as one of our own while it is news to us and its time has not run out. */
function ask(question: Question, slot: Slot<unknown> | undefined, looker: Looker): Observable<Answer> {
  const { lookups, network, rules, now, attempt } = looker
  const isNews = (last: Answer) => {
    const time = last.ok ? clamp(last.ttl, rules.refresh) : rules.retry.min
    return last.at > (slot?.at ?? Number.NEGATIVE_INFINITY) && last.at + time > now()
  }
  return lookups.ask(question, network, isNews, attempt)
}

function targetsIn(answer: Answer, name: string): Reading<Target> {
  if (!answer.ok) return answer
  const { ttl, complete, at } = answer
  const records = answer.records.filter((record): record is SrvRecord => record.type === 'SRV')
  const offered = records.filter(({ target }) => target !== '')
  if (offered.length === 0) {
    const message = `${name}: the records say that the service is not offered (their target is the root)`
    return { ok: false, trouble: 'no_service', message, at }
  }
  const values = offered.map(({ target, port, weight, priority }) => ({ name: target, port, weight, priority }))
  return { ok: true, values, ttl, complete, at }
}

function addressesIn(answer: Answer): Reading<IpAddress> {
  if (!answer.ok) return answer
  const { records, ttl, complete, at } = answer
  return { ok: true, values: records.flatMap((record) => (record.type === 'SRV' ? [] : [record.address])), ttl, complete, at }
}

function addressesAlong(answer: Answer, families: readonly AddressFamily[]): Found {
  const found = new Map<AddressKey, Reading<IpAddress>>()
  if (!answer.ok) return found
  const { additionals, complete, at } = answer
  for (const family of families) {
    const ofFamily = additionals.filter(({ type }) => type === TYPE_OF[family])
    for (const [name, records] of Map.groupBy(ofFamily, (record: AddressRecord) => record.name)) {
      const ttl = Math.min(...records.map((record) => record.ttl)) * 1_000
      found.set(addressKey(family, name), { ok: true, values: records.map(({ address }) => address), ttl, complete, at })
    }
  }
  return found
}
