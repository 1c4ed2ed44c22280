import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { loaded, warnings } from './support.ts'

const text = (name: string) => readFileSync(new URL(`fixtures/${name}`, import.meta.url), 'utf8')
const fixture = text('ezlb-like.yaml')
const short = text('ezlb-short.yaml')

describe('a file in the manner of ezlb, with every key', () => {
  it('loads as it is', () => {
    const { settings, services } = loaded(fixture)
    expect(settings).toMatchObject({
      logLevel: 'warn',
      admin: { address: '::', port: 9600 },
      onExit: 'keep',
      metricsEnabled: true,
      metricsPath: '/stats',
    })
    expect(
      services.map(({ name, scheduler, checks, fullNat, backends }) => [
        name,
        scheduler,
        checks.length > 0,
        fullNat,
        backends.size,
      ]),
    ).toEqual([
      ['shop', 'wlc', true, false, 2],
      ['mail', 'lc', true, false, 1],
      ['names', 'sh', false, true, 1],
    ])
    expect(services[0]?.backends.get('198.51.100.1:8443' as never)).toEqual({ address: '198.51.100.1', port: 8443, weight: 10 })
    expect(services[2]?.snatRange).toEqual({ first: '192.0.2.11', last: '192.0.2.11' })
  })

  it('says what has no effect, once each', () => {
    expect(warnings(fixture).map((sentence) => sentence.split(': ')[1])).toEqual([
      'global.log.home',
      'global.log.max_size',
      'global.log.max_backups',
      'global.log.max_age',
      'global.log.compress',
      'global.log.traffic.interval',
    ])
  })
})

describe('a file in the manner of ezlb, as short as its readme has it', () => {
  it('loads as it is', () => {
    const { settings, services } = loaded(short)
    expect(settings).toMatchObject({ onExit: 'remove', admin: 'off', logLevel: 'debug' })
    expect(
      services.map(({ name, scheduler, checks, fullNat, backends }) => [
        name,
        scheduler,
        checks.length > 0,
        fullNat,
        backends.size,
      ]),
    ).toEqual([
      ['portal', 'wlc', true, false, 2],
      ['orders', 'wrr', true, false, 2],
      ['resolver', 'rr', false, true, 2],
    ])
  })

  it('says nothing of what has an effect', () => {
    expect(warnings(short)).toEqual([])
  })
})
