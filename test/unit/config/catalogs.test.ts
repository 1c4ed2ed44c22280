import { describe, expect, it } from 'vitest'
import { CLAIMABLE, readClaim } from '../../../src/config/claimed-service.ts'
import { complaints, loaded, warnings } from './support.ts'

const catalog = (keys: string) => `services: []\ncatalog:\n  - ${keys}\n`
const ALLOW = 'allow: [{ service: web, listen: [10.0.0.1:80] }]'

describe('catalog:', () => {
  it('fills every default in', () => {
    expect(loaded(catalog(`{ consul: , ${ALLOW} }`)).catalogs).toEqual([
      {
        name: 'consul',
        prefix: 'pointsman',
        instances: {
          kind: 'consul',
          agents: ['http://127.0.0.1:8500'],
          consistency: 'default',
          maxStale: 10_000,
          tags: [],
          nodeMeta: {},
          passingOnly: false,
          wait: 300_000,
          maxWatches: 100,
        },
        allow: [
          {
            service: 'web',
            listen: [{ network: '10.0.0.1', prefixLength: 32, firstPort: 80, lastPort: 80 }],
            protocols: ['tcp'],
          },
        ],
        defaults: {},
        directory: process.cwd(),
      },
    ])
  })

  it('names catalogs by what they ask, not by the way to it, and tells equal ones apart', () => {
    const text = `services: []\ncatalog:\n  - { consul: { datacenter: dc2, prefix: acme. }, ${ALLOW} }\n  - { consul: , ${ALLOW} }\n  - { consul: { address: "http://10.0.0.1:8500" }, ${ALLOW} }\n`
    expect(loaded(text).catalogs.map(({ name }) => name)).toEqual(['consul dc2 acme.', 'consul', 'consul #2'])
  })

  it('warns where nothing may be claimed', () => {
    expect(warnings(catalog('consul:'))).toEqual([
      'pointsman.yaml:3:5: catalog[0]: the catalog has no allow, so that nothing may be claimed; write allow: with who may claim what',
    ])
  })

  it.each([
    ['{ allow: [] }', '3:5: catalog[0]: the catalog names no registry; write consul: { address: http://127.0.0.1:8500 }'],
    [
      `{ consul: { adress: x }, ${ALLOW} }`,
      '3:17: catalog[0].consul.adress: the key adress is not known here; did you mean address?',
    ],
    [`{ consul: { service: web }, ${ALLOW} }`, '3:17: catalog[0].consul.service: the key service is not known here; '],
    [
      `{ consul: { token: a, token_file: b }, ${ALLOW} }`,
      '3:15: catalog[0].consul: the catalog has both token and token_file; remove one of the two',
    ],
    [
      `{ consul: { prefix: "=" }, ${ALLOW} }`,
      '3:25: catalog[0].consul.prefix: "=" cannot begin a key; write letters and digits, such as pointsman.',
    ],
    ['{ consul: , allow: [{ listen: [10.0.0.1:80] }] }', '3:25: catalog[0].allow[0]: the permission names no service; '],
    ['{ consul: , allow: [{ service: web }] }', '3:25: catalog[0].allow[0]: the permission names nothing to listen on; '],
    [
      '{ consul: , allow: [{ service: web, listen: [10.0.0.1] }] }',
      '3:50: catalog[0].allow[0].listen[0]: "10.0.0.1" is not an address with a port; ',
    ],
    [
      '{ consul: , allow: [{ service: web, listen: [10.0.0.1/24:80] }] }',
      '3:50: catalog[0].allow[0].listen[0]: 10.0.0.1 is not the first address of its /24; write 10.0.0.0/24',
    ],
    [
      '{ consul: , allow: [{ service: web, listen: [10.0.0.0/33:80] }] }',
      '3:50: catalog[0].allow[0].listen[0]: the prefix length 33 is above 32; ',
    ],
    [
      '{ consul: , allow: [{ service: web, listen: ["10.0.0.1:90-80"] }] }',
      '3:50: catalog[0].allow[0].listen[0]: the range 90-80 ends before it begins; write 80-90',
    ],
    [
      '{ consul: , allow: [{ service: web, listen: ["10.0.0.1:http"] }] }',
      '3:50: catalog[0].allow[0].listen[0]: "http" is neither a port nor a range of ports; ',
    ],
    [
      '{ consul: , allow: [{ service: web, listen: ["2001:db8::/64:80"] }] }',
      '3:50: catalog[0].allow[0].listen[0]: "2001:db8::/64:80" is not an address with a port; ',
    ],
  ])('%s is refused with its place', (keys, sentence) => {
    expect(complaints(catalog(keys))).toEqual([expect.stringContaining(`pointsman.yaml:${sentence}`)])
  })
})

describe('what a service says of itself', () => {
  const [spec] = loaded(`defaults: { persistence: 60s, forwarding: direct }\n${catalog(`{ consul: , ${ALLOW} }`)}`).catalogs
  const read = (words: Record<string, string>) => {
    if (spec === undefined) throw new Error('no catalog')
    return readClaim(spec, { catalog: 'consul', service: 'web' }, { listen: '10.0.0.1:80', ...words })
  }

  it('is read as a file with the same words would be', () => {
    const words = {
      scheduler: 'mh',
      flags: 'mh-port,mh-fallback',
      persistence: 'none',
      forwarding_tunnel_type: 'gue',
      forwarding_tunnel_port: '6080',
      upper_threshold: '100',
      guard_max_removal: '50%',
      guard_on_empty: '10m',
      debounce_min: '1s',
      drain_timeout: '0',
      protocol: 'udp',
      one_packet: 'true',
    }
    const keys =
      'scheduler: mh, flags: [mh-port, mh-fallback], persistence: none, forwarding: { tunnel: { type: gue, port: 6080 } }, upper_threshold: 100, guard: { max_removal: 50%, on_empty: 10m }, debounce: { min: 1s }, drain: { timeout: 0 }, protocol: udp, one_packet: true'
    const [written] = loaded(
      `defaults: { persistence: 60s, forwarding: direct }\nservices: [{ name: web, listen: 10.0.0.1:80, source: { consul: web }, ${keys} }]`,
    ).services
    expect(read(words)).toEqual({ ok: true, spec: written, warnings: [] })
  })

  it('tells what does not do all that one might think', () => {
    expect(read({ scheduler: 'dh' })).toMatchObject({
      ok: true,
      warnings: [expect.stringContaining('with the scheduler dh')],
    })
  })

  it('may be translated, but its address is placed by the operator alone', () => {
    expect(read({ full_nat: 'true', forwarding: 'nat', snat_ip: '10.0.0.9' })).toMatchObject({
      ok: true,
      spec: { fullNat: true, snatRange: { first: '10.0.0.9', last: '10.0.0.9' } },
      warnings: [],
    })
    expect(read({ virtual_address: 'true' })).toMatchObject({ ok: false })
  })

  it.each([
    [{ scheduler: 'wrrr' }, 'scheduler: "wrrr" is not known; did you mean wrr?'],
    [{ listen: '10.0.0.1' }, 'listen: "10.0.0.1" has no port; write it behind a colon, such as 10.0.0.1:80'],
    [{ listen: '224.0.0.1:80' }, 'listen: 224.0.0.1 is a multicast address; '],
    [{ upper_threshold: 'many' }, 'upper_threshold: "many" is not a number; '],
    [{ one_packet: 'yes' }, 'one_packet: "yes" is not true or false; '],
    [{ one_packet: 'true' }, 'one_packet: one_packet is for UDP and fwmark services, not for tcp'],
    [{ guard_on_empty: 'never' }, 'guard.on_empty: "never" is not a duration; write hold, apply or a duration'],
    [{ schedular: 'rr' }, 'the key schedular cannot be said here; did you mean scheduler?'],
    [{ adopt: 'all' }, 'the key adopt cannot be said here; remove it'],
    [{ fwmark: '7' }, 'the key fwmark cannot be said here; remove it'],
    [
      { persistence: '60s', persistence_timeout: '60s' },
      'persistence is said both in its short form and key by key; keep one of the two',
    ],
  ])('%j is refused with a sentence', (words, sentence) => {
    const reading = read(words)
    expect(reading.ok ? undefined : reading.problem).toContain(sentence)
  })

  it('has no two keys that are the same on one line', () => {
    const flat = CLAIMABLE.map((key) => key.replaceAll('.', '_'))
    expect(new Set(flat).size).toBe(flat.length)
  })
})
