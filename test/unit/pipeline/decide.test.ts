import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Backend } from '../../../src/model/backend.ts'
import type { ServiceSpec } from '../../../src/model/service-spec.ts'
import { SCHEDULERS } from '../../../src/model/virtual-service.ts'
import { type Decided, decide } from '../../../src/pipeline/decide.ts'
import type { Member } from '../../../src/pipeline/desired-update.ts'
import { backend, identity, key, members, numbers, spec } from './makers.ts'

const flags = { flag1: false, flag2: true, flag3: false }

describe('deciding about a destination', () => {
  it('takes from the service what the backend does not say', () => {
    const service = spec({ weight: 4, forwarding: { method: 'direct' }, upperThreshold: 100, lowerThreshold: 10 })
    expect(decide(service, members(1), true).service.destinations.get(key(1))).toEqual({
      address: '10.1.0.1',
      port: 8080,
      forwarding: { method: 'direct' },
      weight: 4,
      upperThreshold: 100,
      lowerThreshold: 10,
      reasons: ['service weight 4', 'listed by test'],
    })
  })

  it('lets the backend have the last word', () => {
    const one = backend(1, { weight: 0, forwarding: { method: 'local' }, upperThreshold: 0, lowerThreshold: 3 })
    expect(decide(spec({ weight: 4, upperThreshold: 100 }), members(one), true).service.destinations.get(key(1))).toEqual({
      ...one,
      reasons: ['backend weight 0', 'listed by test'],
    })
  })

  it('leaves absent what nobody wrote', () => {
    const destination = decide(spec(), members(1), true).service.destinations.get(key(1))
    expect(destination).not.toHaveProperty('upperThreshold')
    expect(destination).not.toHaveProperty('lowerThreshold')
  })
})

describe('deciding about a service', () => {
  it('leaves absent what the configuration does not write', () => {
    const { service } = decide(spec(), members(1), true)
    for (const name of ['flags', 'onePacket', 'persistence']) expect(service).not.toHaveProperty(name)
    expect(service).toMatchObject({ name: 'web', scheduler: 'wlc', complete: true, drainTimeout: 300_000, adopt: 'named' })
  })

  it('passes on what the configuration writes', () => {
    const written = { flags, onePacket: true, persistence: { timeout: 60, mask: 0xffffffff } } as const
    expect(decide(spec(written), members(1), false).service).toMatchObject({ ...written, complete: false })
  })

  it.each(['sh', 'mh'] as const)(
    'leaves flags to the sink under %s unless they are written: others of the kernel are not ours',
    (scheduler) => {
      expect(decide(spec({ scheduler }), members(), true).service).not.toHaveProperty('flags')
      expect(decide(spec({ scheduler, flags }), members(), true).service.flags).toEqual(flags)
    },
  )
})

describe('a member of weight 0', () => {
  const refusing: Partial<ServiceSpec>[] = [{ scheduler: 'dh' }, { scheduler: 'sh', flags }, { scheduler: 'mh', flags }]
  const keeping: Partial<ServiceSpec>[] = [
    ...SCHEDULERS.filter((scheduler) => scheduler !== 'dh').map((scheduler) => ({ scheduler })),
    { scheduler: 'sh', flags: { ...flags, flag1: true } },
  ]

  it.each(refusing)('is left out, with the reason, under $scheduler without fallback', (more) => {
    const { service, leftOut } = decide(spec(more), members(backend(1, { weight: 0 }), 2), true)
    expect(numbers(service.destinations)).toEqual([key(2)])
    expect(leftOut.get(key(1))).toEqual([
      `scheduler ${more.scheduler} would refuse clients at weight 0`,
      'backend weight 0',
      'listed by test',
    ])
  })

  it.each(keeping)('stays, under $scheduler', (more) => {
    const { service, leftOut } = decide(spec(more), members(backend(1, { weight: 0 }), 2), true)
    expect(service.destinations.get(key(1))?.weight).toBe(0)
    expect(leftOut.size).toBe(0)
  })

  it('comes back when the scheduler changes', () => {
    const before = decide(spec({ scheduler: 'dh', weight: 0 }), members(1), true)
    const after = decide(spec({ scheduler: 'wrr', weight: 0 }), members(1), true, before)
    expect(before.service.destinations.size).toBe(0)
    expect(after.service.destinations.get(key(1))?.weight).toBe(0)
    expect(after.leftOut.size).toBe(0)
  })
})

describe('what the registry says of a member', () => {
  const sick = backend(1, { weight: 5, state: 'critical' })
  const udp: Partial<ServiceSpec> = { identity: { ...identity(), protocol: 'udp' } as ServiceSpec['identity'] }

  it.each(['critical', 'maintenance'] as const)('gives it weight 0 at once, and tells who said so: %s', (state) => {
    const { service, leftOut } = decide(spec(), members(backend(1, { weight: 5, state }), 2), true)
    expect(service.destinations.get(key(1))).toMatchObject({
      weight: 0,
      reasons: [`test says ${state}`, 'backend weight 5', 'listed by test'],
    })
    expect(leftOut.size).toBe(0)
  })

  it('lets it serve with its weight while it is passing or only warning', () => {
    const two = members(backend(1, { weight: 5, state: 'passing' }), backend(2, { weight: 2, state: 'warning' }))
    const { destinations } = decide(spec(), two, true).service
    expect(destinations.get(key(1))).toMatchObject({ weight: 5, reasons: ['backend weight 5', 'listed by test'] })
    expect(destinations.get(key(2))).toMatchObject({
      weight: 2,
      reasons: ['backend weight 2', 'test says warning', 'listed by test'],
    })
  })

  it.each([
    ['UDP', udp, 'datagrams have no connection to keep'],
    ['one-packet scheduling', { onePacket: true }, 'datagrams have no connection to keep'],
    ['a scheduler that refuses at weight 0', { scheduler: 'dh' }, 'scheduler dh would refuse clients at weight 0'],
  ] as [string, Partial<ServiceSpec>, string][])('leaves it out under %s', (_, more, why) => {
    const { service, leftOut } = decide(spec(more), members(sick, 2), true)
    expect(numbers(service.destinations)).toEqual([key(2)])
    expect(leftOut.get(key(1))).toEqual([why, 'test says critical', 'backend weight 5', 'listed by test'])
  })

  it('keeps a weight of 0 that somebody wrote in a UDP service', () => {
    expect(decide(spec(udp), members(backend(1, { weight: 0 })), true).service.destinations.get(key(1))?.weight).toBe(0)
  })

  it('takes it in again when it recovers', () => {
    const before = decide(spec(udp), members(sick, 2), true)
    const after = decide(before.spec, members(backend(1, { weight: 5 }), 2), true, before)
    expect(after.service.destinations.get(key(1))?.weight).toBe(5)
    expect(after.service.destinations.get(key(2))).toBe(before.service.destinations.get(key(2)))
    expect(after.leftOut.size).toBe(0)
  })
})

it('names who decided about each field', () => {
  const member: Member = {
    backend: backend(1, { weight: 9, state: 'critical', priority: 10, upperThreshold: 7, forwarding: { method: 'direct' } }),
    origin: 'static',
    fields: { weight: 'consul web', state: 'consul web', priority: 'dns web', thresholds: 'dns web', forwarding: 'dns web' },
  }
  expect(decide(spec(), new Map([[key(1), member]]), true).service.destinations.get(key(1))?.reasons).toEqual([
    'consul web says critical',
    'backend weight 9 by consul web',
    'priority 10 by dns web',
    'forwarding direct by dns web',
    'thresholds by dns web',
    'listed by static',
  ])
})

describe('priorities', () => {
  const first = (number: number, more: Partial<Backend> = {}) => backend(number, { priority: 10, ...more })
  const second = (number: number, more: Partial<Backend> = {}) => backend(number, { priority: 20, ...more })
  const third = (number: number, more: Partial<Backend> = {}) => backend(number, { priority: 30, ...more })

  it('use the lowest number alone, and let the others wait outside the kernel', () => {
    const { service, leftOut } = decide(spec(), members(first(1), first(2), second(3), third(4)), true)
    expect(numbers(service.destinations)).toEqual([key(1), key(2)])
    expect(service.destinations.get(key(1))?.reasons).toEqual(['service weight 1', 'priority 10', 'listed by test'])
    expect(leftOut.get(key(3))?.[0]).toBe('priority 20 waits while priority 10 serves')
    expect(leftOut.get(key(4))?.[0]).toBe('priority 30 waits while priority 10 serves')
  })

  it.each([
    ['critical', { state: 'critical' }],
    ['in maintenance', { state: 'maintenance' }],
    ['at weight 0', { weight: 0 }],
  ] as [string, Partial<Backend>][])('fail over when every member of the group is %s, and keep its connections', (_, more) => {
    const { service, leftOut } = decide(spec(), members(first(1, more), first(2, more), second(3), third(4)), true)
    expect([...service.destinations].map(([at, { weight }]) => [at, weight])).toEqual([
      [key(1), 0],
      [key(2), 0],
      [key(3), 1],
    ])
    expect([...leftOut.keys()]).toEqual([key(4)])
  })

  it('do not fail over while one member serves', () => {
    const { service } = decide(spec(), members(first(1, { state: 'critical' }), first(2, { state: 'warning' }), second(3)), true)
    expect(numbers(service.destinations)).toEqual([key(1), key(2)])
  })

  it('fail back, with the destinations that did not change', () => {
    const well = decide(spec(), members(first(1), first(2), second(3)), true)
    const ill = decide(well.spec, members(first(1, { state: 'critical' }), first(2, { weight: 0 }), second(3)), true, well)
    expect(numbers(ill.service.destinations)).toEqual([key(1), key(2), key(3)])
    const back = decide(well.spec, members(first(1), first(2, { weight: 0 }), second(3)), true, ill)
    expect(numbers(back.service.destinations)).toEqual([key(1), key(2)])
    expect(back.service.destinations.get(key(2))).toBe(ill.service.destinations.get(key(2)))
  })

  it('let nobody wait when nobody serves', () => {
    const down = { state: 'critical' } as const
    const { service, leftOut } = decide(spec(), members(first(1, down), second(2, down)), true)
    expect(numbers(service.destinations)).toEqual([key(1), key(2)])
    expect(leftOut.size).toBe(0)
  })

  it('do not concern members that have none, and count the weight of the service', () => {
    const list = members(first(1), second(2), 3)
    expect(numbers(decide(spec(), list, true).service.destinations)).toEqual([key(1), key(3)])
    expect(numbers(decide(spec({ weight: 0 }), list, true).service.destinations)).toEqual([key(1), key(2), key(3)])
  })
})

describe('sharing with the decision before', () => {
  const before = decide(spec(), members(1, 2, 3), true)

  it('is the same decision when nothing differs', () => {
    expect(decide(before.spec, before.members, true, before)).toBe(before)
  })

  it('is the same service when an equal configuration and an equal set come', () => {
    expect(decide(spec(), members(3, 2, 1), true, before).service).toBe(before.service)
  })

  it('changes one destination and shares the others', () => {
    const after = decide(before.spec, members(1, backend(2, { weight: 9 }), 3), true, before).service.destinations
    expect(after.differsFrom(before.service.destinations)).toEqual([key(2)])
  })

  it('is another service with the same destinations after a renaming', () => {
    const after = decide(spec({ name: 'shop' }), before.members, true, before)
    expect(after.service).not.toBe(before.service)
    expect(after.service.destinations).toBe(before.service.destinations)
  })

  it('is another service when it becomes complete', () => {
    expect(decide(before.spec, before.members, false, before).service).toEqual({ ...before.service, complete: false })
  })

  const anySpec = fc.record({
    scheduler: fc.constantFrom('wlc', 'dh', 'sh'),
    weight: fc.integer({ min: 0, max: 2 }),
    name: fc.constantFrom('a', 'b'),
    withFlags: fc.boolean(),
    onePacket: fc.boolean(),
  })
  const anyMembers = fc.uniqueArray(
    fc.record({
      number: fc.integer({ min: 1, max: 400 }),
      weight: fc.integer({ min: 0, max: 2 }),
      more: fc.constantFrom<Partial<Backend>>(
        {},
        {},
        { priority: 1 },
        { priority: 2 },
        { priority: 1, state: 'critical' },
        { state: 'warning' },
      ),
    }),
    {
      selector: ({ number }) => number,
      maxLength: 400,
      size: 'max',
    },
  )

  it('never differs from a decision made afresh, and keeps every destination that is equal', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(anySpec, anyMembers, fc.boolean()), { minLength: 2, maxLength: 5 }), (history) => {
        let previous: Decided | undefined
        for (const [{ withFlags, ...some }, list, complete] of history) {
          const service = spec({ ...some, ...(withFlags && { flags }) })
          const held = members(
            ...list.map(({ number, weight, more }) => backend(number, weight === 2 ? more : { weight, ...more })),
          )
          const afresh = decide(service, held, complete)
          const after = decide(service, held, complete, previous)
          expect(new Map(after.service.destinations)).toEqual(new Map(afresh.service.destinations))
          expect({ ...after.service, destinations: 0 }).toEqual({ ...afresh.service, destinations: 0 })
          expect(after.service.destinations.size).toBe(afresh.service.destinations.size)
          expect(after.leftOut).toEqual(afresh.leftOut)
          for (const [at, destination] of after.service.destinations) {
            const old = previous?.service.destinations.get(at)
            if (old !== undefined && JSON.stringify(old) === JSON.stringify(destination)) expect(destination).toBe(old)
          }
          previous = after
        }
      }),
      { numRuns: 40 },
    )
  }, 60_000)
})
