import { describe, expect, it } from 'vitest'
import { importKglb } from '../../../src/migrate/kglb.ts'
import { outcome, parsed } from './support.ts'

const ADDRESS = { tcpAttributes: { address: { ipv4: '192.0.2.10' }, port: 80 } }

function balancer(more: object = {}, service: object = ADDRESS, checker: object = { checker: { dummy: {} } }) {
  return {
    name: 'edge',
    lbService: { ipvsService: service },
    upstreamChecker: checker,
    upstreamDiscovery: { port: 80, staticAttributes: { hosts: ['10.0.0.1', '10.0.0.2'] } },
    upstreamRouting: { forwardMethod: 'TUNNEL' },
    ...more,
  }
}

const imported = (...balancers: object[]) => outcome(importKglb(parsed(JSON.stringify({ balancers }, undefined, 1), 'kglb.json')))

async function one(...given: Parameters<typeof balancer>) {
  const { configuration, leftOut } = await imported(balancer(...given))
  expect(leftOut).toEqual([])
  return configuration.services[0]
}

it('a balancer becomes a service', async () => {
  expect(await one()).toMatchObject({
    name: 'edge',
    identity: { protocol: 'tcp', address: '192.0.2.10', port: 80 },
    scheduler: 'rr',
    forwarding: { method: 'tunnel' },
    weight: 1000,
    checks: [],
  })
})

it.each<[string, object, object]>([
  [
    'UDP over IPv6',
    { udpAttributes: { address: { ipv6: '2001:db8::1' }, port: 53 } },
    { identity: { protocol: 'udp', port: 53 } },
  ],
  ['a firewall mark', { fwmarkAttributes: { fwmark: 7 } }, { identity: { fwmark: 7, family: 'ipv4' } }],
  ['one of IPv6', { fwmark_attributes: { fwmark: 7, address_family: 'AF_INET6' } }, { identity: { family: 'ipv6' } }],
  ['a scheduler', { ...ADDRESS, scheduler: 'WRR', flags: ['EMPTY'] }, { scheduler: 'wrr' }],
  [
    'names of protobuf',
    { tcp_attributes: { address: { ipv4: '192.0.2.10' }, port: 81 }, scheduler: 1 },
    { scheduler: 'wrr', identity: { port: 81 } },
  ],
])('%s', async (_, service, expected) => {
  const family = JSON.stringify(service).includes('IP')
  const hosts = family || JSON.stringify(service).includes('ipv6') ? { staticAttributes: { hosts: [] } } : {}
  expect(
    await one({ upstreamDiscovery: { port: 80, staticAttributes: { hosts: ['10.0.0.1'] }, ...hosts } }, service),
  ).toMatchObject(expected)
})

it('one packet at a time is a flag of UDP', async () => {
  const udp = { udpAttributes: { address: { ipv4: '192.0.2.10' }, port: 53 }, flags: ['ONEPACKET', 'HASHED'] }
  expect(await one({ upstreamRouting: { forwardMethod: 'MASQ' }, weightUp: 7 }, udp)).toMatchObject({
    onePacket: true,
    weight: 7,
    forwarding: { method: 'nat' },
  })
})

it('two balancers of one name are told apart by their addresses', async () => {
  const other = { tcpAttributes: { address: { ipv4: '192.0.2.11' }, port: 80 } }
  const { configuration } = await imported(balancer(), balancer({}, other))
  expect(configuration.services.map(({ name }) => name)).toEqual(['edge', 'edge 192.0.2.11:80'])
})

describe('checkers', () => {
  const checked = async (checker: object, more: object = {}, whole: object = {}) =>
    (await one(whole, ADDRESS, { intervalMs: 4000, fallCount: 4, riseCount: 1, ...more, checker }))?.checks

  it.each<[string, object, object]>([
    ['tcp', { tcp: {} }, { probe: { kind: 'tcp' }, interval: 4000, timeout: 5000, fall: 4, rise: 1, initial: 'down' }],
    [
      'http',
      {
        http: {
          scheme: 'https',
          uri: '/h',
          headers: { Host: 'a.example', 'X-A': 'b' },
          codes: [200, 204],
          followRedirects: true,
          checkTimeoutMs: 100,
        },
      },
      {
        probe: { path: '/h', host: 'a.example', headers: { 'X-A': 'b' }, tls: { verify: false }, redirects: { most: 10 } },
        timeout: 100,
      },
    ],
    [
      'a proxy',
      { http: { scheme: 'http', codes: [200], proxyCheckUrl: 'http://www.example/' } },
      { probe: { proxy: { url: 'http://www.example/' } } },
    ],
    [
      'dns',
      { dns: { queryString: '.', queryType: 'NS', protocol: 'UDP', rcode: 3 } },
      { probe: { name: '.', type: 'NS', transport: 'udp', rcode: 3 } },
    ],
    [
      'dns by number',
      { dns: { query_string: 'a.example', query_type: 5 } },
      { probe: { type: 'SOA', transport: 'tcp', rcode: 0 } },
    ],
    [
      'syslog',
      { syslog: { logLevel: 6, port: 514, protocol: 'UDP' } },
      { probe: { kind: 'syslog', transport: 'udp', severity: 6 }, port: 514 },
    ],
  ])('%s', async (_, checker, expected) => {
    expect(await checked(checker)).toMatchObject([expected])
  })

  it('counts that are not said', async () => {
    const [check] = (await one({}, ADDRESS, { checker: { tcp: {} } }))?.checks ?? []
    expect(check).toMatchObject({ interval: 5000, fall: 2, rise: 3 })
  })

  it('through the service go on the way of the clients', async () => {
    expect(await checked({ tcp: {} }, {}, { enableFwmarks: true })).toMatchObject([{ via: 'vip' }])
  })

  it('backends that fail have weight 0, as they had', async () => {
    const tcp = await one({}, ADDRESS, { checker: { tcp: {} } })
    expect(tcp?.policy).toMatchObject({ onDown: 'zero', maxEjection: 100, panic: { percent: 0 } })
  })
})

describe('what cannot be carried over', () => {
  it.each<[string, object, RegExp]>([
    [
      'routes',
      balancer({ dynamicRouting: { announceLimitRatio: 0.9 } }),
      /kglb\.json:\d+: dynamicRouting: no route is announced/,
    ],
    ['a second name', balancer({ setupName: 'prod' }), /setupName: prod: services have one name; do nothing/],
    [
      'names of hosts',
      balancer({ upstreamDiscovery: { port: 80, staticAttributes: { hosts: ['web.example'] } } }),
      /hosts: web\.example: .*write source: \{ dns/,
    ],
    ['mdb', balancer({ upstreamDiscovery: { port: 80, mdbAttributes: { query: 'q' } } }), /query: q: there is no source mdb/],
    ['no identity', balancer({}, {}), /balancer edge: it names neither an address/],
    [
      'a scheduler that Linux has not',
      balancer({}, { ...ADDRESS, scheduler: 'IP_VS_SCH' }),
      /scheduler: IP_VS_SCH: Linux has no such scheduler/,
    ],
    ['flags of sh', balancer({}, { ...ADDRESS, flags: ['SH_PORT'] }), /flags: SH_PORT: it means nothing to the scheduler rr/],
    ['persistence without a time', balancer({}, { ...ADDRESS, flags: ['PERSISTENT'] }), /flags: PERSISTENT: .*300s was written/],
    ['a limit', balancer({}, ADDRESS, { concurrencyLimit: 5, checker: { dummy: {} } }), /concurrencyLimit: 5: .*max_probes/],
    ['anything else', balancer({ colour: 'blue' }), /colour: blue: nothing is known of this key here/],
  ])('%s', async (_, given, sentence) => {
    const { leftOut } = await imported(given)
    expect(leftOut).toHaveLength(1)
    expect(leftOut[0]).toMatch(sentence)
  })

  it('a port that a tunnel cannot translate to is that of the service', async () => {
    const { configuration, text } = await imported(
      balancer({ upstreamDiscovery: { port: 8080, staticAttributes: { hosts: ['10.0.0.1'] } } }),
    )
    expect([...(configuration.services[0]?.backends.keys() ?? [])]).toEqual(['10.0.0.1:80'])
    expect(text).toContain('# It said port 8080')
  })
})
