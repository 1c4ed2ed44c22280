import { describe, expect, it } from 'vitest'
import { sourceName } from '../../../../src/model/source-spec.ts'
import { consulSpec } from '../../sources/consul/scripted-agent.ts'
import { complaints, loaded, oneService } from '../support.ts'

function source(text: string) {
  const spec = loaded(oneService(`source: { consul: ${text} }`)).services[0]?.sources[0]
  if (spec === undefined) throw new Error('no source')
  return spec
}

const agentsOf = (address: string) => {
  const spec = source(`{ service: web, address: ${address} }`)
  return spec.kind === 'consul' ? spec.agents : []
}

const complaint = (text: string) =>
  complaints(oneService(`source: { consul: ${text} }`)).map((sentence) =>
    sentence.replace(/^pointsman\.yaml:\d+:\d+: services\[0\]\.source(\.consul)?(\.)?/, ''),
  )

describe('a consul source in a configuration', () => {
  it('has every default, in the short form as well', () => {
    const spec = consulSpec(['http://127.0.0.1:8500'])
    expect(source('{ service: web }')).toEqual(spec)
    expect(source('web')).toEqual(spec)
  })

  it('can be told everything', () => {
    const keys = `service: web, address: ["https://10.0.0.5:8501", "https://consul.example"],
      tls: { ca: ca.pem, cert: c.pem, key: k.pem, server_name: server.dc1.consul }, token_file: token, datacenter: dc2,
      namespace: team, partition: p1, consistency: stale, max_stale: 2s, filter: 'Service.Port == 80', tags: [prod, a],
      node_meta: { rack: r1, disk: ssd }, near: _agent, passing_only: true, tagged_address: wan_ipv4, wait: 30s, max_watches: 50`
    const spec = loaded(oneService(`source: { consul: { ${keys} } }`), {}, '/etc/pointsman/p.yaml').services[0]?.sources[0]
    expect(spec).toEqual({
      kind: 'consul',
      service: 'web',
      agents: ['https://10.0.0.5:8501', 'https://consul.example:8501'],
      tls: {
        caFile: '/etc/pointsman/ca.pem',
        certFile: '/etc/pointsman/c.pem',
        keyFile: '/etc/pointsman/k.pem',
        serverName: 'server.dc1.consul',
        verify: true,
      },
      tokenFile: '/etc/pointsman/token',
      datacenter: 'dc2',
      namespace: 'team',
      partition: 'p1',
      consistency: 'stale',
      maxStale: 2_000,
      filter: 'Service.Port == 80',
      tags: ['a', 'prod'],
      nodeMeta: { disk: 'ssd', rack: 'r1' },
      near: '_agent',
      passingOnly: true,
      taggedAddress: 'wan_ipv4',
      wait: 30_000,
      maxWatches: 50,
    })
  })

  it.each([
    ['10.0.0.5', ['http://10.0.0.5:8500']],
    ['"10.0.0.5:9500"', ['http://10.0.0.5:9500']],
    ['consul.example', ['http://consul.example:8500']],
    ['"http://10.0.0.5:80/"', ['http://10.0.0.5:80']],
    ['https://10.0.0.5', ['https://10.0.0.5:8501']],
    ['"https://10.0.0.5:443"', ['https://10.0.0.5:443']],
    ['"[2001:db8::5]:8500"', ['http://[2001:db8::5]:8500']],
    ['unix:///run/consul.sock', ['unix:///run/consul.sock']],
    ['/run/consul.sock', ['unix:///run/consul.sock']],
    ['[10.0.0.5, 10.0.0.6]', ['http://10.0.0.5:8500', 'http://10.0.0.6:8500']],
  ])('reads the address %s', (address, agents) => {
    expect(agentsOf(address)).toEqual(agents)
  })

  it.each([
    ['{}', ': the consul source has no service; write consul: { service: web }'],
    ['{ service: web, token: a, token_file: b }', ': the consul source has both token and token_file; remove one of the two'],
    [
      '{ service: web, tls: { ca: x } }',
      ': tls has no meaning without an https:// address; write address: https://..., or remove tls',
    ],
    ['{ service: web, address: [] }', /^address: the list of agents is empty; write an address such as/],
    [
      '{ service: web, address: [10.0.0.5, "10.0.0.5:8500"] }',
      'address: http://10.0.0.5:8500 is listed twice; keep one of the two',
    ],
    ['{ service: web, address: "ftp://10.0.0.5" }', /^address: ftp:\/\/ is not known; write an address/],
    [
      '{ service: web, address: "http://10.0.0.5:8500/v1" }',
      /^address: "http:\/\/10\.0\.0\.5:8500\/v1" has something behind the port/,
    ],
    ['{ service: web, consistency: strong }', 'consistency: "strong" is not known; write default, consistent or stale'],
    ['{ service: web, node_meta: [rack] }', 'node_meta: a list is not a mapping; write { rack: r1 }'],
    ['{ service: web, max_watches: 3 }', 'max_watches: 3 is below 4; write a number of connections from 4 to 10000'],
    ['{ service: web, wait: 11m }', 'wait: 11m is above 10m; write a duration from 1s to 10m'],
    ['{ servce: web }', /^servce: the key servce is not known here; did you mean service\?/],
  ])('refuses %s', (text, sentence) => {
    const [first] = complaint(text)
    if (typeof sentence === 'string') expect(first).toBe(sentence)
    else expect(first).toMatch(sentence)
  })

  it.each(['http://me:s3cret@10.0.0.5:8500', 'http://me:s3cret@', '"http://me:s3cret@10.0.0.5:85000"'])(
    'refuses the secret in %s and does not repeat it',
    (address) => {
      const sentences = complaint(`{ service: web, address: ${JSON.stringify(address)} }`)
      expect(sentences).toHaveLength(1)
      expect(sentences[0]).not.toContain('s3cret')
    },
  )
})

describe('the name of a consul source', () => {
  it('is short where nothing is chosen', () => {
    expect(sourceName(source('web'))).toBe('consul web')
  })

  it('tells what makes it different from others, and no secret', () => {
    const text = `{ service: web, address: 10.0.0.5, token: s3cret, datacenter: dc2, namespace: a, partition: b, tags: [x, y],
      node_meta: { rack: r1 }, filter: 'Service.Port == 80', tagged_address: wan }`
    expect(sourceName(source(text.replaceAll('\n', ' ')))).toBe(
      'consul web dc dc2 namespace a partition b tag x tag y node-meta rack:r1 filter Service.Port == 80 wan at http://10.0.0.5:8500',
    )
  })
})
