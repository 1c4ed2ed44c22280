import { of } from 'rxjs'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import type { SourceEvent } from '../../../../src/model/source-event.ts'
import { dnsSource } from '../../../../src/sources/dns/dns-source.ts'
import { spec as service } from '../../pipeline/makers.ts'
import { address, plainSpec, records } from './support.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

it.each([-6, 6])('a DNS source goes on as before when the clock of the machine is stepped by %i hours', async (hours) => {
  let there = ['10.1.0.1', '10.1.0.2']
  const heard: SourceEvent[] = []
  const ask = () => of(records(there.map((text) => address('web', text))))
  const subscription = dnsSource(plainSpec(), service(), { lookups: { ask } })
    .watch()
    .subscribe((event) => heard.push(event))
  await vi.advanceTimersByTimeAsync(200_000)
  vi.setSystemTime(Date.now() + hours * 3_600_000)
  there = ['10.1.0.2', '10.1.0.3']
  await vi.advanceTimersByTimeAsync(120_000)
  const last = heard.at(-1)
  expect(last?.kind === 'fresh' && [...last.set.backends.keys()]).toEqual(['10.1.0.2:8080', '10.1.0.3:8080'])
  subscription.unsubscribe()
})
