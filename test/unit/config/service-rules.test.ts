import { describe, expect, it } from 'vitest'
import { PROBE_KINDS } from '../../../src/config/health-check-schema.ts'
import { oneOf } from '../../../src/document/suggest.ts'
import { complaints, loaded, oneService } from './support.ts'

/** What is wrong with one service, without the place of the file. */
function faults(keys: string): string[] {
  return complaints(oneService(keys)).map((sentence) => sentence.replace(/^pointsman\.yaml:(\d+:\d+): services\[0\]/, '$1'))
}

function service(keys: string) {
  const [first] = loaded(oneService(keys)).services
  if (first === undefined) throw new Error('no service')
  return first
}

describe('identity', () => {
  it('is an address or a mark', () => {
    expect(service('listen: "[2001:DB8::0:1]:53"\nprotocol: udp').identity).toEqual({
      kind: 'address',
      protocol: 'udp',
      address: '2001:db8::1',
      port: 53,
    })
    expect(service('listen: 10.0.0.1:9\nprotocol: sctp').identity).toMatchObject({ protocol: 'sctp' })
    expect(service('fwmark: 4294967295\nfamily: ipv6').identity).toEqual({ kind: 'fwmark', fwmark: 4294967295, family: 'ipv6' })
    expect(service('fwmark: 7').identity).toEqual({ kind: 'fwmark', fwmark: 7, family: 'ipv4' })
  })

  it.each([
    ['listen: 10.0.0.1:80\nfwmark: 7', '4:5.fwmark: a service has either listen or fwmark; remove one of the two'],
    ['fwmark: 0', '3:13.fwmark: 0 is below 1; write a firewall mark from 1 to 4294967295'],
    ['fwmark: 0\nfamily: ipv4', '3:13.fwmark: 0 is below 1; write a firewall mark from 1 to 4294967295'],
    ['fwmrak: 7\nfamily: ipv6', '4:5.fwmrak: the key fwmrak is not known here; did you mean fwmark?'],
    [
      'fwmark: 7\nprotocol: tcp',
      '4:5.protocol: a fwmark service has no protocol of its own; remove it; the mark says which packets are meant',
    ],
    [
      'listen: 10.0.0.1:80\nfamily: ipv4',
      '4:5.family: family goes with fwmark only; remove it; the family of listen is that of its address',
    ],
    ['listen: 0.0.0.0:80', '3:13.listen: 0.0.0.0 stands for every address; write the one address that clients connect to'],
    ['listen: "[ff02::1]:80"', '3:13.listen: ff02::1 is a multicast address; write the one address that clients connect to'],
    [
      'listen: 255.255.255.255:80',
      '3:13.listen: 255.255.255.255 is the broadcast address; write the one address that clients connect to',
    ],
    [
      'listen: 10.0.0.1:0',
      '3:13.listen: port 0 (every port) needs persistence; write a port from 1 to 65535, or persistence: 300s',
    ],
    [
      'listen: 10.0.0.1:0\npersistence: none',
      '3:13.listen: port 0 (every port) needs persistence; write a port from 1 to 65535, or persistence: 300s',
    ],
    [
      'listen: 80',
      '3:13.listen: 80 is not an address with a port; write an IP address and a port, such as 10.0.0.1:80 or "[2001:db8::1]:80"',
    ],
  ])('%j is refused', (keys, sentence) => {
    expect(faults(keys)).toEqual([sentence])
  })

  it('needs listen or fwmark, and a name', () => {
    expect(complaints('services:\n  - { backends: [] }\n')).toEqual([
      'pointsman.yaml:2:5: services[0]: the service has no name; write name: and a word that logs and metrics may use',
      'pointsman.yaml:2:5: services[0]: the service has neither listen nor fwmark; write listen: 10.0.0.1:80 with the address and port that clients connect to',
    ])
  })

  it('with a misspelled key is one fault, not two', () => {
    expect(complaints('services:\n  - { nmae: a, lisen: "10.0.0.1:80", backend: [] }\n')).toEqual([
      'pointsman.yaml:2:7: services[0].nmae: the key nmae is not known here; did you mean name?',
      'pointsman.yaml:2:16: services[0].lisen: the key lisen is not known here; did you mean listen?',
      'pointsman.yaml:2:38: services[0].backend: the key backend is not known here; did you mean backends?',
    ])
  })
})

describe('scheduling', () => {
  it('knows the flags by the names of ipvsadm', () => {
    const flags = (keys: string) => service(keys).flags
    expect(flags('scheduler: sh\nflags: [sh-fallback, sh-port]')).toEqual({ flag1: true, flag2: true, flag3: false })
    expect(flags('scheduler: mh\nflags: [mh-port]')).toEqual({ flag1: false, flag2: true, flag3: false })
    expect(flags('flags: [flag-1, flag-3]')).toEqual({ flag1: true, flag2: false, flag3: true })
    expect(flags('flags: []')).toEqual({ flag1: false, flag2: false, flag3: false })
    expect(flags('scheduler: sh')).toBeUndefined()
  })

  it.each([
    [
      'scheduler: wrr\nflags: [sh-port]',
      '5:13.flags[0]: sh-port belongs to the scheduler sh, not to wrr; write scheduler: sh, or remove the flag (flags: [] where it is inherited)',
    ],
    [
      'scheduler: sh\nflags: [mh-fallback]',
      '5:13.flags[0]: mh-fallback belongs to the scheduler mh, not to sh; write scheduler: mh, or remove the flag (flags: [] where it is inherited)',
    ],
    [
      'flags: [fallback]',
      '4:13.flags[0]: "fallback" is not known; write sh-fallback, sh-port, mh-fallback, mh-port, flag-1, flag-2 or flag-3',
    ],
    ['flags: sh-port', '4:12.flags: a text stands where a list is due; write a list, one entry per line behind a dash'],
    [
      'one_packet: true',
      '4:5.one_packet: one_packet is for UDP and fwmark services, not for tcp; write protocol: udp, or one_packet: false',
    ],
    ['one_packet: yes', '4:17.one_packet: "yes" is not true or false; write true or false, without quotes'],
    [
      'upper_threshold: 3\nlower_threshold: 5',
      '5:22.lower_threshold: lower_threshold 5 is above upper_threshold 3; write a lower_threshold that is not above the upper_threshold',
    ],
    ['lower_threshold: 5', '4:22.lower_threshold: lower_threshold 5 stands without an upper one; write upper_threshold too'],
    [
      'upper_threshold: 4294967296',
      '4:22.upper_threshold: 4294967296 is above 2147483647; write a number of connections from 0 to 2147483647',
    ],
    ['weight: 65536', '4:13.weight: 65536 is above 65535; write a weight from 0 to 65535'],
    ['weight:', '4:12.weight: nothing is written here; write a weight from 0 to 65535'],
    ['adopt: everything', '4:12.adopt: "everything" is not known; write named or all'],
    [
      'forwarding: masquerading',
      '4:17.forwarding: "masquerading" is not known; did you mean nat? Otherwise write nat, direct, tunnel or local',
    ],
    [
      'debounce: { min: 3s, max: 1s }',
      '4:31.debounce.max: debounce max (1s) is below min (3s); write a max that is not below min',
    ],
    ['drain: { timeout: -1s }', '4:23.drain.timeout: -1s is negative; write a duration from 0s to 24h'],
    ['health_check: { interval: 0s }', '4:31.health_check.interval: 0s is below 100ms; write a duration from 100ms to 1h'],
    [
      'health_check: { type: htpp }',
      `4:27.health_check.type: "htpp" is not known; did you mean http? Otherwise write ${oneOf([...Object.keys(PROBE_KINDS), 'none'])}`,
    ],
    [
      'health_check: { http_path: healthz }',
      '4:32.health_check.http_path: "healthz" does not begin with a slash; write /healthz',
    ],
    [
      'health_check: { http_expected_status: 600 }',
      '4:43.health_check.http_expected_status: 600 is above 599; write a status from 100 to 599',
    ],
    ['guard: { max_removal: 34 }', '4:27.guard.max_removal: 34 has no percent sign; write a share from 1% to 100%'],
    ['guard: { on_empty: wait }', '4:24.guard.on_empty: "wait" is not a duration; write hold, apply or a duration'],
  ])('%j is refused', (keys, sentence) => {
    expect(faults(keys)).toEqual([sentence])
  })

  it('takes one_packet for UDP and for marks', () => {
    expect(service('listen: 10.0.0.1:53\nprotocol: udp\none_packet: true').onePacket).toBe(true)
    expect(service('fwmark: 7\none_packet: true').onePacket).toBe(true)
  })

  it('raises max with min where only min is written', () => {
    expect(service('debounce: { min: 5s }').debounce).toEqual({ min: 5000, max: 5000 })
    expect(service('debounce: { min: 0 }').debounce).toEqual({ min: 0, max: 2000 })
  })

  it('lets a drain end at once', () => {
    expect(service('drain: { timeout: 0 }').drainTimeout).toBe(0)
  })
})

describe('persistence', () => {
  it.each([
    ['listen: 10.0.0.1:80\npersistence: 300s', { timeout: 300, mask: 0xffffffff }],
    ['listen: 10.0.0.1:80\npersistence: {}', { timeout: 300, mask: 0xffffffff }],
    ['listen: 10.0.0.1:80\npersistence: { timeout: 1m, netmask: 255.255.255.0 }', { timeout: 60, mask: 0xffffff00 }],
    ['listen: 10.0.0.1:80\npersistence: { timeout: 1m, prefix_length: 1 }', { timeout: 60, mask: 0x80000000 }],
    ['listen: "[2001:db8::1]:80"\npersistence: { timeout: 1m, prefix_length: 64 }', { timeout: 60, mask: 64 }],
    ['listen: "[2001:db8::1]:80"\npersistence: 4294967s', { timeout: 4294967, mask: 128 }],
    ['listen: 10.0.0.1:5060\nprotocol: udp\npersistence: { engine: sip }', { timeout: 300, mask: 0xffffffff, engine: 'sip' }],
    ['listen: 10.0.0.1:80\npersistence: none', 'none'],
  ])('%j', (keys, persistence) => {
    expect(service(keys).persistence).toEqual(persistence)
  })

  it.each([
    ['persistence: 300', '4:18.persistence: 300 has no unit; write 300s for seconds or 300ms for milliseconds, or none'],
    ['persistence: 0s', '4:18.persistence: 0s is below 1s; write a duration from 1s to 1193h2m47s, or none'],
    [
      'persistence: 1500ms',
      '4:18.persistence: 1500ms is not whole seconds, which is what the kernel counts in; write a duration from 1s to 1193h2m47s, or none',
    ],
    ['persistence: 1194h', '4:18.persistence: 1194h is above 1193h2m47s; write a duration from 1s to 1193h2m47s, or none'],
    ['persistence: false', '4:18.persistence: false is not a persistence; write none'],
    [
      'persistence: { netmask: 255.0.255.0 }',
      '4:29.persistence.netmask: 255.0.255.0 has holes; write a netmask such as 255.255.255.0, one bits first and then zero bits',
    ],
    [
      'persistence: { netmask: 0.0.0.0 }',
      '4:29.persistence.netmask: 0.0.0.0 would take all clients for one; write a netmask such as 255.255.255.0',
    ],
    ['persistence: { netmask: 24 }', '4:29.persistence.netmask: 24 is not a netmask; write a netmask such as 255.255.255.0'],
    ['persistence: { prefix_length: 0 }', '4:35.persistence.prefix_length: 0 is below 1; write a prefix length from 1 to 128'],
    [
      'persistence: { prefix_length: 33 }',
      '4:18.persistence: prefix_length 33 is above 32 in an IPv4 service; write a prefix_length from 1 to 32',
    ],
    [
      'persistence: { prefix_length: 24, netmask: 255.255.255.0 }',
      '4:18.persistence: netmask and prefix_length say the same thing; keep one of the two',
    ],
    ['persistence: { engine: sip }', '4:18.persistence: the engine sip reads UDP only; write protocol: udp, or remove engine'],
    ['persistence: { engine: ftp }', '4:28.persistence.engine: "ftp" is not known; write sip'],
  ])('%j is refused', (keys, sentence) => {
    expect(faults(keys)).toEqual([sentence])
  })

  it('of IPv6 has no netmask', () => {
    expect(faults('listen: "[2001:db8::1]:80"\npersistence: { netmask: 255.255.255.0 }')).toEqual([
      '4:18.persistence: an IPv6 service has no netmask; write prefix_length, from 1 to 128',
    ])
  })
})

describe('source NAT', () => {
  it('may have an address', () => {
    expect(service('full_nat: true\nsnat_ip: 10.0.0.9')).toMatchObject({
      fullNat: true,
      snatRange: { first: '10.0.0.9', last: '10.0.0.9' },
    })
    expect(service('full_nat: true')).not.toHaveProperty('snatRange')
  })

  it.each([
    ['snat_ip: 10.0.0.9', '4:5.snat_ip: snat_ip has no meaning without full_nat; write full_nat: true, or remove snat_ip'],
    [
      'full_nat: true\nsnat_ip: "2001:db8::9"',
      '5:14.snat_ip: 2001:db8::9 is no IPv4 address, which the service needs; write an IPv4 address, or remove snat_ip to masquerade',
    ],
    [
      'full_nat: true\nsnat_ip: 127.0.0.1',
      '5:14.snat_ip: 127.0.0.1 is a loopback address, to which no backend can answer; write an address of this host',
    ],
    [
      'full_nat: true\nsnat_ip: 10.0.0.9:80',
      '5:14.snat_ip: "10.0.0.9:80" is more than an address; write the address alone, without a port',
    ],
    [
      'full_nat: true\nforwarding: direct',
      '4:5.full_nat: full_nat cannot go with direct; write forwarding: nat, or full_nat: false',
    ],
    [
      'full_nat: true\nforwarding: tunnel',
      '4:5.full_nat: full_nat cannot go with tunnel ipip; write forwarding: nat, or full_nat: false',
    ],
    [
      'fwmark: 7\nfull_nat: true\none_packet: true',
      '4:5.full_nat: full_nat loses every packet of a one_packet service; remove one of the two',
    ],
    [
      'full_nat: true\nbackends: [{ address: 10.1.0.1:80, forwarding: direct }]',
      '5:52.backends[0].forwarding: direct cannot go with full_nat of the service; write forwarding: nat, or full_nat: false for the service',
    ],
  ])('%j is refused', (keys, sentence) => {
    expect(faults(keys)).toEqual([sentence])
  })

  it('inherited address gives way to full_nat: false', () => {
    const top = 'defaults: { full_nat: true, snat_ip: 10.0.0.9 }\n'
    expect(loaded(oneService('full_nat: false', top)).services[0]).not.toHaveProperty('snatRange')
    expect(loaded(oneService('', top)).services[0]).toMatchObject({ snatRange: { first: '10.0.0.9', last: '10.0.0.9' } })
  })
})

describe('sources', () => {
  it.each([
    ['source: { consul: {} }', '4:13.source: the consul source has no service; write consul: { service: web }'],
    [
      'source: { etcd: {} }',
      '4:15.source.etcd: the key etcd is not known here; remove it; the known keys are file, consul, dns, dns_srv, http',
    ],
    ['source: {}', '4:13.source: the source names no kind; write file: { path: /etc/pointsman/web.yaml }'],
    ['source: { file: {} }', '4:13.source: the file source has no path; write file: { path: /etc/pointsman/web.yaml }'],
    ['source: { file: { path: "" } }', '4:29.source.file.path: the text is empty; write the path of a YAML or JSON file'],
    [
      'source: { file: { path: a.yaml } }\nsources: []',
      '5:5.sources: a service has either source or sources; move the one into the list of the other',
    ],
    [
      'sources: { file: a.yaml }',
      '4:14.sources: a mapping stands where a list is due; write a list, such as - file: { path: /etc/pointsman/web.yaml }, or [] for none',
    ],
    [
      'backends: 10.1.0.1:80',
      '4:15.backends: a text stands where a list is due; write a list, such as - 10.0.1.1:8080, or [] for none',
    ],
    ['backends:', '4:14.backends: nothing is written here; write a list, such as - 10.0.1.1:8080, or [] for none'],
  ])('%j is refused', (keys, sentence) => {
    expect(faults(keys)).toEqual([sentence])
  })

  it('are not named twice', () => {
    expect(faults('sources: [{ file: a.yaml }, { file: ./a.yaml }]')).toEqual([
      `4:33.sources[1]: file ${process.cwd()}/a.yaml is a source already; remove one of the two`,
    ])
  })
})

it('mixed families stand against a sync daemon', () => {
  const top = 'global: { ipvs: { sync_daemons: [{ role: master, interface: eth0 }] } }\n'
  const keys = 'forwarding: tunnel\nbackends: ["10.1.0.1:80", "[2001:db8::1]:80"]'
  expect(complaints(oneService(keys, top))).toEqual([
    'pointsman.yaml:6:31: services[0].backends[1]: the kernel refuses backends of the other address family while a sync daemon runs; remove global.ipvs.sync_daemons, or keep one family in the service',
  ])
  expect(complaints(oneService(keys))).toEqual([])
})
