import fc from 'fast-check'
import { expect, it } from 'vitest'
import { serviceKey } from '../../../../src/model/virtual-service.ts'
import type { PastClaim } from '../../../../src/pipeline/claims/claim.ts'
import { identity } from '../makers.ts'
import { ClaimsBench, configuration, EVERYBODY } from './bench.ts'

const SERVICES = ['a', 'b', 'c', 'd'] as const
const PLAIN = configuration()
const FIXED = configuration('', EVERYBODY, '[{ name: fixed, listen: 10.0.0.1:80, backends: [] }]')

const service = fc.constantFrom(...SERVICES)
const listen = fc.integer({ min: 1, max: 3 })
const untrusted = fc.constantFrom('stale' as const, 'leaderless' as const)

const says = fc.record({ kind: fc.constant('says' as const), service, listen })
const bad = fc.record({ kind: fc.constant('bad' as const), service })
const gone = fc.record({ kind: fc.constant('gone' as const), service })
const unmarked = fc.record({ kind: fc.constant('unmarked' as const), service })
const approve = fc.record({ kind: fc.constant('approve' as const), listen })
const fixed = fc.record({ kind: fc.constant('fixed' as const), there: fc.boolean() })
const fails = fc.record({ kind: fc.constant('fails' as const), service: fc.option(service, { nil: undefined }) })
const doubt = fc.record({
  kind: fc.constant('doubt' as const),
  service,
  listen: fc.option(listen, { nil: undefined }),
  untrusted,
})
const anyEvent = fc.oneof({ weight: 6, arbitrary: says }, bad, gone, unmarked, approve, fixed, fails, doubt)

type AnyEvent = typeof anyEvent extends fc.Arbitrary<infer Event> ? Event : never

function apply(made: ClaimsBench, event: AnyEvent): void {
  made.names(SERVICES)
  switch (event.kind) {
    case 'says':
      made.says(event.service, event.listen)
      break
    case 'bad':
      made.says(event.service, { listen: 'nowhere' })
      break
    case 'gone':
      made.gone(event.service)
      break
    case 'unmarked':
      made.hears(event.service, { kind: 'unmarked' })
      break
    case 'approve':
      made.approve(serviceKey(identity(event.listen)))
      break
    case 'fixed':
      made.configure(event.there ? FIXED : PLAIN)
      break
    case 'fails':
      made.fail(event.service)
      break
    case 'doubt':
      if (event.listen === undefined) made.gone(event.service, event.untrusted)
      else made.says(event.service, event.listen, event.untrusted)
  }
}

/** Who holds what, by key. */
function holders(made: ClaimsBench): Map<string, string> {
  const claims = SERVICES.flatMap((name) => {
    const claim = made.standing(name)?.claim
    return claim === undefined ? [] : [[serviceKey(claim.spec.identity), name] as const]
  })
  expect(new Set(claims.map(([key]) => key)).size).toBe(claims.length)
  return new Map(claims)
}

/** What a service asked for by its last word that counts while it holds something; undefined where that asks for nothing. */
function askedFor(events: readonly AnyEvent[], service: string): string | undefined {
  const last = events.findLast(
    (event) =>
      (event.kind === 'says' || event.kind === 'bad' || event.kind === 'gone' || event.kind === 'unmarked') &&
      event.service === service,
  )
  return last?.kind === 'says' ? serviceKey(identity(last.listen)) : undefined
}

/** Whether the holder itself, or the operator for it, gives up what it holds and gets nothing else. */
function givesUp(event: AnyEvent, holder: string, key: string): boolean {
  if (event.kind === 'approve') return serviceKey(identity(event.listen)) === key
  return event.kind === 'unmarked' && event.service === holder
}

it('nobody but a holder and the operator frees what is held, whatever happens; the configuration always has its own', () => {
  fc.assert(
    fc.property(fc.array(anyEvent, { maxLength: 40 }), (events) => {
      const made = new ClaimsBench()
      for (const [at, event] of events.entries()) {
        const past = events.slice(0, at + 1)
        const before = holders(made)
        apply(made, event)
        const now = holders(made)
        for (const [key, holder] of before) {
          if (now.get(key) === holder) continue
          const [other] = [...now].find(([, name]) => name === holder) ?? []
          if (other === undefined) expect(givesUp(event, holder, key)).toBe(true)
          else expect(other).toBe(askedFor(past, holder))
        }
        const wanted = made.wanted()
        expect(new Set(wanted.map((each) => each.split(' ')[0])).size).toBe(wanted.length)
        const last = past.findLast(({ kind }) => kind === 'fixed')
        const isFixed = last?.kind === 'fixed' && last.there
        const served = [...now.keys()].filter((key) => !isFixed || key !== 'tcp/10.0.0.1:80')
        expect(wanted).toHaveLength(served.length + (isFixed ? 1 : 0))
        if (isFixed) expect(wanted).toContain('10.0.0.1 fixed')
      }
    }),
    { numRuns: 60 },
  )
}, 60_000)

it('a new process that finds what was granted wants the same before anybody has spoken', () => {
  fc.assert(
    fc.property(fc.array(anyEvent, { maxLength: 25 }), (events) => {
      const made = new ClaimsBench()
      for (const event of events) if (event.kind !== 'fixed') apply(made, event)
      const claims = SERVICES.flatMap((name): PastClaim[] => {
        const { who, claim } = made.standing(name) ?? {}
        return who === undefined || claim === undefined ? [] : [{ ...who, words: claim.words, since: claim.since }]
      })
      expect(new ClaimsBench(PLAIN, { claims }).wanted()).toEqual(made.wanted())
    }),
    { numRuns: 40 },
  )
}, 60_000)
