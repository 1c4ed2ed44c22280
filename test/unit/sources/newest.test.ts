import { of, Subject } from 'rxjs'
import { describe, expect, it } from 'vitest'
import { newest } from '../../../src/sources/newest.ts'

function bench() {
  const values$ = new Subject<string>()
  const begun: string[] = []
  const work: Subject<string>[] = []
  const seen: string[] = []
  const subscription = values$
    .pipe(
      newest((value) => {
        begun.push(value)
        const result$ = new Subject<string>()
        work.push(result$)
        return result$
      }),
    )
    .subscribe({
      next: (result) => seen.push(result),
      complete: () => seen.push('complete'),
      error: (e) => seen.push(`error ${e}`),
    })
  const finish = (index: number) => {
    work[index]?.next(`${begun[index]} done`)
    work[index]?.complete()
  }
  return { values$, begun, work, seen, subscription, finish }
}

describe('working on the newest value', () => {
  it('works on one value at a time and then on the newest only', () => {
    const { values$, begun, seen, finish } = bench()
    for (const value of ['a', 'b', 'c']) values$.next(value)
    expect(begun).toEqual(['a'])
    finish(0)
    expect(begun).toEqual(['a', 'c'])
    finish(1)
    values$.next('d')
    expect(begun).toEqual(['a', 'c', 'd'])
    expect(seen).toEqual(['a done', 'c done'])
  })

  it('completes when the input has ended and the newest value is done', () => {
    const { values$, seen, finish } = bench()
    values$.next('a')
    values$.next('b')
    values$.complete()
    finish(0)
    finish(1)
    expect(seen).toEqual(['a done', 'b done', 'complete'])
  })

  it('works through values whose work is done at once', () => {
    const seen: (number | string)[] = []
    of(1, 2, 3)
      .pipe(newest((value) => of(value * 10)))
      .subscribe({ next: (value) => seen.push(value), complete: () => seen.push('complete') })
    expect(seen).toEqual([10, 20, 30, 'complete'])
  })

  it('gives the work up when nobody listens any more', () => {
    const { values$, work, begun, subscription } = bench()
    values$.next('a')
    values$.next('b')
    subscription.unsubscribe()
    expect(work[0]?.observed).toBe(false)
    expect(begun).toEqual(['a'])
  })

  it('passes errors on', () => {
    const first = bench()
    first.values$.next('a')
    first.work[0]?.error('of the work')
    const second = bench()
    second.values$.error('of the input')
    expect([first.seen, second.seen]).toEqual([['error of the work'], ['error of the input']])
  })
})
