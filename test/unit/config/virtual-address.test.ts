import { describe, expect, it } from 'vitest'
import { complaints, loaded, oneService, warnings } from './support.ts'

function service(keys: string, top = '') {
  return loaded(oneService(keys, top)).services[0]
}

function faults(text: string): string[] {
  return complaints(text).map((sentence) => sentence.replace(/^pointsman\.yaml:(\d+:\d+): /, '$1 '))
}

describe('the address of a service', () => {
  it('is left to others unless it is asked for', () => {
    expect(service('weight: 1')).not.toHaveProperty('virtualAddress')
    expect(service('virtual_address: false', 'defaults: { virtual_address: true }\n')).not.toHaveProperty('virtualAddress')
  })

  it('is written with one word or with where and when', () => {
    expect(service('virtual_address: true')?.virtualAddress).toEqual({ announceWhen: 'always', hold: 10_000 })
    expect(service('virtual_address: {}')?.virtualAddress).toEqual({ announceWhen: 'always', hold: 10_000 })
    expect(service('virtual_address: { interface: eth0, announce_when: quorum, hold: 3s }')?.virtualAddress).toEqual({
      interface: 'eth0',
      announceWhen: 'quorum',
      hold: 3_000,
    })
    expect(service('weight: 1', 'defaults: { virtual_address: { interface: eth1 } }\n')?.virtualAddress?.interface).toBe('eth1')
  })

  it('that is announced by quorum needs one backend, where no quorum is written', () => {
    const least = { by: 'count', min: 1, hysteresis: 0 }
    expect(service('virtual_address: { announce_when: quorum }')?.policy.quorum).toEqual(least)
    expect(service('virtual_address: { announce_when: quorum }\nquorum: { min: 2 }')?.policy.quorum).toEqual({ ...least, min: 2 })
    expect(service('virtual_address: true')?.policy).not.toHaveProperty('quorum')
  })

  it.each([
    [
      'virtual_address: yes please',
      '4:22 services[0].virtual_address: "yes please" is not true or false; write true or false, without quotes',
    ],
    [
      'virtual_address: { interface: eth0/1 }',
      '4:35 services[0].virtual_address.interface: "eth0/1" cannot be the name of an interface; write the name of a network interface, such as eth0, without blanks, slashes and colons',
    ],
    [
      'virtual_address: { announce_when: never }',
      '4:39 services[0].virtual_address.announce_when: "never" is not known; write always or quorum',
    ],
    [
      'fwmark: 7\nvirtual_address: true',
      '4:5 services[0].virtual_address: the addresses of a fwmark service are known to the firewall alone, so virtual_address cannot place them; write virtual_address: false',
    ],
  ])('%j is refused', (keys, sentence) => {
    expect(faults(oneService(keys))).toEqual([sentence])
  })

  it('that a fwmark service inherits is refused in the words of the service', () => {
    expect(faults(oneService('fwmark: 7', 'defaults: { virtual_address: true }\n'))).toEqual([
      '1:13 defaults.virtual_address: the addresses of a fwmark service are known to the firewall alone, so virtual_address cannot place them (inherited by service "web"); write virtual_address: false',
    ])
  })

  it('is on one interface, however many services have it', () => {
    const two = (a: string, b: string) => `services:
  - { name: a, listen: "10.0.0.1:80", backends: [], virtual_address: ${a} }
  - { name: b, listen: "10.0.0.1:443", backends: [], virtual_address: ${b} }
`
    expect(faults(two('true', '{ announce_when: quorum }'))).toEqual([])
    expect(faults(two('{ interface: eth0 }', 'false'))).toEqual([])
    expect(faults(two('{ interface: eth0 }', '{ interface: eth1 }'))).toEqual([
      '3:71 services[1].virtual_address: the interface of 10.0.0.1 is eth0 in the service "a" and eth1 here; write the same interface in both',
    ])
    expect(faults(two('true', '{ interface: eth1 }'))).toEqual([
      '3:71 services[1].virtual_address: the interface of 10.0.0.1 is left to Pointsman in the service "a" and eth1 here; write the same interface in both',
    ])
  })

  it('that is always there has no use for a hold time', () => {
    expect(warnings(oneService('virtual_address: { hold: 5s }'))).toEqual([
      'pointsman.yaml:4:22: services[0].virtual_address: hold has no effect on an address that is always announced; write announce_when: quorum, or remove hold',
    ])
    expect(warnings(oneService('virtual_address: { hold: 5s, announce_when: quorum }'))).toEqual([])
  })
})
