import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type BackendContext, parseBackendList } from '../../../src/document/backend-list.ts'
import { formatIssue } from '../../../src/document/issue.ts'
import { type IpAddress, parseAddress } from '../../../src/model/address.ts'
import type { Protocol } from '../../../src/model/virtual-service.ts'

function ip(text: string): IpAddress {
  const address = parseAddress(text)
  if (address === undefined) throw new Error(text)
  return address
}

function service(listen: string, port: number, rest: Partial<BackendContext> = {}, protocol: Protocol = 'tcp'): BackendContext {
  return {
    name: 'web',
    identity: { kind: 'address', protocol, address: ip(listen), port },
    forwarding: { method: 'nat' },
    ...rest,
  }
}

const web = service('10.0.0.1', 80)
const marked: BackendContext = { ...web, identity: { kind: 'fwmark', fwmark: 7, family: 'ipv4' } }
const persistence = { timeout: 300, mask: 0xffffffff }

function read(text: string, context = web, path = 'web.yaml') {
  return parseBackendList({ path, bytes: Buffer.from(text) }, context)
}

function complaints(text: string, context = web, path = 'web.yaml'): string[] {
  const result = read(text, context, path)
  return result.ok ? [] : result.issues.map(formatIssue)
}

function keys(text: string, context = web, path = 'web.yaml'): string[] {
  const result = read(text, context, path)
  if (!result.ok) throw new Error(result.issues.map(formatIssue).join('\n'))
  return [...result.backends.keys()]
}

describe('a list of backends', () => {
  it('may be texts, mappings, YAML, JSON, or an object with the key backends', () => {
    const both = ['10.1.0.1:8080', '10.1.0.2:8080']
    expect(keys('- 10.1.0.1:8080\n- { address: 10.1.0.2:8080, weight: 3 }\n')).toEqual(both)
    expect(keys('backends:\n  - 10.1.0.1:8080\n  - 10.1.0.2:8080\n')).toEqual(both)
    expect(keys('["10.1.0.1:8080", {"address": "10.1.0.2:8080"}]', web, 'web.json')).toEqual(both)
    expect(keys('{"backends": ["10.1.0.1:8080", "10.1.0.2:8080"]}', web, 'web.json')).toEqual(both)
  })

  it('keeps what is said and leaves out what is not', () => {
    const result = read(
      '- 10.1.0.1:80\n- { address: 10.1.0.2:80, weight: 0, forwarding: direct, upper_threshold: 9, lower_threshold: 4 }\n',
    )
    expect(result.ok && [...result.backends.values()]).toEqual([
      { address: '10.1.0.1', port: 80 },
      { address: '10.1.0.2', port: 80, weight: 0, forwarding: { method: 'direct' }, upperThreshold: 9, lowerThreshold: 4 },
    ])
  })

  it('may be empty, but only in so many words', () => {
    expect(keys('[]')).toEqual([])
    expect(keys('backends: []')).toEqual([])
    const halfWritten =
      'the file is empty; write at least one key; if the file was being written just now, write to a temporary file and rename it'
    expect(complaints('')).toEqual([`web.yaml:1:1: ${halfWritten}`])
    expect(complaints('', web, 'web.json')).toEqual([`web.json:1:1: ${halfWritten}`])
    expect(complaints('backends:\n')).toEqual([
      'web.yaml:1:10: backends: no list of backends is written here; write a list of backends, such as - 10.0.1.1:8080; write [] for none',
    ])
    expect(complaints('null')).toEqual([
      'web.yaml:1:1: nothing stands where a list of backends is due; write a list of backends, such as - 10.0.1.1:8080; write [] for none',
    ])
  })

  it('tells every fault at once, with its place', () => {
    const text = [
      '- 10.1.0.1:65536',
      '- 10.1.0.2:http',
      '- web1.example.com:80',
      '- { adress: 10.1.0.3:80 }',
      '- { address: 10.1.0.4:80, weight: 65536 }',
      '- { address: 10.1.0.5:80, weight: -1 }',
      '- { address: 10.1.0.6:80, weight: "5" }',
      '- { weight: 5 }',
      '- 80',
      '- 10.1.0.7:0',
      '- "[2001:db8::1]:80"',
      '- { address: 10.1.0.8:8080, forwarding: direct }',
      '- { address: 10.1.0.8:80, forwarding: masq }',
      '- { address: 10.1.0.9:80, lower_threshold: 5 }',
      '- { address: 10.1.0.10:80, upper_threshold: 4, lower_threshold: 5 }',
      '- 224.0.0.1:80',
      '-',
    ].join('\n')
    expect(complaints(text)).toEqual([
      'web.yaml:1:3: [0]: port 65536 is above 65535; write a port from 1 to 65535',
      'web.yaml:2:3: [1]: port "http" is not a number; write a port from 1 to 65535; names of ports such as http are not looked up',
      'web.yaml:3:3: [2]: "web1.example.com" is a name where an address is due; write the IP address; backends with a name come from source: { dns: { name: ..., port: ... } }',
      'web.yaml:4:5: [3].adress: the key adress is not known here; did you mean address?',
      'web.yaml:5:35: [4].weight: 65536 is above 65535; write a weight from 0 to 65535',
      'web.yaml:6:35: [5].weight: -1 is below 0; write a weight from 0 to 65535',
      'web.yaml:7:35: [6].weight: "5" is not a number; write a weight from 0 to 65535, without quotes or other characters',
      'web.yaml:8:3: [7]: the backend has no address; write address: 10.0.1.1:8080',
      'web.yaml:9:3: [8]: 80 is not an address with a port; write an IP address and a port, such as 10.0.0.1:80 or "[2001:db8::1]:80"',
      'web.yaml:10:3: [9]: port 0 is only for backends of fwmark services and of persistent services on port 0; write a port from 1 to 65535',
      'web.yaml:11:3: [10]: an IPv6 backend in an IPv4 service is possible by tunnel only, not by nat; write an IPv4 address, or forwarding: tunnel',
      "web.yaml:12:14: [11].address: port 8080 is not the service's port 80, and direct cannot translate ports (packets would go to port 80 all the same); write 10.1.0.8:80, or forwarding: nat",
      'web.yaml:13:39: [12].forwarding: "masq" is not known; did you mean nat? Otherwise write nat, direct, tunnel or local',
      'web.yaml:14:44: [13].lower_threshold: lower_threshold 5 stands without an upper one; write upper_threshold too',
      'web.yaml:15:65: [14].lower_threshold: lower_threshold 5 is above upper_threshold 4; write a lower_threshold that is not above the upper_threshold',
      'web.yaml:16:3: [15]: 224.0.0.1 is a multicast address; write the address of one host',
      'web.yaml:17:2: [16]: nothing is written here; write an IP address and a port, such as 10.0.0.1:80 or "[2001:db8::1]:80"',
    ])
  })

  it('knows one backend in every way of writing its address', () => {
    const six = service('2001:db8::80', 80)
    const text = '- "[2001:db8::1]:80"\n- { address: "[2001:DB8:0:0:0:0:0:1]:80", weight: 2 }\n- "[2001:db8:0::0:1]:80"\n'
    expect(complaints(text, six)).toEqual([
      'web.yaml:2:14: [1].address: [2001:db8::1]:80 is listed twice, first on line 1; keep one of the two',
      'web.yaml:3:3: [2]: [2001:db8::1]:80 is listed twice, first on line 1; keep one of the two',
    ])
    expect(complaints('- 10.1.0.1:80\n- "[::ffff:10.1.0.1]:80"\n')).toEqual([
      'web.yaml:2:3: [1]: 10.1.0.1:80 is listed twice, first on line 1; keep one of the two',
    ])
  })

  it('places faults of JSON as well', () => {
    expect(complaints('[\n  {"address": "10.1.0.1:80", "weight": 70000}\n]', web, 'web.json')).toEqual([
      'web.json:2:40: [0].weight: 70000 is above 65535; write a weight from 0 to 65535',
    ])
  })

  it('is nothing else', () => {
    const remedy = 'write a list of backends, such as - 10.0.1.1:8080; write [] for none'
    expect(complaints('10.0.0.1:80')).toEqual([`web.yaml:1:1: "10.0.0.1:80" stands where a list of backends is due; ${remedy}`])
    expect(complaints('backends: 10.0.0.1:80')).toEqual([
      `web.yaml:1:11: backends: "10.0.0.1:80" stands where a list is due; ${remedy}`,
    ])
    expect(complaints('backend: []')).toEqual([
      'web.yaml:1:1: backend: the key backend is not known here; did you mean backends?',
    ])
    expect(complaints('services: []')).toEqual([
      'web.yaml:1:1: services: the key services is not known here; remove it; the known keys are backends',
    ])
  })

  it('never throws, whatever JSON says', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const result = read(JSON.stringify(value), web, 'web.json')
        expect(result.ok || result.issues.length > 0).toBe(true)
      }),
    )
  })

  it('reads 10,000 backends', () => {
    const entries = Array.from({ length: 10_000 }, (_, i) => `- { address: 10.1.${i >> 8}.${i & 255}:80, weight: ${i % 9} }`)
    expect(keys(entries.join('\n'))).toHaveLength(10_000)
  }, 60_000)
})

describe('tunnels', () => {
  it('are ipip, gue or gre', () => {
    const text = [
      '- { address: 10.1.0.1:80, forwarding: tunnel }',
      '- { address: 10.1.0.2:80, forwarding: { tunnel: } }',
      '- { address: 10.1.0.3:80, forwarding: { tunnel: { type: gue, port: 6080, checksum: remote-checksum } } }',
      '- { address: 10.1.0.4:80, forwarding: { tunnel: { type: gre, checksum: checksum } } }',
      '- { address: "[2001:db8::1]:80", forwarding: tunnel }',
    ].join('\n')
    const result = read(text)
    expect(result.ok && [...result.backends.values()].map((backend) => backend.forwarding)).toEqual([
      { method: 'tunnel', tunnel: { type: 'ipip' } },
      { method: 'tunnel', tunnel: { type: 'ipip' } },
      { method: 'tunnel', tunnel: { type: 'gue', port: 6080, checksum: 'remote-checksum' } },
      { method: 'tunnel', tunnel: { type: 'gre', checksum: 'checksum' } },
      { method: 'tunnel', tunnel: { type: 'ipip' } },
    ])
  })

  it.each([
    ['{ type: gue }', '49: [0].forwarding.tunnel: a gue tunnel has no port; write its UDP port, such as port: 6080'],
    ['{ type: ipip, port: 6080 }', '49: [0].forwarding.tunnel: an ipip tunnel has no port; remove port, or write type: gue'],
    [
      '{ checksum: checksum }',
      '49: [0].forwarding.tunnel: an ipip tunnel has no checksum; remove checksum, or write type: gue or gre',
    ],
    ['{ type: gre, port: 1 }', '49: [0].forwarding.tunnel: a gre tunnel has no port; remove port, or write type: gue'],
    [
      '{ type: gre, checksum: remote-checksum }',
      '49: [0].forwarding.tunnel: a gre tunnel knows no remote-checksum; write none or checksum, or type: gue',
    ],
    ['{ type: vxlan }', '57: [0].forwarding.tunnel.type: "vxlan" is not known; write ipip, gue or gre'],
    ['{ type: gue, prt: 6080 }', '62: [0].forwarding.tunnel.prt: the key prt is not known here; did you mean port?'],
    ['gue', '49: [0].forwarding.tunnel: a text stands where a mapping is due; write a mapping with type, port, checksum'],
  ])('refuses %s', (tunnel, sentence) => {
    expect(complaints(`- { address: 10.1.0.1:80, forwarding: { tunnel: ${tunnel} } }`)).toEqual([`web.yaml:1:${sentence}`])
  })
})

describe('a backend and its service', () => {
  const directs = ['direct', 'local', 'tunnel'] as const

  it.each(directs)('share the port with %s, which cannot translate it', (method) => {
    expect(complaints(`- { address: 10.1.0.1:8080, forwarding: ${method} }`)).toHaveLength(1)
    expect(keys(`- { address: 10.1.0.1:80, forwarding: ${method} }`)).toEqual(['10.1.0.1:80'])
    const inherited = { ...web, forwarding: method === 'tunnel' ? ({ method, tunnel: { type: 'ipip' } } as const) : { method } }
    expect(complaints('- 10.1.0.1:8080', inherited)).toHaveLength(1)
    expect(keys('- { address: 10.1.0.1:8080, forwarding: nat }', inherited)).toEqual(['10.1.0.1:8080'])
  })

  it('may leave the port open where the service takes every port', () => {
    const anyPort = service('10.0.0.1', 0, { persistence })
    expect(keys('- 10.1.0.1:0', anyPort)).toEqual(['10.1.0.1:0'])
    expect(keys('- { address: 10.1.0.1:0, forwarding: direct }', anyPort)).toEqual(['10.1.0.1:0'])
    expect(keys('- 10.1.0.1:0\n- 10.1.0.1:8080', marked)).toEqual(['10.1.0.1:0', '10.1.0.1:8080'])
    expect(complaints('- 10.1.0.1:0', service('10.0.0.1', 80, { persistence }))).toHaveLength(1)
    expect(complaints('- { address: 10.1.0.1:80, forwarding: direct }', anyPort)).toHaveLength(1)
  })

  it('is warned of where a port has no effect', () => {
    const warnings = (text: string, context: BackendContext) => {
      const result = read(text, context)
      return result.ok ? result.warnings.map(formatIssue) : ['refused']
    }
    expect(warnings('- 10.1.0.1:8080', { ...marked, persistence })).toEqual([
      'web.yaml:1:3: [0]: port 8080 has no effect because the service is persistent and takes every port: packets keep the port they came for; write 10.1.0.1:0',
    ])
    expect(warnings('- { address: 10.1.0.1:8080, forwarding: direct }', marked)).toEqual([
      'web.yaml:1:14: [0].address: port 8080 has no effect because direct cannot translate ports: packets keep the port they came for; write 10.1.0.1:0',
    ])
    expect(warnings('- 10.1.0.1:8080', marked)).toEqual([])
  })

  it('mix families by tunnel only', () => {
    const six = service('2001:db8::80', 80)
    expect(complaints('- 10.1.0.1:80', six)).toEqual([
      'web.yaml:1:3: [0]: an IPv4 backend in an IPv6 service is possible by tunnel only, not by nat; write an IPv6 address, or forwarding: tunnel',
    ])
    expect(keys('- { address: 10.1.0.1:80, forwarding: tunnel }', six)).toEqual(['10.1.0.1:80'])
    expect(complaints('- "[2001:db8::1]:0"', marked)).toHaveLength(1)
  })

  it('judge thresholds together', () => {
    const limited = { ...web, upperThreshold: 10, lowerThreshold: 5 }
    expect(keys('- 10.1.0.1:80\n- { address: 10.1.0.2:80, upper_threshold: 5 }', limited)).toHaveLength(2)
    expect(complaints('- { address: 10.1.0.2:80, upper_threshold: 4 }', limited)).toEqual([
      'web.yaml:1:44: [0].upper_threshold: lower_threshold 5 is above upper_threshold 4; write a lower_threshold that is not above the upper_threshold',
    ])
    expect(complaints('- { address: 10.1.0.2:80, upper_threshold: 0 }', limited)).toEqual([
      'web.yaml:1:44: [0].upper_threshold: lower_threshold 5 is above upper_threshold 0 (no limit); write a lower_threshold that is not above the upper_threshold',
    ])
  })

  it('go with full_nat by nat only', () => {
    expect(complaints('- { address: 10.1.0.1:80, forwarding: direct }', { ...web, fullNat: true })).toEqual([
      'web.yaml:1:39: [0].forwarding: direct cannot go with full_nat of the service; write forwarding: nat, or full_nat: false for the service',
    ])
  })
})
