import { BehaviorSubject, NEVER, of, ReplaySubject, Subject, VirtualTimeScheduler } from 'rxjs'
import { expect, it } from 'vitest'
import type { OperatorWords } from '../../../src/model/admin-state.ts'
import { NO_WORDS, say } from '../../../src/model/operator-words.ts'
import type { DesiredUpdate, WantedServices } from '../../../src/pipeline/desired-update.ts'
import { desiredState } from '../../../src/pipeline/wire.ts'
import { web } from './bench.ts'
import { backends, key, spec } from './makers.ts'

const drained = say(NO_WORDS, { service: web, backend: key(1) }, { verb: 'drain', reason: 'disk' }, 0)

it.each([NO_WORDS, drained])('words, few or none, make no desired state before there is a configuration', (words) => {
  const wanted$ = new Subject<WantedServices>()
  const updates: DesiredUpdate[] = []
  const kernel$ = of({ expiresQuiescentTemplates: false })
  const operator$ = new BehaviorSubject<OperatorWords>(words)
  desiredState(wanted$, () => NEVER, { operator$, kernel$, scheduler: new VirtualTimeScheduler() }).subscribe((update) =>
    updates.push(update),
  )
  expect(updates).toEqual([])
  wanted$.next({ services: [spec({ backends: backends(1, 2) })] })
  expect(updates.map(({ desired }) => desired.services.size)).toEqual([1])
})

it('words of an earlier process count in the very first desired state', () => {
  const wanted$ = new ReplaySubject<WantedServices>()
  wanted$.next({ services: [spec({ backends: backends(1, 2) })] })
  const updates: DesiredUpdate[] = []
  const operator$ = new BehaviorSubject<OperatorWords>(drained)
  desiredState(wanted$, () => NEVER, { operator$, scheduler: new VirtualTimeScheduler() }).subscribe((update) =>
    updates.push(update),
  )
  const weights = updates.map(({ desired }) => desired.services.get(web)?.destinations.get(key(1))?.weight)
  expect(weights).toEqual([0])
})
