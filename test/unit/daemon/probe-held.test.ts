import { Subject, VirtualTimeScheduler } from 'rxjs'
import { beforeEach, describe, expect, it } from 'vitest'
import { whyNotProbed } from '../../../src/daemon/held-members.ts'
import type { Finding } from '../../../src/daemon/held-standings.ts'
import { logFinding, logGuard } from '../../../src/daemon/log-guard.ts'
import { probeHeld } from '../../../src/daemon/probe-held.ts'
import type { ProbeTarget } from '../../../src/health/target.ts'
import { loggerTo } from '../../../src/log.ts'
import { formatEndpoint, type Port } from '../../../src/model/address.ts'
import type { DestinationKey } from '../../../src/model/destination.ts'
import type { ProbeResult } from '../../../src/model/probe-result.ts'
import type { CheckSpec } from '../../../src/model/probe-spec.ts'
import type { ServiceSpec } from '../../../src/model/service-spec.ts'
import { type ServiceIdentity, serviceKey } from '../../../src/model/virtual-service.ts'
import type { DesiredUpdate, HeldRemoval, ProbeVerdict, ServiceProvenance } from '../../../src/pipeline/desired-update.ts'
import { backend, identity, key, members, provenance, spec, tcpCheck } from '../pipeline/makers.ts'
import { letPass } from './virtual-time.ts'

const tcp = spec({ checks: [tcpCheck] })
const WEB = serviceKey(tcp.identity)
const REFUSED: ProbeResult = { outcome: 'failed', failure: 'refused', message: '10.1.0.1:8080 refuses connections' }
const TIMED_OUT: ProbeResult = { outcome: 'failed', failure: 'timed-out', message: '10.1.0.1:8080 does not answer in time' }
const UNKNOWN: ProbeResult = { outcome: 'unknown', message: 'no connection could be tried (EMFILE)' }

/** A service of which the removal of some members is held; all others are named by their source. */
function holding(of: ServiceSpec, held: readonly number[], all: Parameters<typeof members> = [1, 2, 3, 4]): ServiceProvenance {
  const removal: HeldRemoval = { since: 0, rule: 'removal' }
  return provenance(of, { members: members(...all), held: new Map(held.map((number) => [key(number), removal])) })
}

function update(...services: ServiceProvenance[]): DesiredUpdate {
  const all = new Map(services.map((one) => [serviceKey(one.spec.identity), one]))
  return { desired: { services: new Map() }, provenance: all, eventAt: 0 }
}

function failing(...list: number[]): ReadonlySet<DestinationKey> {
  return new Set(list.map(key))
}

class Bench {
  readonly scheduler = new VirtualTimeScheduler(undefined, 0)
  readonly updates$ = new Subject<DesiredUpdate>()
  readonly asked: [string, number][] = []
  readonly targets: ProbeTarget[] = []
  readonly verdicts: (ProbeVerdict & { readonly at: number })[] = []
  readonly findings: Finding[] = []
  readonly outcomes: string[] = []
  /** By endpoint; everybody else answers. */
  readonly answers = new Map<string, ProbeResult>()
  readonly subscription = probeHeld(this.updates$, {
    tcpProbe: (target) => async () => {
      const name = formatEndpoint(target.address, target.port)
      this.targets.push(target)
      this.asked.push([name, this.scheduler.now()])
      return this.answers.get(name) ?? { outcome: 'passed' }
    },
    onResult: ({ outcome }) => this.outcomes.push(outcome),
    onFinding: (finding) => this.findings.push(finding),
    scheduler: this.scheduler,
  }).subscribe((verdict) => this.verdicts.push({ ...verdict, at: this.scheduler.now() }))

  holds(...services: ServiceProvenance[]): void {
    this.updates$.next(update(...services))
  }

  answer(result: ProbeResult, ...list: number[]): void {
    for (const number of list) this.answers.set(key(number), result)
  }

  async until(time: number): Promise<void> {
    await letPass(this.scheduler, time, 10)
  }
}

let made: Bench
beforeEach(() => {
  made = new Bench()
})

describe('who is probed', () => {
  it('exactly the held members, at once, then about once in a second, and no longer than they are held', async () => {
    made.holds(holding(tcp, []))
    await made.until(1_000)
    expect(made.asked).toEqual([])
    made.holds(holding(tcp, [2, 3]))
    await made.until(5_900)
    expect(made.asked.slice(0, 2).map(([name]) => name)).toEqual([key(2), key(3)])
    expect(made.asked[1]?.[1]).toBeLessThanOrEqual(1_010)
    expect(made.asked.filter(([name]) => name === key(2)).length).toBeGreaterThanOrEqual(5)
    expect(made.asked.filter(([name]) => name === key(2)).length).toBeLessThanOrEqual(6)
    made.holds(holding(tcp, [3]))
    const { length } = made.asked
    await made.until(9_000)
    expect(new Set(made.asked.slice(length).map(([name]) => name))).toEqual(new Set([key(3)]))
    made.holds()
    const ended = made.asked.length
    await made.until(12_000)
    expect(made.asked).toHaveLength(ended)
  })

  it('once, when several services hold the same member', async () => {
    made.answer(REFUSED, 1)
    const other = spec({ checks: [tcpCheck], name: 'other', identity: identity(2) })
    made.holds(holding(tcp, [1]), holding(other, [1, 2]))
    await made.until(400)
    expect(made.asked.map(([name]) => name)).toEqual([key(1), key(2)])
    await made.until(2_000)
    expect(
      made.verdicts.filter((verdict) => verdict.failing.size > 0).map((verdict) => [verdict.service, verdict.failing]),
    ).toEqual([
      [WEB, failing(1)],
      [serviceKey(identity(2)), failing(1)],
    ])
  })

  it('is known at once in a service that begins to hold what another finds dead', async () => {
    made.answer(REFUSED, 1)
    made.holds(holding(tcp, [1]))
    await made.until(3_000)
    const other = spec({ checks: [tcpCheck], name: 'other', identity: identity(2) })
    made.holds(holding(tcp, [1]), holding(other, [1]))
    await made.until(3_210)
    expect(made.verdicts.at(-1)).toMatchObject({ service: serviceKey(identity(2)), failing: failing(1) })
  })

  it('is told again where the holding has ended and begun anew while another service held on', async () => {
    made.answer(REFUSED, 1)
    const other = spec({ checks: [tcpCheck], name: 'other', identity: identity(2) })
    made.holds(holding(tcp, [1]), holding(other, [1]))
    await made.until(3_000)
    const { length } = made.verdicts
    made.holds(holding(tcp, []), holding(other, [1]))
    await made.until(3_050)
    made.holds(holding(tcp, [1]), holding(other, [1]))
    await made.until(3_500)
    expect(made.verdicts.slice(length)).toMatchObject([{ service: WEB, failing: failing(1) }])
  })

  it('as a health check of its own connects: at its port, from its address, with its mark', async () => {
    const sourceAddress = backend(9).address
    const check = { ...tcpCheck, port: 9_000 as Port, sourceAddress, fwmark: 7 }
    const own = spec({ checks: [{ ...tcpCheck, probe: { kind: 'agent' } }, check], forwarding: { method: 'direct' } })
    made.answers.set('10.1.0.1:9000', REFUSED)
    made.holds(holding(own, [1]))
    await made.until(3_000)
    expect(made.targets[0]).toEqual({ address: '10.1.0.1', port: 9_000, sourceAddress, mark: 7 })
    expect(made.verdicts.at(-1)?.failing).toEqual(failing(1))
  })

  it.each<[string, Partial<CheckSpec>]>([
    ['the address of the service', { via: 'vip' }],
    ['another address', { address: backend(9).address }],
    ['a program', { probe: { kind: 'exec', command: ['/bin/true'], dynamic: false } }],
    ['UDP', { probe: { kind: 'udp', send: 'x' } }],
  ])('by its own health checks alone where they go by %s: a connect that fails there says nothing', async (_, check) => {
    const own = spec({ checks: [{ ...tcpCheck, ...check }] })
    expect(whyNotProbed(own)).toBeUndefined()
    made.answer(TIMED_OUT, 1)
    made.holds(holding(own, [1]))
    await made.until(10_000)
    expect([made.asked, made.verdicts]).toEqual([[], []])
  })

  it.each(['udp', 'sctp'] as const)('by its own health checks alone where the service is of %s', async (protocol) => {
    const own = spec({ identity: { ...identity(), protocol } as ServiceIdentity, checks: [tcpCheck] })
    expect(whyNotProbed(own)).toBeUndefined()
    made.answer(REFUSED, 1)
    made.holds(holding(own, [1]))
    await made.until(10_000)
    expect(made.asked).toEqual([])
  })

  it.each<[string, ServiceIdentity, string]>([
    ['udp', { ...identity(), protocol: 'udp' } as ServiceIdentity, 'a TCP connect tells nothing of a udp service'],
    ['sctp', { ...identity(), protocol: 'sctp' } as ServiceIdentity, 'a TCP connect tells nothing of a sctp service'],
    ['fwmark', { kind: 'fwmark', fwmark: 7, family: 'ipv4' }, 'a firewall mark says nothing of the protocol'],
    ['switched off', identity(), 'its health_check is switched off'],
  ])('not those of a service that cannot be asked, which is said (%s)', async (_, of, why) => {
    const silent = spec({ identity: of, checks: [] })
    expect(whyNotProbed(silent)).toBe(why)
    made.answer(REFUSED, 1)
    made.holds(holding(silent, [1]))
    await made.until(10_000)
    expect(made.asked).toEqual([])
    expect(made.verdicts).toEqual([])
    const lines: { msg: string }[] = []
    const logger = loggerTo({ write: (line: string) => void lines.push(JSON.parse(line) as { msg: string }) }, 'info')
    const { held } = holding(silent, [1])
    logGuard(logger, { service: serviceKey(of), spec: silent, held, began: [key(1)], released: new Map() })
    expect(lines[0]?.msg).toContain(`(no probe can let them go, because ${why})`)
  })

  it('not a member without a port', async () => {
    made.holds(holding(tcp, [1], [backend(1, { port: 0 })]))
    await made.until(2_000)
    expect(made.asked).toEqual([])
  })
})

describe('what is found', () => {
  it('is a failure when two probes in a row have failed, however', async () => {
    made.answer(REFUSED, 1)
    made.answer(TIMED_OUT, 2)
    made.holds(holding(tcp, [1, 2, 3]))
    await made.until(490)
    expect(made.verdicts.flatMap(({ failing }) => [...failing])).toEqual([])
    await made.until(2_000)
    expect(made.verdicts.at(-1)).toMatchObject({ service: WEB, failing: failing(1, 2) })
    expect(made.verdicts.at(-1)?.at).toBeLessThanOrEqual(1_710)
  })

  it('is nothing after one failure between successes, and a success takes a failure back', async () => {
    made.holds(holding(tcp, [1]))
    await made.until(1_300)
    made.answer(REFUSED, 1)
    await made.until(2_300)
    made.answers.clear()
    await made.until(8_000)
    expect(made.outcomes.filter((outcome) => outcome === 'failed').length).toBe(1)
    expect(made.verdicts.flatMap(({ failing }) => [...failing])).toEqual([])
    made.answer(REFUSED, 1)
    await made.until(11_000)
    expect(made.verdicts.at(-1)?.failing).toEqual(failing(1))
    made.answers.clear()
    await made.until(13_000)
    expect(made.verdicts.at(-1)?.failing).toEqual(failing())
  })

  it('is nothing when the probe could not be made', async () => {
    made.answer(UNKNOWN, 1)
    made.holds(holding(tcp, [1]))
    await made.until(10_000)
    expect(made.verdicts.flatMap(({ failing }) => [...failing])).toEqual([])
    expect(made.findings.map(({ news }) => news)).toEqual([
      [{ destination: key(1), found: 'unsure', message: 'no connection could be tried (EMFILE)' }],
    ])
  })

  it.each(['direct', 'local'] as const)(
    'is nothing when a member with %s forwarding refuses: it may listen at the VIP alone',
    async (method) => {
      const direct = spec({ checks: [tcpCheck], forwarding: { method } })
      made.answer(REFUSED, 1)
      made.answer(TIMED_OUT, 2)
      made.holds(holding(direct, [1, 2, 3], [1, 2, backend(3, { forwarding: { method: 'nat' } })]))
      made.answer(REFUSED, 3)
      await made.until(5_000)
      expect(made.verdicts.at(-1)?.failing).toEqual(failing(2, 3))
      const said = made.findings.flatMap(({ news }) => news).find(({ found }) => found === 'unsure')
      expect(said).toEqual({
        destination: key(1),
        found: 'unsure',
        message: '10.1.0.1:8080 refuses connections, but may listen at the VIP alone',
      })
    },
  )

  it('is forgotten with the end of being held: the same member is asked anew', async () => {
    made.answer(REFUSED, 1)
    made.holds(holding(tcp, [1]))
    await made.until(3_000)
    made.holds(holding(tcp, []))
    await made.until(4_000)
    const { length } = made.verdicts
    made.holds(holding(tcp, [1]))
    await made.until(4_400)
    expect(made.verdicts).toHaveLength(length)
    await made.until(6_000)
    expect(made.verdicts.at(-1)).toMatchObject({ failing: failing(1) })
    expect(made.verdicts.length).toBe(length + 1)
  })

  it('of many that die together is one verdict', async () => {
    const all = Array.from({ length: 200 }, (_, index) => index + 1)
    made.answer(TIMED_OUT, ...all)
    made.holds(holding(tcp, all, all))
    await made.until(3_000)
    expect(made.verdicts.at(-1)?.failing.size).toBe(200)
    expect(made.verdicts.length).toBeLessThan(10)
  })

  it('is a line of the log, with the reason', () => {
    const lines: Record<string, unknown>[] = []
    const logger = loggerTo({ write: (line: string) => void lines.push(JSON.parse(line) as Record<string, unknown>) }, 'info')
    const news = [
      { destination: key(1), found: 'down', message: REFUSED.outcome === 'failed' ? REFUSED.message : '' },
      { destination: key(2), found: 'up' },
      { destination: key(3), found: 'up' },
      { destination: key(4), found: 'unknown' },
    ] as const
    logFinding(logger, { service: WEB, name: 'web', failing: failing(1), news })
    expect(lines.map(({ msg, state, level }) => [level, state, msg])).toEqual([
      ['info', 'down', `service web: probes find 1 held member dead: ${key(1)} (10.1.0.1:8080 refuses connections)`],
      ['info', 'up', `service web: probes find 2 held members alive, so that the removal stays held: ${key(2)}, ${key(3)}`],
    ])
  })

  it('ends with who listens', async () => {
    made.holds(holding(tcp, [1]))
    await made.until(500)
    made.subscription.unsubscribe()
    const { length } = made.asked
    await made.until(3_000)
    expect(made.asked).toHaveLength(length)
  })
})
