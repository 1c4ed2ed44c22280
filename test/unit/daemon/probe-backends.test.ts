import { Subject, VirtualTimeScheduler } from 'rxjs'
import { beforeEach, describe, expect, it } from 'vitest'
import { type Certificates, probeBackends } from '../../../src/daemon/probe-backends.ts'
import { formatEndpoint } from '../../../src/model/address.ts'
import type { AdminState } from '../../../src/model/admin-state.ts'
import type { DestinationKey } from '../../../src/model/destination.ts'
import type { ProbeResult } from '../../../src/model/probe-result.ts'
import type { CheckSpec } from '../../../src/model/probe-spec.ts'
import type { ServiceSpec } from '../../../src/model/service-spec.ts'
import { type ServiceKey, serviceKey } from '../../../src/model/virtual-service.ts'
import type { DesiredUpdate, OperationalNews, ServiceProvenance } from '../../../src/pipeline/desired-update.ts'
import type { Members } from '../../../src/pipeline/hold.ts'
import { identity, key, members, provenance, spec, tcpCheck } from '../pipeline/makers.ts'
import { letPass } from './virtual-time.ts'

const check: CheckSpec = { ...tcpCheck, interval: 1_000, timeout: 500, rise: 2, fall: 3, jitter: 0 }
const REFUSED: ProbeResult = { outcome: 'failed', failure: 'refused', message: 'refuses connections' }
const STATUS: ProbeResult = { outcome: 'failed', failure: 'wrong-answer', message: 'answers 503' }

const standing = (of: ServiceSpec, all: Members, admin: ReadonlyMap<DestinationKey, AdminState> = new Map()): ServiceProvenance =>
  provenance(of, { members: all, admin })

class Bench {
  readonly scheduler = new VirtualTimeScheduler(undefined, 0)
  readonly updates$ = new Subject<DesiredUpdate>()
  readonly asked: [string, number][] = []
  readonly news: (OperationalNews & { readonly at: number })[] = []
  readonly results: string[] = []
  readonly certificates = new Map<ServiceKey, Certificates>()
  readonly late: number[] = []
  /** By kind and endpoint; everybody else answers. */
  readonly answers = new Map<string, ProbeResult>()
  readonly subscription = probeBackends(this.updates$, {
    probeFor:
      ({ kind }, { address, port }) =>
      async () => {
        const name = `${kind} ${formatEndpoint(address, port)}`
        this.asked.push([name, this.scheduler.now()])
        return this.answers.get(name) ?? { outcome: 'passed' }
      },
    limit: 100,
    onResult: (kind, { outcome }) => this.results.push(`${kind} ${outcome}`),
    onCertificates: (service, shown) => this.certificates.set(service, shown),
    onBegin: (late) => this.late.push(late),
    scheduler: this.scheduler,
  }).subscribe((news) => this.news.push({ ...news, at: this.scheduler.now() }))

  follow(...services: ServiceProvenance[]): void {
    const all = new Map(services.map((one) => [serviceKey(one.spec.identity), one]))
    this.updates$.next({ desired: { services: new Map() }, provenance: all, eventAt: 0 })
  }

  answer(result: ProbeResult, kind: string, ...list: number[]): void {
    for (const number of list) this.answers.set(`${kind} ${key(number)}`, result)
  }

  /** Health by number, as told last of a service. */
  health(of: ServiceSpec): Record<string, string> {
    const last = this.news.findLast(({ service }) => service === serviceKey(of.identity))
    return Object.fromEntries([...(last?.found ?? [])].map(([destination, { health }]) => [destination, health]))
  }

  askedOf(number: number, kind = 'tcp'): number[] {
    return this.asked.filter(([name]) => name === `${kind} ${key(number)}`).map(([, at]) => at)
  }

  async until(time: number): Promise<void> {
    await letPass(this.scheduler, time, 10)
  }
}

let made: Bench
beforeEach(() => {
  made = new Bench()
})

const web = spec({ checks: [check] })

describe('probing backends', () => {
  it('asks at once, and tells in one go what the first answers are', async () => {
    made.answer(REFUSED, 'tcp', 2)
    made.follow(standing(web, members(1, 2)))
    await made.until(200)
    expect(made.news.at(-1)?.at).toBeLessThanOrEqual(60)
    expect(made.late).toEqual([0, 0])
    expect(made.health(web)).toEqual({ [key(1)]: 'up', [key(2)]: 'unknown' })
    expect(made.news.at(-1)?.found.get(key(2))).toMatchObject({ message: 'refuses connections', failure: 'refused' })
  })

  it('turns by rise and fall', async () => {
    made.follow(standing(web, members(1)))
    await made.until(100)
    made.answer(REFUSED, 'tcp', 1)
    await made.until(6_000)
    const downAt = made.news.find(({ found }) => found.get(key(1))?.health === 'down')?.at ?? 0
    const asked = made.askedOf(1).filter((at) => at > 100 && at <= downAt)
    expect(asked).toHaveLength(3)
    expect(downAt - (asked[2] ?? 0)).toBeLessThanOrEqual(60)
    made.answers.clear()
    await made.until(12_000)
    expect(made.health(web)).toEqual({ [key(1)]: 'up' })
    expect(made.news.at(-1)?.found.get(key(1))).toMatchObject({ turns: 3 })
  })

  it('tells of the certificates that are shown, check by check, until their backend goes', async () => {
    const tls = { ...check, probe: { kind: 'tls', tls: { verify: true } } } as const
    const secure = spec({ checks: [check, tls, { ...tls, port: 8443 }] })
    const shown = () => [...(made.certificates.get(serviceKey(secure.identity)) ?? [])].map(([at, days]) => [at, [...days]])
    made.answer({ outcome: 'passed', certificateDays: 12 }, 'tls', 1, 2)
    made.answers.set('tls 10.1.0.1:8443', { ...STATUS, certificateDays: -1 })
    made.follow(standing(secure, members(1, 2)))
    await made.until(200)
    const one = [
      key(1),
      [
        ['tls', 12],
        ['tls 2', -1],
      ],
    ]
    expect(shown()).toEqual([one, [key(2), [['tls', 12]]]])
    made.answer({ outcome: 'passed', certificateDays: 11 }, 'tls', 2)
    await made.until(2_000)
    expect(shown()).toEqual([one, [key(2), [['tls', 11]]]])
    made.follow(standing(secure, members(1)))
    await made.until(2_200)
    expect(shown()).toEqual([one])
    made.follow()
    expect(shown()).toEqual([])
  })

  it('tells nothing while nothing changes', async () => {
    made.follow(standing(web, members(1, 2, 3)))
    await made.until(500)
    const told = made.news.length
    await made.until(10_000)
    expect(made.news).toHaveLength(told)
    expect(made.results.length).toBeGreaterThan(25)
  })

  it('tells nothing new of a backend whose failures differ in their words alone', async () => {
    made.follow(standing(web, members(1, 2)))
    made.answer(STATUS, 'tcp', 1)
    await made.until(5_000)
    expect(made.health(web)).toMatchObject({ [key(1)]: 'down' })
    const told = made.news.length
    made.answer({ ...STATUS, message: 'answers 503 (request 7)' } as ProbeResult, 'tcp', 1)
    await made.until(9_000)
    expect(made.news).toHaveLength(told)
    made.answer(REFUSED, 'tcp', 1)
    await made.until(11_000)
    expect(made.news.at(-1)?.found.get(key(1))).toMatchObject({ failure: 'refused', message: 'refuses connections' })
  })

  it('asks once for two services that ask alike, and tells both', async () => {
    const other = spec({ identity: identity(2), name: 'other', checks: [{ ...check }] })
    made.follow(standing(web, members(1)), standing(other, members(1)))
    await made.until(3_500)
    expect(made.askedOf(1)).toHaveLength(4)
    expect(made.health(web)).toEqual({ [key(1)]: 'up' })
    expect(made.health(other)).toEqual({ [key(1)]: 'up' })
  })

  it('asks more often while a backend is about to turn, and as often as it likes while it is down', async () => {
    const quick = spec({ checks: [{ ...check, fastInterval: 200, downInterval: 4_000 }] })
    made.follow(standing(quick, members(1)))
    await made.until(100)
    made.answer(REFUSED, 'tcp', 1)
    await made.until(16_000)
    const [first = 0, second = 0, third = 0, fourth = 0, fifth = 0] = made.askedOf(1).filter((at) => at > 100)
    expect(third - first).toBeLessThanOrEqual(600)
    expect(second - first).toBeGreaterThanOrEqual(100)
    expect(fifth - fourth).toBeCloseTo(4_000, -2)
  })

  it('goes on from what was found when settings change, and asks anew at once', async () => {
    made.answer(REFUSED, 'tcp', 2)
    made.follow(standing(web, members(1, 2)))
    await made.until(4_050)
    expect(made.health(web)).toEqual({ [key(1)]: 'up', [key(2)]: 'down' })
    const told = made.news.length
    const changed = spec({ checks: [{ ...check, interval: 3_000 }] })
    made.follow(standing(changed, members(1, 2)))
    await made.until(4_200)
    expect(made.health(changed)).toEqual({ [key(1)]: 'up', [key(2)]: 'down' })
    expect(made.news).toHaveLength(told)
    expect(made.askedOf(1).filter((at) => at >= 4_050)).toHaveLength(1)
  })

  it('needs all checks of several to pass, and says which does not', async () => {
    const http: CheckSpec = {
      ...check,
      probe: {
        kind: 'http',
        version: '1.1',
        method: 'GET',
        path: '/',
        headers: {},
        status: [{ from: 200, to: 299 }],
        redirects: 'accept',
      },
    }
    const both = spec({ checks: [check, http] })
    made.answer(STATUS, 'http', 1)
    made.follow(standing(both, members(1, 2)))
    await made.until(4_000)
    expect(made.health(both)).toEqual({ [key(1)]: 'down', [key(2)]: 'up' })
    expect(made.news.at(-1)?.found.get(key(1))).toMatchObject({ message: 'http: answers 503', failure: 'wrong-answer' })
  })

  it('begins as the configuration says', async () => {
    const down = spec({ checks: [{ ...check, initial: 'down' }] })
    made.follow(standing(down, members(1)))
    await made.until(500)
    expect(made.health(down)).toEqual({ [key(1)]: 'down' })
    await made.until(2_500)
    expect(made.health(down)).toEqual({ [key(1)]: 'up' })
  })

  it('leaves members in maintenance alone until it ends, and then knows nothing of them', async () => {
    const word: AdminState = { state: 'maintenance', at: 0, until: 3_000 }
    const resting = standing(web, members(1, 2), new Map([[key(2), word]]))
    made.follow(resting)
    await made.until(2_900)
    expect(made.askedOf(2)).toEqual([])
    expect(made.health(web)).toEqual({ [key(1)]: 'up' })
    await made.until(3_000)
    made.follow({ ...resting })
    await made.until(3_200)
    expect(made.askedOf(2)).toHaveLength(1)
    expect(made.health(web)).toEqual({ [key(1)]: 'up', [key(2)]: 'up' })
  })

  it('takes a refusal for no answer where the server may listen at the VIP alone', async () => {
    const direct = spec({ checks: [check], forwarding: { method: 'direct' } })
    made.answer(REFUSED, 'tcp', 1)
    made.follow(standing(direct, members(1)))
    await made.until(6_000)
    expect(made.news.at(-1)?.found.get(key(1))).toMatchObject({
      health: 'unknown',
      message: expect.stringContaining('VIP alone'),
    })
    const elsewhere = spec({ checks: [{ ...check, port: 8080 as never }], forwarding: { method: 'direct' } })
    made.follow(standing(elsewhere, members(1)))
    await made.until(12_000)
    expect(made.health(elsewhere)).toEqual({ [key(1)]: 'down' })
  })

  it('takes a refusal for one where the server has answered there before, and not where silence is an answer', async () => {
    const direct = spec({ checks: [check], forwarding: { method: 'direct' } })
    made.follow(standing(direct, members(1)))
    await made.until(2_000)
    expect(made.health(direct)).toEqual({ [key(1)]: 'up' })
    made.answer(REFUSED, 'tcp', 1)
    await made.until(6_000)
    expect(made.health(direct)).toEqual({ [key(1)]: 'down' })
    const silent = spec({ checks: [{ ...check, probe: { kind: 'udp', send: 'x' } }], forwarding: { method: 'direct' } })
    made.follow(standing(silent, members(2)))
    await made.until(8_000)
    made.answer(REFUSED, 'udp', 2)
    await made.until(14_000)
    expect(made.health(silent)).toEqual({ [key(2)]: 'up' })
  })

  it('asks nobody without a port, nobody of a service without checks, and nobody any more who has left', async () => {
    const unchecked = spec({ identity: identity(2), name: 'unchecked', checks: [] })
    made.follow(standing(web, members(1, 2)), standing(unchecked, members(3)))
    await made.until(500)
    made.follow(standing(web, members(2)))
    await made.until(3_000)
    expect(made.askedOf(3)).toEqual([])
    expect(made.askedOf(1).every((at) => at <= 500)).toBe(true)
    expect(made.health(web)).toEqual({ [key(2)]: 'up' })
    made.subscription.unsubscribe()
    const { length } = made.asked
    await made.until(6_000)
    expect(made.asked).toHaveLength(length)
  })
})
