import { describe, expect, it } from 'vitest'
import type { BackendContext } from '../../../../src/document/backend-rules.ts'
import type { IpAddress } from '../../../../src/model/address.ts'
import { readHealthEntries } from '../../../../src/sources/consul/health-entry.ts'
import { type Instances, readInstances } from '../../../../src/sources/consul/instances.ts'
import { entry } from './scripted-agent.ts'

const ipv4: BackendContext = {
  name: 'web',
  identity: { kind: 'address', protocol: 'tcp', address: '10.9.0.1' as IpAddress, port: 80 },
  forwarding: { method: 'nat' },
}
const ipv6: BackendContext = {
  ...ipv4,
  identity: { ...ipv4.identity, address: '2001:db8::1' as IpAddress } as BackendContext['identity'],
}

interface How {
  readonly passingOnly?: boolean
  readonly taggedAddress?: string
  readonly service?: BackendContext
  readonly previous?: Instances
}

function instances(
  entries: readonly unknown[],
  { passingOnly = false, taggedAddress, service = ipv4, previous }: How = {},
): Instances {
  const read = readHealthEntries(JSON.parse(JSON.stringify(entries)))
  if (read === undefined) throw new Error('not a list')
  const spec = { passingOnly, ...(taggedAddress !== undefined && { taggedAddress }) }
  return readInstances(read, spec, service, { origin: 'consul web', ...(previous !== undefined && { previous }) })
}

const keys = (of: Instances) => [...of.backends.keys()]
const only = (of: Instances) => [...of.backends.values()][0]
const sentences = (of: Instances) => of.warnings.map(({ path, problem, remedy }) => `${path}: ${problem}; ${remedy}`)

describe('the state of an instance', () => {
  const stateOf = (checks: Readonly<Record<string, string>>, how: How = {}) => only(instances([entry(1, { checks })], how))?.state

  it.each([
    [{}, 'passing'],
    [{ http: 'passing' }, 'passing'],
    [{ http: 'warning' }, 'warning'],
    [{ http: 'warning', tcp: 'critical' }, 'critical'],
    [{ serfHealth: 'critical' }, 'critical'],
    [{ http: 'critical', '_service_maintenance:web-1': 'critical' }, 'maintenance'],
    [{ _node_maintenance: 'critical', http: 'warning' }, 'maintenance'],
    [{ _node_maintenance_x: 'warning' }, 'warning'],
  ])('of checks %j is %s', (checks, state) => {
    expect(stateOf(checks)).toBe(state)
  })

  it('is critical for warning where only passing serves, and the instance stays a member', () => {
    expect(stateOf({ http: 'warning' }, { passingOnly: true })).toBe('critical')
    expect(stateOf({ http: 'passing' }, { passingOnly: true })).toBe('passing')
    expect(stateOf({ _node_maintenance: 'critical' }, { passingOnly: true })).toBe('maintenance')
  })

  it('is passing without any check', () => {
    const [bare] = [entry(1)] as [Record<string, unknown>]
    expect(only(instances([{ ...bare, Checks: null }]))?.state).toBe('passing')
  })
})

describe('the weight of an instance', () => {
  const weights = { Weights: { Passing: 7, Warning: 3 } }
  const weightOf = (service: object, checks: Readonly<Record<string, string>> = {}) =>
    only(instances([entry(1, { service, checks })]))?.weight

  it('is its own for passing and for warning, and that of passing when it fails', () => {
    expect(weightOf(weights)).toBe(7)
    expect(weightOf(weights, { http: 'warning' })).toBe(3)
    expect(weightOf(weights, { http: 'critical' })).toBe(7)
  })

  it('is that of the meta before that of a tag before its own', () => {
    const tag = { Tags: ['prod', 'pointsman.weight=5'] }
    expect(weightOf({ ...weights, ...tag })).toBe(5)
    for (const key of ['pointsman-weight', 'pointsman_weight', 'pointsman.weight'])
      expect(weightOf({ ...weights, ...tag, Meta: { [key]: '9' } })).toBe(9)
    expect(weightOf({ ...weights, Meta: { 'pointsman-weight': '9' } }, { http: 'warning' })).toBe(9)
  })

  it('may be 0, which is not the same as none', () => {
    expect(weightOf({ ...weights, Meta: { 'pointsman-weight': '0' } })).toBe(0)
    expect(weightOf({ Weights: { Passing: 0, Warning: 0 } })).toBe(0)
    expect(weightOf({ Weights: null })).toBeUndefined()
  })

  it.each(['65536', '-1', '1.5', 'ten', '', '0x10', '99999999999'])('passes over %j and says so', (text) => {
    const read = instances([
      entry(1, { service: { ...weights, Tags: ['pointsman.weight=5'], Meta: { 'pointsman-weight': text } } }),
    ])
    expect(only(read)?.weight).toBe(5)
    expect(sentences(read)).toEqual([
      `n1/web-1: meta pointsman-weight ${JSON.stringify(text)} is not a weight from 0 to 65535; write a weight from 0 to 65535`,
    ])
  })

  it('passes over nonsense in a tag and in the weights of Consul as well, and loses nobody by it', () => {
    const read = instances([entry(1, { service: { Tags: ['pointsman.weight=lots'], Weights: { Passing: 70000, Warning: 1 } } })])
    expect(keys(read)).toEqual(['10.1.1.1:80'])
    expect(only(read)?.weight).toBeUndefined()
    expect(read.warnings).toHaveLength(2)
    expect(read.quarantined).toBe(1)
  })
})

describe('the address of an instance', () => {
  const lan = { lan_ipv4: { Address: '10.5.5.5', Port: 8080 }, lan_ipv6: { Address: '2001:db8::5', Port: 8080 } }
  const wan = { wan_ipv4: { Address: '192.0.2.7', Port: 443 } }

  it('is its own, else that of its node', () => {
    expect(keys(instances([entry(1)]))).toEqual(['10.1.1.1:80'])
    expect(keys(instances([entry(1, { service: { Address: '' } })]))).toEqual(['10.0.0.1:80'])
  })

  it('is the chosen tagged one where the instance or its node has it, else the ordinary one', () => {
    const how = { taggedAddress: 'wan_ipv4' }
    expect(keys(instances([entry(1, { service: { TaggedAddresses: wan } })], how))).toEqual(['192.0.2.7:443'])
    expect(keys(instances([entry(1, { node: { TaggedAddresses: { wan_ipv4: '192.0.2.9' } } })], how))).toEqual(['192.0.2.9:80'])
    expect(keys(instances([entry(1)], how))).toEqual(['10.1.1.1:80'])
  })

  it('keeps the port of the instance where the tagged address has none', () => {
    const service = { TaggedAddresses: { wan_ipv4: { Address: '192.0.2.7', Port: 0 } } }
    expect(keys(instances([entry(1, { service })], { taggedAddress: 'wan_ipv4' }))).toEqual(['192.0.2.7:80'])
  })

  it('is of the family of the virtual service where there is a tagged one', () => {
    expect(keys(instances([entry(1, { service: { TaggedAddresses: lan } })], { service: ipv6 }))).toEqual(['[2001:db8::5]:8080'])
    expect(
      keys(instances([entry(1, { service: { Address: '2001:DB8:0::9', TaggedAddresses: lan } })], { service: ipv6 })),
    ).toEqual(['[2001:db8::9]:80'])
    expect(keys(instances([entry(1, { service: { Address: '2001:db8::9', TaggedAddresses: lan } })]))).toEqual(['10.5.5.5:8080'])
  })

  it('that is a name is put aside, and the others are used', () => {
    const read = instances([entry(1, { service: { Address: 'web.internal' } }), entry(2)])
    expect(keys(read)).toEqual(['10.1.1.2:80'])
    expect(sentences(read)).toEqual([
      'n1/web-1: its address "web.internal" is a name and not an IP address; register it with an IP address',
    ])
    expect(read.incomplete).toBe(false)
  })

  it('of the other family, port 0 or no address at all is put aside', () => {
    const read = instances([
      entry(1, { service: { Address: '2001:db8::9' } }),
      entry(2, { service: { Port: 0 } }),
      entry(3, { service: { Address: '' }, node: { Address: '' } }),
      entry(4),
    ])
    expect(keys(read)).toEqual(['10.1.1.4:80'])
    expect(read.warnings.map(({ path }) => path)).toEqual(['n1/web-1', 'n2/web-2', 'n3/web-3'])
  })

  it('of port 0 serves a virtual service that takes every port', () => {
    const service: BackendContext = { ...ipv4, identity: { kind: 'fwmark', fwmark: 7, family: 'ipv4' } }
    expect(keys(instances([entry(1, { service: { Port: 0 } })], { service }))).toEqual(['10.1.1.1:0'])
  })
})

describe('entries that cannot be read', () => {
  it('are put aside with a sentence, one by one', () => {
    const read = instances([entry(1), entry(2, { service: { Port: 70000 } }), entry(3, { checks: { http: 'dubious' } })])
    expect(keys(read)).toEqual(['10.1.1.1:80'])
    expect(read.warnings).toHaveLength(2)
    expect(read.quarantined).toBe(2)
    expect(sentences(read)[0]).toMatch(/^n2\/web-2: Service\.Port is not as Consul writes it/)
    expect(read.incomplete).toBe(false)
  })

  it('leave a member as it was known, also when it moves to a bad address', () => {
    const previous = instances([entry(1), entry(2, { service: { Weights: { Passing: 9, Warning: 1 } } })])
    const read = instances([entry(1), entry(2, { service: { Address: 'nowhere' } })], { previous })
    expect([...read.backends]).toEqual([...previous.backends])
    expect(sentences(read)[0]).toContain('(it stays as it was known)')
  })

  it('are forgotten when they leave', () => {
    const previous = instances([entry(1), entry(2)])
    const bad = instances([entry(1), entry(2, { service: { Address: 'nowhere' } })], { previous })
    expect(keys(instances([entry(1)], { previous: bad }))).toEqual(['10.1.1.1:80'])
  })

  it('make the answer incomplete when not even their name can be read', () => {
    const read = instances([entry(1), { Node: null, Service: 7 }, null])
    expect(keys(read)).toEqual(['10.1.1.1:80'])
    expect(read.incomplete).toBe(true)
  })

  it('make no answer when it is not a list', () => {
    for (const json of [null, {}, 'x', 7]) expect(readHealthEntries(json)).toBeUndefined()
  })
})

describe('instances with one address and port', () => {
  const twin = (id: string, checks: Readonly<Record<string, string>>) => entry(1, { service: { ID: id }, checks })

  it('are one member, for which the healthier speaks', () => {
    for (const order of [
      ['critical', 'passing'],
      ['passing', 'critical'],
    ]) {
      const read = instances([twin('a', { http: order[0] ?? '' }), twin('b', { http: order[1] ?? '' })])
      expect(keys(read)).toEqual(['10.1.1.1:80'])
      expect(only(read)?.state).toBe('passing')
    }
  })

  it('do not depend on the order of the answer', () => {
    const all = [twin('b', {}), twin('a', {}), entry(2)]
    expect([...instances(all).backends]).toEqual([...instances(all.toReversed()).backends])
    expect(only(instances(all))?.meta).toEqual({ node: 'n1', id: 'a' })
  })
})

describe('an answer that no Consul gives', () => {
  it('may have a weight that is nested deeper than can be shown', () => {
    const deep = `${'['.repeat(100_000)}${']'.repeat(100_000)}`
    const text = JSON.stringify([entry(1, { service: { Weights: { Passing: 'deep', Warning: 1 } } })]).replace('"deep"', deep)
    const read = readInstances(readHealthEntries(JSON.parse(text)) ?? [], { passingOnly: false }, ipv4, { origin: 'consul web' })
    expect(only(read)).toMatchObject({ address: '10.1.1.1', state: 'passing' })
    expect(read.warnings.map(({ problem }) => problem)).toEqual(['Weights.Passing (a list) is not a weight from 0 to 65535'])
  })

  it.each([
    [100, 'a list'],
    [101, 'none'],
    [1_000_000, 'none'],
  ])('of %i entries without node and id is %s', (count, verdict) => {
    const read = readHealthEntries(Array.from({ length: count }, () => 1))
    expect(read === undefined ? 'none' : 'a list').toBe(verdict)
  })

  it('of more instances than any cluster has is none', () => {
    expect(readHealthEntries(new Array(100_001).fill(entry(1)))).toBeUndefined()
  })
})
