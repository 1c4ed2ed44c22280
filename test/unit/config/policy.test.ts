import { describe, expect, it } from 'vitest'
import { DEFAULT_POLICY } from '../../../src/model/policy-spec.ts'
import { complaints, loaded, oneService, warnings } from './support.ts'

function policy(keys: string, top = '') {
  return loaded(oneService(keys, top)).services[0]?.policy
}

function faults(keys: string, top = ''): string[] {
  return complaints(oneService(keys, top)).map((sentence) => sentence.replace(/^pointsman\.yaml:(\d+:\d+): services\[0\]/, '$1'))
}

describe('what becomes of the states of backends', () => {
  it('has defaults', () => {
    expect(policy('weight: 1')).toEqual(DEFAULT_POLICY)
    expect(policy('panic: {}\ndamping: {}')).toEqual(DEFAULT_POLICY)
  })

  it('is written with one key each', () => {
    const keys = [
      'on_down: remove',
      'panic: { percent: 50 }',
      'sorry_server: 10.2.0.1:80',
      'quorum: { min: 2, hysteresis: 1, by: count }',
      'slow_start: 30s',
      'damping: { half_life: 2m }',
      'max_ejection: 34%',
      'absent_grace: 5m',
    ]
    expect(policy(keys.join('\n'))).toEqual({
      onDown: 'remove',
      panic: { percent: 50 },
      sorryServer: { address: '10.2.0.1', port: 80 },
      quorum: { min: 2, hysteresis: 1, by: 'count' },
      slowStart: 30_000,
      damping: { halfLife: 120_000 },
      maxEjection: 34,
      absentGrace: 300_000,
    })
  })

  it('may be off', () => {
    expect(policy('panic: off\ndamping: off\nslow_start: 0\nmax_ejection: 100%')).toEqual({
      ...DEFAULT_POLICY,
      panic: 'off',
      damping: 'off',
      maxEjection: 100,
    })
  })

  it('is inherited; a quorum key by key', () => {
    const top = 'defaults: { slow_start: 30s, panic: off, quorum: { min: 3, hysteresis: 2 } }\n'
    expect(policy('quorum: { by: percent }\nslow_start: 0', top)).toEqual({
      ...DEFAULT_POLICY,
      panic: 'off',
      quorum: { min: 3, hysteresis: 2, by: 'percent' },
    })
  })

  it.each([
    ['on_down: zeroed', '4:14.on_down: "zeroed" is not known; did you mean zero? Otherwise write zero or remove'],
    ['panic: on', '4:12.panic: on is not known here; write off, or { percent: 50 }'],
    ['panic: { percent: 101 }', '4:23.panic.percent: 101 is above 100; write a number of percent from 0 to 100'],
    ['damping: 60s', '4:14.damping: 60s is not known here; write off, or { half_life: 60s }'],
    ['sorry_server: 10.2.0.1', '4:19.sorry_server: "10.2.0.1" has no port; write it behind a colon, such as 10.2.0.1:80'],
    ['sorry_server: 0.0.0.0:80', '4:19.sorry_server: 0.0.0.0 stands for every address; write the address of one host'],
    [
      'sorry_server: "[2001:db8::1]:80"',
      '4:19.sorry_server: an IPv6 backend in an IPv4 service is possible by tunnel only, not by nat; write an IPv4 address, or forwarding: tunnel',
    ],
    [
      'quorum: { min: 2, hysteresis: 2 }',
      '4:13.quorum: a quorum of 2 with a hysteresis of 2 would never be lost; write a hysteresis below min',
    ],
    [
      'quorum: { by: percent, min: 80, hysteresis: 21 }',
      '4:13.quorum: a quorum of 80 percent with a hysteresis of 21 would never be had; write a min and a hysteresis that are 100 together at most',
    ],
    [
      'slow_start: 5s\nscheduler: sh',
      '4:17.slow_start: slow_start means nothing to the scheduler sh; write scheduler: wrr, wlc, sed, nq, or slow_start: 0',
    ],
    [
      'slow_start: 5s\nweight: 656',
      '5:13.weight: weight 656 is above 655, and slow_start carries weights 100 times (the kernel takes 65535); write a weight from 0 to 655, or slow_start: 0',
    ],
    [
      'slow_start: 5s\nbackends: [10.1.0.1:80, { address: 10.1.0.2:80, weight: 9000 }]',
      '5:29.backends[1]: weight 9000 is above 655, and slow_start carries weights 100 times (the kernel takes 65535); write a weight from 0 to 655, or slow_start: 0',
    ],
    ['max_ejection: 50', '4:19.max_ejection: 50 has no percent sign; write a share from 1% to 100%'],
  ])('%s is refused', (keys, sentence) => {
    expect(faults(keys)).toEqual([sentence])
  })

  it('names who inherits what does not fit', () => {
    expect(complaints(oneService('scheduler: rr', 'defaults: { slow_start: 5s }\n'))).toEqual([
      'pointsman.yaml:1:25: defaults.slow_start: slow_start means nothing to the scheduler rr (inherited by service "web"); write scheduler: wrr, wlc, sed, nq, or slow_start: 0',
    ])
  })

  it.each([
    [
      'protocol: udp\nhealth_check: {}\non_down: zero',
      'with weight 0 a backend that fails still gets the datagrams of the clients that it has',
    ],
    [
      'one_packet: true\nprotocol: udp\nhealth_check: {}\non_down: zero',
      'with weight 0 a backend that fails still gets the datagrams of the clients that it has',
    ],
    [
      'persistence: 300s\non_down: zero',
      'with weight 0 a backend that fails keeps its persistent clients while net.ipv4.vs.expire_quiescent_template is 0',
    ],
    ['health_check: { enabled: false }\npanic: off', 'panic has no effect, because nothing asks the backends'],
    ['health_check: { enabled: false }\non_down: zero', 'on_down has no effect, because nothing asks the backends'],
  ])('%s is warned of', (keys, problem) => {
    const told = warnings(oneService(keys)).filter((sentence) => sentence.includes(problem))
    expect(told).toHaveLength(1)
  })

  it('warns of nothing that fits', () => {
    expect(warnings(oneService('on_down: zero\npanic: off\nslow_start: 30s\nquorum: {}\nsorry_server: 10.2.0.1:80'))).toEqual([])
    expect(warnings(oneService('health_check: { enabled: false }', 'defaults: { panic: off, on_down: zero }\n'))).toEqual([])
  })
})
