import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { loadConfiguration } from '../../../src/config/load.ts'
import { DEFAULT_POLICY } from '../../../src/model/policy-spec.ts'
import { tcpCheck } from '../pipeline/makers.ts'
import { complaints, loaded, oneService, warnings } from './support.ts'

describe('a configuration', () => {
  it('needs nothing but its services', () => {
    expect(loaded('services: []')).toEqual({
      path: 'pointsman.yaml',
      services: [],
      catalogs: [],
      ipvs: {},
      probeRoads: { marks: { from: 0x7000_0000, to: 0x7000_3fff }, sources: [] },
      settings: {
        logLevel: 'info',
        logFormat: 'auto',
        logFile: 'off',
        logMaxSize: 100,
        logKeep: 5,
        trafficLogFile: 'off',
        admin: 'off',
        metricsEnabled: true,
        metricsPath: '/metrics',
        statusPage: true,
        adminAllowedHosts: [],
        maxProbes: 1000,
        probeThreads: 0,
        resyncInterval: 30_000,
        onExit: 'keep',
        stateDir: '/var/lib/pointsman',
        kernelDeadline: 10_000,
        perBackendMetrics: true,
        metricsNodeIpvs: false,
        watchSettle: 100,
        watchPoll: 30_000,
        instance: 'pointsman',
        manageSysctls: false,
        manageFirewall: false,
      },
      snat: {},
    })
  })

  it('fills every default of a service in', () => {
    expect(loaded(oneService('backends: [10.1.0.1:8080]')).services).toEqual([
      {
        name: 'web',
        identity: { kind: 'address', protocol: 'tcp', address: '10.0.0.1', port: 80 },
        scheduler: 'wlc',
        forwarding: { method: 'nat' },
        weight: 1,
        sources: [],
        backends: new Map([['10.1.0.1:8080', { address: '10.1.0.1', port: 8080 }]]),
        debounce: { min: 500, max: 2000 },
        guard: { maxRemoval: 34, window: 60_000, onEmpty: 'hold' },
        hold: { snapshotMaxAge: 86_400_000 },
        drainTimeout: 300_000,
        adopt: 'named',
        fullNat: false,
        checks: [tcpCheck],
        policy: DEFAULT_POLICY,
      },
    ])
  })

  it('may have sections with nothing behind them', () => {
    expect(loaded('global:\ndefaults:\nservices: []').services).toEqual([])
  })

  it('takes file sources from its own directory', () => {
    const text = oneService('sources:\n  - file: { path: lists/web.yaml }\n  - { file: /srv/web.json }')
    expect(loaded(text, {}, '/etc/pointsman/main.yaml').services[0]?.sources).toEqual([
      { kind: 'file', path: '/etc/pointsman/lists/web.yaml' },
      { kind: 'file', path: '/srv/web.json' },
    ])
    expect(loaded(oneService('source: { file: { path: web.yaml } }'), {}, '-').services[0]?.sources).toEqual([
      { kind: 'file', path: `${process.cwd()}/web.yaml` },
    ])
  })

  it('may be JSON', () => {
    const text = JSON.stringify({ services: [{ name: 'web', listen: '10.0.0.1:80', backends: ['10.1.0.1:80'] }] })
    expect(loaded(text, {}, 'pointsman.json').services[0]?.backends.size).toBe(1)
    expect(
      complaints('{"services": [\n  {"name": "web", "listen": "10.0.0.1:80", "backends": [], "weight": 65536}\n]}', {}, 'a.json'),
    ).toEqual(['a.json:2:70: services[0].weight: 65536 is above 65535; write a weight from 0 to 65535'])
  })

  it('may use anchors and merged keys', () => {
    const text = `
services:
  - &web { name: a, listen: "10.0.0.1:80", scheduler: rr, backends: ["10.1.0.1:80"] }
  - { <<: *web, name: b, listen: "10.0.0.2:80" }
`
    expect(loaded(text).services.map(({ name, scheduler, backends }) => [name, scheduler, backends.size])).toEqual([
      ['a', 'rr', 1],
      ['b', 'rr', 1],
    ])
  })

  it('tells all of fourteen faults in one go, in the order of the file', () => {
    const text = `global:
  log_levl: debug
  resync_interval: 30
  on_exit: stay
defaults:
  weight: 65536
services:
  - name: web
    listen: 10.0.0.1:65536
    scheduler: wrrr
    backends:
      - { address: 10.1.0.1:http }
      - { address: web1.example.com:80 }
      - { address: 10.1.0.2:80, weight: -1 }
      - { address: 10.1.0.3:80, wieght: 5 }
  - name: web
    listen: 10.0.0.1:0
    health_check: { interval: -5s, fail_count: many }
    drain: 5s
`
    expect(complaints(text)).toEqual([
      'pointsman.yaml:2:3: global.log_levl: the key log_levl is not known here; did you mean log_level?',
      'pointsman.yaml:3:20: global.resync_interval: 30 has no unit; write 30s for seconds or 30ms for milliseconds',
      'pointsman.yaml:4:12: global.on_exit: "stay" is not known; write keep, drain or remove',
      'pointsman.yaml:6:11: defaults.weight: 65536 is above 65535; write a weight from 0 to 65535',
      'pointsman.yaml:9:13: services[0].listen: port 65536 is above 65535; write a port from 1 to 65535',
      'pointsman.yaml:10:16: services[0].scheduler: "wrrr" is not known; did you mean wrr? Otherwise write rr, wrr, lc, wlc, fo, ovf, lblc, lblcr, dh, sh, mh, sed, nq or twos',
      'pointsman.yaml:12:20: services[0].backends[0].address: port "http" is not a number; write a port from 1 to 65535; names of ports such as http are not looked up',
      'pointsman.yaml:13:20: services[0].backends[1].address: "web1.example.com" is a name where an address is due; write the IP address; backends with a name come from source: { dns: { name: ..., port: ... } }',
      'pointsman.yaml:14:41: services[0].backends[2].weight: -1 is below 0; write a weight from 0 to 65535',
      'pointsman.yaml:15:33: services[0].backends[3].wieght: the key wieght is not known here; did you mean weight?',
      'pointsman.yaml:16:5: services[1]: the service has neither backends nor a source; write backends: with a list ([] for none), or source: { file: { path: ... } }',
      'pointsman.yaml:16:11: services[1].name: the name "web" is taken by the service on line 8; write another name',
      'pointsman.yaml:17:13: services[1].listen: port 0 (every port) needs persistence; write a port from 1 to 65535, or persistence: 300s',
      'pointsman.yaml:18:31: services[1].health_check.interval: -5s is negative; write a duration from 100ms to 1h',
      'pointsman.yaml:18:48: services[1].health_check.fail_count: "many" is not a number; write a number of probes from 1 to 1000, without quotes or other characters',
      'pointsman.yaml:19:12: services[1].drain: a text stands where a mapping is due; write a mapping with timeout',
    ])
  })

  it.each([
    [
      'name: web',
      'pointsman.yaml:1:1: name: the key name is not known here; remove it; the known keys are global, defaults, parameters, include, services, catalog',
    ],
    [
      'global: {}',
      'pointsman.yaml:1:1: the key services is missing; write services: with a list of services, or services: [] for none',
    ],
    ['service: []', 'pointsman.yaml:1:1: service: the key service is not known here; did you mean services?'],
    ['services:', 'pointsman.yaml:1:10: services: nothing is written here; write a list of services, or [] for none'],
    [
      'services: web',
      'pointsman.yaml:1:11: services: a text stands where a list is due; write a list of services, or [] for none',
    ],
    [
      '- name: web',
      'pointsman.yaml:1:1: a list stands where a configuration is due; write the keys global, defaults and services',
    ],
    ['hello', 'pointsman.yaml:1:1: a text stands where a configuration is due; write the keys global, defaults and services'],
    ['services: [web]', 'pointsman.yaml:1:12: services[0]: a text stands where a mapping is due; write keys below it, indented'],
    ['services: [null]', 'pointsman.yaml:1:12: services[0]: nothing is written here; write keys below it, indented'],
    [
      'global: 5\nservices: []',
      'pointsman.yaml:1:9: global: a number stands where a mapping is due; write keys below it, indented',
    ],
    [
      'defaults: []\nservices: []',
      'pointsman.yaml:1:11: defaults: a list stands where a mapping is due; write keys below it, indented',
    ],
  ])('is not %j', (text, sentence) => {
    expect(complaints(text)).toContain(sentence)
    expect(complaints(text).length).toBeLessThanOrEqual(2)
  })

  it('never throws, whatever JSON says', () => {
    const keys = fc.constantFrom(
      'name',
      'listen',
      'fwmark',
      'backends',
      'source',
      'drain',
      'persistence',
      'forwarding',
      'flags',
      'x',
    )
    const service = fc.dictionary(keys, fc.jsonValue({ maxDepth: 3 }))
    const top = fc.record({ global: fc.jsonValue(), defaults: service, services: fc.array(service) }, { requiredKeys: [] })
    fc.assert(
      fc.property(fc.oneof(top, fc.jsonValue()), (value) => {
        const result = loadConfiguration({ path: 'a.json', bytes: Buffer.from(JSON.stringify(value)) })
        expect(result.ok || result.issues.length > 0).toBe(true)
      }),
      { numRuns: 300 },
    )
    // A second of work; a busy machine takes its time.
  }, 60_000)
})

describe('duplicates', () => {
  const pair = (a: string, b: string) => `services:\n  - { name: a, backends: [], ${a} }\n  - { name: b, backends: [], ${b} }\n`

  it.each([
    ['listen: "[2001:db8::1]:80"', 'listen: "[2001:DB8:0:0:0:0:0:1]:80"', 'tcp/[2001:db8::1]:80'],
    ['listen: "[2001:db8::1]:80"', 'listen: "[2001:db8::0:1]:80"', 'tcp/[2001:db8::1]:80'],
    ['listen: "[::ffff:10.0.0.1]:80"', 'listen: "10.0.0.1:80"', 'tcp/10.0.0.1:80'],
    ['listen: "10.0.0.1:53", protocol: udp', 'listen: "10.0.0.1:53", protocol: udp', 'udp/10.0.0.1:53'],
    ['fwmark: 7', 'fwmark: 7, family: ipv4', 'fwmark/7/ipv4'],
  ])('%s and %s', (a, b, key) => {
    const sentences = complaints(pair(a, b))
    expect(sentences).toHaveLength(1)
    expect(sentences[0]).toMatch(/^pointsman\.yaml:3:\d+: services\[1\]\.(listen|fwmark): /)
    expect(sentences[0]).toContain(
      `: ${key} is served already by the service on line 2; remove one of the two, or write another address, port or mark`,
    )
  })

  it('are not the same address for TCP and UDP, nor the same mark for IPv4 and IPv6', () => {
    expect(complaints(pair('listen: "10.0.0.1:53"', 'listen: "10.0.0.1:53", protocol: udp'))).toEqual([])
    expect(complaints(pair('fwmark: 7', 'fwmark: 7, family: ipv6'))).toEqual([])
  })
})

describe('defaults', () => {
  const defaults = `defaults:
  scheduler: rr
  protocol: udp
  forwarding: direct
  weight: 7
  upper_threshold: 10
  lower_threshold: 5
  one_packet: true
  persistence: 60s
  debounce: { min: 1s, max: 5s }
  drain: { timeout: 10s }
  guard: { max_removal: 50%, on_empty: 10m }
  hold: { max_age: 12h, snapshot_max_age: 0 }
  adopt: all
`
  it('are inherited by every service', () => {
    const [service] = loaded(oneService('', defaults)).services
    expect(service).toMatchObject({
      identity: { protocol: 'udp' },
      scheduler: 'rr',
      forwarding: { method: 'direct' },
      weight: 7,
      upperThreshold: 10,
      lowerThreshold: 5,
      onePacket: true,
      persistence: { timeout: 60, mask: 0xffffffff },
      debounce: { min: 1000, max: 5000 },
      guard: { maxRemoval: 50, window: 60_000, onEmpty: 600_000 },
      hold: { maxAge: 43_200_000, snapshotMaxAge: 0 },
      drainTimeout: 10_000,
      adopt: 'all',
      checks: [],
    })
  })

  it('give way to the service, mappings key by key', () => {
    const own = `scheduler: wlc
protocol: tcp
one_packet: false
persistence: none
weight: 0
upper_threshold: 0
lower_threshold: 0
debounce: { max: 3s }`
    expect(loaded(oneService(own, defaults)).services[0]).toMatchObject({
      identity: { protocol: 'tcp' },
      scheduler: 'wlc',
      weight: 0,
      upperThreshold: 0,
      lowerThreshold: 0,
      onePacket: false,
      persistence: 'none',
      debounce: { min: 1000, max: 3000 },
    })
  })

  it('are named where what is inherited does not fit', () => {
    expect(complaints(oneService('protocol: tcp', defaults))).toEqual([
      'pointsman.yaml:8:3: defaults.one_packet: one_packet is for UDP and fwmark services, not for tcp (inherited by service "web"); write protocol: udp, or one_packet: false',
    ])
    expect(complaints(oneService('', 'defaults:\n  flags: [sh-port]\n'))).toEqual([
      'pointsman.yaml:2:11: defaults.flags[0]: sh-port belongs to the scheduler sh, not to wlc (inherited by service "web"); write scheduler: sh, or remove the flag (flags: [] where it is inherited)',
    ])
  })

  it('that cannot be read raise no second fault', () => {
    expect(complaints(oneService('flags: [sh-port]', 'defaults: { scheduler: shh }\n'))).toHaveLength(1)
    expect(complaints(oneService('listen: 10.0.0.1:0', 'defaults: { persistence: 5 }\n'))).toHaveLength(1)
    expect(complaints(oneService('backends: [10.1.0.1:8080]', 'defaults: { forwarding: dirct }\n'))).toHaveLength(1)
  })
})

describe('what is accepted and does not do all that one might think', () => {
  it('is told once per kind', () => {
    const text = `services:
  - { name: a, listen: "10.0.0.1:80", backends: [], health_check: { type: tcp, http_path: /a } }
  - { name: b, listen: "10.0.0.2:80", backends: [], health_check: { type: tcp, http_path: /b } }
  - { name: c, listen: "10.0.0.3:80", backends: [], health_check: { enabled: false } }
`
    expect(warnings(text)).toEqual([
      'pointsman.yaml:2:67: services[0].health_check: http_path and http_expected_status have no effect on a check of type tcp (also in 1 other service); write type: http, or remove them',
    ])
    expect(loaded(text).services.map(({ checks }) => checks.length)).toEqual([1, 1, 0])
  })

  it.each([
    [
      'scheduler: dh',
      'with the scheduler dh a backend at weight 0 would refuse its share of the clients, so it is removed instead, and its connections end',
    ],
    ['scheduler: sh\nflags: [sh-port]', 'without sh-fallback a backend at weight 0 would refuse its share of the clients'],
    ['scheduler: mh\nflags: []', 'without mh-fallback a backend at weight 0 would refuse its share of the clients'],
  ])('%j', (keys, words) => {
    const found = warnings(oneService(keys))
    expect(found).toHaveLength(1)
    expect(found[0]).toContain(words)
  })

  it('is nothing where the fallback flag is set or flags are left out', () => {
    expect(warnings(oneService('scheduler: sh'))).toEqual([])
    expect(warnings(oneService('scheduler: mh\nflags: [mh-fallback]'))).toEqual([])
  })
})
