import { describe, expect, it } from 'vitest'
import { sourceName } from '../../../../src/model/source-spec.ts'
import { plainSpec, srvSpec } from '../../sources/dns/support.ts'
import { complaints, loaded, oneService } from '../support.ts'

const source = (text: string, keys = '') => loaded(oneService(`source: { ${text} }${keys}`)).services[0]?.sources[0]
/** Without the place, which the tests of the loader have. */
const complaint = (text: string, keys = '') =>
  complaints(oneService(`source: { ${text} }${keys}`)).map((sentence) =>
    sentence.replace(/^pointsman\.yaml:\d+:\d+: services\[0\]\.?/, ''),
  )

describe('a DNS source', () => {
  it('has every default', () => {
    expect(source('dns_srv: { name: _http._tcp.web.example }')).toEqual(srvSpec())
    expect(source('dns_srv: _http._tcp.web.example')).toEqual(srvSpec())
    expect(source('dns: { name: web.example, port: 8080 }')).toEqual(plainSpec())
  })

  it('can be told everything', () => {
    const keys = `name: _x._tcp.web.example., servers: [10.0.0.2, "10.0.0.3:5353", "::1", "[fe80::1%eth0]:8600", 'fe80::2%eth0'],
      search: [Corp.example.], transport: tcp, timeout: 500ms, families: [ipv6, ipv4], refresh: { min: 1s, max: 60s },
      retry: { min: 200ms, max: 5s }, hold_obsolete: 0, zero_weight: drain, on_nxdomain: hold, on_nodata: apply,
      on_no_service: 5s, on_servfail: 1m, on_refused: 0, on_timeout: 24h`
    expect(source(`dns_srv: { ${keys} }`)).toEqual({
      kind: 'dns_srv',
      name: '_x._tcp.web.example.',
      servers: [
        { address: '10.0.0.2', port: 53 },
        { address: '10.0.0.3', port: 5353 },
        { address: '::1', port: 53 },
        { address: 'fe80::1%eth0', port: 8600 },
        { address: 'fe80::2%eth0', port: 53 },
      ],
      search: ['corp.example'],
      transport: 'tcp',
      timeout: 500,
      families: ['ipv6', 'ipv4'],
      refresh: { min: 1_000, max: 60_000 },
      retry: { min: 200, max: 5_000 },
      holdObsolete: 0,
      zeroWeight: 'drain',
      policies: { nxdomain: 'hold', nodata: 0, no_service: 5_000, servfail: 60_000, refused: 0, timeout: 86_400_000 },
    })
  })

  it('moves the bound that is not written', () => {
    expect(source('dns_srv: { name: x.example, refresh: { min: 10m }, retry: { max: 500ms } }')).toMatchObject({
      refresh: { min: 600_000, max: 600_000 },
      retry: { min: 500, max: 500 },
    })
  })

  it('is called by its name, and by its servers where they are written', () => {
    const named = (text: string) => {
      const spec = source(text)
      return spec && sourceName(spec)
    }
    expect(named('dns: { name: web.example, port: 80 }')).toBe('dns web.example:80')
    expect(named('dns_srv: { name: x.example, servers: [10.0.0.2, "[::1]:8600"] }')).toBe(
      'dns_srv x.example @10.0.0.2,[::1]:8600',
    )
  })

  it.each([
    ['dns_srv: {}', 'source: the dns_srv source has no name; write dns_srv: { name: _http._tcp.web.example }'],
    ['dns: { port: 80 }', 'source: the dns source has no name; write dns: { name: web.example, port: 8080 }'],
    [
      'dns: { name: web.example }',
      'source: the dns source has no port, which A and AAAA records do not say; write dns: { name: web.example, port: 8080 }',
    ],
    [
      'dns: { name: 10.0.0.1, port: 80 }',
      'source.dns.name: "10.0.0.1" is an address, not a name; write a name such as web.example; addresses go into backends:',
    ],
    [
      'dns_srv: a..b',
      'source.dns_srv: "a..b" has an empty part; write a name such as _http._tcp.web.example: letters, digits, hyphens and underscores between single dots',
    ],
    [
      'dns: { name: "web example", port: 80 }',
      'source.dns.name: "web example" has the part "web example"; write a name such as web.example: letters, digits, hyphens and underscores between single dots',
    ],
    [
      `dns: { name: ${'x'.repeat(64)}.example, port: 80 }`,
      `source.dns.name: "${'x'.repeat(57)}..." has a part of 64 characters; write parts of at most 63`,
    ],
    ['dns: { name: web.example, port: 65536 }', 'source.dns.port: 65536 is above 65535; write a port from 0 to 65535'],
    [
      'dns_srv: { name: x.example, servers: [] }',
      'source: the list of servers is empty; name one, or remove servers: to ask those of /etc/resolv.conf',
    ],
    [
      'dns_srv: { name: x.example, families: [] }',
      'source: the list of families is empty; write ipv4, ipv6 or both, or remove families:',
    ],
    [
      'dns_srv: { name: x.example, families: [ipv5] }',
      'source.dns_srv.families[0]: "ipv5" is not known; did you mean ipv4? Otherwise write ipv4 or ipv6',
    ],
    [
      'dns_srv: { name: x.example, servers: [ns1.example] }',
      'source.dns_srv.servers[0]: "ns1.example" is not a name server; write an IP address, with a port where it is not 53, such as 10.0.0.2, 127.0.0.1:8600 or "[fe80::1%eth0]:53"',
    ],
    [
      'dns_srv: { name: x.example, servers: ["10.0.0.2:99999"] }',
      'source.dns_srv.servers[0]: port 99999 is not between 1 and 65535; write an IP address, with a port where it is not 53, such as 10.0.0.2, 127.0.0.1:8600 or "[fe80::1%eth0]:53"',
    ],
    [
      'dns_srv: { name: x.example, on_nxdomain: forget }',
      'source.dns_srv.on_nxdomain: "forget" is not a duration; write hold, apply or a duration such as 30s',
    ],
    [
      'dns_srv: { name: x.example, refresh: { min: 10s, max: 5s } }',
      'source: refresh.min 10s is above refresh.max 5s; write a min that is not above the max',
    ],
    ['dns_srv: { name: x.example, port: 80 }', expect.stringMatching(/^source\.dns_srv\.port: the key port is not known here/)],
    [
      'dns: { name: x.example, port: 80, zero_weight: drain }',
      expect.stringMatching(/^source\.dns\.zero_weight: the key zero_weight is not known here/),
    ],
  ])('%s is refused', (text, sentence) => {
    expect(complaint(text)).toEqual([sentence])
  })

  it('must want addresses that the service reaches', () => {
    expect(complaint('dns_srv: { name: x.example, families: [ipv6] }')).toEqual([
      ': dns_srv x.example wants ipv6 addresses only, which are out of reach for nat from an ipv4 service; write families: [ipv4], or leave families out',
    ])
    expect(complaint('dns_srv: { name: x.example, families: [ipv6] }', '\nforwarding: tunnel')).toEqual([])
  })

  it('may be asked of different servers side by side, but not twice of the same', () => {
    const list = (...servers: string[]) =>
      complaints(
        oneService(`sources:\n${servers.map((one) => `  - dns_srv: { name: x.example, servers: [${one}] }`).join('\n')}`),
      )
    expect(list('10.0.0.2', '10.0.0.3')).toEqual([])
    expect(list('10.0.0.2', '10.0.0.2')).toEqual([expect.stringContaining('dns_srv x.example @10.0.0.2 is a source already')])
  })
})
