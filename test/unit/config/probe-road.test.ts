import { describe, expect, it } from 'vitest'
import { complaints, loaded, oneService } from './support.ts'

const LISTEN = 'listen: 10.0.0.1:80\n'
const checks = (keys: string) => loaded(oneService(keys)).services[0]?.checks
const faults = (text: string) => complaints(text).map((sentence) => sentence.replace(/^pointsman\.yaml:\d+:\d+: /, ''))

describe('the road of a health check', () => {
  it('leads to the backend unless it is said otherwise', () => {
    expect(checks('health_check: { type: tcp }')).toMatchObject([{ via: 'backend' }])
    expect(checks(`${LISTEN}health_check: { fwmark: 0xffffffff }`)).toMatchObject([{ via: 'backend', fwmark: 0xffffffff }])
    expect(checks('health_check: { via: vip }')).toMatchObject([{ via: 'vip' }])
    expect(checks('health_check: { via: vip, source_address: 10.0.0.9 }')).toMatchObject([
      { via: 'vip', sourceAddress: '10.0.0.9' },
    ])
    expect(checks('protocol: udp\nhealth_check: { via: vip, dns: { name: www.example } }')).toMatchObject([{ via: 'vip' }])
  })

  it.each([
    ['{ fwmark: 0 }', 'fwmark: 0 is below 1; write a firewall mark from 1 to 4294967295'],
    ['{ via: VIP }', 'via: "VIP" is not known; did you mean vip? Otherwise write backend or vip'],
    [
      '{ fwmark: 7, exec: { command: [/bin/true] } }',
      'fwmark: packets of a program carry no mark of ours; remove fwmark, or let the program set it',
    ],
    [
      '{ via: vip, exec: { command: [/bin/true] } }',
      'via: via: vip is not for exec: a program connects by itself; remove via, or write another type',
    ],
    [
      '{ via: vip, http: { proxy: { through: "http://10.0.0.5:3128" } } }',
      'via: via: vip cannot go through a proxy; remove one of the two',
    ],
    ['{ via: vip, fwmark: 7 }', 'via: via: vip takes a mark of its own, out of global.probe_marks; remove fwmark'],
    [
      '{ via: vip, port: 81 }',
      'via: via: vip asks at the address and port of the service, so that port has no meaning; remove port',
    ],
    [
      '{ via: vip, address: 10.0.0.7 }',
      'via: via: vip asks at the address and port of the service, so that address has no meaning; remove address',
    ],
    [
      '{ via: vip, source_address: "fd00::1" }',
      'via: via: vip asks at 10.0.0.1, which fd00::1 cannot reach: it is of the other address family; write a source_address of the same family',
    ],
  ])('is one that exists: %s', (check, sentence) => {
    expect(faults(oneService(`${LISTEN}health_check: ${check}`))).toEqual([`services[0].health_check.${sentence}`])
  })

  it.each([
    ['fwmark: 7', 'needs a service with an address, and this one goes by a mark; remove via'],
    ['listen: 10.0.0.1:0\npersistence: 300s', 'needs a service with a port, and this one takes every port; remove via'],
    ['forwarding: local', 'needs backends on other machines, and forwarding is local; remove via'],
  ])('needs the address of a service and backends elsewhere: %j', (keys, sentence) => {
    const text = oneService(`${keys}\nhealth_check: { via: vip }`)
    expect(faults(text)).toEqual([`services[0].health_check.via: via: vip ${sentence}`])
  })
})

describe('global, of probes with via: vip', () => {
  const roads = (keys: string) => loaded(`global: { ${keys} }\nservices: []`).probeRoads

  it('has a range of marks and addresses that they come from', () => {
    expect(roads('')).toEqual({ marks: { from: 0x7000_0000, to: 0x7000_3fff }, sources: [] })
    expect(roads('probe_marks: { from: 100, to: 100 }, probe_source: [10.0.0.9, "FD00::9"]')).toEqual({
      marks: { from: 100, to: 100 },
      sources: ['10.0.0.9', 'fd00::9'],
    })
  })

  it.each([
    ['probe_marks: { from: 2, to: 1 }', 'probe_marks: from (2) is above to (1); write the smaller one as from'],
    ['probe_marks: { from: 2 }', 'probe_marks: the range has no to; write probe_marks: { from: 0x70000000, to: 0x70003fff }'],
    ['probe_marks: { from: 0, to: 1 }', 'probe_marks.from: 0 is below 1; write a firewall mark from 1 to 4294967295'],
    [
      'probe_source: [10.0.0.8, 10.0.0.9]',
      'probe_source[1]: 10.0.0.9 is the second address of its family; keep one IPv4 and one IPv6 address at most',
    ],
  ])('is checked: %s', (keys, sentence) => {
    expect(faults(`global: { ${keys} }\nservices: []`)).toContain(`global.${sentence}`)
  })
})

it('keeps the names of services for probes to itself', () => {
  const text = oneService('').replace('name: web', 'name: probe of 10.0.1.1:80 through tcp/10.0.0.1:80')
  expect(faults(text)).toEqual(['services[0].name: names of this form are those of services for probes; write another name'])
})
