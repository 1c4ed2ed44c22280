import { VirtualTimeScheduler } from 'rxjs'
import { beforeEach, describe, expect, it } from 'vitest'
import { askOnce, type FoundOnce, inOneRound, unknownSentence } from '../../../src/daemon/ask-once.ts'
import type { EndSignal } from '../../../src/health/probe.ts'
import { formatEndpoint } from '../../../src/model/address.ts'
import type { AdminState } from '../../../src/model/admin-state.ts'
import type { ProbeResult } from '../../../src/model/probe-result.ts'
import type { CheckSpec } from '../../../src/model/probe-spec.ts'
import type { ServiceSpec } from '../../../src/model/service-spec.ts'
import { serviceKey } from '../../../src/model/virtual-service.ts'
import type { ServiceProvenance } from '../../../src/pipeline/desired-update.ts'
import { identity, key, members, provenance, spec, tcpCheck } from '../pipeline/makers.ts'

const check: CheckSpec = { ...tcpCheck, timeout: 500, fastInterval: 100 }
const http: CheckSpec = {
  ...check,
  probe: { kind: 'http', version: '1.1', method: 'GET', path: '/', headers: {}, status: [], redirects: 'accept' },
}
const REFUSED: ProbeResult = { outcome: 'failed', failure: 'refused', message: 'refuses connections' }
const NOTHING: ProbeResult = { outcome: 'unknown', message: 'no file descriptor is left' }

const standing = (of: ServiceSpec, numbers: readonly number[], more: Partial<ServiceProvenance> = {}): ServiceProvenance =>
  provenance(inOneRound(of), { members: members(...numbers), ...more })

class Bench {
  readonly scheduler = new VirtualTimeScheduler(undefined, 0)
  readonly asked: [string, number][] = []
  /** By kind and endpoint, one after another, the last one again and again; `hang`: none. Everybody else answers. */
  readonly answers = new Map<string, (ProbeResult | 'hang')[]>()
  found: FoundOnce[] | undefined
  endedAt: number | undefined
  underWay = 0
  most = 0

  ask(provenances: readonly ServiceProvenance[], limits: { limit?: number; within?: number } = {}): void {
    const all = new Map(provenances.map((one) => [serviceKey(one.spec.identity), one]))
    askOnce(
      { provenance: all },
      {
        probeFor:
          ({ kind }, { address, port }) =>
          (signal) =>
            this.#answer(`${kind} ${formatEndpoint(address, port)}`, signal),
        limit: 100,
        within: 10_000,
        scheduler: this.scheduler,
        ...limits,
      },
    ).subscribe((found) => {
      this.found = found
      this.endedAt = this.scheduler.now()
    })
  }

  answer(kind: string, number: number, ...results: (ProbeResult | 'hang')[]): void {
    this.answers.set(`${kind} ${key(number)}`, results)
  }

  health(service = 0): Record<string, string> {
    return Object.fromEntries([...(this.found?.[service]?.found ?? [])].map(([backend, { health }]) => [backend, health]))
  }

  times(number: number, kind = 'tcp'): number[] {
    return this.asked.filter(([name]) => name === `${kind} ${key(number)}`).map(([, at]) => at)
  }

  /** Virtual time, in steps that let probes answer in between. */
  async until(time: number): Promise<void> {
    for (let at = this.scheduler.frame; at <= time; at += 10) {
      this.scheduler.maxFrames = at
      this.scheduler.frame = at
      this.scheduler.flush()
      for (let turn = 0; turn < 6; turn++) await Promise.resolve()
    }
  }

  async #answer(name: string, signal: EndSignal): Promise<ProbeResult> {
    this.asked.push([name, this.scheduler.now()])
    this.underWay += 1
    this.most = Math.max(this.most, this.underWay)
    const left = this.answers.get(name)
    const result = (left !== undefined && left.length > 1 ? left.shift() : left?.[0]) ?? { outcome: 'passed' }
    if (result === 'hang') {
      await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
      this.underWay -= 1
      return { outcome: 'failed', failure: 'timed-out', message: 'does not answer' }
    }
    this.underWay -= 1
    return result
  }
}

let bench: Bench

beforeEach(() => {
  bench = new Bench()
})

describe('asking once', () => {
  it('believes the first success, and a failure that `fall` probes confirm', async () => {
    bench.answer('tcp', 2, REFUSED)
    bench.ask([standing(spec({ checks: [check] }), [1, 2])])
    await bench.until(1_000)
    expect(bench.health()).toEqual({ [key(1)]: 'up', [key(2)]: 'down' })
    expect(bench.times(1)).toHaveLength(1)
    expect(bench.times(2)).toHaveLength(3)
    expect(bench.endedAt).toBeLessThanOrEqual(300)
    expect(bench.found?.map(unknownSentence)).toEqual([undefined])
  })

  it('does not believe one failure', async () => {
    bench.answer('tcp', 1, REFUSED, { outcome: 'passed' })
    bench.ask([standing(spec({ checks: [check] }), [1])])
    await bench.until(1_000)
    expect(bench.health()).toEqual({ [key(1)]: 'up' })
    expect(bench.times(1)).toHaveLength(2)
  })

  it('asks again without fast_interval well before the interval is over', async () => {
    const { fastInterval: _, ...plain } = check
    bench.answer('tcp', 1, REFUSED)
    bench.ask([standing(spec({ checks: [plain] }), [1])])
    await bench.until(1_000)
    expect(bench.health()).toEqual({ [key(1)]: 'down' })
    expect(bench.endedAt).toBeLessThanOrEqual(750)
  })

  it('confirms what a backend is said to begin as', async () => {
    const up = spec({ checks: [{ ...check, initial: 'up' }] })
    const down = spec({ identity: identity(2), checks: [{ ...check, initial: 'down', rise: 2 }] })
    bench.answer('tcp', 2, REFUSED)
    bench.answer('tcp', 4, REFUSED)
    bench.ask([standing(up, [1, 2]), standing(down, [3, 4])])
    await bench.until(1_000)
    expect([bench.times(1).length, bench.times(2).length]).toEqual([1, 3])
    expect([bench.times(3).length, bench.times(4).length]).toEqual([2, 1])
    expect(bench.health(0)).toEqual({ [key(1)]: 'up', [key(2)]: 'down' })
    expect(bench.health(1)).toEqual({ [key(3)]: 'up', [key(4)]: 'down' })
  })

  it('leaves unknown what its probes do not tell, and says so in one sentence', async () => {
    bench.answer('tcp', 2, NOTHING)
    bench.ask([standing(spec({ checks: [{ ...check, initial: 'up' }] }), [1, 2])])
    await bench.until(1_000)
    expect(bench.health()).toEqual({ [key(1)]: 'up', [key(2)]: 'unknown' })
    expect(bench.times(2)).toHaveLength(3)
    expect(bench.found?.map(unknownSentence)).toEqual([
      `web: probes came to no verdict on 1 of 2 backends, which count as unknown: ${key(2)} (no file descriptor is left)`,
    ])
  })

  it('ends when its time is over, whatever is still under way', async () => {
    bench.answer('tcp', 1, 'hang')
    bench.answer('tcp', 2, REFUSED)
    bench.ask([standing(spec({ checks: [{ ...check, timeout: 3_000 }] }), [1, 2])], { within: 1_000 })
    await bench.until(2_000)
    expect(bench.endedAt).toBe(1_000)
    expect(bench.health()).toEqual({ [key(1)]: 'unknown', [key(2)]: 'down' })
    expect(bench.underWay).toBe(0)
    expect(bench.found?.map(unknownSentence)).toEqual([expect.stringContaining(`${key(1)} (it has not answered yet)`)])
  })

  it('asks once for all services that ask the same, and no more at a time than it may', async () => {
    bench.ask(
      [standing(spec({ checks: [check] }), [1, 2, 3]), standing(spec({ identity: identity(2), checks: [check] }), [1, 2, 3])],
      { limit: 2 },
    )
    await bench.until(1_000)
    expect(bench.asked).toHaveLength(3)
    expect(bench.most).toBeLessThanOrEqual(2)
    expect([bench.health(0), bench.health(1)].map((one) => Object.values(one))).toEqual([
      ['up', 'up', 'up'],
      ['up', 'up', 'up'],
    ])
  })

  it('is down where one of several checks is, and unknown where one of them came to no verdict', async () => {
    bench.answer('http', 1, REFUSED)
    bench.answer('http', 2, NOTHING)
    bench.ask([standing(spec({ checks: [check, http] }), [1, 2])])
    await bench.until(1_000)
    expect(bench.health()).toEqual({ [key(1)]: 'down', [key(2)]: 'unknown' })
  })

  it('asks neither a backend in maintenance nor one at the address of its service', async () => {
    const word: AdminState = { state: 'maintenance', at: 0 }
    bench.ask([
      standing(spec({ checks: [check] }), [1, 2], { admin: new Map([[key(1), word]]) }),
      standing(spec({ identity: identity(2), checks: [{ ...check, via: 'vip' }] }), [3]),
    ])
    await bench.until(1_000)
    expect(bench.asked.map(([name]) => name)).toEqual([`tcp ${key(2)}`])
    expect(bench.health(0)).toEqual({ [key(2)]: 'up' })
    expect(bench.health(1)).toEqual({ [key(3)]: 'unknown' })
  })

  it('gives nothing, at once, where nobody has checks', () => {
    bench.ask([standing(spec(), [1])])
    expect(bench.found).toEqual([])
  })
})
