import { describe, expect, it } from 'vitest'
import { complaints, loaded } from './support.ts'

const one = (value: string) => `services: [{ name: a, listen: "10.0.0.1:80", backends: [], traffic_log: ${value} }]`

describe('traffic_log', () => {
  it.each([
    ['true', { interval: 10_000, backends: false, idle: false }],
    ['false', undefined],
    ['1m', { interval: 60_000, backends: false, idle: false }],
    ['{}', { interval: 10_000, backends: false, idle: false }],
    ['{ interval: 5s, backends: true, idle: true }', { interval: 5_000, backends: true, idle: true }],
  ])('%s', (value, spec) => {
    expect(loaded(one(value)).services[0]?.trafficLog).toEqual(spec)
  })

  it('is inherited, and a service may do without', () => {
    const text =
      'defaults: { traffic_log: 30s }\nservices: [{ name: a, listen: "10.0.0.1:80", backends: [] }, { name: b, listen: "10.0.0.2:80", backends: [], traffic_log: false }]'
    expect(loaded(text).services.map(({ trafficLog }) => trafficLog?.interval)).toEqual([30_000, undefined])
  })

  it.each([
    ['10', /10 has no unit/],
    ['500ms', /500ms is below 1s; write a duration from 1s to 24h, true or false/],
    ['on', /"on" is not a duration.*true or false/],
    ['{ intervall: 5s }', /intervall.*interval/],
    ['{ interval: true }', /traffic_log\.interval/],
  ])('%s is refused', (value, sentence) => {
    expect(complaints(one(value))).toEqual([expect.stringMatching(sentence)])
  })
})
