import { describe, expect, it } from 'vitest'
import { CLAIMABLE, readClaim } from '../../../src/config/claimed-service.ts'
import { tcpCheck } from '../pipeline/makers.ts'
import { complaints, loaded, oneService, warnings } from './support.ts'

const checks = (keys: string, top = '') => loaded(oneService(keys, top)).services[0]?.checks
const kinds = (keys: string, top = '') => checks(keys, top)?.map(({ probe }) => probe.kind)
const faults = (keys: string, top = '') =>
  complaints(oneService(keys, top)).map((sentence) => sentence.replace(/^pointsman\.yaml:\d+:\d+: /, ''))
const warned = (keys: string, top = '') =>
  warnings(oneService(keys, top)).map((sentence) => sentence.replace(/^pointsman\.yaml:\d+:\d+: /, ''))

describe('health_check', () => {
  it('says when a check is asked and what its results come to', () => {
    const keys = `health_check:
  interval: 2s
  fast_interval: 500ms
  down_interval: 10s
  timeout: 1s
  rise: 4
  fall: 5
  jitter: 10%
  initial: down
  address: 10.0.0.9
  port: 8080
  source_address: 10.0.0.1`
    expect(checks(keys)).toEqual([
      {
        probe: { kind: 'tcp' },
        interval: 2_000,
        fastInterval: 500,
        downInterval: 10_000,
        timeout: 1_000,
        rise: 4,
        fall: 5,
        jitter: 10,
        initial: 'down',
        address: '10.0.0.9',
        port: 8080,
        sourceAddress: '10.0.0.1',
        via: 'backend',
      },
    ])
  })

  it('knows the names that ezlb has for rise and fall', () => {
    expect(checks('health_check: { rise_count: 7, fail_count: 8 }')).toEqual([{ ...tcpCheck, rise: 7, fall: 8 }])
    expect(faults('health_check: { rise: 7, rise_count: 7 }')).toEqual([
      'services[0].health_check: rise and rise_count say the same; remove one of the two',
    ])
  })

  it.each([
    ['protocol: tcp', ['tcp']],
    ['protocol: udp', []],
    ['protocol: sctp', []],
    ['fwmark: 7', []],
    ['protocol: udp\nhealth_check: { dns: { name: www.example } }', ['dns']],
    ['health_check: { enabled: false }', []],
    ['health_check: { type: none }', []],
    ['health_check:', ['tcp']],
    ['health_check: { type: http }', ['http']],
    ['health_check: { http: }', ['http']],
  ])('is by default on for TCP alone: %j', (keys, found) => {
    expect(kinds(keys)).toEqual(found)
  })

  it.each([
    ['', []],
    ['health_check: { interval: 2s }', []],
    ['health_check: { http: }', ['http']],
    ['health_check: { type: tcp }', ['tcp']],
    ['health_check: { type: tcp, enabled: false }', []],
    ['health_check: { enabled: true }', ['tcp']],
  ])('that the defaults switch off is on where a service names a kind: %j', (keys, found) => {
    expect(kinds(keys, 'defaults: { health_check: { enabled: false } }\n')).toEqual(found)
  })

  it.each([
    ['health_check: { http: {}, tls: {} }', 'the check is of two kinds, tls and http; write health_checks: with a list of both'],
    ['health_check: { type: tcp, http: {} }', 'http has no meaning with type: tcp; write type: http, or remove http'],
    ['health_check: { type: none, tcp: {} }', 'tcp has no meaning with type: none; write type: tcp, or remove tcp'],
  ])('is of one kind: %j', (keys, sentence) => {
    expect(faults(keys)).toEqual([`services[0].health_check: ${sentence}`])
  })

  it.each([
    ['{ interval: 50ms }', 'interval: 50ms is below 100ms; write a duration from 100ms to 1h'],
    ['{ jitter: 51% }', 'jitter: 51% is not between 0% and 50%; write a share from 0% to 50%'],
    ['{ rise: 0 }', 'rise: 0 is below 1; write a number of probes from 1 to 1000'],
    ['{ port: 0 }', 'port: 0 is below 1; write a port from 1 to 65535'],
    ['{ initial: maybe }', 'initial: "maybe" is not known; write unknown, up or down'],
    ['{ whatever: 5s }', 'whatever: the key whatever is not known here; remove it; the known keys are'],
  ])('has ranges: %s', (check, sentence) => {
    expect(faults(`health_check: ${check}`)).toEqual([expect.stringContaining(`services[0].health_check.${sentence}`)])
  })

  it('cannot reach an address from one of the other family', () => {
    expect(faults('health_check: { address: 10.0.0.9, source_address: "2001:db8::1" }')).toEqual([
      'services[0].health_check.source_address: 2001:db8::1 cannot reach 10.0.0.9, which is of the other address family; write two IPv4 or two IPv6 addresses',
    ])
  })
})

describe('defaults', () => {
  const top = 'defaults: { health_check: { interval: 1s, http: { path: /up, host: www.example } } }\n'

  it('are put together with what a service says key by key, within the section of the kind too', () => {
    expect(checks('weight: 1', top)).toMatchObject([{ interval: 1_000, probe: { path: '/up', host: 'www.example' } }])
    expect(checks('health_check: { rise: 9, http: { path: /mine } }', top)).toMatchObject([
      { interval: 1_000, rise: 9, probe: { path: '/mine', host: 'www.example' } },
    ])
    expect(checks('health_check: { http_path: /mine }', top)).toMatchObject([{ probe: { path: '/mine', host: 'www.example' } }])
  })

  it('of another kind than the service writes leave their times alone', () => {
    expect(checks('health_check: { type: tcp }', top)).toEqual([{ ...tcpCheck, interval: 1_000 }])
    expect(checks('health_check: { tls: {} }', top)).toMatchObject([{ interval: 1_000, probe: { kind: 'tls' } }])
  })

  it('that name no kind switch nothing on', () => {
    const times = 'defaults: { health_check: { interval: 1s } }\n'
    expect(kinds('protocol: udp', times)).toEqual([])
    expect(kinds('protocol: tcp', times)).toEqual(['tcp'])
    expect(kinds('protocol: udp\nhealth_check: { port: 53 }', times)).toEqual(['tcp'])
  })

  it('may list several, which a service replaces by its own', () => {
    const listed = 'defaults: { health_checks: [{ type: tcp }, { type: tls }] }\n'
    expect(kinds('weight: 1', listed)).toEqual(['tcp', 'tls'])
    expect(kinds('health_check: { type: http }', listed)).toEqual(['http'])
    expect(kinds('health_checks: []', listed)).toEqual([])
    expect(kinds('health_checks: [{ type: http }]', top)).toEqual(['http'])
  })
})

describe('health_checks', () => {
  it('are several, each for itself', () => {
    expect(
      checks('health_checks: [{ type: tcp, port: 81 }, { enabled: false }, { http: { path: /x }, interval: 1s }]'),
    ).toMatchObject([
      { port: 81, interval: 5_000, probe: { kind: 'tcp' } },
      { interval: 1_000, probe: { kind: 'http', path: '/x' } },
    ])
  })

  it('are refused beside health_check, and where one is there twice', () => {
    expect(faults('health_check: { type: tcp }\nhealth_checks: [{ type: tcp }]')).toEqual([
      'services[0].health_checks: there is either health_check or health_checks; move the one into the list of the others',
    ])
    expect(faults('health_checks: [{ type: tcp }, { interval: 5s }]')).toEqual([
      'services[0].health_checks[1]: the same health check is listed twice; remove one of the two',
    ])
  })

  it.each([
    ['https', 'type: http with http: { tls: {} }'],
    ['ssl', 'type: tls, or type: http with http: { tls: {} }'],
    ['misc', 'type: exec with exec: { command: [/usr/local/bin/check] }'],
  ])('tell what a kind of another program is here: %s', (type, meant) => {
    expect(faults(`health_check: { type: ${type} }`)).toEqual([
      `services[0].health_check.type: ${type} is no kind of probe here; write ${meant}`,
    ])
  })

  it('tell every fault in one go', () => {
    expect(faults('health_checks: [{ interval: 5 }, { type: tcp, http: {} }, { http: { path: x } }]')).toEqual([
      'services[0].health_checks[0].interval: 5 has no unit; write 5s for seconds or 5ms for milliseconds',
      'services[0].health_checks[1]: http has no meaning with type: tcp; write type: http, or remove http',
      'services[0].health_checks[2].http.path: "x" does not begin with a slash; write /x',
    ])
  })
})

describe('what is accepted and does not do all that one might think', () => {
  it.each([
    [
      'health_check: { interval: 1s, timeout: 2s }',
      'services[0].health_check: timeout (2s) is longer than interval (1s): probes of a backend never overlap, so that one that takes longer puts the next one off; write a timeout that is not longer than interval',
    ],
    [
      'health_check: { fast_interval: 10s }',
      'services[0].health_check: fast_interval (10s) is longer than interval (5s); write a fast_interval that is shorter',
    ],
    [
      'protocol: udp\nhealth_check: { interval: 5s }',
      'services[0].health_check: the health check connects over TCP, which tells little of a udp service; write what asks the service itself, such as dns: { name: www.example } or udp: { send: ping, expect: pong }; type: tcp if a connection is meant; or enabled: false',
    ],
    [
      'health_checks: [{ type: tcp }, { type: agent }]',
      'services[0].health_checks[1]: the agent is asked at the port of the backend itself, where the service answers; write port: with the one that the agent listens on',
    ],
    [
      'health_check: { type: agent, port: 9999 }',
      'services[0].health_check: an agent that is silent tells nothing of its backend, so that nobody notices a machine that is dead; write health_checks: with another check beside the agent',
    ],
  ])('is told: %j', (keys, sentence) => {
    expect(warned(keys)).toEqual([sentence])
  })

  it.each([
    'protocol: udp\nhealth_check: { interval: 5s, dns: { name: www.example } }',
    'protocol: udp\nhealth_check: { interval: 5s, udp: { send: ping, expect: pong } }',
    'protocol: udp\nhealth_check: { interval: 5s, type: tcp }',
    'protocol: udp\nhealth_check: { interval: 5s, enabled: false }',
    'protocol: sctp\nhealth_check: { interval: 5s, exec: { command: [/usr/local/bin/ask-it] } }',
  ])('is not told of what it is told to write: %j', (keys) => {
    expect(warned(keys)).toEqual([])
  })

  it.each([
    'health_check: { interval: 1s }',
    'health_check: { timeout: 5s }',
    'health_check: { enabled: false, interval: 1s, timeout: 2s }',
    'protocol: udp\nhealth_check: { type: tcp }',
    'health_checks: [{ type: tcp }, { type: agent, port: 9999 }]',
  ])('is not told of what was meant: %j', (keys) => {
    expect(warned(keys)).toEqual([])
  })
})

describe('a registry', () => {
  const text = (defaults: string) =>
    `defaults: { health_check: { ${defaults} } }\nservices: []\ncatalog: [{ consul: , allow: [{ service: web, listen: [10.0.0.1:80] }] }]\n`
  const claim = (defaults: string, words: Record<string, string>) => {
    const [catalog] = loaded(text(defaults), {}, '/etc/pointsman/main.yaml').catalogs
    if (catalog === undefined) throw new Error('there is no catalog')
    return readClaim(catalog, { catalog: 'consul', service: 'web' }, { listen: '10.0.0.1:80', ...words })
  }

  it('says when its services are asked, and by ezlb’s keys for what', () => {
    const words = { health_check_type: 'http', health_check_http_path: '/live', health_check_interval: '1s' }
    expect(claim('rise: 9', words)).toMatchObject({
      ok: true,
      spec: { checks: [{ interval: 1_000, rise: 9, probe: { kind: 'http', path: '/live' } }] },
    })
  })

  it('names no program, no file and no other host', () => {
    expect(CLAIMABLE.filter((key) => /^health_check\.(.*\.|address|port|source)/.test(key))).toEqual([])
    for (const words of [
      { health_check_exec_command: '/bin/sh' },
      { health_check_address: '10.9.9.9' },
      { health_check_tls_ca: '/x' },
    ])
      expect(claim('rise: 9', words)).toMatchObject({ ok: false, problem: expect.stringContaining('cannot be said here') })
    expect(claim('rise: 9', { health_check_type: 'exec' })).toMatchObject({ ok: false })
  })

  it('inherits what the operator wrote, with files beside the configuration', () => {
    expect(claim('tls: { ca: ca.pem }', {})).toMatchObject({
      ok: true,
      spec: { checks: [{ probe: { kind: 'tls', tls: { caFile: '/etc/pointsman/ca.pem' } } }] },
    })
  })
})
