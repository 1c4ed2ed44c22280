import { delay, Observable, of, VirtualTimeScheduler } from 'rxjs'
import { describe, expect, it } from 'vitest'
import type { HttpSourceSpec } from '../../../../src/model/http-source-spec.ts'
import type { HttpAnswer, ListContent } from '../../../../src/sources/http/exchange.ts'
import { type HttpLook, poll } from '../../../../src/sources/http/poll.ts'
import { Recovery } from '../../../../src/sources/recovery.ts'

const spec: HttpSourceSpec = {
  kind: 'http',
  url: 'http://inventory/?token=hunter2',
  interval: 30_000,
  timeout: 10_000,
  maxSize: 1_000,
}

function list(text: string, etag?: string, floor = 0): HttpAnswer {
  return {
    kind: 'list',
    content: { bytes: Buffer.from(text), validators: etag === undefined ? {} : { 'if-none-match': etag } },
    floor,
  }
}

const trouble = (problem = 'no', floor = 0): HttpAnswer => ({
  kind: 'trouble',
  trouble: { code: 'SOURCE_UNREADABLE', problem, remedy: 'help' },
  floor,
})

/** Runs a poll against scripted answers, the last of which repeats, until `end` (ms). */
function run(answers: readonly ((known: ListContent | undefined) => HttpAnswer)[], end: number, random = 0.5) {
  const scheduler = new VirtualTimeScheduler(undefined, end)
  const asked: number[] = []
  const knew: (string | undefined)[] = []
  const looks: HttpLook[] = []
  const ask = (known: ListContent | undefined): Observable<HttpAnswer> => {
    const answer = answers[Math.min(asked.length, answers.length - 1)]
    asked.push(scheduler.now())
    knew.push(known?.validators['if-none-match'])
    if (answer === undefined) throw new Error('no answer')
    return of(answer(known)).pipe(delay(100, scheduler))
  }
  const subscription = poll(spec, ask, { scheduler, random: () => random }).subscribe((look) => looks.push(look))
  scheduler.flush()
  subscription.unsubscribe()
  return { asked, knew, looks }
}

describe('polling', () => {
  it('asks at once, then an interval after each answer', () => {
    const { asked, looks } = run([() => list('[]')], 70_000)
    expect(asked).toEqual([0, 30_100, 60_200])
    expect(looks.map(({ kind }) => kind)).toEqual(['list', 'list', 'list'])
  })

  it('spreads its requests by a tenth to both sides', () => {
    expect(run([() => list('[]')], 40_000, 0).asked[1]).toBe(27_100)
    expect(run([() => list('[]')], 40_000, 1).asked[1]).toBe(33_100)
  })

  it('after failures waits a second, twice as long each time, never longer than the interval; a good answer ends that', () => {
    const no = () => trouble()
    const { asked } = run([no, no, no, no, no, no, no, () => list('[]'), no, no], 180_000)
    const waits = asked.slice(1).map((at, index) => at - (asked[index] ?? 0) - 100)
    expect(waits).toEqual([1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000, 1_000, 2_000, 4_000, 8_000, 16_000])
  })

  it('waits as long as the server asks, within bounds, without jitter below it', () => {
    expect(run([() => list('[]', undefined, 60_000)], 100_000, 0).asked).toEqual([0, 60_100])
    expect(run([() => list('[]', undefined, 10_000)], 50_000).asked).toEqual([0, 30_100])
    expect(run([() => list('[]', undefined, 86_400_000)], 310_000).asked).toEqual([0, 300_100])
    expect(run([() => trouble('429', 7_000), () => list('[]')], 20_000).asked).toEqual([0, 7_100])
    expect(run([() => trouble('429', 1e9)], 310_000).asked).toEqual([0, 300_100])
  })

  it('gives the same bytes as the same object, whether the server says so or sends them again', () => {
    const unchanged = (known: ListContent | undefined): HttpAnswer => {
      if (known === undefined) throw new Error('nothing is known')
      return { kind: 'list', content: known, floor: 0 }
    }
    const { knew, looks } = run(
      [() => list('[1]', 'a'), unchanged, () => list('[1]', 'b'), () => trouble(), unchanged, () => list('[2]')],
      125_000,
    )
    const bytes = looks.map((look) => (look.kind === 'list' ? look.bytes : undefined))
    expect(bytes[1]).toBe(bytes[0])
    expect(bytes[2]).toBe(bytes[0])
    expect(bytes[3]).toBeUndefined()
    expect(bytes[4]).toBe(bytes[0])
    expect(String(bytes[5])).toBe('[2]')
    expect(knew).toEqual([undefined, 'a', 'a', 'b', 'b', 'b'])
  })

  it('asks for the whole list every ten minutes, whatever is known', () => {
    const { asked, knew } = run(
      [(known) => (known === undefined ? list('[1]', 'a') : { kind: 'list', content: known, floor: 0 })],
      1_230_000,
    )
    const whole = asked.filter((_, index) => knew[index] === undefined)
    expect(whole).toEqual([0, 602_000, 1_204_000])
  })

  it('says what is wrong and where, without the secrets of the url', () => {
    const { looks } = run([() => trouble('the connection is refused')], 500)
    expect(looks).toEqual([
      {
        kind: 'failure',
        failure: { code: 'SOURCE_UNREADABLE', message: 'http://inventory/?token=***: the connection is refused; help', at: 100 },
      },
    ])
  })

  it('gives the request up when nobody listens any more', () => {
    let given = 0
    const ask = () => new Observable<HttpAnswer>(() => () => given++)
    poll(spec, ask, { scheduler: new VirtualTimeScheduler() }).subscribe().unsubscribe()
    expect(given).toBe(1)
  })
})

describe('a server that fails', () => {
  const virtual = (end: number) => {
    const scheduler = new VirtualTimeScheduler(undefined, end)
    return { scheduler, recovery: new Recovery(scheduler) }
  }

  it('is asked four times a second by one in turn, and all ask when it is well again', () => {
    const { scheduler, recovery } = virtual(100_000)
    const asked: Record<string, number[]> = { a: [], b: [], c: [] }
    const isWell = () => scheduler.now() >= 60_100
    for (const name of ['a', 'b', 'c']) {
      const ask = () => {
        asked[name]?.push(scheduler.now())
        return of(isWell() ? list('[]') : trouble())
      }
      poll(spec, ask, { scheduler, recovery, random: () => 0.5 }).subscribe()
    }
    scheduler.flush()
    const all = Object.values(asked).flat()
    const within = (from: number, to: number) => all.filter((at) => at >= from && at < to).length
    // Back-offs end within that time, too.
    expect(within(40_000, 60_000)).toBeGreaterThanOrEqual(80)
    expect(within(40_000, 60_000)).toBeLessThan(86)
    for (const times of Object.values(asked)) {
      expect(times.filter((at) => at >= 60_100 && at <= 60_350)).toHaveLength(1)
      expect(times.filter((at) => at > 60_350 && at < 90_000)).toEqual([])
    }
  })

  it('and swallowed a request is asked beside it, and the first answer counts', () => {
    const { scheduler, recovery } = virtual(10_000)
    const asked: string[] = []
    const heard: string[] = []
    const ask = (_: unknown, attempt: string) => {
      asked.push(`${scheduler.now()} ${attempt}`)
      if (scheduler.now() === 0) return of(trouble())
      return scheduler.now() < 1_500 ? new Observable<HttpAnswer>(() => {}) : of(list('[]'))
    }
    poll(spec, ask, { scheduler, recovery, random: () => 0.5 }).subscribe((look) => heard.push(`${scheduler.now()} ${look.kind}`))
    scheduler.flush()
    expect(asked.slice(0, 3)).toEqual(['0 first', '250 first', '500 beside'])
    expect(heard.slice(0, 2)).toEqual(['0 failure', '1500 list'])
  })

  it('and says when it wants to be asked again is not asked before', () => {
    const { scheduler, recovery } = virtual(50_000)
    const asked: number[] = []
    const ask = () => {
      asked.push(scheduler.now())
      return of(trouble('busy', 20_000))
    }
    poll(spec, ask, { scheduler, recovery, random: () => 0.5 }).subscribe()
    scheduler.flush()
    expect(asked).toEqual([0, 20_000, 40_000])
  })
})
