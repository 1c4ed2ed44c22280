import { describe, expect, it } from 'vitest'
import { serviceKey } from '../../../../src/model/virtual-service.ts'
import { loaded } from '../../config/support.ts'
import { identity } from '../makers.ts'
import { ClaimsBench, configuration, EVERYBODY } from './bench.ts'

const ONE = serviceKey(identity(1))
const STATIC = '[{ name: fixed, listen: 10.0.0.1:80, backends: [] }]'

/** Where these services have said something. */
function saying(said: Readonly<Record<string, number | Readonly<Record<string, string>>>>, first = configuration()): ClaimsBench {
  const made = new ClaimsBench(first)
  made.names(Object.keys(said))
  for (const [service, what] of Object.entries(said)) made.says(service, what)
  return made
}

describe('a claim', () => {
  it('becomes a service, with the defaults of the configuration and the instances as its source', () => {
    const made = saying({ web: { listen: '10.0.0.1:80', drain_timeout: '7s' } }, configuration('defaults: { scheduler: rr }'))
    expect(made.wanted()).toEqual(['10.0.0.1 web'])
    const [spec] = made.told.at(-1)?.wanted.services ?? []
    expect(spec).toMatchObject({ scheduler: 'rr', drainTimeout: 7_000, sources: [{ kind: 'consul', service: 'web' }] })
  })

  it('is asked for only where somebody is allowed to make it', () => {
    const made = new ClaimsBench(configuration('', '{ service: web-*, listen: [10.0.0.0/28:80] }'))
    made.names(['db', 'web-a', 'xweb-b'])
    expect(made.opened).toEqual(['names ', 'web-a'])
  })

  it('needs an allow at all', () => {
    const made = new ClaimsBench(configuration('', ''))
    expect([made.opened, made.told.at(-1)?.settled]).toEqual([[], true])
  })

  it.each([
    ['10.0.0.16:80', '{ service: "*", listen: [10.0.0.0/28:80] }'],
    ['10.0.0.1:81', '{ service: "*", listen: [10.0.0.0/28:80] }'],
    ['"[2001:db8::1]:80"', '{ service: "*", listen: [10.0.0.0/28:80] }'],
    ['10.0.0.1:80', '{ service: "*", listen: [10.0.0.0/28:80], protocols: [udp] }'],
  ])('to %s is refused by %s', (listen, allow) => {
    const made = saying({ web: { listen: listen.replaceAll('"', '') } }, configuration('', allow))
    expect(made.wanted()).toEqual([])
    expect(made.standing('web')?.refusal).toContain('is not among what the configuration allows it to claim')
  })

  it.each([
    ['10.0.0.15:80', '10.0.0.0/28:80'],
    ['10.0.0.1:8042', '10.0.0.1:8000-8099'],
    ['[2001:db8::1:0:0:1]:443', '"[2001:db8::/48]:*"'],
  ])('to %s is granted by %s', (listen, range) => {
    const made = saying({ web: { listen } }, configuration('', `{ service: web, listen: [${range}] }`))
    expect(made.wanted()).toHaveLength(1)
  })

  it('that was never valid makes nothing, says why, and is heard again when it is corrected', () => {
    const made = saying({ web: { listen: '10.0.0.1:80', scheduler: 'wrrr' } })
    expect(made.wanted()).toEqual([])
    expect(made.standing('web')?.refusal).toContain('scheduler: "wrrr" is not known; did you mean wrr?')
    made.says('web', 1)
    expect(made.wanted()).toEqual(['10.0.0.1 web'])
    expect(made.standing('web')?.refusal).toBeUndefined()
  })

  it('that turns bad keeps the last good definition', () => {
    const made = saying({ web: { listen: '10.0.0.1:80', scheduler: 'rr' } })
    const before = made.wanted()
    made.says('web', { listen: '10.0.0.1:80', scheduler: 'wrrr' })
    expect(made.wanted()).toEqual(before)
    expect(made.told.at(-1)?.wanted.services[0]?.scheduler).toBe('rr')
  })

  it('that says two things at once is refused', () => {
    const made = saying({ web: 1 })
    made.hears('web', { kind: 'marked', words: { listen: '10.0.0.2:80' }, problems: ['web-1 says listen twice'] })
    expect(made.wanted()).toEqual(['10.0.0.1 web'])
    expect(made.standing('web')?.refusal).toBe('web-1 says listen twice')
  })
})

describe('who was first', () => {
  it('keeps what it holds, and the next one gets it when it is free', () => {
    const made = saying({ a: 1, b: 1 })
    expect(made.wanted()).toEqual(['10.0.0.1 a'])
    expect(made.standing('b')?.refusal).toContain('tcp/10.0.0.1:80 is held by a of consul, which was first')
    made.says('a', 2)
    expect(made.wanted()).toEqual(['10.0.0.1 b', '10.0.0.2 a'])
  })

  it('keeps it over a restart, whoever speaks first', () => {
    const claim = (service: string, since: number) => ({ catalog: 'consul', service, words: { listen: '10.0.0.1:80' }, since })
    const made = new ClaimsBench(configuration(), { claims: [claim('b', 20), claim('a', 10)] })
    expect(made.wanted()).toEqual(['10.0.0.1 a'])
    made.names(['a', 'b'])
    made.says('b', 1)
    made.says('a', 1)
    expect(made.wanted()).toEqual(['10.0.0.1 a'])
  })

  it('does not give way when it wants what another holds', () => {
    const made = saying({ a: 1, b: 2 })
    made.says('a', 2)
    made.says('b', 1)
    expect(made.wanted()).toEqual(['10.0.0.1 a', '10.0.0.2 b'])
  })

  it('moves to what it waits for once that is free, and only then frees what it held', () => {
    const made = saying({ c: 1, d: 2 })
    made.says('c', 2)
    expect(made.wanted()).toEqual(['10.0.0.1 c', '10.0.0.2 d'])
    made.hears('d', { kind: 'unmarked' })
    expect(made.wanted()).toEqual(['10.0.0.2 c'])
  })

  it('waits no longer for what it has stopped asking for', () => {
    const made = saying({ c: 1, d: 2 })
    made.says('c', 2)
    made.says('c', { listen: 'nowhere' })
    made.hears('d', { kind: 'unmarked' })
    expect(made.wanted()).toEqual(['10.0.0.1 c'])
  })

  it('is no matter where one frees what the other waits for, in a chain', () => {
    const made = saying({ a: 1, b: 2, c: 3 })
    made.says('c', 2)
    made.says('b', 1)
    made.says('a', 4)
    expect(made.wanted()).toEqual(['10.0.0.1 b', '10.0.0.2 c', '10.0.0.4 a'])
  })
})

describe('a service of the configuration', () => {
  it('stands before every claim, also when it comes later; the claim comes back', () => {
    const made = saying({ a: 1, b: 1 })
    made.configure(configuration('', EVERYBODY, STATIC))
    expect(made.wanted()).toEqual(['10.0.0.1 fixed'])
    expect(made.standing('a')?.yieldsTo).toBe('fixed')
    made.configure(configuration())
    expect(made.wanted()).toEqual(['10.0.0.1 a'])
  })

  it('cannot be claimed from, until it leaves', () => {
    const made = saying({ a: 2, b: 1 }, configuration('', EVERYBODY, STATIC))
    made.says('a', 1)
    expect(made.wanted()).toEqual(['10.0.0.1 fixed', '10.0.0.2 a'])
    expect(made.standing('b')?.refusal).toContain('is served by fixed of the configuration')
    made.configure(configuration())
    expect(made.wanted()).toHaveLength(1)
  })

  it('keeps its name', () => {
    const made = saying({ fixed: 2 }, configuration('', EVERYBODY, STATIC))
    expect(made.wanted()).toEqual(['10.0.0.1 fixed', '10.0.0.2 fixed (consul)'])
  })
})

describe('a service without instances', () => {
  it('stays until the operator lets it go', () => {
    const made = saying({ web: 1 })
    made.gone('web')
    made.names([])
    made.pass(86_400_000)
    made.gone('web')
    expect(made.wanted()).toEqual(['10.0.0.1 web'])
    made.approve(ONE)
    expect(made.wanted()).toEqual([])
    expect(made.closed).toEqual(['web'])
  })

  it('is not let go while it has instances', () => {
    const made = saying({ web: 1 })
    made.approve(ONE)
    expect(made.wanted()).toEqual(['10.0.0.1 web'])
  })

  it.each([
    ['apply', 0, []],
    ['30s', 29_000, ['10.0.0.1 web']],
    ['30s', 30_000, []],
  ])('with on_empty %s, %i ms later', (onEmpty, later, left) => {
    const made = saying({ web: { listen: '10.0.0.1:80', guard_on_empty: onEmpty } })
    made.gone('web')
    made.pass(later)
    made.gone('web')
    expect(made.wanted()).toEqual(left)
  })

  it('is not released by time alone, nor by an answer that cannot be trusted, and begins anew when it was back', () => {
    const made = saying({ web: { listen: '10.0.0.1:80', guard_on_empty: '30s' } })
    made.gone('web')
    made.pass(60_000)
    for (const trust of ['stale', 'truncated', 'leaderless'] as const) made.gone('web', trust)
    expect(made.wanted()).toEqual(['10.0.0.1 web'])
    made.says('web', { listen: '10.0.0.1:80', guard_on_empty: '30s' })
    made.gone('web')
    expect(made.wanted()).toEqual(['10.0.0.1 web'])
  })

  it('goes at once when instances that are there say nothing any more', () => {
    const made = saying({ web: 1, b: 1 })
    made.hears('web', { kind: 'unmarked' }, 'truncated')
    expect(made.wanted()).toEqual(['10.0.0.1 web'])
    made.hears('web', { kind: 'unmarked' })
    expect(made.wanted()).toEqual(['10.0.0.1 b'])
  })
})

describe('answers that cannot be trusted', () => {
  it('add and change nothing', () => {
    const made = new ClaimsBench()
    made.names(['web'], 'leaderless')
    made.says('web', 1, 'leaderless')
    expect(made.wanted()).toEqual(['10.0.0.1 web'])
    made.says('web', 2, 'stale')
    expect(made.wanted()).toEqual(['10.0.0.1 web'])
    made.names([], 'leaderless')
    expect(made.wanted()).toEqual(['10.0.0.1 web'])
    made.says('web', 2)
    expect(made.wanted()).toEqual(['10.0.0.2 web'])
  })
})

describe('a start', () => {
  const claim = { catalog: 'consul', service: 'web', words: { listen: '10.0.0.1:80' }, since: 5 }

  it('knows what was granted while the registry is dead', () => {
    const made = new ClaimsBench(configuration(), { claims: [claim] })
    made.fail()
    expect(made.wanted()).toEqual(['10.0.0.1 web'])
    expect(made.told.at(-1)?.settled).toBe(false)
    made.fail('web')
    expect(made.told.at(-1)?.settled).toBe(true)
  })

  it('does not grant again what is allowed no longer', () => {
    const allow = '{ service: web, listen: [10.0.0.2:80] }'
    expect(new ClaimsBench(configuration('', allow), { claims: [claim] }).wanted()).toEqual([])
  })

  it('is settled once everybody who may claim has spoken', () => {
    const made = new ClaimsBench()
    expect(made.told.at(-1)?.settled).toBe(false)
    made.names(['a', 'b'])
    made.says('a', 1)
    expect(made.told.at(-1)?.settled).toBe(false)
    made.hears('b', { kind: 'unmarked' })
    expect(made.told.at(-1)).toMatchObject({ settled: true, wanted: { services: [{ name: 'a' }] } })
  })

  it('leaves what may still be claimed undecided until trusted answers have told', () => {
    const made = new ClaimsBench(configuration(), { owned: [identity(1), identity(2), identity(99)] })
    expect(made.undecided()).toEqual(['tcp/10.0.0.1:80', 'tcp/10.0.0.2:80'])
    made.fail()
    made.names(['web', 'db'], 'leaderless')
    made.says('web', 1)
    expect(made.undecided()).toEqual(['tcp/10.0.0.2:80'])
    made.names(['web', 'db'])
    expect(made.undecided()).toEqual(['tcp/10.0.0.2:80'])
    made.hears('db', { kind: 'unmarked' })
    expect(made.undecided()).toEqual([])
  })
})

describe('a token that may not see every name', () => {
  const claim = { catalog: 'consul', service: 'web', words: { listen: '10.0.0.1:80' }, since: 5 }

  it('leaves undecided for ever what nobody has wanted since the start, and nothing else', () => {
    const made = new ClaimsBench(configuration(), { claims: [claim], owned: [identity(1), identity(2)] })
    made.names(['web', 'b'], 'truncated')
    made.hears('web', { kind: 'unmarked' })
    expect(made.wanted()).toEqual([])
    expect(made.undecided()).toEqual(['tcp/10.0.0.1:80', 'tcp/10.0.0.2:80'])
    made.hears('b', { kind: 'unmarked' })
    expect(made.undecided()).toEqual(['tcp/10.0.0.2:80'])
    made.names(['web', 'b'])
    expect(made.undecided()).toEqual([])
  })

  it('makes a list that was whole one that is not: who had not answered and is named no longer may claim still', () => {
    const made = new ClaimsBench(configuration(), { owned: [identity(1)] })
    made.names(['web'])
    made.names([], 'truncated')
    expect(made.undecided()).toEqual(['tcp/10.0.0.1:80'])
    made.names([])
    expect(made.undecided()).toEqual([])
  })

  it('has those asked no longer that it does not name any more, but for who holds something', () => {
    const made = new ClaimsBench()
    made.names(['web', 'idle'], 'truncated')
    made.says('web', 1)
    made.hears('idle', { kind: 'unmarked' })
    made.names([], 'truncated')
    expect(made.closed).toEqual(['idle'])
    expect(made.wanted()).toEqual(['10.0.0.1 web'])
  })
})

describe('a new configuration', () => {
  it('keeps the questions and what is held, and takes away what it no longer allows', () => {
    const made = saying({ a: 1, b: 2 })
    const opened = [...made.opened]
    made.configure(configuration('', '{ service: "*", listen: [10.0.0.2:80] }'))
    expect(made.wanted()).toEqual(['10.0.0.2 b'])
    expect(made.opened).toEqual(opened)
    made.configure(configuration())
    expect(made.wanted()).toEqual(['10.0.0.1 a', '10.0.0.2 b'])
  })

  it('asks anew where the registry is reached another way, and holds what was granted meanwhile', () => {
    const made = saying({ web: 1 })
    const text = `services: []\ncatalog: [{ consul: { address: 'http://127.0.0.2:8500' }, allow: [${EVERYBODY}] }]`
    made.configure(loaded(text))
    expect(made.closed).toEqual(['names ', 'web'])
    expect(made.wanted()).toEqual(['10.0.0.1 web'])
  })

  it('changes what claims inherit', () => {
    const made = saying({ web: 1 })
    made.configure(configuration('defaults: { scheduler: sed }'))
    expect(made.told.at(-1)?.wanted.services[0]?.scheduler).toBe('sed')
  })

  it('without the catalog has no claims', () => {
    const made = saying({ web: 1 })
    made.configure({ services: [], catalogs: [] })
    expect(made.wanted()).toEqual([])
    expect(made.closed).toEqual(['names ', 'web'])
  })
})

it('namespaces are asked one by one, and permissions count in their own', () => {
  const made = new ClaimsBench(configuration('', `${EVERYBODY}, { service: web, namespace: team-a, listen: [10.0.0.3:80] }`))
  expect(made.opened).toEqual(['names ', 'names team-a'])
  made.names(['web', 'db'], 'fresh', 'team-a')
  made.says('team-a/web', 3)
  expect(made.wanted()).toEqual(['10.0.0.3 team-a/web'])
  expect(made.told.at(-1)?.wanted.services[0]?.sources).toMatchObject([{ service: 'web', namespace: 'team-a' }])
})
