import { describe, expect, test } from 'vitest'
import { OutageLedger, outageStanding } from '../../../src/daemon/outages.ts'
import type { StateEvent } from '../../../src/model/state-event.ts'
import { serviceKey } from '../../../src/model/virtual-service.ts'
import { identity, key } from '../../support/desired.ts'

const vip = serviceKey(identity('tcp/10.0.0.1:80'))
const backend = key('10.0.1.1:80')
const MEMBER = { kind: 'health', service: 'web', vip, backend, cause: 'probe', reasons: [] } as const
const POOL = { kind: 'pool', service: 'web', vip, cause: 'decision', reasons: [] } as const

/** Tells at these seconds of turns `from>to`. */
function seen(about: Omit<StateEvent, 'from' | 'to'>, ...turns: readonly (readonly [at: number, turn: string])[]): OutageLedger {
  const ledger = new OutageLedger()
  for (const [at, turn] of turns) {
    const [from = '', to = ''] = turn.split('>')
    ledger.note({ ...about, from, to }, at * 1_000, () => true)
  }
  return ledger
}

describe('outages of a backend', () => {
  test('add up, and the one that goes on is told apart', () => {
    const ledger = seen(MEMBER, [1, 'unknown>up'], [10, 'up>down'], [25, 'down>up'], [100, 'up>down'])
    expect(ledger.of(vip, backend)).toEqual({ times: 2, ended: 15_000, since: 100_000 })
    expect(ledger.of(vip)).toEqual({ times: 0, ended: 0 })
  })

  test('end also where it is known no longer whether it is up', () => {
    expect(seen(MEMBER, [10, 'up>down'], [25, 'down>unknown']).of(vip, backend)).toEqual({ times: 1, ended: 15_000 })
  })

  test('of which nobody saw the end have no length', () => {
    // It left the pool while it was down, and came back an hour later.
    const returned = seen(MEMBER, [10, 'up>down'], [3_600, 'unknown>up'])
    expect(returned.of(vip, backend)).toEqual({ times: 1, ended: 0 })
    const downAgain = seen(MEMBER, [10, 'up>down'], [3_600, 'unknown>down'], [3_605, 'down>up'])
    expect(downAgain.of(vip, backend)).toEqual({ times: 2, ended: 5_000 })
  })

  test('are not what else turns', () => {
    const ledger = seen({ ...MEMBER, kind: 'serving' }, [10, 'serves>down'], [11, 'down>serves'])
    expect(ledger.of(vip, backend)).toEqual({ times: 0, ended: 0 })
  })
})

test('a service is down while nobody serves, and not while a pool panics', () => {
  const ledger = seen(POOL, [10, 'normal>panic'], [20, 'panic>nobody'], [27, 'nobody>sorry'], [30, 'sorry>normal'])
  expect(ledger.of(vip)).toEqual({ times: 1, ended: 7_000 })
})

test('a configuration that changes all its services for ever does not fill the memory', () => {
  const ledger = new OutageLedger()
  const asked = new Set<string>()
  for (let at = 0; at < 5_000; at++) {
    const gone = serviceKey(identity(`tcp/10.0.${at >> 8}.${at & 255}:80`))
    ledger.note({ ...POOL, vip: gone, from: 'normal', to: 'nobody' }, at, (service, of) => {
      expect(of).toBeUndefined()
      asked.add(service)
      return service === 'tcp/10.0.0.7:80'
    })
  }
  expect(asked.size).toBeGreaterThan(4_000)
  expect([ledger.of('tcp/10.0.0.7:80').times, ledger.of('tcp/10.0.0.8:80').times]).toEqual([1, 0])
})

test('who left in the middle of an outage is down no longer', () => {
  const outages = { times: 1, ended: 1_500, since: 60_000 }
  expect(outageStanding(outages, true)).toEqual({
    times_down: 1,
    downtime: { seconds: 1.5, since: '1970-01-01T00:01:00.000Z' },
  })
  expect(outageStanding(outages, false)).toEqual({ times_down: 1, downtime: { seconds: 1.5 } })
})
