import { Subject } from 'rxjs'
import { describe, expect, it } from 'vitest'
import { formatIssue } from '../../../../src/document/issue.ts'
import type { HttpSourceSpec } from '../../../../src/model/http-source-spec.ts'
import type { SourceEvent } from '../../../../src/model/source-event.ts'
import { httpSource } from '../../../../src/sources/http/http-source.ts'
import type { HttpLook } from '../../../../src/sources/http/poll.ts'
import { ListParser } from '../../../../src/sources/list-parser.ts'
import { backends, key, numbers, spec } from '../../pipeline/makers.ts'

const inventory: HttpSourceSpec = { kind: 'http', url: 'http://inventory/', interval: 30_000, timeout: 10_000, maxSize: 1_000 }

function bench(...known: number[]) {
  const looks$ = new Subject<HttpLook>()
  const heard: SourceEvent[] = []
  const warned: string[] = []
  const onWarnings = (warnings: Parameters<typeof formatIssue>[0][]) => warned.push(...warnings.map(formatIssue))
  const source = httpSource(inventory, spec(), {
    looks$,
    parser: new ListParser(),
    known: backends(...known),
    onWarnings: (each) => onWarnings([...each]),
  })
  source.watch().subscribe((event) => heard.push(event))
  const last = () => heard.at(-1)
  const set = () => {
    const event = last()
    if (event === undefined || event.kind === 'pending') throw new Error('there is no set')
    return event.set
  }
  return {
    heard,
    warned,
    last,
    set,
    bytes: (bytes: Uint8Array, at: number) => looks$.next({ kind: 'list', bytes, at }),
    answers: (list: unknown, at: number) => looks$.next({ kind: 'list', bytes: Buffer.from(JSON.stringify(list)), at }),
    fails: (message: string, at: number) => looks$.next({ kind: 'failure', failure: { code: 'SOURCE_UNREADABLE', message, at } }),
  }
}

describe('an http source', () => {
  it('keeps a member that an unusable entry names as it was before the source was opened', () => {
    const { answers, set } = bench(1, 2, 3)
    answers({ backends: [key(1), { address: key(2), weight: 70_000 }] }, 5)
    expect(numbers(set().backends)).toEqual([key(1), key(2)])
  })

  it('is pending, then says what the list says', () => {
    const { heard, answers } = bench()
    answers([{ targets: [key(1), key(2)] }], 5)
    expect(heard).toEqual([
      { kind: 'pending' },
      {
        kind: 'fresh',
        set: {
          backends: new Map([1, 2].map((number) => [key(number), { address: `10.1.0.${number}`, port: 8080 }])),
          origin: 'http http://inventory/',
          trust: 'fresh',
          at: 5,
        },
      },
    ])
  })

  it('confirms an equal list with the same map and a later time, however it was written', () => {
    const { answers, bytes, set } = bench()
    const text = Buffer.from(JSON.stringify([key(1), key(2)]))
    bytes(text, 5)
    const first = set().backends
    bytes(text, 6)
    expect([set().backends === first, set().at]).toEqual([true, 6])
    answers([{ targets: [key(2)] }, { targets: [key(1)] }], 7)
    expect([set().backends === first, set().at]).toEqual([true, 7])
    answers([key(1)], 8)
    expect(numbers(set().backends)).toEqual([key(1)])
  })

  it('keeps the last good set through failures, says each once, and is exact with the next good answer', () => {
    const { heard, answers, fails, last, set } = bench()
    answers([key(1), key(2)], 5)
    const good = set().backends
    fails('down', 6)
    fails('down', 7)
    answers({ half: 'a list' }, 8)
    expect(heard.slice(2)).toMatchObject([
      { kind: 'stale', failure: { message: 'down', at: 6 }, set: { trust: 'stale', at: 5 } },
      { kind: 'stale', failure: { code: 'SOURCE_INVALID', at: 8 }, set: { trust: 'stale', at: 5 } },
    ])
    expect(set().backends).toBe(good)
    answers([key(1), key(2)], 9)
    expect(last()).toMatchObject({ kind: 'fresh', set: { trust: 'fresh', at: 9 } })
    expect(set().backends).toBe(good)
  })

  it('takes an empty list for an answer, and a list of which nothing can be used for a failure', () => {
    const { answers, last, set } = bench()
    answers([{ targets: ['web-1:80'] }], 4)
    expect(last()).toMatchObject({ kind: 'pending', failure: { code: 'SOURCE_INVALID' } })
    answers([], 5)
    expect(last()).toMatchObject({ kind: 'fresh' })
    expect(set().backends.size).toBe(0)
    answers([key(1)], 6)
    answers([{ targets: ['web-1:80'] }], 7)
    expect(last()).toMatchObject({
      kind: 'stale',
      failure: { message: expect.stringContaining('[0].targets[0]: "web-1" is a name') },
    })
    expect(numbers(set().backends)).toEqual([key(1)])
  })

  it('uses the rest of a list with a bad entry, counts it, and says so once', () => {
    const { answers, set, warned } = bench()
    answers([{ targets: [key(1), 'web-1:80'] }], 5)
    expect(set()).toMatchObject({ quarantined: 1, trust: 'fresh' })
    expect(numbers(set().backends)).toEqual([key(1)])
    answers([{ targets: [key(1), 'web-1:80', key(2)] }], 6)
    expect(warned).toEqual([expect.stringContaining('http://inventory/: [0].targets[1]: "web-1" is a name')])
    answers([{ targets: [key(1)] }], 7)
    expect(set()).not.toHaveProperty('quarantined')
    answers([{ targets: [key(1), 'web-1:80'] }], 8)
    expect(warned).toHaveLength(2)
  })

  it('keeps a member as it was known when its entry became unusable: it did not leave', () => {
    const { answers, set } = bench()
    answers([{ address: key(1), weight: 5 }, key(2)], 5)
    const first = set().backends
    answers([{ address: key(1), weight: 'five' }, key(2)], 6)
    expect(set().backends).toBe(first)
    answers([{ address: key(3), weight: 'five' }, key(2)], 7)
    expect(numbers(set().backends)).toEqual([key(2)])
  })
})
