import { concat, NEVER, Observable, of, Subject, throwError, VirtualTimeScheduler } from 'rxjs'
import { describe, expect, it } from 'vitest'
import { DEFAULT_POLICY } from '../../../src/model/policy-spec.ts'
import type { ServiceSpec } from '../../../src/model/service-spec.ts'
import type { SourceEvent } from '../../../src/model/source-event.ts'
import { serviceKey } from '../../../src/model/virtual-service.ts'
import type { DesiredUpdate, WantedServices } from '../../../src/pipeline/desired-update.ts'
import { type Step, WAKE, type Wake } from '../../../src/pipeline/step.ts'
import { desiredState, runStep } from '../../../src/pipeline/wire.ts'
import { Bench, bench, web } from './bench.ts'
import { backend, backends, file, fresh, identity, key, numbers, spec, stale, tcpCheck } from './makers.ts'

const listed = spec({ sources: [file()] })

describe('from configuration to desired state', () => {
  it('says at once what pinned members make', () => {
    const made = bench(spec({ backends: backends(1, 2) }))
    expect(made.updates).toHaveLength(1)
    expect(made.service()).toMatchObject({ complete: true })
    expect(made.destinations()).toEqual([key(1), key(2)])
    expect(made.service()?.destinations.get(key(1))?.reasons).toContain('listed by static')
  })

  it('says so when the configuration names no service', () => {
    expect(bench().updates.map(({ desired }) => desired.services.size)).toEqual([0])
  })

  it('passes on what belongs to IPVS as a whole, together with the services', () => {
    const made = new Bench()
    const ipvs = { timeouts: { tcp: 900 }, syncDaemons: [] }
    made.wanted$.next({ services: [listed], ipvs })
    expect(made.updates.at(-1)?.desired).toMatchObject(ipvs)
    made.wanted$.next({ services: [listed] })
    expect(made.updates.at(-1)?.desired).not.toHaveProperty('timeouts')
  })

  it('is not complete until every source has answered, and adds meanwhile', () => {
    const made = bench(spec({ sources: [file('/a'), file('/b')], backends: backends(1) }))
    expect(made.service()).toMatchObject({ complete: false })
    made.say(fresh([2]), '/a')
    expect(made.service()).toMatchObject({ complete: false })
    expect(made.destinations()).toEqual([key(1), key(2)])
    made.say(fresh([]), '/b')
    expect(made.service()).toMatchObject({ complete: true })
  })

  it('is not complete, and remembers nothing, while a source has only given answers that may lack members', () => {
    const made = bench(listed)
    made.say(fresh([1], { trust: 'leaderless', at: 1 }))
    expect(made.destinations()).toEqual([key(1)])
    expect(made.service()).toMatchObject({ complete: false })
    expect(made.lastGood).toEqual([])
    made.say(fresh([1, 2], { at: 2 }))
    expect(made.destinations()).toEqual([key(1), key(2)])
    expect(made.service()).toMatchObject({ complete: true })
    expect(made.lastGood).toHaveLength(1)
    made.until(10_000)
    made.say(fresh([1], { trust: 'truncated', at: 3 }))
    expect(made.service()).toMatchObject({ complete: true })
  })

  it('keeps a replaced source’s members until the new one has given a whole answer', () => {
    const made = bench(listed)
    made.say(fresh([1, 2]))
    made.configure(spec({ sources: [file('/new')] }))
    made.say(fresh([3], { trust: 'truncated', at: 5 }), '/new')
    made.until(100_000)
    expect(made.destinations()).toEqual([key(1), key(2), key(3)])
    made.say(fresh([3], { at: 100_000 }), '/new')
    made.until(101_000)
    expect(made.destinations()).toEqual([key(3)])
  })

  it('lets the first answer pass at once, also right after another event', () => {
    const made = bench(spec({ sources: [file('/a'), file('/b')] }))
    made.say(fresh([1]), '/a')
    made.say(fresh([2]), '/b')
    expect(made.destinations()).toEqual([key(1), key(2)])
  })

  it('keeps the last good set through an outage and says nothing new', () => {
    const made = bench(listed)
    made.say(fresh([1, 2]))
    const known = made.updates.length
    made.say(stale([1, 2]))
    made.until(10_000_000)
    expect(made.updates).toHaveLength(known)
    made.say(fresh([1, 2], { at: 9 }))
    expect(made.updates).toHaveLength(known)
  })

  it('keeps the objects of services that did not change', () => {
    const other = spec({ name: 'other', identity: identity(2), backends: backends(1) })
    const made = bench(listed, other)
    made.say(fresh([1]))
    const [first, second] = made.updates
    const kept = serviceKey(other.identity)
    expect(second?.desired.services.get(kept)).toBe(first?.desired.services.get(kept))
    expect(second?.provenance.get(kept)).toBe(first?.provenance.get(kept))
  })

  it('shows the provenance', () => {
    const made = bench(spec({ sources: [file()], scheduler: 'dh', backends: backends(backend(1, { weight: 0 })) }))
    made.say(fresh([2, 3], { at: 0 }))
    made.say(fresh([2, 4], { at: 0 }))
    const seen = made.updates.at(-1)?.provenance.get(web)
    expect(seen?.leftOut.get(key(1))?.[0]).toBe('scheduler dh would refuse clients at weight 0')
    expect(seen?.sources).toMatchObject([{ source: 'file /lists/web.yaml', state: 'up', records: 2 }])
    expect(numbers(seen?.members ?? [])).toEqual([key(1), key(2), key(3)])
  })
})

describe('pinned members beside a source', () => {
  it('keep their weight, and follow what the source says of their health', () => {
    const made = bench(spec({ sources: [file()], backends: backends(backend(1, { weight: 9 })) }))
    made.say(fresh([backend(1, { weight: 2, state: 'critical' }), 2]))
    const destination = () => made.service()?.destinations.get(key(1))
    expect(destination()).toMatchObject({
      weight: 0,
      reasons: ['file /lists/web.yaml says critical', 'backend weight 9', 'listed by static'],
    })
    made.until(10_000)
    made.say(fresh([backend(1, { weight: 2, state: 'passing' }), 2]))
    expect(destination()).toMatchObject({ weight: 9 })
    made.until(20_000)
    made.say(fresh([2]))
    made.until(30_000)
    expect(destination()).toMatchObject({ weight: 9, reasons: ['backend weight 9', 'listed by static'] })
  })
})

describe('debouncing on the wire', () => {
  it('makes at most two updates of a burst of 1,000 events within 50 ms and ends in the newest state', () => {
    const made = bench(listed)
    made.say(fresh([1, 2, 3]))
    made.until(10_000)
    const known = made.updates.length
    for (let event = 0; event < 1_000; event++) {
      made.until(10_000 + event / 20)
      made.say(fresh([1, event % 7 === 0 ? 2 : 3, backend(4, { weight: event })]))
    }
    made.until(60_000)
    expect(made.updates.length - known).toBe(2)
    expect(made.destinations()).toEqual([key(1), key(3), key(4)])
    expect(made.service()?.destinations.get(key(4))?.weight).toBe(999)
  })

  it('writes nothing for a member that leaves and returns within min', () => {
    const made = bench(listed)
    made.say(fresh([1, 2]))
    made.until(10_000)
    const known = made.updates.length
    made.say(fresh([1]))
    made.until(10_499)
    made.say(fresh([1, 2]))
    made.until(60_000)
    expect(made.updates).toHaveLength(known)
  })

  it('dates an update by the oldest event in it', () => {
    const made = bench(listed)
    made.say(fresh([1, 2]))
    made.until(10_000)
    made.say(fresh([1]))
    made.until(10_400)
    made.say(fresh([1, 3]))
    expect(made.updates.at(-1)?.eventAt).toBe(10_400)
    made.until(60_000)
    expect(made.updates.at(-1)?.eventAt).toBe(10_000)
    expect(made.destinations()).toEqual([key(1), key(3)])
  })
})

describe('changing the configuration', () => {
  it('keeps the sources and the state of what did not change', () => {
    const made = bench(listed)
    made.say(fresh([1, 2]))
    const before = made.service()
    made.configure(spec({ sources: [file()], name: 'shop' }))
    expect(made.opened).toEqual(['/lists/web.yaml'])
    expect(made.closed).toEqual([])
    expect(made.service()).toEqual({ ...before, name: 'shop' })
    expect(made.service()?.destinations).toBe(before?.destinations)
  })

  it('says nothing when the same configuration comes again', () => {
    const made = bench(listed)
    made.say(fresh([1, 2]))
    const known = made.updates.length
    made.configure(spec({ sources: [file()] }))
    expect(made.updates).toHaveLength(known)
  })

  it('changes weights and pinned members at once', () => {
    const made = bench(spec({ sources: [file()], backends: backends(1) }))
    made.say(fresh([2]))
    made.configure(spec({ sources: [file()], weight: 7, backends: backends(1, 3) }))
    expect(made.destinations()).toEqual([key(1), key(2), key(3)])
    expect([...(made.service()?.destinations.values() ?? [])].map(({ weight }) => weight)).toEqual([7, 7, 7])
  })

  it('lets a service vanish that left the configuration, and closes its sources', () => {
    const other = spec({ name: 'other', identity: identity(2), sources: [file('/other')] })
    const made = bench(listed, other)
    made.say(fresh([1]), '/other')
    made.configure(listed)
    expect(made.closed).toEqual(['/other'])
    expect([...(made.updates.at(-1)?.desired.services.keys() ?? [])]).toEqual([web])
    expect(made.changes.at(-1)).toMatchObject({ kind: 'gone', status: { source: 'file /other', name: 'other' } })
  })

  it('replaces a source with additions first: the old members stay until the new source has answered', () => {
    const made = bench(listed)
    made.say(fresh([1, 2]))
    made.until(10_000)
    made.configure(spec({ sources: [file('/new')] }))
    expect(made.opened).toEqual(['/lists/web.yaml', '/new'])
    expect(made.closed).toEqual(['/lists/web.yaml'])
    expect(made.service()).toMatchObject({ complete: false })
    made.until(1_000_000)
    expect(made.destinations()).toEqual([key(1), key(2)])
    made.say(fresh([2, 3]), '/new')
    expect(made.destinations()).toEqual([key(1), key(2), key(3)])
    made.until(1_000_500)
    expect(made.destinations()).toEqual([key(2), key(3)])
    expect(made.service()).toMatchObject({ complete: true })
  })

  it('keeps the members of a source that is replaced twice before the newest answers', () => {
    const made = bench(listed)
    made.say(fresh([1, 2]))
    made.configure(spec({ sources: [file('/new')] }))
    made.configure(spec({ sources: [file('/newest')] }))
    made.until(100_000)
    expect(made.destinations()).toEqual([key(1), key(2)])
  })

  it('removes the members of a source that the configuration no longer names, after min', () => {
    const made = bench(spec({ sources: [file('/a'), file('/b')] }))
    made.say(fresh([1]), '/a')
    made.say(fresh([2]), '/b')
    made.until(10_000)
    made.configure(spec({ sources: [file('/b')] }))
    expect(made.destinations()).toEqual([key(1), key(2)])
    made.until(10_500)
    expect(made.destinations()).toEqual([key(2)])
    expect(made.opened).toEqual(['/a', '/b'])
  })

  it('reads a list anew when what it is checked against changes, and keeps the members meanwhile', () => {
    const made = bench(listed)
    made.say(fresh([1, 2]))
    made.configure(spec({ sources: [file()], forwarding: { method: 'direct' } }))
    expect(made.opened).toEqual(['/lists/web.yaml', '/lists/web.yaml'])
    expect(made.destinations()).toEqual([key(1), key(2)])
    expect(made.service()?.destinations.get(key(1))?.forwarding).toEqual({ method: 'direct' })
  })

  it.each<Partial<ServiceSpec>>([
    { name: 'shop' },
    { weight: 9 },
    { scheduler: 'mh' },
    { flags: { flag1: true, flag2: true, flag3: false } },
    { onePacket: true },
    { backends: backends(9) },
    { debounce: { min: 0, max: 0 } },
    { drainTimeout: 1 },
    { adopt: 'all' },
    { checks: [tcpCheck] },
    { policy: { ...DEFAULT_POLICY, onDown: 'remove' } },
    { guard: { maxRemoval: 1, window: 1, onEmpty: 'hold' } },
  ])('leaves the source open when only %o changes', (more) => {
    const made = bench(listed)
    made.configure({ ...listed, ...more })
    expect(made.opened).toEqual(['/lists/web.yaml'])
    expect(made.updates.at(-1)?.provenance.get(web)?.spec).toEqual({ ...listed, ...more })
  })

  it.each<Partial<ServiceSpec>>([
    { persistence: { timeout: 60, mask: 0xffffffff } },
    { upperThreshold: 5 },
    { lowerThreshold: 5 },
    { fullNat: true },
  ])('reads the list anew when %o changes, because the list is checked against it', (more) => {
    const made = bench(listed)
    made.configure({ ...listed, ...more })
    expect(made.opened).toEqual(['/lists/web.yaml', '/lists/web.yaml'])
    expect(made.closed).toEqual(['/lists/web.yaml'])
  })

  it('does not hear a source that was closed', () => {
    const heard = new Subject<SourceEvent>()
    const wanted$ = new Subject<WantedServices>()
    const updates: DesiredUpdate[] = []
    const source$ = new Observable<SourceEvent>((subscriber) => {
      heard.subscribe((event) => subscriber.next(event))
    })
    desiredState(wanted$, () => source$, { scheduler: new VirtualTimeScheduler() }).subscribe((update) => updates.push(update))
    wanted$.next({ services: [listed] })
    wanted$.next({ services: [] })
    heard.next(fresh([1]))
    expect(updates).toHaveLength(2)
  })

  it('closes every source when nobody listens any more', () => {
    const made = bench(spec({ sources: [file('/a'), file('/b')] }))
    made.say(fresh([1, 2]), '/a')
    made.say(fresh([1]), '/a')
    made.stop()
    expect(made.closed).toEqual(['/a', '/b'])
    expect(made.scheduler.actions.filter(({ closed }) => !closed)).toEqual([])
  })

  it('goes on with the last configuration when no further one can come', () => {
    const said$ = new Subject<SourceEvent>()
    const updates: DesiredUpdate[] = []
    let completed = false
    desiredState(of({ services: [listed] }), () => said$, { scheduler: new VirtualTimeScheduler() }).subscribe({
      next: (update) => updates.push(update),
      complete: () => {
        completed = true
      },
    })
    said$.next(fresh([1]))
    expect(numbers(updates.at(-1)?.desired.services.get(web)?.destinations ?? [])).toEqual([key(1)])
    expect(completed).toBe(false)
  })
})

describe('telling how the sources stand', () => {
  it('reports every change of state with the one before', () => {
    const made = bench(listed)
    made.until(10)
    made.say(fresh([1, 2], { at: 9 }))
    made.until(20)
    made.say(stale([1, 2]))
    made.until(30)
    made.say(fresh([1], { at: 29 }))
    const common = { service: web, name: 'web', source: 'file /lists/web.yaml' }
    expect(made.changes).toMatchObject([
      { kind: 'status', status: { ...common, state: 'pending', records: 0, since: 0 } },
      { status: { ...common, state: 'up', records: 2, since: 10, answeredAt: 9 }, before: { state: 'pending' } },
      {
        status: { state: 'stale', records: 2, since: 20, answeredAt: 9, failure: { message: 'it is gone' } },
        before: { state: 'up' },
      },
      { status: { state: 'up', records: 1, since: 30, answeredAt: 29 }, before: { state: 'stale' } },
    ])
    expect(made.changes.at(-1)).not.toHaveProperty('status.failure')
  })

  it('takes a source that fails against its promise for an outage', () => {
    const made = bench(listed)
    made.say(fresh([1, 2]))
    made.fail('/lists/web.yaml')
    expect(made.changes.at(-1)).toMatchObject({ status: { state: 'stale', records: 2, failure: { code: 'INTERNAL' } } })
    expect(made.destinations()).toEqual([key(1), key(2)])
  })

  it('opens such a source again after half a minute, and never gives up', () => {
    const made = bench(listed)
    made.say(fresh([1], { at: 1 }))
    for (const end of [30_000, 60_000]) {
      made.fail('/lists/web.yaml')
      made.until(end - 1)
      made.say(fresh([2], { at: 2 }))
      expect(made.destinations()).toEqual([key(1)])
      made.until(end)
    }
    expect(made.opened).toHaveLength(3)
    made.say(fresh([1, 3], { at: 3 }))
    expect(made.changes.at(-1)).toMatchObject({ status: { state: 'up', records: 2 } })
    expect(made.destinations()).toEqual([key(1), key(3)])
    made.stop()
    expect(made.closed).toHaveLength(3)
  })

  it.each([
    [
      'that cannot be opened at all',
      (): Observable<SourceEvent> => {
        throw new Error('of the test')
      },
    ],
    ['that fails while it is being opened', () => throwError(() => new Error('of the test'))],
    [
      'that says something and fails while it is being opened',
      () =>
        concat(
          of(fresh([1])),
          throwError(() => new Error('of the test')),
        ),
    ],
  ])('does not spin over one %s', (_, open) => {
    const scheduler = new VirtualTimeScheduler(undefined, 0)
    scheduler.maxFrames = 95_000
    let opened = 0
    const codes: (string | undefined)[] = []
    const subscription = desiredState(
      of({ services: [listed] }),
      () => {
        opened++
        return open()
      },
      { scheduler, onSource: (change) => change.kind === 'status' && codes.push(change.status.failure?.code) },
    ).subscribe()
    expect(opened).toBe(1)
    expect(codes.at(-1)).toBe('INTERNAL')
    scheduler.flush()
    expect(opened).toBe(4)
    subscription.unsubscribe()
  })

  it('hears a source that speaks while it is being opened', () => {
    const updates: DesiredUpdate[] = []
    desiredState(of({ services: [listed] }), () => of(fresh([1])), { scheduler: new VirtualTimeScheduler() }).subscribe(
      (update) => updates.push(update),
    )
    expect(updates).toHaveLength(2)
    expect(numbers(updates[1]?.desired.services.get(web)?.destinations ?? [])).toEqual([key(1)])
  })
})

describe('running a step', () => {
  type Log = readonly (number | string)[]
  const recording: Step<Log, string, Log> = (log, event, now) => {
    const next = [...log, typeof event === 'string' ? event : event.kind, now]
    return { state: next, emit: next, ...(event === 'ask' && { wakeAt: now + 100 }) }
  }

  function record(drive: (event$: Subject<string>, scheduler: VirtualTimeScheduler) => void): Log {
    const scheduler = new VirtualTimeScheduler(undefined, 0)
    const event$ = new Subject<string>()
    let log: Log = []
    event$.pipe(runStep<Log, string, Log>(recording, [], scheduler)).subscribe((next) => {
      log = next
    })
    drive(event$, scheduler)
    scheduler.maxFrames = Number.POSITIVE_INFINITY
    scheduler.flush()
    return log
  }

  it('wakes it when it asked for it', () => {
    expect(record((event$) => event$.next('ask'))).toEqual(['ask', 0, 'wake', 100])
  })

  it('forgets a wake-up that the next answer does not repeat', () => {
    expect(
      record((event$) => {
        event$.next('ask')
        event$.next('other')
      }),
    ).toEqual(['ask', 0, 'other', 0])
  })

  it('never shows it a time before one that it has seen, although the clock steps back', () => {
    expect(
      record((event$, scheduler) => {
        scheduler.frame = 1_000
        event$.next('a')
        scheduler.frame = 10
        event$.next('b')
      }),
    ).toEqual(['a', 1_000, 'b', 1_000])
  })

  it('finishes one event before it takes the next, also when its own answer causes that', () => {
    const event$ = new Subject<number>()
    const order: string[] = []
    const step: Step<number, number, number> = (state, event) => {
      const number = event === WAKE ? -1 : (event as Exclude<typeof event, Wake>)
      order.push(`begin ${number}`)
      return { state: state + number, emit: number }
    }
    event$.pipe(runStep<number, number, number>(step, 0, new VirtualTimeScheduler())).subscribe((number) => {
      if (number < 3) event$.next(number + 1)
      order.push(`end ${number}`)
    })
    event$.next(1)
    expect(order).toEqual(['begin 1', 'end 1', 'begin 2', 'end 2', 'begin 3', 'end 3'])
  })

  it('passes errors and the end of its input on', () => {
    const seen: unknown[] = []
    const run = runStep<Log, string, Log>(recording, [], new VirtualTimeScheduler())
    new Observable<string>((subscriber) => subscriber.error('broken')).pipe(run).subscribe({ error: (error) => seen.push(error) })
    of<string>()
      .pipe(run)
      .subscribe({ complete: () => seen.push('complete') })
    NEVER.pipe(run)
      .subscribe({ complete: () => seen.push('never') })
      .unsubscribe()
    expect(seen).toEqual(['broken', 'complete'])
  })
})
