import { describe, expect, it } from 'vitest'
import { membersOf } from '../../../src/pipeline/hold.ts'
import { mergeMembers } from '../../../src/pipeline/merge.ts'
import { backend, backends, key, numbers } from './makers.ts'

const none = new Map()
const pinned = membersOf(none, backends(backend(1, { weight: 9 }), 2), 'static')
const first = membersOf(none, backends(1, backend(3, { weight: 3 })), 'file /first')
const second = membersOf(none, backends(3, 4), 'file /second')

describe('merging the layers of a service', () => {
  it('lets the first layer that names a member decide about it', () => {
    const merged = mergeMembers(none, [pinned, first, second])
    expect(numbers(merged)).toEqual(numbers(backends(1, 2, 3, 4)))
    expect(merged.get(key(1))).toBe(pinned.get(key(1)))
    expect(merged.get(key(3))).toBe(first.get(key(3)))
    expect(merged.get(key(4))?.origin).toBe('file /second')
  })

  it('is the only filled layer itself', () => {
    expect(mergeMembers(none, [none, first, none])).toBe(first)
  })

  it('is what it was when nothing differs', () => {
    const merged = mergeMembers(none, [pinned, first, second])
    expect(mergeMembers(merged, [pinned, first, new Map(second)])).toBe(merged)
    expect(mergeMembers(merged, [pinned, first])).not.toBe(merged)
  })

  it('gives a member to the next layer when the first lets go of it', () => {
    const merged = mergeMembers(mergeMembers(none, [pinned, first]), [none, first])
    expect(merged.get(key(1))?.origin).toBe('file /first')
  })
})

describe('what several places say of one member', () => {
  const tunnel = { method: 'tunnel', tunnel: { type: 'ipip' } } as const
  const bare = membersOf(none, backends(1), 'static')
  const weighed = membersOf(none, backends(backend(1, { weight: 9 })), 'static')
  const consul = membersOf(none, backends(backend(1, { weight: 5, state: 'warning', meta: { zone: 'a' } })), 'consul web')
  const dns = membersOf(
    none,
    backends(backend(1, { weight: 2, priority: 10, upperThreshold: 7, forwarding: tunnel })),
    'dns_srv web',
  )

  it('is decided field by field by the first that states it, and it is kept who did', () => {
    expect(mergeMembers(none, [weighed, consul, dns]).get(key(1))).toEqual({
      backend: backend(1, {
        weight: 9,
        state: 'warning',
        meta: { zone: 'a' },
        priority: 10,
        upperThreshold: 7,
        forwarding: tunnel,
      }),
      origin: 'static',
      fields: {
        state: 'consul web',
        meta: 'consul web',
        priority: 'dns_srv web',
        thresholds: 'dns_srv web',
        forwarding: 'dns_srv web',
      },
    })
    expect(mergeMembers(none, [bare, consul]).get(key(1))).toMatchObject({
      backend: { weight: 5 },
      fields: { weight: 'consul web' },
    })
  })

  it('is decided by the first alone where it states all that the others do', () => {
    const quiet = membersOf(none, backends(backend(1, { weight: 1 })), 'file /x')
    expect(mergeMembers(none, [weighed, quiet]).get(key(1))).toBe(weighed.get(key(1)))
  })

  it('never makes one pair of thresholds out of two', () => {
    const lower = membersOf(none, backends(backend(1, { lowerThreshold: 50 })), 'file /lower')
    expect(mergeMembers(none, [lower, dns]).get(key(1))?.backend).not.toHaveProperty('upperThreshold')
  })

  it('holds no field of a source that is being replaced', () => {
    expect(mergeMembers(none, [bare], [consul, second])).toEqual(new Map([...second, ...bare]))
    expect(mergeMembers(none, [none], [consul])).toBe(consul)
  })

  it('keeps its identity while nothing that decides about it changes', () => {
    const merged = mergeMembers(none, [bare, consul, first])
    const again = membersOf(none, backends(backend(1, { weight: 5, state: 'warning', meta: { zone: 'a' } }), 7), 'consul web')
    const after = mergeMembers(merged, [bare, again, first])
    expect(after).not.toBe(merged)
    expect(after.get(key(1))).toBe(merged.get(key(1)))
    const ill = membersOf(again, backends(backend(1, { weight: 5, state: 'critical' })), 'consul web')
    expect(mergeMembers(merged, [bare, ill]).get(key(1))).toMatchObject({ backend: { state: 'critical' } })
  })

  it('remembers through several merges who decided', () => {
    const sources = mergeMembers(none, [consul, dns])
    expect(mergeMembers(none, [bare, sources]).get(key(1))?.fields).toMatchObject({
      weight: 'consul web',
      priority: 'dns_srv web',
    })
  })
})
