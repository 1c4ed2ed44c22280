import { describe, expect, test } from 'vitest'
import { changeCount, planJson } from '../../../src/cli/plan-json.ts'
import { planText } from '../../../src/cli/plan-text.ts'
import { PLAIN, paintFor } from '../../../src/cli/terminal.ts'
import type { Change, Plan } from '../../../src/model/change.ts'
import { roadName } from '../../../src/model/probe-road.ts'
import { serviceKey } from '../../../src/model/virtual-service.ts'
import { held, identity, key, virtual } from '../../support/desired.ts'

const WEB = { service: identity('tcp/10.0.0.1:80'), name: 'web' } as const
const DNS = { service: identity('udp/[2001:db8::1]:53'), name: 'dns' } as const
const configured = { cause: 'configuration', reasons: ['configured weight 5'] } as const
const before = virtual('tcp/10.0.0.1:80', { scheduler: 'wrr' })

const CHANGES: Change[] = [
  { kind: 'add-service', ...DNS, cause: 'configuration', after: virtual('udp/[2001:db8::1]:53', { onePacket: true }) },
  { kind: 'add-destination', ...DNS, ...configured, after: held('[2001:db8::2]:53', { forwarding: { method: 'direct' } }) },
  {
    kind: 'edit-service',
    ...WEB,
    cause: 'drift',
    before,
    after: virtual('tcp/10.0.0.1:80', {
      scheduler: 'sh',
      flags: { flag1: true, flag2: false, flag3: false },
      persistence: { timeout: 300, mask: 0xffffff00, engine: 'sip' },
    }),
  },
  {
    kind: 'edit-destination',
    ...WEB,
    ...configured,
    before: held('10.0.1.1:80'),
    after: held('10.0.1.1:80', { weight: 0, upperThreshold: 9 }),
  },
  {
    kind: 'delete-destination',
    ...WEB,
    cause: 'drain',
    reasons: ['no connection is left'],
    before: held('10.0.1.2:80', { weight: 0 }),
  },
  {
    kind: 'delete-service',
    service: identity('fwmark/7/ipv4'),
    name: 'old',
    cause: 'configuration',
    before: virtual('fwmark/7/ipv4'),
  },
]

const PLAN: Plan = {
  changes: CHANGES,
  tableChanges: [
    { kind: 'set-timeouts', before: { tcp: 900, tcpFin: 120, udp: 300 }, after: { tcp: 600, tcpFin: 120, udp: 300 } },
    { kind: 'start-sync-daemon', after: { role: 'master', interface: 'eth0', id: 3 } },
    { kind: 'stop-sync-daemon', before: { role: 'backup', interface: 'eth1', id: 0 } },
  ],
  foreign: [
    { kind: 'service', service: virtual('tcp/10.0.0.9:443'), destinations: 1 },
    { kind: 'destination', ...WEB, destination: held('10.0.1.9:80') },
  ],
}

const RESULT = { plan: PLAN, unanswered: [], held: [], found: [] }

describe('for people', () => {
  test('every kind of change, in one block for each service', () => {
    expect(planText(PLAN, [], PLAIN)).toBe(`+ dns  udp/[2001:db8::1]:53  wlc, one-packet yes
    + [2001:db8::2]:53  direct, weight 1  (configuration: configured weight 5)

~ web  tcp/10.0.0.1:80
    scheduler: wrr -> sh  (drift)
    flags: none -> sh-fallback  (drift)
    persistence: none -> 300s mask 255.255.255.0 engine sip  (drift)
    ~ 10.0.1.1:80  weight 1 -> 0, upper threshold none -> 9  (configuration: configured weight 5)
    - 10.0.1.2:80  nat, weight 0  (drain: no connection is left)

- old  fwmark/7/ipv4

~ kernel timeout tcp: 900s -> 600s
+ sync daemon master on eth0, id 3
- sync daemon backup on eth1, id 0

not ours, left alone:
    tcp/10.0.0.9:443  wlc, 1 destination
    10.0.1.9:80 in web (tcp/10.0.0.1:80)  nat, weight 1

Plan: 2 to add, 2 to change, 2 to remove, 3 for the whole table. 2 foreign objects left alone.
`)
  })

  test('nothing to do', () => {
    expect(planText({ changes: [], tableChanges: [], foreign: [] }, [], PLAIN)).toBe('No changes.\n')
    expect(planText({ ...PLAN, changes: [], tableChanges: [] }, [], PLAIN)).toMatch(
      /No changes\. 2 foreign objects left alone\.\n$/,
    )
  })

  test('source NAT and addresses, by kind', () => {
    const sinkChanges = [
      { sink: 'snat', kind: 'add-table', count: 1 },
      { sink: 'snat', kind: 'add-element', count: 3 },
      { sink: 'snat', kind: 'edit-element', count: 1 },
      { sink: 'addresses', kind: 'delete-address', count: 2 },
    ] as const
    expect(planText({ changes: [], tableChanges: [], foreign: [], sinkChanges }, [], PLAIN)).toBe(`+ source NAT: 1 table
+ source NAT: 3 elements
~ source NAT: 1 element (edit)
- addresses: 2 addresses

Plan: 0 to add, 0 to change, 0 to remove, 7 of source NAT and addresses.
`)
    expect(changeCount({ changes: [], tableChanges: [], foreign: [], sinkChanges })).toBe(4)
    expect(planJson({ ...RESULT, plan: { ...PLAN, sinkChanges } })).toMatchObject({ sink_changes: sinkChanges })
  })

  test('colours go around the same text', () => {
    const painted = planText(PLAN, [], paintFor('always', false, {}))
    const esc = String.fromCharCode(27)
    expect(painted).toContain(`${esc}[32m+ dns`)
    expect(painted).toContain(`${esc}[31m- old`)
    expect(painted.replaceAll(new RegExp(`${esc}\\[\\d+m`, 'g'), '')).toBe(planText(PLAN, [], PLAIN))
  })
})

describe('what the guard holds', () => {
  const removal = (rule: 'removal' | 'empty') => [key('10.0.1.3:80'), { since: 0, rule }] as const
  const service = serviceKey(WEB.service)

  test('has a block of its own, with the reason', () => {
    const none = { changes: [], tableChanges: [], foreign: [] }
    const two = new Map([removal('removal'), [key('10.0.1.4:80'), { since: 0, rule: 'removal' as const }]])
    expect(planText(none, [{ service, name: 'web', held: two }], PLAIN)).toBe(`held by the guard:
    web: 2 backends that sources no longer name stay, too many went at once (guard: max_removal): 10.0.1.3:80, 10.0.1.4:80

No changes.
`)
    expect(planText(none, [{ service, name: 'web', held: new Map([removal('empty')]) }], PLAIN)).toContain(
      'web: 1 backend that a source no longer names stays, the answer was empty (guard: on_empty): 10.0.1.3:80',
    )
  })

  test('is one object for each backend, for programs', () => {
    expect(planJson({ ...RESULT, held: [{ service, name: 'web', held: new Map([removal('empty')]) }] })).toMatchObject({
      held: [{ service, name: 'web', destination: '10.0.1.3:80', rule: 'empty', since: '1970-01-01T00:00:00.000Z' }],
    })
  })
})

test('for programs: keys, both sides of each change, and the order of the pass', () => {
  const json = JSON.parse(JSON.stringify(planJson(RESULT))) as { changes: Record<string, unknown>[]; foreign: unknown[] }
  expect(json.changes.map(({ kind, service, destination }) => [kind, service, destination])).toEqual([
    ['add-service', 'udp/[2001:db8::1]:53', undefined],
    ['add-destination', 'udp/[2001:db8::1]:53', '[2001:db8::2]:53'],
    ['edit-service', 'tcp/10.0.0.1:80', undefined],
    ['edit-destination', 'tcp/10.0.0.1:80', '10.0.1.1:80'],
    ['delete-destination', 'tcp/10.0.0.1:80', '10.0.1.2:80'],
    ['delete-service', 'fwmark/7/ipv4', undefined],
  ])
  expect(json.changes[3]).toMatchObject({ name: 'web', cause: 'configuration', before: { weight: 1 }, after: { weight: 0 } })
  expect(json.foreign).toEqual([
    { kind: 'service', service: 'tcp/10.0.0.9:443', destinations: 1 },
    { kind: 'destination', service: 'tcp/10.0.0.1:80', name: 'web', destination: '10.0.1.9:80' },
  ])
})

describe('when colours are used', () => {
  const painted = (when: unknown, terminal: boolean, environment: NodeJS.ProcessEnv) =>
    paintFor(when, terminal, environment)('red', 'x') !== 'x'
  test('auto: on a terminal, unless NO_COLOR or a dumb terminal says otherwise', () => {
    expect(painted('auto', true, {})).toBe(true)
    expect(painted('auto', false, {})).toBe(false)
    expect(painted('auto', true, { NO_COLOR: '1' })).toBe(false)
    expect(painted('auto', true, { NO_COLOR: '' })).toBe(true)
    expect(painted('auto', true, { TERM: 'dumb' })).toBe(false)
  })
  test('the flag beats everything', () => {
    expect(painted('always', false, { NO_COLOR: '1' })).toBe(true)
    expect(painted('never', true, {})).toBe(false)
  })
})

test('services for probes alone are counted in one line', () => {
  const name = roadName(serviceKey(WEB.service), key('10.0.1.1:80'))
  const service = identity('fwmark/1879048192/ipv4')
  const roads: Change[] = [
    { kind: 'delete-destination', service, name, cause: 'drain', reasons: [], before: held('10.0.1.1:80') },
    { kind: 'delete-service', service, name, cause: 'configuration', before: virtual('fwmark/1879048192/ipv4') },
  ]
  const plan: Plan = { changes: roads, tableChanges: [], foreign: [] }
  expect(planText(plan, [], PLAIN)).toBe(
    'Plan: 0 to add, 0 to change, 0 to remove. 1 service for probes alone changes as well.\n',
  )
})
