import { describe, expect, test } from 'vitest'
import { watchdogInterval } from '../../../src/daemon/real-host.ts'
import { Supervisor } from '../../../src/daemon/supervisor.ts'
import { FakeHost } from './fake-host.ts'

function supervised(watchdog?: number) {
  const host = new FakeHost()
  host.watchdog = watchdog
  return { host, supervisor: new Supervisor(host) }
}

describe('what the service manager is told', () => {
  test('a pass is a sign of life, unless the kernel is stuck', () => {
    const { host, supervisor } = supervised(1_000)
    supervisor.passEnded({ stuck: false, status: 'a' })
    supervisor.passEnded({ stuck: true, status: 'b' })
    expect(host.told).toEqual(['WATCHDOG=1\nSTATUS=a', 'STATUS=b'])
    expect(supervisor.passInterval).toBe(500)
  })

  test('without a watchdog no sign of life is sent, and passes are not hurried', () => {
    const { host, supervisor } = supervised()
    supervisor.passEnded({ stuck: false, status: 'a' })
    expect(host.told).toEqual(['STATUS=a'])
    expect(supervisor.passInterval).toBeUndefined()
  })

  test('ready is said once; reloads are told only after it', () => {
    const { host, supervisor } = supervised()
    supervisor.reloading()
    supervisor.reloaded('x')
    expect(host.told).toEqual([])
    supervisor.ready('1 service')
    supervisor.ready('1 service')
    supervisor.reloading()
    supervisor.reloaded('2 services')
    expect(host.told).toEqual([
      'READY=1\nSTATUS=1 service',
      expect.stringMatching(/^RELOADING=1\nMONOTONIC_USEC=\d+$/),
      'READY=1\nSTATUS=2 services',
    ])
  })

  test('an end that drains asks for the time it needs; afterwards nothing is a sign of life', () => {
    const { host, supervisor } = supervised(1_000)
    supervisor.stopping(300_000.5)
    supervisor.passEnded({ stuck: false, status: 'a' })
    supervisor.ready('late')
    expect(host.told).toEqual(['STOPPING=1\nEXTEND_TIMEOUT_USEC=300000500'])
  })
})

test.each<[NodeJS.ProcessEnv, number | undefined]>([
  [{}, undefined],
  [{ WATCHDOG_USEC: '30000000' }, 30_000],
  [{ WATCHDOG_USEC: '30000000', WATCHDOG_PID: '7' }, 30_000],
  [{ WATCHDOG_USEC: '30000000', WATCHDOG_PID: '8' }, undefined],
  [{ WATCHDOG_USEC: '0' }, undefined],
  [{ WATCHDOG_USEC: '-5' }, undefined],
  [{ WATCHDOG_USEC: 'soon' }, undefined],
])('the watchdog of %j is %s', (environment, expected) => {
  expect(watchdogInterval(environment, 7)).toBe(expected)
})
