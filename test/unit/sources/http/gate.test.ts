import { Observable, of, Subject } from 'rxjs'
import { describe, expect, it } from 'vitest'
import { Gate } from '../../../../src/sources/http/gate.ts'

function bench(width: number) {
  const gate = new Gate(width)
  const begun: string[] = []
  const ended: string[] = []
  const work = new Map<string, Subject<void>>()
  const pass = (lane: string, name: string) => {
    const end$ = new Subject<void>()
    work.set(name, end$)
    const begin$ = new Observable<void>((subscriber) => {
      begun.push(name)
      return end$.subscribe(subscriber)
    })
    return gate.pass(lane, begin$).subscribe({ complete: () => ended.push(name) })
  }
  return { begun, ended, pass, finish: (name: string) => work.get(name)?.complete() }
}

describe('a gate', () => {
  it('lets so many through at a time, the others in their order', () => {
    const { begun, ended, pass, finish } = bench(2)
    for (const name of ['a', 'b', 'c', 'd']) pass('x', name)
    expect(begun).toEqual(['a', 'b'])
    finish('b')
    expect(begun).toEqual(['a', 'b', 'c'])
    finish('a')
    finish('c')
    finish('d')
    expect([begun, ended]).toEqual([
      ['a', 'b', 'c', 'd'],
      ['b', 'a', 'c', 'd'],
    ])
  })

  it('keeps lanes apart', () => {
    const { begun, pass } = bench(1)
    for (const [lane, name] of [
      ['x', 'a'],
      ['x', 'b'],
      ['y', 'c'],
    ] as const)
      pass(lane, name)
    expect(begun).toEqual(['a', 'c'])
  })

  it('forgets who leaves the queue, and goes on when a running one is given up', () => {
    const { begun, pass } = bench(1)
    const running = pass('x', 'a')
    const waiting = pass('x', 'b')
    pass('x', 'c')
    waiting.unsubscribe()
    running.unsubscribe()
    expect(begun).toEqual(['a', 'c'])
  })

  it('counts right when work ends at once, also after it has waited', () => {
    const gate = new Gate(1)
    const first$ = new Subject<number>()
    const seen: number[] = []
    for (const work of [first$, of(1), of(2), of(3)]) gate.pass('x', work).subscribe((value) => seen.push(value))
    expect(seen).toEqual([])
    first$.complete()
    gate.pass('x', of(4)).subscribe((value) => seen.push(value))
    expect(seen).toEqual([1, 2, 3, 4])
  })
})
