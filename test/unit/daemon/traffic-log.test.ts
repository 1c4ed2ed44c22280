import { readFileSync } from 'node:fs'
import { VirtualTimeScheduler } from 'rxjs'
import { describe, expect, it } from 'vitest'
import type { TrafficLine } from '../../../src/admin/traffic-deltas.ts'
import { TrafficLog } from '../../../src/daemon/traffic-log.ts'
import { PointsmanError } from '../../../src/errors.ts'
import type { IpvsTable } from '../../../src/model/ipvs-table.ts'
import type { ServiceSpec } from '../../../src/model/service-spec.ts'
import { destination, service, table, WEB } from '../admin/readings.ts'
import { loaded } from '../config/support.ts'
import { letPass } from './virtual-time.ts'

function specs(...logs: string[]): readonly ServiceSpec[] {
  const services = logs.map((log, at) => `{ name: s${at}, listen: "10.0.0.${at + 1}:80", backends: [], traffic_log: ${log} }`)
  return loaded(`services: [${services.join()}]`).services
}

function rig() {
  const scheduler = new VirtualTimeScheduler()
  const lines: TrafficLine[] = []
  const failures: string[] = []
  const read: { at: number[]; count: bigint; broken: boolean } = { at: [], count: 0n, broken: false }
  const log = new TrafficLog({
    read: async (): Promise<IpvsTable> => {
      read.at.push(scheduler.now())
      if (read.broken) throw new PointsmanError('KERNEL_REFUSED', 'It does not want to.')
      read.count += 5n
      return table(service(WEB, read.count, [destination('10.0.1.1', read.count)]))
    },
    write: (line) => lines.push(line),
    onFailure: (sentence) => failures.push(sentence),
    scheduler,
  })
  return { scheduler, lines, failures, read, log }
}

describe('the traffic log', () => {
  it('reads nothing and waits for nothing while no service has one', async () => {
    const { log, scheduler, read } = rig()
    log.follow(specs('false'))
    expect(scheduler.actions).toEqual([])
    log.follow(specs('10s'))
    await letPass(scheduler, 10_000, 500)
    log.follow(specs('false'))
    await letPass(scheduler, 60_000, 500)
    expect(read.at).toEqual([0, 10_000])
  })

  it('reads once for all that are due', async () => {
    const { log, scheduler, read, lines } = rig()
    log.follow(specs('10s', '10s', '20s'))
    await letPass(scheduler, 21_000, 500)
    expect(read.at).toEqual([0, 10_000, 20_000])
    expect(lines.map(({ service, seconds, connections }) => [service, seconds, connections])).toEqual([
      ['s0', 10, 5],
      ['s0', 10, 5],
    ])
    const [, shown = ''] = /```json\n(.*?)```/s.exec(readFileSync('docs/configuration.md', 'utf8')) ?? []
    const ofEveryLine = ['level', 'time', 'pid', 'msg']
    expect(Object.keys(lines[0] ?? {})).toEqual(Object.keys(JSON.parse(shown)).filter((key) => !ofEveryLine.includes(key)))
  })

  it('makes up for a reading that failed with a longer interval, and tells of it once', async () => {
    const { log, scheduler, read, lines, failures } = rig()
    log.follow(specs('10s'))
    await letPass(scheduler, 5_000, 500)
    read.broken = true
    await letPass(scheduler, 25_000, 500)
    read.broken = false
    await letPass(scheduler, 45_000, 500)
    expect(failures).toEqual(['It does not want to.'])
    expect(lines.map(({ seconds }) => seconds)).toEqual([30, 10])
  })

  it('writes nothing after its end', async () => {
    const { log, scheduler, read } = rig()
    log.follow(specs('10s'))
    await letPass(scheduler, 5_000, 500)
    log[Symbol.dispose]()
    await letPass(scheduler, 60_000, 500)
    expect(read.at).toEqual([0])
  })
})
