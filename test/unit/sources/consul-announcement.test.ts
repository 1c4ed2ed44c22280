import { describe, expect, it } from 'vitest'
import { announcementOf } from '../../../src/sources/consul/announcement.ts'
import { type ReadEntry, readHealthEntries } from '../../../src/sources/consul/health-entry.ts'

interface Written {
  readonly meta?: Readonly<Record<string, string>>
  readonly tags?: readonly string[]
  readonly index?: number
}

function entries(...list: readonly (Written | 'broken')[]): readonly ReadEntry[] {
  const json = list.map((written, number) =>
    written === 'broken'
      ? { Node: {} }
      : {
          Node: { Node: 'n' },
          Service: { ID: `web-${number}`, Meta: written.meta, Tags: written.tags, ModifyIndex: written.index ?? 1 },
        },
  )
  return readHealthEntries(json) ?? []
}

const words = (...list: readonly (Written | 'broken')[]) => announcementOf(entries(...list), 'pointsman', undefined)
const rr = { meta: { 'pointsman-scheduler': 'rr' } }
const wrr = { meta: { 'pointsman-scheduler': 'wrr' } }

describe('what an instance says', () => {
  it('stands in its meta under a key that Consul takes, else in its tags', () => {
    const meta = { 'pointsman-listen': '10.0.0.1:80', pointsman_drain_timeout: '5s', other: 'x', 'pointsman-': 'x' }
    const tags = [
      'prod',
      'pointsman.listen=10.0.0.9:80',
      'pointsman.drain.timeout=9s',
      'pointsman.scheduler= wrr ',
      'pointsmanx.y=z',
    ]
    expect(words({ meta, tags })).toEqual({
      kind: 'marked',
      words: { drain_timeout: '5s', listen: '10.0.0.1:80', scheduler: 'wrr' },
      problems: [],
    })
  })

  it('is not its weight, which is of the instance alone', () => {
    expect(words({ meta: { 'pointsman-weight': '5' }, tags: ['pointsman.weight=7'] })).toEqual({ kind: 'unmarked' })
  })

  it('must not contradict itself', () => {
    const said = words({ tags: ['pointsman.listen=10.0.0.1:80', 'pointsman-listen=10.0.0.2:80'] })
    expect(said).toMatchObject({
      problems: ['n/web-0 says listen twice in its tags, 10.0.0.1:80 and 10.0.0.2:80; keep one'],
    })
  })

  it('is known by another prefix where one is configured', () => {
    expect(announcementOf(entries({ tags: ['acme.lb.listen=x', 'pointsman.listen=y'] }), 'acme.lb', undefined)).toMatchObject({
      words: { listen: 'x' },
    })
  })
})

describe('instances that disagree', () => {
  it('are outvoted, and the disagreement is told', () => {
    expect(words(rr, wrr, wrr)).toMatchObject({
      words: { scheduler: 'wrr' },
      disagreement: '2 of 3 instances say scheduler=wrr, n/web-0 says scheduler=rr',
    })
  })

  it('go by those that have said so longest where they are as many', () => {
    expect(words({ ...rr, index: 9 }, { ...wrr, index: 3 })).toMatchObject({ words: { scheduler: 'wrr' } })
    expect(words({ ...rr, index: 3 }, { ...wrr, index: 9 })).toMatchObject({ words: { scheduler: 'rr' } })
  })

  it('do not count those that say nothing', () => {
    expect(words({}, {}, rr)).toEqual({ kind: 'marked', words: { scheduler: 'rr' }, problems: [] })
  })
})

describe('an answer', () => {
  it('without an instance, and one whose instances say nothing, are different', () => {
    expect(words()).toEqual({ kind: 'gone' })
    expect(words({})).toEqual({ kind: 'unmarked' })
  })

  it('with an instance that cannot be read tells nothing where nobody else says anything', () => {
    expect(words('broken', {})).toBeUndefined()
    expect(words('broken', rr)).toMatchObject({ words: { scheduler: 'rr' } })
  })

  it('that says the same is the same object', () => {
    const first = words(rr)
    expect(announcementOf(entries(rr, rr), 'pointsman', first)).toBe(first)
  })
})
