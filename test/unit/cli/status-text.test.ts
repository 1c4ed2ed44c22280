import { describe, expect, test } from 'vitest'
import type { BackendStanding, ServiceStanding, StatusAnswer, WhyAnswer } from '../../../src/admin/standing.ts'
import { stillOpen } from '../../../src/cli/await-drained.ts'
import { statusText } from '../../../src/cli/status-text.ts'
import { type Paint, PLAIN } from '../../../src/cli/terminal.ts'
import { whyText } from '../../../src/cli/why-text.ts'

const NOW = '2026-01-01T12:00:00.000Z'
const ago = (seconds: number) => new Date(Date.parse(NOW) - seconds * 1_000).toISOString()
/** Shows what is painted, and how. */
const MARKED: Paint = (style, text) => `<${style}>${text}</>`

function backend(name: string, more: Partial<BackendStanding> = {}): BackendStanding {
  return {
    backend: name,
    admin: { state: 'ready' },
    discovered: { state: 'passing', by: 'consul web', answered: ago(5) },
    operational: { state: 'up', since: ago(3 * 3_600) },
    weight: 5,
    reasons: ['backend weight 5', 'listed by consul web'],
    kernel: { weight: 5, active: 40, inactive: 9, persistent: 0 },
    ...more,
  }
}

function service(more: Partial<ServiceStanding> = {}): ServiceStanding {
  return {
    service: 'web',
    key: 'tcp/10.0.0.1:80',
    scheduler: 'wrr',
    complete: true,
    pool: { mode: 'normal', held_failures: [] },
    sources: [{ source: 'consul web', state: 'up', since: ago(7_300), answered: ago(5), records: 2, held_removals: 0 }],
    backends: [backend('10.0.1.1:80'), backend('10.0.1.12:80')],
    ...more,
  }
}

const answer = (...services: ServiceStanding[]): StatusAnswer => ({ at: NOW, services, absent_words: [] })
const linesOf = (text: string) => text.trimEnd().split('\n')

describe('status', () => {
  test('is a table for each service, under its sources', () => {
    expect(linesOf(statusText(answer(service()), PLAIN))).toEqual([
      'web  tcp/10.0.0.1:80  wrr, 2 of 2 serve',
      '  source consul web: up for 2h, answered 5s ago, 2 backends',
      '  BACKEND       ADMIN  DISCOVERED  OPERATIONAL  WEIGHT  KERNEL  CONNECTIONS            WHY',
      '  10.0.1.1:80   ready  passing     up 3h        5       5       40 active, 9 inactive  backend weight 5',
      '  10.0.1.12:80  ready  passing     up 3h        5       5       40 active, 9 inactive  backend weight 5',
    ])
  })

  test('names what the operator said, with its reason and its end', () => {
    const drained = backend('10.0.1.1:80', {
      admin: {
        state: 'drain',
        since: ago(150),
        until: ago(-3_480),
        reason: 'new disk',
        weight: { weight: 9, since: ago(20), ramp: { from: 1, steps: 4, ends: ago(-600) } },
      },
      weight: 0,
      reasons: ['the operator drains it: new disk'],
      kernel: null,
    })
    const lines = linesOf(statusText(answer(service({ backends: [drained] })), PLAIN))
    expect(lines.slice(-2)).toEqual([
      '  10.0.1.1:80  drain  passing     up 3h        0       -                    the operator drains it: new disk',
      `  operator: 10.0.1.1:80: drain for 2m, until ${ago(-3_480)} (in 58m): new disk; weight 9 from 1 in 4 steps for 20s, there in 10m`,
    ])
  })

  test('says nothing of the way to a weight that is reached', () => {
    const admin = { state: 'ready', weight: { weight: 9, since: ago(20), ramp: { from: 1, steps: 4, ends: ago(0) } } } as const
    const lines = linesOf(statusText(answer(service({ backends: [backend('10.0.1.1:80', { admin })] })), PLAIN))
    expect(lines.at(-1)).toBe('  operator: 10.0.1.1:80: weight 9 for 20s')
  })

  test('says what is wrong with a pool, its sources and the kernel', () => {
    const sick = service({
      complete: false,
      failures: ['web is not opened yet.'],
      pool: {
        mode: 'panic',
        panic_since: ago(90),
        quorum: { has: false, since: ago(90), measure: 0, min: 2, by: 'count' },
        announced: false,
        held_failures: ['10.0.1.1:80'],
      },
      sources: [
        {
          source: 'file /x',
          state: 'stale',
          since: ago(400),
          answered: ago(900),
          records: 1,
          held_removals: 3,
          failure: 'it is gone',
        },
        { source: 'dns b', state: 'pending', since: ago(4), records: 0, held_removals: 0 },
        { source: 'consul c', state: 'up', since: ago(60), answered: ago(2), records: 4, held_removals: 0, partial: true },
      ],
    })
    const text = statusText({ ...answer(sick), kernel_error: 'The kernel is stuck.', admin_error: 'It is taken.' }, MARKED)
    expect(text).toContain('wrr, 2 of 2 serve, not every source has answered\n')
    expect(text).toContain('\n\n<yellow>It is taken.</>\n')
    expect(text).toContain('<red>  failing: web is not opened yet.</>\n')
    expect(text).toContain('<red>  panic: too few are up, so that members serve as they did before, for 90s</>')
    expect(text).toContain(
      '<red>  quorum lost for 90s: 0 of 2 by count</>\n<red>  its address is not announced: its quorum is not had</>',
    )
    expect(text).toContain(
      '<red>  1 backend held in service, failing or asking to be let go (`pointsman approve web` believes it)</>',
    )
    expect(text).toContain(
      '<yellow>  source file /x: stale for 6m, answered 15m ago, 1 backend: it is gone, 3 held (`pointsman approve web` lets them go)</>',
    )
    expect(text).toContain('<yellow>  source dns b: pending for 4s, never answered</>')
    expect(text).toContain(
      '<yellow>  source consul c: up for 60s, answered 2s ago, 4 backends (it may lack some, so that none is removed)</>',
    )
    expect(text).toContain('<red>the kernel could not be asked: The kernel is stuck.</>')
  })

  test.each<[string, Partial<BackendStanding>, string | undefined]>([
    ['serves', {}, undefined],
    ['is down', { operational: { state: 'down' }, weight: 0 }, 'red'],
    ['is critical', { discovered: { state: 'critical' }, weight: 0 }, 'red'],
    ['is drained', { admin: { state: 'drain' }, weight: 0 }, 'yellow'],
    ['is held', { discovered: { state: 'held' } }, 'yellow'],
    ['is kept out', { weight: null }, 'yellow'],
  ])('paints a backend that %s', (_, more, style) => {
    const text = statusText(answer(service({ backends: [backend('10.0.1.1:80', more)] })), MARKED)
    const row = linesOf(text).find((line) => line.includes('  10.0.1.1:80  '))
    expect(/^<(\w+)>/.exec(row ?? '')?.[1]).toBe(style)
  })

  test('without a service, and with words about one that is not wanted', () => {
    const absent = [
      { service: 'tcp/10.0.0.9:80', backend: '10.0.1.1:80', admin: { state: 'maintenance' as const, since: ago(7) } },
    ]
    expect(statusText({ ...answer(), absent_words: absent }, PLAIN)).toBe(
      'no service is wanted\n\nsaid of services that are not wanted now:\n  tcp/10.0.0.9:80 10.0.1.1:80: maintenance for 7s\n',
    )
  })
})

describe('why', () => {
  const why = (more: Partial<WhyAnswer> = {}): WhyAnswer => {
    const { sources, key, complete } = service()
    return {
      ...backend('10.0.1.1:80'),
      at: NOW,
      service: 'web',
      key,
      complete,
      sources,
      times_down: 0,
      downtime: { seconds: 0 },
      ...more,
    }
  }

  test('goes from the source to the kernel', () => {
    const changed = { at: ago(120), from: 'weight 5', to: 'weight 0', cause: 'discovery' }
    const drained = why({
      admin: { state: 'drain', since: ago(121) },
      weight: 0,
      reasons: ['the operator drains it', 'backend weight 5'],
      kernel: { weight: 0, active: 12, inactive: 4, persistent: 1 },
      changed,
    })
    expect(linesOf(whyText(drained, PLAIN))).toEqual([
      'web 10.0.1.1:80  tcp/10.0.0.1:80',
      '  source       consul web: up for 2h, answered 5s ago, 2 backends',
      '  discovered   passing, listed by consul web, which answered 5s ago',
      `  operational  up since ${ago(10_800)}, 3h ago`,
      '  admin        drain for 2m',
      '  wanted       weight 0',
      '    because    the operator drains it',
      '               backend weight 5',
      '  kernel       weight 0, 12 active and 4 inactive connections, 1 persistent',
      `               weight 5 -> weight 0 at ${ago(120)}, 2m ago (discovery)`,
    ])
  })

  test.each<[Partial<WhyAnswer>, string]>([
    [{ discovered: { state: 'absent' } }, 'discovered   no source names it'],
    [{ discovered: { state: 'listed', by: 'static' } }, 'discovered   listed by static'],
    [
      { discovered: { state: 'held', by: 'file /x', since: ago(9), rule: 'empty' } },
      `discovered   held since ${ago(9)}: no longer listed by file /x, and kept because its source names nobody`,
    ],
    [{ operational: { state: 'unprobed' } }, 'operational  no probe asks it'],
    [{ operational: { state: 'down', since: ago(60), message: 'tcp: refused' } }, '1m ago: tcp: refused'],
    [{ weight: null, kernel: null }, 'wanted       not in the kernel'],
    [{ kernel: null }, 'kernel       not there'],
    [{ times_down: 2, downtime: { seconds: 65 } }, 'outages      2 since the daemon began, 65s in all'],
    [{ times_down: 2, downtime: { seconds: 65, since: ago(120) } }, 'outages      2 since the daemon began, 3m in all'],
    [{ complete: false }, 'not every source has answered: nothing is removed'],
  ])('%o', (more, text) => {
    const said = whyText(why(more), PLAIN)
    expect(said.replace('60s ago', '1m ago')).toContain(text)
  })
})

describe('what is still open', () => {
  const drained = (more: Partial<BackendStanding>) =>
    answer(service({ backends: [backend('10.0.1.1:80', { admin: { state: 'drain' }, ...more })] }))
  const named = [{ service: 'web', backend: '10.0.1.1:80' }]
  const at = (weight: number, active: number) => ({ kernel: { weight, active, inactive: 7, persistent: 0 } })

  test.each<[string, StatusAnswer, string[]]>([
    ['has connections', drained(at(0, 2)), ['web 10.0.1.1:80 (2 active)']],
    ['has its weight', drained(at(1, 0)), ['web 10.0.1.1:80 (weight 1 in the kernel)']],
    ['has only closed connections', drained(at(0, 0)), []],
    ['is gone from the kernel', drained({ kernel: null }), []],
    ['is known to nobody', answer(service({ backends: [] })), []],
  ])('who %s', (_, status, open) => {
    expect(stillOpen(status, named)).toEqual(open)
  })

  test('nobody knows without the kernel', () => {
    const { kernel: _, ...unasked } = backend('10.0.1.1:80', { admin: { state: 'drain' } })
    expect(stillOpen({ ...answer(service({ backends: [unasked] })), kernel_error: 'stuck' }, named)).toEqual([
      'web 10.0.1.1:80 (stuck)',
    ])
  })

  test('nothing is waited for that somebody has taken back', () => {
    expect(() => stillOpen(answer(service()), named)).toThrow('Not drained: web 10.0.1.1:80, because that was taken back.')
  })
})
